"""Where the model may decide by itself, learnt on held-out rows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import final

from typing_extensions import override

from mldeploy.data import Dataset
from mldeploy.evidence import Finding, Report, Severity, Verdict
from mldeploy.model import Model
from mldeploy.problem import Autonomy, Problem, ReviewUncertain, Route, Routing, ScoredRows
from mldeploy.stats import looks_alpha, wilson
from mldeploy.validation._looks import LookingValidator
from mldeploy.validation._risk_coverage import RiskCoverage, risk_coverage

_NAME = "automatic_share"
_CURVE = "risk_coverage"
_NO_PROBABILITY = "The model gives no probabilities, so people decide every time."


@final
@dataclass(frozen=True, kw_only=True)
class AutonomyValidator(LookingValidator):
    """Make the problem's autonomy policy concrete: from which confidence on answers may stand.

    The finding carries the routing; `routing_from` reads it, and the bundle takes it along, so
    that what serves is what was judged.

    Attributes
    ----------
    n_looks : int
        As of `CriteriaValidator`: what is promised with a chance of `delta` to be broken is so,
        too, where thresholds of other models were learnt on these rows before.
    """

    @override
    def _validate(
        self, model: Model, dataset: Dataset, problem: Problem, *, champion: Model | None
    ) -> Iterator[Finding]:
        rows = model.scored_rows(dataset)
        unsure = isinstance(problem.autonomy, ReviewUncertain) and (
            rows.y_score is None or not model.signature.probabilistic
        )
        routing = _nothing_alone(len(rows)) if unsure else self._policy(problem).calibrate(rows)
        automatic = routing.coverage if routing.certain is Route.AUTOMATIC else 0.0
        share = wilson(round(automatic * routing.n), routing.n)
        impossible = routing.certain is Route.REVIEW
        yield Finding(
            check=type(self).__name__,
            name=_NAME,
            verdict=Verdict.INSUFFICIENT if impossible else Verdict.PASS,
            severity=Severity.WARNING if impossible else Severity.INFO,
            summary=_NO_PROBABILITY if unsure else _in_words(routing),
            action=_what_to_do(unsure=unsure) if impossible else "",
            estimate=share.value,
            interval=share.interval,
            n=routing.n,
            details={
                **routing.to_jsonable(),
                **_curve(problem, routing, None if unsure else rows),
            },
        )

    def _policy(self, problem: Problem) -> Autonomy:
        policy = problem.autonomy
        if not isinstance(policy, ReviewUncertain):
            return policy
        return policy.model_copy(update={"delta": looks_alpha(self.n_looks, policy.delta)})


def routing_from(report: Report) -> Routing | None:
    """Return the routing that a validation found; None if no `AutonomyValidator` took part."""
    found = report.select(name=_NAME)
    if not found:
        return None
    details = found[-1].details.items()
    return Routing.model_validate({k: v for k, v in details if k != _CURVE})


def risk_coverage_from(report: Report) -> RiskCoverage | None:
    """Return the curve that an `AutonomyValidator` found; None if there is none."""
    kept = [f.details.get(_CURVE) for f in report.select(name=_NAME)]
    return next((RiskCoverage.model_validate_json(str(k)) for k in kept if k is not None), None)


def _curve(problem: Problem, routing: Routing, rows: ScoredRows | None) -> dict[str, str]:
    """Return the curve behind a routing, where answers have probabilities."""
    found = None if rows is None else risk_coverage(rows)
    if found is None:
        return {}
    policy, is_shared = problem.autonomy, routing.certain is not routing.uncertain
    stated = {
        "max_error": policy.max_error if isinstance(policy, ReviewUncertain) else None,
        "chosen": routing.coverage if is_shared else None,
    }
    return {_CURVE: found.model_copy(update=stated).to_json()}


def _nothing_alone(n: int) -> Routing:
    return Routing(certain=Route.REVIEW, uncertain=Route.REVIEW, coverage=0.0, n=n)


def _what_to_do(*, unsure: bool) -> str:
    if unsure:
        return "Use an estimator with predict_proba, or calibrate this one."
    return "Lower the promise, or improve the model."


def _in_words(routing: Routing) -> str:
    if routing.certain is Route.ADVICE:
        return "People decide every time; the model advises."
    if routing.uncertain is Route.AUTOMATIC:
        return "The model decides every time."
    if routing.certain is Route.REVIEW:
        return "No confidence keeps the promised error, so people decide every time."
    return (
        f"The model decides alone from a confidence of {routing.min_confidence:.3f} on, with "
        f"{routing.error or 0:.2%} wrong there; people decide on the rest."
    )

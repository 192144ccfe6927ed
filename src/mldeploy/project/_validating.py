"""Judge a model once: looks are counted, and what was judged before is found again."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass
from functools import cache
from importlib.metadata import version as installed_version
from types import FunctionType
from typing import Final, final

from mldeploy._record import Clock, digest_of
from mldeploy.data import Dataset, row_digests
from mldeploy.errors import PromotionError
from mldeploy.evidence import Finding, Report, Severity, Verdict
from mldeploy.model import CodeState, Model
from mldeploy.problem import Problem
from mldeploy.project._settings import settings_of
from mldeploy.registry import Evaluations, sketch_of
from mldeploy.stats import worth_after_looks
from mldeploy.store import JsonValue
from mldeploy.validation import SupportsLooks, Validator

_WARNED: Final = 0.25
"""Share of as many fresh rows that a look is worth, below which somebody is warned."""
_WORN_OUT: Final = 0.1
"""The same, below which nothing is claimed: the interval reaches six standard errors to either
side, where no normal approximation can be trusted any more."""
_MOST_TRIES: Final = 20
_OURS: Final = "mldeploy."
_LIBRARIES: Final = ("numpy", "pandas", "polars", "scikit-learn", "scipy")


@final
@dataclass(frozen=True, kw_only=True)
class Judged:
    """Judges models by one problem, and keeps what came of it.

    Attributes
    ----------
    evaluations : Evaluations
        Where looks are kept.
    problem : Problem
        What "good" means.
    by : str
        Who asks.
    clock : Clock
        Tells the time.
    """

    evaluations: Evaluations
    problem: Problem
    by: str
    clock: Clock

    def validate(
        self, model: Model, dataset: Dataset, validator: Validator, *, champion: Model | None
    ) -> Report:
        """Return what a validator finds, or what it found before on the very same things.

        Nothing is kept of a validation that is interrupted or fails. If somebody else looks at
        the rows in the meantime, the model is judged again, with an interval that allows for it.
        """
        key = _key(model, dataset, self.problem, validator, champion=champion)
        found = self.evaluations.find(key, data=dataset.fingerprint)
        if found is not None:
            return found
        self.problem.check_columns(dataset.columns)
        labelled = dataset.labelled()
        sketch = sketch_of(row_digests(labelled.polars()).tolist())
        about = {"model": model.digest, "problem": self.problem.digest}
        for _ in range(_MOST_TRIES):
            n_looks = self.evaluations.count(**about, sketch=sketch, n_rows=len(labelled))
            report = self._report(model, dataset, validator, champion=champion, n_looks=n_looks)
            if self.evaluations.record(
                report,
                name=self.problem.name,
                key=key,
                sketch=sketch,
                n_rows=len(labelled),
                n_looks=n_looks,
                by=self.by,
            ):
                return report
        raise RuntimeError(f"others looked at these rows {_MOST_TRIES} times meanwhile; try again")

    def must_be_evidence(self, report: Report, model: Model) -> None:
        """Refuse a report that was not made here, is of another model, or was overtaken."""
        complaint = self.evaluations.complaint(
            report, model=model.digest, problem=model.problem.digest
        )
        if complaint is not None:
            raise PromotionError(f"nothing can be registered with this report: {complaint}")

    def _report(
        self,
        model: Model,
        dataset: Dataset,
        validator: Validator,
        *,
        champion: Model | None,
        n_looks: int,
    ) -> Report:
        allows = isinstance(validator, SupportsLooks)
        part = (
            validator.after_looks(n_looks) if isinstance(validator, SupportsLooks) else validator
        )
        report = part.validate(model, dataset, self.problem, champion=champion, clock=self.clock)
        if n_looks == 1:
            return report
        worn = _wear(n_looks, allows=allows)
        return report.model_copy(update={"findings": (*report.findings, worn)})


def _wear(n_looks: int, *, allows: bool) -> Finding:
    """Return what so many looks have left of the rows."""
    worth = worth_after_looks(n_looks)
    severity, verdict = Severity.INFO, Verdict.PASS
    if worth < _WORN_OUT:
        severity, verdict = Severity.BLOCKER, Verdict.INSUFFICIENT
    elif worth < _WARNED or not allows:
        severity, verdict = Severity.WARNING, Verdict.INSUFFICIENT
    told = (
        f"Intervals are as wide as {worth:.0%} as many fresh rows would make them."
        if allows
        else "This validator does not allow for that: its intervals are too narrow."
    )
    return Finding(
        check="Evaluations",
        name="evaluation_looks",
        verdict=verdict,
        severity=severity,
        summary=f"These rows have judged {n_looks - 1} other models before. {told}",
        action="" if verdict is Verdict.PASS else "Judge by rows that nobody has looked at.",
        estimate=float(n_looks),
        threshold=float(_first_look_worth_less_than(_WORN_OUT) - 1),
        unit="looks",
        details={"worth": worth},
    )


def _first_look_worth_less_than(share: float) -> int:
    return next(k for k in range(1, 1000) if worth_after_looks(k) < share)


def _key(
    model: Model,
    dataset: Dataset,
    problem: Problem,
    validator: Validator,
    *,
    champion: Model | None,
) -> str:
    """Return the digest of all that a report depends on.

    Validators of mldeploy are known by its version. What others wrote may call anything, so the
    whole working tree counts as soon as one of theirs takes part.
    """
    theirs = list[JsonValue](_code_of(validator))
    about: dict[str, JsonValue] = {
        "model": model.digest,
        "signature": model.signature.digest,
        "provenance": model.provenance.digest,
        "baselines": {name: rival.digest for name, rival in model.baselines.items()},
        "champion": None if champion is None else champion.digest,
        "data": dataset.fingerprint,
        "roles": dataset.roles.digest,
        "problem": problem.digest,
        "validator": settings_of(validator),
        "validator_code": [theirs, CodeState.of().digest] if theirs else [],
        "mldeploy": _installed("mldeploy"),
        "python": sys.version.split()[0],
        "libraries": {name: _installed(name) for name in _LIBRARIES},
    }
    return digest_of(about)


@cache
def _installed(name: str) -> str:
    """Return the version of a distribution; a process keeps what it has imported."""
    return installed_version(name)


def _code_of(part: object) -> Iterator[JsonValue]:
    """Yield what the methods of a user's own validators do: a notebook's cell keeps its name."""
    for cls in type(part).__mro__:
        if isinstance(part, Validator) and not cls.__module__.startswith(_OURS):
            for name, method in sorted(vars(cls).items()):
                if isinstance(method, FunctionType):
                    yield [cls.__qualname__, name, settings_of(method)]
    if is_dataclass(part):
        for field in fields(part):
            value = getattr(part, field.name)
            for inner in value if isinstance(value, list | tuple) else (value,):
                if isinstance(inner, Validator):
                    yield from _code_of(inner)

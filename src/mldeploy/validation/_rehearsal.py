"""A dress rehearsal: the bundle in a fresh process, its answers, its times, and the way back."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np
from typing_extensions import override

from mldeploy.data import Dataset
from mldeploy.errors import RehearsalFailedError, SerializationError
from mldeploy.evidence import Finding, Severity, Verdict, figure
from mldeploy.model import Bundle, Model, Provenance, Rehearsal, rehearse
from mldeploy.problem import Criterion, Judge, MetricKind, Problem, ScoredRows, Task
from mldeploy.stats import Estimate, Interval
from mldeploy.validation._base import Validator
from mldeploy.validation._latencies import DETAIL, NAME, Latencies

_MOST_ROWS = 2_000


@final
@dataclass(frozen=True, kw_only=True)
class RehearsalValidator(Validator):
    """Serve the model once, before it serves: from its bundle, in a process of its own.

    The bundle is written and compiled as a registry would have it, and loaded by a process that
    shares nothing with this one. That process must answer the bundle's golden rows as the model
    did; its latencies, memory and start are held against the problem's criteria; its versions
    are held against those that the model was trained with; and it goes back to the champion,
    which must answer *its* golden rows. Everything is measured without HTTP on this machine:
    run it where the model will serve. It takes some seconds, so `default_validators` leaves it
    out.

    Attributes
    ----------
    n_calls : int, optional
        Single rows that are timed. By default four times as many as the tail is rare: 400 for
        the 99th percentile, 100 at least.
    trusted : tuple of str
        Types that may come to life when the model is loaded; see `Bundle.load_model`.

    Examples
    --------
    >>> RehearsalValidator(n_calls=1000).n_calls
    1000
    """

    n_calls: int | None = None
    trusted: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "trusted", tuple(self.trusted))
        if self.n_calls is not None and self.n_calls < 100:
            raise ValueError(f"{self.n_calls=} cannot tell a tail; time at least 100 calls")

    @override
    def _validate(
        self, model: Model, dataset: Dataset, problem: Problem, *, champion: Model | None
    ) -> Iterator[Finding]:
        rarest = max((c.metric.quantile or 0.0 for c in problem.criteria), default=0.0)
        calls = self.n_calls or max(round(4 / (1 - rarest)), 100)
        try:
            found = rehearsed(
                model, dataset, n_calls=calls, champion=champion, trusted=self.trusted
            )
        except (RehearsalFailedError, SerializationError) as error:
            yield self._failed(str(error))
            return
        yield self._loads(found)
        yield from (f.model_copy(update={"check": type(self).__name__}) for f in found.golden)
        yield _environment(type(self).__name__, found, model.provenance)
        yield from judged_by(type(self).__name__, found, problem.criteria, problem.task)
        yield self._rollback(found)

    def _loads(self, found: Rehearsal) -> Finding:
        times = np.array(found.latency_s)
        return Finding(
            check=type(self).__name__,
            name=NAME,
            verdict=Verdict.PASS,
            severity=Severity.INFO,
            summary=(
                f"The {found.serves} model was loaded by a fresh process and answered within "
                f"{figure(found.start_s, 's')}; half of its answers took "
                f"{figure(float(np.quantile(times, 0.5)), 's')}, 99 % at most "
                f"{figure(float(np.quantile(times, 0.99)), 's')}, in "
                f"{figure(round(found.memory_mb, 1), 'MB')}."
            ),
            n=times.size,
            details={
                "serves": found.serves,
                "start_s": found.start_s,
                "memory_mb": found.memory_mb,
                "p50_s": float(np.quantile(times, 0.5)),
                "p99_s": float(np.quantile(times, 0.99)),
                DETAIL: Latencies.of(times).to_json(),
            },
        )

    def _rollback(self, found: Rehearsal) -> Finding:
        if found.rollback is None:
            return Finding(
                check=type(self).__name__,
                name="rollback",
                verdict=Verdict.PASS,
                severity=Severity.INFO,
                summary="There is no champion yet, so there is nothing to go back to.",
            )
        took = figure(found.rollback_s, "s")
        return found.rollback.model_copy(
            update={
                "check": type(self).__name__,
                "name": "rollback",
                "summary": f"The champion answered {took} after it was called back: "
                f"{found.rollback.summary}",
                "details": {**found.rollback.details, "seconds": found.rollback_s},
            }
        )

    def _failed(self, why: str) -> Finding:
        return Finding(
            check=type(self).__name__,
            name=NAME,
            verdict=Verdict.FAIL,
            summary=f"A fresh process cannot serve the model: {why}",
            action="Mend what it says; name types of your own with trusted=.",
        )


def rehearsed(
    model: Model,
    dataset: Dataset,
    *,
    n_calls: int,
    champion: Model | None = None,
    trusted: tuple[str, ...] = (),
) -> Rehearsal:
    """Write the bundles of a model, and of the champion, and rehearse them."""
    spread = np.unique(np.linspace(0, len(dataset) - 1, _MOST_ROWS).astype(np.int64))
    golden = dataset.take(spread)
    with tempfile.TemporaryDirectory(prefix="mldeploy-rehearsal-") as folder:
        bundle = Bundle.write(Path(folder) / "bundle", model, golden=golden)
        former = None
        if champion is not None:
            former = Bundle.write(Path(folder) / "former", champion, golden=golden).directory
        return rehearse(bundle.directory, n_calls=n_calls, former=former, trusted=trusted)


def judged_by(
    check: str, found: Rehearsal, criteria: Sequence[Criterion], task: Task
) -> Iterator[Finding]:
    """Yield what a rehearsal says about the criteria on latency and resources."""
    judge = Judge(check=check)
    measured = {"memory": found.memory_mb, "start_time": found.start_s}
    for criterion in criteria:
        if criterion.metric.kind is MetricKind.LATENCY and not criterion.used_columns:
            nothing = np.zeros(len(found.latency_s))
            rows = ScoredRows(
                task=task,
                y_true=nothing,
                y_pred=nothing,
                latency=np.array(found.latency_s),
            )
            yield from judge.judge(criterion, rows)
        elif criterion.metric.name in measured:
            yield _measured_once(judge, criterion, measured[criterion.metric.name])


def _measured_once(judge: Judge, criterion: Criterion, value: float) -> Finding:
    """Return what a resource that was measured once says about a criterion."""
    once = Interval(low=value, high=value, confidence=0.95)
    return judge.judge_estimate(
        criterion, Estimate(value=value, interval=once, n=1, method="measured once")
    )


def _environment(check: str, found: Rehearsal, recorded: Provenance) -> Finding:
    """Return whether what was loaded are the versions that the model was trained with."""
    known = recorded.environment
    other = {n: v for n, v in found.loaded.items() if n in known and known[n] != v}
    absent = [n for n in found.loaded if n not in known]
    told = [f"{n} {v} (was {known[n]})" for n, v in other.items()]
    told += [f"{n} (was not there)" for n in absent]
    if found.python != recorded.python:
        told.insert(0, f"Python {found.python} (was {recorded.python})")
    return Finding(
        check=check,
        name="environment",
        verdict=Verdict.FAIL if told else Verdict.PASS,
        severity=Severity.WARNING,
        summary=(
            f"Of {len(found.loaded)} distributions that were loaded, {len(told)} differ from "
            f"those that the model was trained with{': ' if told else ''}{', '.join(told[:10])}."
        ),
        action="Install the bundle's requirements.txt, or train anew here." if told else "",
        estimate=float(len(told)),
        n=len(found.loaded),
        threshold=0.0,
    )

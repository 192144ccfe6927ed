"""The criteria of the problem, judged on held-out rows."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import final

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits
from tqdm import tqdm
from typing_extensions import override

from mldeploy.data import Dataset
from mldeploy.errors import RehearsalFailedError, SerializationError
from mldeploy.evidence import Finding, Severity, Verdict
from mldeploy.model import Model, Rehearsal, SkopsFormat
from mldeploy.problem import Criterion, Judge, MetricKind, Problem, ScoredRows
from mldeploy.stats import Estimate, Interval
from mldeploy.validation._looks import LookingValidator
from mldeploy.validation._rehearsal import judged_by, rehearsed
from mldeploy.validation._rivals import rivals_of
from mldeploy.validation._time_order import not_later

_OF_PROBABILITIES = frozenset(
    {"brier", "log_loss", "neg_brier_score", "neg_log_loss", "d2_brier_score", "d2_log_loss_score"}
)


@final
@dataclass(frozen=True, kw_only=True)
class CriteriaValidator(LookingValidator):
    """Judge every criterion of the problem that is measured on rows, on its interval.

    Baselines that were trained beside the model, and the champion, answer the same rows.
    Latencies are measured here, one row at a time and without a server: a rehearsal where the
    model will run is stricter.

    Attributes
    ----------
    n_latency_rows : int, optional
        Rows that are answered one by one, when a criterion asks for a latency. By default four
        times as many as the tail is rare: 400 for the 99th percentile, 100 at least.
    random_state : int
        Seed of the bootstrap and of the choice of those rows.
    n_looks : int
        The how-manieth model it is that these rows judge; a project counts, see
        `mldeploy.stats.looks_confidence`.
    """

    n_latency_rows: int | None = None
    random_state: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.n_latency_rows is not None and self.n_latency_rows < 100:
            raise ValueError(f"{self.n_latency_rows=} cannot tell a tail; time at least 100 rows")

    @override
    def _validate(
        self, model: Model, dataset: Dataset, problem: Problem, *, champion: Model | None
    ) -> Iterator[Finding]:
        check = type(self).__name__
        yield from not_later(check, model, dataset)
        of_rows = [k for k in problem.criteria if k.metric.kind is not MetricKind.DATA]
        columns = sorted({column for k in of_rows for column in k.used_columns})
        rows = model.scored_rows(dataset, columns=columns)
        judge = Judge(
            check=check,
            rivals=rivals_of(model, dataset, champion=champion, columns=columns),
            random_state=self.random_state,
            n_looks=self.n_looks,
        )
        timed: ScoredRows | None = None
        rehearsal = cache(partial(rehearsed, model, dataset, n_calls=100))
        for criterion in tqdm(problem.criteria, desc="criteria", delay=1, leave=False):
            if criterion.metric.kind is MetricKind.LATENCY:
                timed = timed or self._timed(model, dataset, rows, problem)
                yield from judge.judge(criterion, timed)
            elif criterion.metric.kind is MetricKind.RESOURCE:
                yield from _resources(judge, criterion, model, rehearsal)
            elif criterion.metric.kind is MetricKind.DATA:
                yield _judged_elsewhere(check, criterion)
            else:
                yield from judge.judge(criterion, _without_scores(criterion, model, rows))

    def _timed(
        self, model: Model, dataset: Dataset, rows: ScoredRows, problem: Problem
    ) -> ScoredRows:
        """Answer some rows one by one and return them with how long each took."""
        rarest = max(c.metric.quantile or 0.0 for c in problem.criteria)
        wanted = self.n_latency_rows or max(round(4 / (1 - rarest)), 100)
        rng = np.random.default_rng(self.random_state)
        chosen = rng.choice(len(dataset), size=min(wanted, len(dataset)), replace=False)
        seconds = seconds_per_row(model, dataset.take(chosen))
        return replace(rows.take(chosen), latency=seconds)


def _without_scores(criterion: Criterion, model: Model, rows: ScoredRows) -> ScoredRows:
    """Leave scores out where the metric takes them for probabilities, and they are none."""
    if model.signature.probabilistic or criterion.metric.name not in _OF_PROBABILITIES:
        return rows
    return replace(rows, y_score=None)


def seconds_per_row(model: Model, dataset: Dataset) -> npt.NDArray[np.float64]:
    """Return how long the model takes for each row on its own, after three to warm up.

    On one core: one row is too little to share, and threads that wait for each other on a busy
    machine would say nothing about the model.
    """
    X = dataset.X()
    seconds = np.empty(len(X))
    with threadpool_limits(1, user_api="openmp"):
        for i in range(min(3, len(X))):
            model.predict(X.iloc[i : i + 1])
        for i in range(len(X)):
            start = time.perf_counter()
            model.predict(X.iloc[i : i + 1])
            seconds[i] = time.perf_counter() - start
    return seconds


def _resources(
    judge: Judge, criterion: Criterion, model: Model, rehearsal: Callable[[], Rehearsal]
) -> Iterator[Finding]:
    """Judge a resource: what is not known from the file is rehearsed in a fresh process."""
    name = criterion.metric.name
    if name == "model_size":
        yield judge.judge_estimate(criterion, _model_size(model))
        return
    why = "it is measured where prices are known, by `mldeploy bench`"
    if name in ("memory", "start_time"):
        try:
            yield from judged_by(judge.check, rehearsal(), (criterion,), model.signature.task)
        except (RehearsalFailedError, SerializationError) as error:
            why = str(error)
        else:
            return
    yield Finding(
        check=judge.check,
        name=name,
        verdict=Verdict.INSUFFICIENT,
        severity=criterion.severity,
        summary=f"It cannot be told whether {criterion} holds: {why}.",
        criterion=criterion.digest,
        unit=criterion.metric.unit,
    )


def _model_size(model: Model) -> Estimate:
    """Return the size of the stored model in MB, which is known exactly."""
    size = len(SkopsFormat().dump(model.estimator)) / 1e6
    exact = Interval(low=size, high=size, confidence=0.95)
    return Estimate(value=size, interval=exact, n=1, method="exact")


def _judged_elsewhere(check: str, criterion: Criterion) -> Finding:
    return Finding(
        check=check,
        name=criterion.metric.name,
        verdict=Verdict.PASS,
        severity=Severity.INFO,
        summary=f"{criterion}: judged on the data, when it is assessed and monitored.",
        criterion=criterion.digest,
    )

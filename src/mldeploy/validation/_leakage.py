"""Does the model know what nobody can know yet? Columns that tell the label through it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
import polars as pl
from typing_extensions import override

from mldeploy.data import Dataset
from mldeploy.errors import NotMeasurableError
from mldeploy.evidence import Finding, Severity, Verdict, figure
from mldeploy.model import Model
from mldeploy.problem import (
    Metric,
    Problem,
    ScoredRows,
    Task,
    find_metric,
    measure,
    point_value,
)
from mldeploy.stats import Estimate, rows_needed, wilson
from mldeploy.validation._base import Validator
from mldeploy.validation._halves import first_half
from mldeploy.validation._shuffled import Shuffled, drawn, quoted

_NEAR = 0.02
_FEWEST = 100


@final
@dataclass(frozen=True, kw_only=True)
class LeakageValidator(Validator):
    """Ask the fitted model whether a few columns alone tell it the label.

    A model that ranks better than `max_score` is asked again with all columns but one, two or
    three dealt out anew among the rows. If it still does as well, these columns tell the label:
    they are named, and block. They are searched on one half of the rows and confirmed on the
    other. A model that does too well without such columns is reported as a warning. Times among
    its inputs that lie after the prediction block as well.

    Attributes
    ----------
    max_score : float
        From where on a score is too good to be true: the area under the ROC curve, balanced
        accuracy where there are no scores or several classes, or R².
    confidence : float
        Two-sided confidence of its interval, whose lower end must be above.
    max_columns : int
        Columns that tell the label together at most.
    max_late : float
        Share of rows in which an input may lie after the prediction.
    max_rows : int
        Rows that are asked about at most.
    random_state : int
        Seed of the draw of rows and of the dealing.

    Notes
    -----
    `LeakageAssessor` looks at the data before anything is trained. This looks at what the model
    made of it: a column that it ignores does no harm, and one that tells only together with
    others is found as the model combines them.

    Examples
    --------
    >>> LeakageValidator(max_score=0.98).max_columns
    3
    """

    max_score: float = 0.95
    confidence: float = 0.99
    max_columns: int = 3
    max_late: float = 0.001
    max_rows: int = 10_000
    random_state: int = 0

    def __post_init__(self) -> None:
        if not 0.5 < self.max_score < 1 or not 0.5 < self.confidence < 1:
            raise ValueError(f"{self.max_score=}, {self.confidence=}: both lie in (0.5, 1)")
        if not 0 <= self.max_late < 1:
            raise ValueError(f"{self.max_late=}: a share lies in [0, 1)")
        if self.max_columns < 1 or self.max_rows < _FEWEST:
            raise ValueError(
                f"{self.max_columns=}, {self.max_rows=}: look at a column or more, on "
                f"{_FEWEST} rows or more"
            )

    @override
    def _validate(
        self, model: Model, dataset: Dataset, problem: Problem, *, champion: Model | None
    ) -> Iterator[Finding]:
        yield from self._late(model, dataset)
        rng = np.random.default_rng(self.random_state)
        dataset = drawn(dataset, self.max_rows, rng)
        asked = Shuffled.of(model, dataset, rng)
        metric = _metric(problem.task, model)
        try:
            value = point_value(metric, asked.rows)
            whole = self._measured(metric, asked.rows) if value > self.max_score else None
        except NotMeasurableError as error:
            yield self._unknown(metric, str(error))
            return
        if whole is None:
            yield self._plausible(metric, value, len(dataset))
            return
        if whole.interval.low <= self.max_score or len(dataset) < _FEWEST:
            yield self._too_few(metric, whole, len(dataset))
            return
        half = first_half(dataset)
        told = self._searched(metric, asked.take(half))
        found = self._confirmed(metric, asked.take(~half), told)
        yield from (self._leak(metric, columns, kept, whole) for columns, kept in found)
        if not found:
            yield self._too_good(metric, whole)

    def _measured(self, metric: Metric, rows: ScoredRows) -> Estimate:
        return measure(metric, rows, confidence=self.confidence, random_state=self.random_state)

    def _searched(self, metric: Metric, asked: Shuffled) -> list[tuple[str, ...]]:
        """Return the columns that tell enough alone; else the fewest that do so together."""
        kept: tuple[str, ...] = ()
        for _ in range(min(self.max_columns, asked.X.shape[1])):
            scores = {
                name: _value(metric, asked.keeping((*kept, name)))
                for name in asked.X.columns
                if name not in kept
            }
            best = max(scores, key=lambda name: scores[name])
            near = [n for n, score in scores.items() if score > self.max_score - _NEAR]
            if near and not kept:
                return [(name,) for name in near]
            kept = (*kept, best)
            if scores[best] > self.max_score - _NEAR:
                return [kept]
        return []

    def _confirmed(
        self, metric: Metric, asked: Shuffled, told: Sequence[tuple[str, ...]]
    ) -> list[tuple[tuple[str, ...], Estimate]]:
        found = []
        for columns in told:
            try:
                kept = self._measured(metric, asked.keeping(columns))
            except NotMeasurableError:
                continue
            if kept.interval.low > self.max_score:
                found.append((columns, kept))
        return found

    def _leak(
        self, metric: Metric, columns: tuple[str, ...], kept: Estimate, whole: Estimate
    ) -> Finding:
        alone = "alone" if len(columns) == 1 else "together"
        return Finding(
            check=type(self).__name__,
            name="leaking_columns",
            verdict=Verdict.FAIL,
            summary=(
                f"{quoted(columns)} {alone} tell the label: with all other columns dealt out "
                f"anew {metric.name} is still {figure(kept.value)}, of {figure(whole.value)}."
            ),
            action="Drop what is known only after the prediction, or say when it is known.",
            estimate=kept.value,
            interval=kept.interval,
            n=kept.n,
            threshold=self.max_score,
            column=" & ".join(columns),
            details={"method": kept.method, "with_all_columns": whole.value},
        )

    def _plausible(self, metric: Metric, value: float, n: int) -> Finding:
        return Finding(
            check=type(self).__name__,
            name="leaking_columns",
            verdict=Verdict.PASS,
            summary=(
                f"{metric.name} is {figure(value)}, which is not beyond what can be known "
                "beforehand."
            ),
            estimate=value,
            n=n,
            threshold=self.max_score,
        )

    def _too_few(self, metric: Metric, whole: Estimate, n: int) -> Finding:
        total = rows_needed(whole, threshold=self.max_score, n=n)
        more = None if total is None else max(total, _FEWEST) - n
        return Finding(
            check=type(self).__name__,
            name="too_good",
            verdict=Verdict.INSUFFICIENT,
            severity=Severity.WARNING,
            summary=(
                f"{metric.name} is {figure(whole.value)}, and {n:,} rows are too few to tell "
                "whether that is too good to be true."
            ),
            action=f"About {more:,} more rows would settle it." if more else "",
            estimate=whole.value,
            interval=whole.interval,
            n=whole.n,
            threshold=self.max_score,
            rows_needed=more or None,
        )

    def _too_good(self, metric: Metric, whole: Estimate) -> Finding:
        return Finding(
            check=type(self).__name__,
            name="too_good",
            verdict=Verdict.INSUFFICIENT,
            severity=Severity.WARNING,
            summary=(
                f"{metric.name} is {figure(whole.value)}, and no {self.max_columns} columns "
                "explain it."
            ),
            action=(
                "Either the problem is easy, or rows of the training data occur among these: "
                "look at how they were divided."
            ),
            estimate=whole.value,
            interval=whole.interval,
            n=whole.n,
            threshold=self.max_score,
        )

    def _unknown(self, metric: Metric, why: str) -> Finding:
        return Finding(
            check=type(self).__name__,
            name="leaking_columns",
            verdict=Verdict.INSUFFICIENT,
            severity=Severity.WARNING,
            summary=f"It cannot be told whether the model does too well: {why}.",
            action=f"Validate on rows on which {metric.name} has a value.",
        )

    def _late(self, model: Model, dataset: Dataset) -> Iterator[Finding]:
        time, table = dataset.roles.time, dataset.polars()
        if time is None:
            return
        for name in model.signature.features:
            if name == time or not isinstance(table.schema[name], pl.Datetime):
                continue
            after = pl.col(name).dt.epoch("us") > pl.col(time).dt.epoch("us")
            n_late = int(table.select(after.sum()).item() or 0)
            share = wilson(n_late, len(table))
            if share.interval.low > self.max_late:
                yield self._too_late(name, time, share)

    def _too_late(self, name: str, time: str, share: Estimate) -> Finding:
        return Finding(
            check=type(self).__name__,
            name="known_too_late",
            verdict=Verdict.FAIL,
            summary=(
                f"In {share.value:.1%} of rows the model reads a {name!r} that lies after "
                f"{time!r}, when it is asked."
            ),
            action="Drop it, or ask later.",
            estimate=share.value,
            interval=share.interval,
            n=share.n,
            threshold=self.max_late,
            column=name,
        )


def _metric(task: Task, model: Model) -> Metric:
    if task is Task.REGRESSION:
        return find_metric("r2")
    ranks = model.signature.probabilistic or hasattr(model.estimator, "decision_function")
    return find_metric("roc_auc" if task is Task.BINARY and ranks else "balanced_accuracy")


def _value(metric: Metric, rows: ScoredRows) -> float:
    try:
        return point_value(metric, rows)
    except NotMeasurableError:
        return 0.0

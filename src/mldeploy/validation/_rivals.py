"""What a candidate is compared with: its baselines, and the champion."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import final

from typing_extensions import override

from mldeploy.data import Dataset
from mldeploy.evidence import Finding, Severity
from mldeploy.model import Model
from mldeploy.problem import (
    Criterion,
    Judge,
    MetricKind,
    Needs,
    Problem,
    Rival,
    ScoredRows,
    find_metric,
)
from mldeploy.validation._last_value import answers_of_people, last_value
from mldeploy.validation._looks import LookingValidator


def rivals_of(
    model: Model, dataset: Dataset, *, champion: Model | None, columns: Sequence[str] = ()
) -> dict[Rival, dict[str, ScoredRows]]:
    """Return the answers of the baselines and of the champion to the same rows.

    Where rows have a time and come again and again from the same units, or are one series, the
    last label that was known counts as a baseline beside those that were trained.
    """
    rivals: dict[Rival, dict[str, ScoredRows]] = {
        "baseline": {
            name: baseline.scored_rows(dataset, columns=columns)
            for name, baseline in model.baselines.items()
        }
    }
    if (last := last_value(model, dataset, rivals["baseline"], columns=columns)) is not None:
        rivals["baseline"]["last value"] = last
    if champion is not None:
        rivals["champion"] = {"champion": champion.scored_rows(dataset, columns=columns)}
    return rivals


@final
@dataclass(frozen=True, kw_only=True)
class BaselineValidator(LookingValidator):
    """Compare a model with its baselines and the champion, even where no criterion asks for it.

    Each quality metric of the criteria is compared on the same rows, paired. Beating nothing is
    worth a warning, never a blocker: what must be beaten, and by how much, is for a criterion.

    Attributes
    ----------
    people : str, optional
        Column with what people decided on the same rows; those without a decision are left out.
    by : float
        How much better than the model people may be, in the metric's unit.
    confidence : float
        Two-sided confidence of the intervals.
    random_state : int
        Seed of the bootstrap.
    n_looks : int
        As of `CriteriaValidator`.
    """

    people: str | None = None
    by: float = 0.0
    confidence: float = 0.95
    random_state: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.by < 0:
            raise ValueError(f"{self.by=}: a margin is 0 or more")

    @override
    def _validate(
        self, model: Model, dataset: Dataset, problem: Problem, *, champion: Model | None
    ) -> Iterator[Finding]:
        judge = Judge(
            check=type(self).__name__,
            rivals=rivals_of(model, dataset, champion=champion),
            random_state=self.random_state,
            n_looks=self.n_looks,
        )
        rows = model.scored_rows(dataset)
        for criterion in self._comparisons(problem, has_champion=champion is not None):
            yield from judge.judge(criterion, rows)
        if self.people is not None:
            yield from self._people(self.people, model, dataset, problem, rows)

    def _people(
        self, column: str, model: Model, dataset: Dataset, problem: Problem, rows: ScoredRows
    ) -> Iterator[Finding]:
        """Compare the model with what people decided, by the metrics of decisions."""
        theirs, decided = answers_of_people(model, dataset, column, rows)
        judge = Judge(
            check=type(self).__name__,
            rivals={"baseline": {column: theirs}},
            random_state=self.random_state,
            n_looks=self.n_looks,
        )
        metrics = {
            c.metric.name: c.metric
            for c in problem.criteria
            if c.metric.kind in {MetricKind.QUALITY, MetricKind.BUSINESS}
            and c.metric.needs is Needs.PREDICTION
        }
        usual = "accuracy" if problem.task.is_classification else "mean_absolute_error"
        for metric in metrics.values() or [find_metric(usual)]:
            criterion = Criterion(
                metric,
                not_worse_than="baseline",
                by=self.by,
                confidence=self.confidence,
                severity=Severity.WARNING,
            )
            for finding in judge.judge(criterion, rows.take(decided)):
                yield finding.model_copy(update={"name": f"{metric.name} vs people"})

    def _comparisons(self, problem: Problem, *, has_champion: bool) -> Iterator[Criterion]:
        asked = {
            (c.metric.name, c.better_than or c.not_worse_than)
            for c in problem.criteria
            if not c.slices and c.where is None
        }
        quality = {
            c.metric.name: c.metric
            for c in problem.criteria
            if c.metric.kind is MetricKind.QUALITY
        }
        for name, metric in quality.items():
            if (name, "baseline") not in asked:
                yield Criterion(
                    metric,
                    better_than="baseline",
                    confidence=self.confidence,
                    severity=Severity.WARNING,
                )
            if has_champion and (name, "champion") not in asked:
                yield Criterion(
                    metric,
                    not_worse_than="champion",
                    confidence=self.confidence,
                    severity=Severity.WARNING,
                )

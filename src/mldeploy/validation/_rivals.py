"""What a candidate is compared with: its baselines, and the champion."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import final

from typing_extensions import override

from mldeploy.data import Dataset
from mldeploy.evidence import Finding, Severity
from mldeploy.model import Model
from mldeploy.problem import (
    Criterion,
    Judge,
    MetricKind,
    Problem,
    Rival,
    ScoredRows,
)
from mldeploy.validation._base import Validator
from mldeploy.validation._looks import must_be_a_look


def rivals_of(
    model: Model, dataset: Dataset, *, champion: Model | None, columns: Sequence[str] = ()
) -> dict[Rival, dict[str, ScoredRows]]:
    """Return the answers of the baselines and of the champion to the same rows."""
    rivals: dict[Rival, dict[str, ScoredRows]] = {
        "baseline": {
            name: baseline.scored_rows(dataset, columns=columns)
            for name, baseline in model.baselines.items()
        }
    }
    if champion is not None:
        rivals["champion"] = {"champion": champion.scored_rows(dataset, columns=columns)}
    return rivals


@final
@dataclass(frozen=True, kw_only=True)
class BaselineValidator(Validator):
    """Compare a model with its baselines and the champion, even where no criterion asks for it.

    Each quality metric of the criteria is compared on the same rows, paired. Beating nothing is
    worth a warning, never a blocker: what must be beaten, and by how much, is for a criterion.

    Attributes
    ----------
    confidence : float
        Two-sided confidence of the intervals.
    random_state : int
        Seed of the bootstrap.
    n_looks : int
        As of `CriteriaValidator`.
    """

    confidence: float = 0.95
    random_state: int = 0
    n_looks: int = 1

    def __post_init__(self) -> None:
        must_be_a_look(self.n_looks)

    def after_looks(self, n_looks: int) -> BaselineValidator:
        """Return the same validator for the `n_looks`-th model that these rows judge."""
        return replace(self, n_looks=n_looks)

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

"""What the model's quality comes from: columns that matter, and how answers move with them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from typing_extensions import override

from mldeploy.data import Dataset
from mldeploy.errors import InvalidDataError, NotMeasurableError
from mldeploy.evidence import Finding, Report, Severity, Verdict, figure
from mldeploy.model import Model
from mldeploy.problem import Metric, Problem, compare
from mldeploy.stats import Comparison, holm_confidence
from mldeploy.validation._alike import alike_columns
from mldeploy.validation._base import Validator
from mldeploy.validation._partial import PartialDependence, partial_dependence
from mldeploy.validation._refit import quality_metric
from mldeploy.validation._shuffled import Shuffled, drawn, quoted

_NAME = "importance"


@final
@dataclass(frozen=True, kw_only=True)
class ExplanationValidator(Validator):
    """Tell which columns the model's quality comes from, and how answers move with them.

    A column matters by how much worse the model does when the column's values are dealt out anew
    among the rows: a paired comparison with its interval. Columns that tell much the same are
    dealt out together, since the model could else read one in place of the other. For the
    columns that matter most it is told how the mean answer moves with their values.

    That nothing matters beyond chance is a warning; the rest is for the record. What each column
    contributes to *one* answer is told by `mldeploy.serving.explain`.

    Attributes
    ----------
    alike : float
        Cramér's V from which on columns are taken together.
    max_named : int
        Columns, or groups of them, that get a finding each.
    max_curves : int
        Columns whose partial dependence is kept.
    max_columns : int
        Columns that are dealt out one group after the other; of more it says so, and stops.
    max_rows : int
        Rows that are asked about.
    random_state : int
        Seed of the draw and the dealing.

    Notes
    -----
    Permutation importance (L. Breiman, Machine Learning 45, 2001) of the model as it is: a
    column that earns nothing because others could replace it is found by `StabilityValidator`.

    Examples
    --------
    >>> ExplanationValidator(max_curves=5).max_named
    10
    """

    alike: float = 0.7
    max_named: int = 10
    max_curves: int = 3
    max_columns: int = 500
    max_rows: int = 5_000
    random_state: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.alike <= 1:
            raise ValueError(f"{self.alike=}: Cramér's V lies in (0, 1]")
        if self.max_named < 1 or self.max_curves < 0 or self.max_rows < 50 or self.max_columns < 1:
            raise ValueError(
                f"{self.max_named=}, {self.max_curves=}, {self.max_rows=}: name a column or more, "
                "on 50 rows or more"
            )

    @override
    def _validate(
        self, model: Model, dataset: Dataset, problem: Problem, *, champion: Model | None
    ) -> Iterator[Finding]:
        rng = np.random.default_rng(self.random_state)
        dataset = drawn(dataset, self.max_rows, rng)
        asked = Shuffled.of(model, dataset, rng)
        scored = model.signature.probabilistic and asked.rows.y_score is not None
        metric = quality_metric(problem, scored=scored)
        n_columns = len(model.signature.features)
        if n_columns > self.max_columns:
            yield self._unknown(
                metric, f"{n_columns:,} columns are over the {self.max_columns:,} of max_columns"
            )
            return
        groups = alike_columns(asked.X, at_least=self.alike)
        try:
            found = self._importances(metric, asked, groups)
        except NotMeasurableError as error:
            yield self._unknown(metric, str(error))
            return
        ranked = sorted(found, key=lambda columns: -found[columns].difference)
        for place, columns in enumerate(ranked[: self.max_named]):
            curve = self._curve(model, dataset, columns) if place < self.max_curves else None
            yield self._importance(metric, columns, found[columns], curve)
        yield self._summary(metric, found)

    def _importances(
        self, metric: Metric, asked: Shuffled, groups: Sequence[tuple[str, ...]]
    ) -> dict[tuple[str, ...], Comparison]:
        confidence = holm_confidence(len(groups), 0.95)
        return {
            columns: compare(
                metric, asked.rows, asked.without(columns),
                confidence=confidence, random_state=self.random_state,
            )
            for columns in groups
        }  # fmt: skip

    def _curve(
        self, model: Model, dataset: Dataset, columns: tuple[str, ...]
    ) -> PartialDependence | None:
        try:
            return partial_dependence(model, dataset, columns[0], random_state=self.random_state)
        except InvalidDataError:
            return None

    def _importance(
        self,
        metric: Metric,
        columns: tuple[str, ...],
        found: Comparison,
        curve: PartialDependence | None,
    ) -> Finding:
        moves = "" if curve is None else f" On average {curve}."
        return Finding(
            check=type(self).__name__,
            name=_NAME,
            verdict=Verdict.PASS,
            severity=Severity.INFO,
            summary=(
                f"{metric.name} is worse by {figure(found.difference, metric.unit)} when "
                f"{quoted(columns)} {'are' if len(columns) > 1 else 'is'} dealt out anew.{moves}"
            ),
            estimate=found.difference,
            interval=found.interval,
            n=found.n,
            unit=metric.unit,
            column=" & ".join(columns),
            details={
                "method": found.method,
                "partial_dependence": None if curve is None else curve.to_json(),
            },
        )

    def _summary(self, metric: Metric, found: dict[tuple[str, ...], Comparison]) -> Finding:
        used = [c for c, comparison in found.items() if comparison.interval.low > 0]
        idle = [name for c in found if c not in used for name in c]
        gains = [max(found[c].difference, 0.0) for c in found]
        share = max(gains) / sum(gains) if sum(gains) > 0 else 0.0
        told = f" {quoted(idle[:10])} {'are' if len(idle) > 1 else 'is'} not among them."
        return Finding(
            check=type(self).__name__,
            name="columns_that_matter",
            verdict=Verdict.PASS if used else Verdict.INSUFFICIENT,
            severity=Severity.INFO if used else Severity.WARNING,
            summary=(
                f"{len(used)} of {len(found)} columns, or groups of them, matter for "
                f"{metric.name} beyond chance.{told if idle else ''}"
            ),
            action="" if used else "Look whether the model learnt anything, or take more rows.",
            estimate=float(len(used)),
            n=len(found),
            details={"share_of_the_largest": share},
        )

    def _unknown(self, metric: Metric, why: str) -> Finding:
        return Finding(
            check=type(self).__name__,
            name="columns_that_matter",
            verdict=Verdict.INSUFFICIENT,
            severity=Severity.WARNING,
            summary=f"It cannot be told what {metric.name} comes from: {why}.",
            action=f"Validate on rows on which {metric.name} has a value.",
        )


def partial_dependences_from(report: Report) -> tuple[PartialDependence, ...]:
    """Return the partial dependences that an `ExplanationValidator` found."""
    kept = (f.details.get("partial_dependence") for f in report.select(name=_NAME))
    return tuple(PartialDependence.model_validate_json(str(k)) for k in kept if k is not None)

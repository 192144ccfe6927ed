"""Do the rows stand for those that the model will meet?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, final

import numpy as np
import numpy.typing as npt
import polars as pl
from typing_extensions import override

from mldeploy.assessment._base import DataAssessor
from mldeploy.assessment._neighbours import Learner, out_of_fold
from mldeploy.assessment._outcome import Floats, Outcome, some_rows
from mldeploy.assessment._say import holds, skipped, some
from mldeploy.assessment._unlike import Unlike, side_by_side, unlike_columns
from mldeploy.assessment._weighting import (
    Margins,
    cost_of_weights,
    raking_weights,
    with_and_without,
)
from mldeploy.data import Dataset
from mldeploy.errors import InvalidDataError
from mldeploy.evidence import Finding, Severity, Verdict
from mldeploy.problem import Problem, Task
from mldeploy.stats import delong

_ROWS, _COLUMNS = 5_000, 200


@final
@dataclass(frozen=True, kw_only=True)
class RepresentativenessAssessor(DataAssessor):
    """Compare the rows with the population that the model is for, and weight them if need be.

    With a `population` it warns of columns whose means or shares are apart (`unlike`), and of
    rows that a classifier tells from the population's (`told_apart`), which sees joint
    differences, too. Where columns are apart, or `margins` are declared, weights are raked; of
    those, or of weights that the problem declares, it says how many rows they are worth
    (`effective_rows`), and what they change: the label's mean and a small model's score, with
    and without them.

    Attributes
    ----------
    population : Dataset, optional
        Rows of those whom the model will meet, without labels; as many as there are.
    margins : mapping of column to mapping of value to share
        What is known of the population when there are no rows of it, such as from a census.
    max_difference : float, default=0.1
        Largest standardised difference that does not matter, above 0.
    max_auc : float, default=0.55
        Largest AUC of the classifier that does not matter, in [0.5, 1).
    least_effective : float, default=0.5
        Smallest share of the rows that weighted rows should be worth, in (0, 1].
    material : float, default=0.01
        Smallest change by weights that matters: of a share, of a mean in standard deviations, of
        a score.
    confidence : float, default=0.95
        Level of the intervals, for all columns together.
    random_state : int, default=0
        Seed of samples and folds.
    """

    population: Dataset | None = None
    margins: Margins = field(default_factory=dict)
    max_difference: float = 0.1
    max_auc: float = 0.55
    least_effective: float = 0.5
    material: float = 0.01
    confidence: float = 0.95
    random_state: int = 0

    def __post_init__(self) -> None:
        if self.max_difference <= 0 or self.material <= 0 or not 0.5 <= self.max_auc < 1:
            raise ValueError(
                f"{self.max_difference=} and {self.material=} must be above 0, {self.max_auc=} "
                "lies in [0.5, 1)"
            )
        if not 0 < self.least_effective <= 1 or not 0 < self.confidence < 1:
            raise ValueError(f"{self.least_effective=} and {self.confidence=} lie in (0, 1)")

    @override
    def _assess(self, dataset: Dataset, problem: Problem) -> Iterator[Finding]:
        check, rng = type(self).__name__, np.random.default_rng(self.random_state)
        apart: list[Unlike] = []
        if self.population is not None:
            columns = self._shared(dataset, self.population)
            apart = unlike_columns(
                dataset, self.population, columns,
                limit=self.max_difference, confidence=self.confidence,
            )  # fmt: skip
            yield from _unlike(check, apart, columns, self.max_difference, len(dataset))
            yield from self._told_apart(check, dataset, self.population, columns, rng)
        elif not self.margins:
            yield skipped(check, "population", "no target population is declared")
        weights = self._weights(dataset, apart)
        if isinstance(weights, Finding):
            yield weights
        elif weights is None:
            yield skipped(check, "with_weights", "there are no weights, and none are needed")
        else:
            yield cost_of_weights(check, weights, self.least_effective)
            yield from with_and_without(
                check, dataset, problem, weights, material=self.material, rng=rng
            )

    def _shared(self, dataset: Dataset, population: Dataset) -> list[str]:
        asked = dict.fromkeys([*dataset.features, *dataset.roles.sensitive])
        columns = [c for c in asked if c in population.columns]
        if not columns:
            raise InvalidDataError(
                "the population shares no feature or sensitive column with the data; it has "
                f"{some(list(population.columns), 20)}"
            )
        return columns

    def _weights(self, dataset: Dataset, apart: list[Unlike]) -> Floats | Finding | None:
        margins = dict(self.margins) or {u.column: u.margin for u in apart if u.margin is not None}
        if not margins:
            return dataset.weights()
        try:
            return raking_weights(dataset, margins).weights
        except InvalidDataError as error:
            return Finding(
                check=type(self).__name__, name="weights", verdict=Verdict.FAIL,
                severity=Severity.WARNING, summary=f"No weights make up for it: {error}.",
                action="Collect rows of those parts of the population.",
            )  # fmt: skip

    def _told_apart(
        self,
        check: str,
        dataset: Dataset,
        population: Dataset,
        columns: list[str],
        rng: np.random.Generator,
    ) -> Iterator[Finding]:
        if min(len(dataset), len(population)) < 100 or len(columns) > _COLUMNS:
            yield skipped(check, "told_apart", "fewer than 100 rows, or more than 200 columns")
            return
        one, other = (some_rows(d, _ROWS, rng) for d in (dataset, population))
        X = side_by_side(one, other, columns)
        y = np.repeat([1.0, 0.0], [len(one), len(other)])
        outcome = Outcome(task=Task.BINARY, values=y, n_classes=2)
        units = _units(one, other)
        guess = out_of_fold(Learner(task=Task.BINARY), X, outcome, units=units, rng=rng)
        if guess is None:
            yield skipped(check, "told_apart", "each side is a single unit")
            return
        auc = delong(y, guess[:, 0], units=units, confidence=self.confidence)
        apart = auc.interval.low > self.max_auc
        yield Finding(
            check=check,
            name="told_apart",
            verdict=Verdict.FAIL if apart else Verdict.PASS,
            severity=Severity.WARNING if apart else Severity.INFO,
            summary=f"A classifier tells unseen rows from the population's with an AUC of "
            f"{auc.value:.3f}; 0.5 is chance.",
            action="Learn from rows like those that the model will meet, or weight them."
            if apart
            else "",
            estimate=auc.value,
            interval=auc.interval,
            threshold=self.max_auc,
            n=auc.n,
        )


def _units(one: Dataset, other: Dataset) -> npt.NDArray[Any] | None:
    """Return units that are the same if they have the same name, in both tables."""
    if one.roles.unit is None or one.roles.unit not in other.columns:
        return None
    names = [d.polars()[one.roles.unit].cast(pl.String).fill_null("") for d in (one, other)]
    units: npt.NDArray[Any] = pl.concat(names).to_numpy()
    return units


def _unlike(
    check: str, apart: list[Unlike], columns: list[str], limit: float, n: int
) -> Iterator[Finding]:
    for one in sorted(apart, key=lambda u: -abs(u.estimate.value)):
        yield Finding(
            check=check,
            name="unlike",
            verdict=Verdict.FAIL,
            severity=Severity.WARNING,
            summary=f"{one.words} ({one.estimate.value:+.2f} standard deviations).",
            action="Collect rows as the population has them, or weight them (raking_weights).",
            estimate=one.estimate.value,
            interval=one.estimate.interval,
            threshold=limit,
            n=n,
            column=one.column,
        )
    if not apart:
        summary = f"None of {len(columns):,} columns is apart from the population's."
        yield holds(check, "unlike", summary, n=n)

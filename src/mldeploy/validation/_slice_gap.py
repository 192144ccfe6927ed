"""By how much a metric is worse in one slice than in the rest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats as scipy_stats

from mldeploy.problem import Metric, Needs, ScoredRows
from mldeploy.stats import Comparison, Interval, wilson

Array = npt.NDArray[Any]
Mask = npt.NDArray[np.bool_]

_FEWEST_UNITS = 5


@dataclass(frozen=True, kw_only=True)
class Outcomes:
    """What each row adds to a metric that is a ratio of sums.

    Attributes
    ----------
    above, below : ndarray of shape (n_rows,)
        Summands of the numerator and the denominator, weights included.
    sign : int
        1 where higher is better, -1 where lower is.
    units : ndarray of int of shape (n_rows,), optional
        Rows of one number are not independent.
    counted : bool
        Whether rows are independent and each is a success or a failure.
    """

    above: Array
    below: Array
    sign: int
    units: Array | None
    counted: bool

    @classmethod
    def of(cls, metric: Metric, rows: ScoredRows, units: Array | None) -> Outcomes:
        """Read the outcomes off scored rows."""
        answers = rows.y_score if metric.needs is Needs.SCORE else rows.y_pred
        if metric.per_row is None or answers is None:
            raise ValueError(f"{metric.name} is not measured row by row here")
        above, below = (np.asarray(a, float) for a in metric.per_row(rows.y_true, answers))
        plain = rows.weight is None and units is None
        counted = plain and all(np.isin(part, (0.0, 1.0)).all() for part in (above, below))
        weight = 1.0 if rows.weight is None else rows.weight
        return cls(
            above=above * weight,
            below=below * weight,
            sign=1 if metric.higher_is_better else -1,
            units=units,
            counted=counted and bool((above <= below).all()),
        )

    def __len__(self) -> int:
        return len(self.above)

    @property
    def value(self) -> float:
        """The metric over all rows."""
        return float(self.above.sum() / self.below.sum())

    def worse(self) -> npt.NDArray[np.float64]:
        """Return by how much each row makes the metric worse than it is overall."""
        gap = self.sign * (self.value * self.below - self.above)
        return np.asarray(gap, float)

    def take(self, rows: Array) -> Outcomes:
        """Return some of the rows."""
        return Outcomes(
            above=self.above[rows],
            below=self.below[rows],
            sign=self.sign,
            units=None if self.units is None else self.units[rows],
            counted=self.counted,
        )


def gap_between(outcomes: Outcomes, inside: Mask, *, confidence: float) -> Comparison | None:
    """Compare a slice with the rest; positive where the slice is worse.

    Parameters
    ----------
    outcomes : Outcomes
        All rows.
    inside : ndarray of bool of shape (n_rows,)
        The slice.
    confidence : float
        Two-sided level of the interval.

    Returns
    -------
    Comparison or None
        None if either side has too little to measure. `p_value` is one-sided: of "the slice is
        no worse".

    Notes
    -----
    Counts are compared by Fisher's exact test and Newcombe's hybrid score interval (Statistics
    in Medicine 17, 1998, method 10); sums over units by the linearised difference of ratios,
    with as many degrees of freedom as units in the slice less one.
    """
    if not (outcomes.below[inside].sum() > 0 and outcomes.below[~inside].sum() > 0):
        return None
    if outcomes.counted:
        return _of_counts(outcomes, inside, confidence)
    return _of_sums(outcomes, inside, confidence)


def _of_counts(outcomes: Outcomes, inside: Mask, confidence: float) -> Comparison:
    n = np.array([outcomes.below[inside].sum(), outcomes.below[~inside].sum()])
    good = np.array([outcomes.above[inside].sum(), outcomes.above[~inside].sum()])
    bad = n - good if outcomes.sign > 0 else good
    here, rest = (wilson(b, m, confidence=confidence) for b, m in zip(bad, n, strict=True))
    gap = here.value - rest.value
    down = np.hypot(here.value - here.interval.low, rest.interval.high - rest.value)
    up = np.hypot(here.interval.high - here.value, rest.value - rest.interval.low)
    p_value = scipy_stats.hypergeom.sf(bad[0] - 1, n.sum(), bad.sum(), n[0])
    return Comparison(
        difference=gap,
        interval=Interval(low=gap - down, high=gap + up, confidence=confidence),
        p_value=float(np.clip(p_value, 0, 1)),
        n=int(n[0]),
        method="Fisher, Newcombe",
    )


def _of_sums(outcomes: Outcomes, inside: Mask, confidence: float) -> Comparison | None:
    above, below = outcomes.above, outcomes.below
    sides = (inside, ~inside)
    values = [above[side].sum() / below[side].sum() for side in sides]
    influence = np.zeros(len(outcomes))
    for side, value, sign in zip(sides, values, (-1, 1), strict=True):
        influence[side] = sign * (above[side] - value * below[side]) / below[side].sum()
    units = np.arange(len(outcomes)) if outcomes.units is None else outcomes.units
    _, codes = np.unique(units, return_inverse=True)
    sums = np.bincount(codes, influence)
    counted = inside & (below > 0)
    n = len(np.unique(codes[counted]))
    if n < _FEWEST_UNITS:
        return None
    error = float(np.sqrt(np.sum(sums**2) * len(sums) / max(len(sums) - 1, 1)))
    gap = outcomes.sign * float(values[1] - values[0])
    half = float(scipy_stats.t.ppf(0.5 + confidence / 2, n - 1)) * error
    certain = 0.5**n if gap > 0 else 1.0
    p_value = float(scipy_stats.t.sf(gap / error, n - 1)) if error > 0 else certain
    return Comparison(
        difference=gap,
        interval=Interval(low=gap - half, high=gap + half, confidence=confidence),
        p_value=p_value,
        n=n,
        method="linearised, t",
    )

"""Rates of groups, and how alike two of them are."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, TypeAlias, final

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import optimize
from scipy import stats as scipy_stats

from mldeploy.problem import ScoredRows, find_metric

Array: TypeAlias = npt.NDArray[Any]

_FARTHEST = 30.0
"""Logarithm of the largest ratio that is looked at."""


@final
@dataclass(frozen=True, kw_only=True)
class Group:
    """A rate in one group of rows.

    Attributes
    ----------
    rate : float
        The rate; NaN when no row counts.
    n_rows : int
        Rows that count towards it.
    n : float
        Independent rows that would tell as much: fewer than `n_rows` where rows carry weights
        or come in units.
    log_error : float, optional
        Standard error of the logarithm of an amount; None for a share.
    """

    rate: float
    n_rows: int
    n: float
    log_error: float | None = None

    def grown(self, factor: float) -> Group:
        """Return the group as it would be with as many times the rows."""
        error = None if self.log_error is None else self.log_error / math.sqrt(factor)
        return replace(self, n=self.n * factor, log_error=error)


@final
@dataclass(frozen=True, kw_only=True)
class Rates:
    """What each row adds to the numerator and the denominator of a rate.

    Attributes
    ----------
    name : str
        Name of the rate.
    above, below : ndarray of shape (n_rows,)
        The summands, weights included.
    units : ndarray of int of shape (n_rows,), optional
        Rows of one number are not independent.
    is_plain : bool
        Whether there are neither weights nor units.
    is_share : bool
        Whether every value lies in [0, 1].
    """

    name: str
    above: Array
    below: Array
    units: Array | None
    is_plain: bool
    is_share: bool

    @classmethod
    def of(cls, name: str, rows: ScoredRows) -> Rates:
        """Read a rate off scored rows."""
        metric = find_metric(name)
        assert metric.per_row is not None, "each of these rates is a ratio of sums"
        above, below = (np.asarray(a, float) for a in metric.per_row(rows.y_true, rows.y_pred))
        weight = 1.0 if rows.weight is None else rows.weight
        units = None if rows.unit is None else pd.factorize(rows.unit, use_na_sentinel=False)[0]
        return cls(
            name=name,
            above=above * weight,
            below=below * weight,
            units=units,
            is_plain=rows.weight is None and units is None,
            is_share=metric.is_share,
        )

    def group(self, rows: Array) -> Group:
        """Return the rate in some rows, given by their positions."""
        rows = rows[self.below[rows] > 0]
        if not len(rows):
            return Group(rate=math.nan, n_rows=0, n=0.0)
        above, below = self.above[rows], self.below[rows]
        if self.units is not None:
            codes = np.unique(self.units[rows], return_inverse=True)[1]
            above, below = np.bincount(codes, above), np.bincount(codes, below)
        total = float(below.sum())
        rate = float(above.sum()) / total
        kish = total**2 / float(below @ below)
        residual = above - rate * below
        m = len(below)
        variance = float(residual @ residual) / total**2 * m / max(m - 1, 1)
        if not self.is_share:
            error = math.sqrt(variance) / rate if rate > 0 and m > 1 else math.inf
            return Group(rate=rate, n_rows=len(rows), n=kish, log_error=error)
        if self.is_plain:
            return Group(rate=rate, n_rows=len(rows), n=float(len(rows)))
        told = rate * (1 - rate) / variance if variance > 0 else kish
        return Group(rate=rate, n_rows=len(rows), n=min(told, kish, float(len(rows))))


@final
@dataclass(frozen=True, kw_only=True)
class Ratio:
    """The rate of one group over that of another.

    Attributes
    ----------
    one, other : Group
        Both groups.

    Notes
    -----
    Shares are tested by Miettinen and Nurminen's score statistic for a ratio [1]_, whose
    variance is taken under the hypothesis; the interval is its inverse. Katz's interval of the
    log ratio [2]_, the usual one, takes a group of five rows that are all positive for certain.
    Weighted and clustered rows count as the number of independent rows that would tell as much
    [3]_. Ratios of amounts are normal on the log scale.

    References
    ----------
    .. [1] O. Miettinen and M. Nurminen, "Comparative analysis of two rates", Statistics in
       Medicine 4, 1985.
    .. [2] D. Katz et al., "Obtaining confidence intervals for the risk ratio in cohort
       studies", Biometrics 34, 1978.
    .. [3] J. N. K. Rao and A. J. Scott, "A simple method for the analysis of clustered binary
       data", Biometrics 48, 1992.
    """

    one: Group
    other: Group

    @property
    def is_known(self) -> bool:
        """Whether the ratio has a value."""
        return self.one.n > 0 and self.other.n > 0 and self.other.rate > 0

    @property
    def value(self) -> float:
        """The ratio; infinite over a rate of 0, and NaN when both are 0."""
        if not (self.one.n > 0 and self.other.n > 0):
            return math.nan
        if self.other.rate == 0:
            return math.nan if self.one.rate == 0 else math.inf
        return self.one.rate / self.other.rate

    def interval(self, confidence: float) -> tuple[float, float]:
        """Return both ends; 0 and infinity where the data sets no limit."""
        if not math.isfinite(self.value) or self.value == 0:
            limits = (0.0, math.inf) if math.isnan(self.value) else None
        else:
            limits = (self.value, self.value)
        if limits == (0.0, math.inf):
            return limits
        z = float(scipy_stats.norm.ppf(0.5 + confidence / 2))
        middle = math.log(self.value) if limits else None
        low = _root(lambda t: self.z(t) - z, -_FARTHEST, middle)
        high = _root(lambda t: self.z(t) + z, middle, _FARTHEST)
        return (
            0.0 if low is None else math.exp(low),
            math.inf if high is None else math.exp(high),
        )

    def p_value(self, least: float) -> float:
        """Return the two-sided p-value of "the ratio lies between `least` and its inverse"."""
        edge = -math.log(least)
        below = scipy_stats.norm.cdf(self.z(-edge))
        above = scipy_stats.norm.sf(self.z(edge))
        return float(min(1.0, 2 * min(below, above)))

    def z(self, log_ratio: float) -> float:
        """Return how many standard errors the data lie above a ratio."""
        one, other = self.one, self.other
        if one.n == 0 or other.n == 0:
            return 0.0
        if one.log_error is not None and other.log_error is not None:
            error = math.hypot(one.log_error, other.log_error)
            if not 0 < error < math.inf or not 0 < self.value < math.inf:
                return 0.0
            return (math.log(self.value) - log_ratio) / error
        phi, total = math.exp(log_ratio), one.n + other.n
        hits = one.rate * one.n + other.rate * other.n
        b = phi * (one.n + other.rate * other.n) + one.rate * one.n + other.n
        p_one = (b - math.sqrt(max(b * b - 4 * phi * total * hits, 0.0))) / (2 * total)
        p_one = min(max(p_one, 0.0), 1.0, phi)
        p_other = min(p_one / phi, 1.0)
        variance = p_one * (1 - p_one) / one.n + phi**2 * p_other * (1 - p_other) / other.n
        variance *= total / max(total - 1, 1)
        gap = one.rate - phi * other.rate
        return gap / math.sqrt(variance) if variance > 1e-300 else 0.0


def _root(
    function: Callable[[float], float], low: float | None, high: float | None
) -> float | None:
    """Return where a falling function is 0, or None if it is not between the ends."""
    left, right = -_FARTHEST if low is None else low, _FARTHEST if high is None else high
    if function(left) <= 0 or function(right) >= 0:
        return None
    return float(optimize.brentq(function, left, right, xtol=1e-6))

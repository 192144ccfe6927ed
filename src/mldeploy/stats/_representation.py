"""Does a sample stand for a population, and what do weights that make it so cost?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
import numpy.typing as npt
from scipy import special

from mldeploy.errors import EmptyDataError, InvalidDataError
from mldeploy.stats._counts import Floats
from mldeploy.stats._estimate import Estimate, Interval


def kish_n(weights: npt.ArrayLike) -> float:
    r"""Return how many equally weighted rows weighted rows are worth.

    Parameters
    ----------
    weights : array_like of shape (n,)
        Weights, at least 0 and not all 0.

    Returns
    -------
    float
        :math:`(\sum w)^2 / \sum w^2`, from 1 to n [1]_.

    Raises
    ------
    InvalidDataError
        If a weight is negative or not finite, or none is above 0.

    References
    ----------
    .. [1] L. Kish, "Survey Sampling", Wiley, 1965, section 11.7.

    Examples
    --------
    >>> kish_n([1, 1, 1, 1]), kish_n([2, 2, 0, 0])
    (4.0, 2.0)
    """
    w = _weights(weights)
    scaled = w / w.max()
    return float(scaled.sum() ** 2 / (scaled @ scaled))


def _weights(weights: npt.ArrayLike) -> Floats:
    w = np.asarray(weights, dtype=np.float64)
    if w.ndim != 1 or not np.isfinite(w).all() or (w < 0).any() or not (w > 0).any():
        raise InvalidDataError("weights must be finite, at least 0, and one of them above 0")
    return w


def standardised_difference(
    sample: npt.ArrayLike, population: npt.ArrayLike, *, confidence: float = 0.95
) -> Estimate:
    r"""Measure how far two means are apart, in standard deviations.

    Parameters
    ----------
    sample, population : array_like of shape (n,) and (m,)
        Finite numbers, or 0 and 1; two or more of each.
    confidence : float, default=0.95
        Level of the two-sided interval, in (0, 1).

    Returns
    -------
    Estimate
        The sample's mean less the population's, over the root of the mean of both variances;
        0 if neither varies and the means are equal.

    Raises
    ------
    EmptyDataError
        If either has fewer than two values.

    Notes
    -----
    Unlike a p-value it does not grow with the rows; a tenth is the customary limit of balance
    [1]_. The interval is Hedges and Olkin's, from the normal distribution with variance
    :math:`1/n + 1/m + d^2 / 2(n + m)`.

    References
    ----------
    .. [1] P. C. Austin, "Balance diagnostics for comparing the distribution of baseline
       covariates between treatment groups in propensity-score matched samples", Statistics in
       Medicine 28 (2009) 3083-3107.

    Examples
    --------
    >>> standardised_difference([1, 2, 3, 4], [2, 3, 4, 5]).value.__round__(3)
    -0.775
    """
    x, y = np.asarray(sample, dtype=np.float64), np.asarray(population, dtype=np.float64)
    n, m = x.size, y.size
    if min(n, m) < 2:
        raise EmptyDataError(f"{n} and {m} values; two of each are needed to compare means")
    gap, variance = float(x.mean() - y.mean()), float(x.var(ddof=1) + y.var(ddof=1)) / 2
    if variance > 0:
        d = gap / math.sqrt(variance)
    else:
        d = 0.0 if gap == 0 else math.copysign(_FAR, gap)
    half = float(special.ndtri(0.5 + confidence / 2)) * math.sqrt(
        1 / n + 1 / m + d**2 / (2 * (n + m))
    )
    interval = Interval(low=d - half, high=d + half, confidence=confidence)
    return Estimate(value=d, interval=interval, n=n, method="Hedges-Olkin")


_FAR = 100.0
"""Standardised difference of two constants."""


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Raked:
    """Weights whose shares are a population's, and what they cost.

    Attributes
    ----------
    weights : ndarray of shape (n,)
        One for each row; their mean is 1.
    effective_n : float
        How many equally weighted rows they are worth.
    largest_gap : float
        Largest difference of a weighted share from its target that is left, in [0, 1].
    n_rounds : int
        Rounds over all margins that were made.
    """

    weights: Floats
    effective_n: float
    largest_gap: float
    n_rounds: int


def rake(
    codes: Sequence[npt.ArrayLike],
    targets: Sequence[npt.ArrayLike],
    *,
    weights: npt.ArrayLike | None = None,
    n_rounds: int = 100,
    tolerance: float = 1e-6,
) -> Raked:
    """Weight rows so that each margin has the shares of the population.

    Parameters
    ----------
    codes : sequence of array_like of shape (n,)
        For each margin the level of every row, from 0 on; -1 for a missing one, which keeps its
        share.
    targets : sequence of array_like of shape (n_levels,)
        For each margin the population's shares; scaled to a sum of 1.
    weights : array_like of shape (n,), optional
        Weights to begin with; equal when None.
    n_rounds : int, default=100
        Most rounds over all margins.
    tolerance : float, default=1e-6
        Largest gap of a share at which to stop.

    Returns
    -------
    Raked
        The weights. If margins contradict each other a gap is left.

    Raises
    ------
    InvalidDataError
        If a level of the population has no row, so that no weight can make up for it, or codes
        and targets do not fit together.

    Notes
    -----
    Iterative proportional fitting [1]_: each margin is fitted in turn, which of all weights with
    these margins gives those nearest to the first in relative entropy.

    References
    ----------
    .. [1] W. E. Deming and F. F. Stephan, "On a least squares adjustment of a sampled frequency
       table when the expected marginal totals are known", Annals of Mathematical Statistics 11
       (1940) 427-444.

    Examples
    --------
    >>> raked = rake([[0, 0, 0, 1]], [[0.5, 0.5]])
    >>> raked.weights.round(3).tolist(), raked.effective_n.__round__(2)
    ([0.667, 0.667, 0.667, 2.0], 3.0)
    """
    margins = [_margin(c, t) for c, t in zip(codes, targets, strict=True)]
    n = margins[0][0].size if margins else 0
    if not n or any(c.size != n for c, _ in margins):
        raise InvalidDataError("give one code for each row and margin, and at least one margin")
    w = np.ones(n) if weights is None else _weights(weights).copy()
    if w.size != n:
        raise InvalidDataError(f"{w.size} weights for {n} rows; give one for each")
    gap, rounds = math.inf, 0
    while gap > tolerance and rounds < n_rounds:
        rounds += 1
        for code, share in margins:
            known = code >= 0
            sums = np.bincount(code[known], weights=w[known], minlength=share.size)
            if ((sums <= 0) & (share > 0)).any():
                raise InvalidDataError("a level of the population has no weighted row")
            factor = np.divide(share * sums.sum(), sums, out=np.zeros_like(share), where=sums > 0)
            w[known] *= factor[code[known]]
        gap = max(_gap(code, share, w) for code, share in margins)
    w /= w.mean()
    return Raked(weights=w, effective_n=kish_n(w), largest_gap=gap, n_rounds=rounds)


def _margin(codes: npt.ArrayLike, targets: npt.ArrayLike) -> tuple[npt.NDArray[np.int64], Floats]:
    code, share = np.asarray(codes, dtype=np.int64), _weights(targets)
    if code.ndim != 1 or (code.size and not -1 <= code.min() <= code.max() < share.size):
        raise InvalidDataError(f"codes must lie from -1 to {share.size - 1}, one for each row")
    rows = np.bincount(code[code >= 0], minlength=share.size)
    if empty := np.flatnonzero((rows == 0) & (share > 0)).tolist():
        raise InvalidDataError(
            f"levels {empty[:5]} of the population have no row; no weight can make up for that"
        )
    return code, share / share.sum()


def _gap(code: npt.NDArray[np.int64], share: Floats, w: Floats) -> float:
    known = code >= 0
    sums = np.bincount(code[known], weights=w[known], minlength=share.size)
    return float(np.abs(sums / sums.sum() - share).max())

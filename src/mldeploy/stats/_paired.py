"""Two classifiers on the same rows: which is right more often, and is that chance."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from scipy import special

from mldeploy.errors import InvalidDataError
from mldeploy.stats._arrays import finite, labels
from mldeploy.stats._estimate import Comparison, Interval
from mldeploy.stats._intervals import z_of
from mldeploy.stats._replicates import codes_of, comparison_from, replicate_ratio


def mcnemar_midp(b: int, c: int) -> float:
    r"""Test whether two paired shares are equal, by McNemar's mid-p.

    Parameters
    ----------
    b : int
        Rows that only the first got right.
    c : int
        Rows that only the second got right.

    Returns
    -------
    float
        Two-sided p-value in (0, 1]; 1 when no row tells them apart.

    Raises
    ------
    ValueError
        If a count is negative.

    Notes
    -----
    The exact conditional p-value less the probability of what was seen: as safe as the exact
    test in practice and less wasteful [1]_.

    References
    ----------
    .. [1] M. W. Fagerland, S. Lydersen and P. Laake, "The McNemar test for binary
       matched-pairs data: mid-p and asymptotic are better than exact conditional", BMC
       Medical Research Methodology 13:91, 2013.

    Examples
    --------
    >>> round(mcnemar_midp(1, 7), 4)
    0.0391
    """
    if b < 0 or c < 0:
        raise InvalidDataError(f"counts cannot be negative: {b=}, {c=}")
    n, fewer = b + c, min(b, c)
    if n == 0:
        return 1.0
    at_most = float(special.bdtr(fewer, n, 0.5))
    below = float(special.bdtr(fewer - 1, n, 0.5)) if fewer else 0.0
    return min(1.0, at_most + below)


def bonett_price(n11: int, n10: int, n01: int, n00: int, *, confidence: float = 0.95) -> Interval:
    r"""Bound the difference of two paired shares by Bonett and Price's adjusted Wald interval.

    Parameters
    ----------
    n11, n10, n01, n00 : int
        Rows that both got right, only the first, only the second, neither.
    confidence : float, default=0.95
        Level of the two-sided interval, in (0, 1).

    Returns
    -------
    Interval
        Of the first share less the second, in [-1, 1].

    Raises
    ------
    ValueError
        If a count is negative or all are 0.

    Notes
    -----
    With :math:`p = (n_{10} + 1) / (N + 2)` and :math:`q = (n_{01} + 1) / (N + 2)`:
    :math:`p - q \pm z \sqrt{(p + q - (p - q)^2) / (N + 2)}` [1]_.

    References
    ----------
    .. [1] D. G. Bonett and R. M. Price, "Adjusted Wald confidence interval for a difference
       of binomial proportions based on paired data", Journal of Educational and Behavioral
       Statistics 37, 2012.

    Examples
    --------
    >>> interval = bonett_price(1, 1, 7, 12)
    >>> f"[{interval.low:.3f}, {interval.high:.3f}]"
    '[-0.508, -0.013]'
    """
    z = z_of(confidence)
    if min(n11, n10, n01, n00) < 0:
        raise InvalidDataError(f"counts cannot be negative: {n11=}, {n10=}, {n01=}, {n00=}")
    n = n11 + n10 + n01 + n00
    if n == 0:
        raise InvalidDataError("no rows to compare; at least one is needed")
    p, q = (n10 + 1) / (n + 2), (n01 + 1) / (n + 2)
    half = z * math.sqrt((p + q - (p - q) ** 2) / (n + 2))
    low, high = max(-1.0, p - q - half), min(1.0, p - q + half)
    return Interval(low=low, high=high, confidence=confidence)


def paired_proportions(
    correct_a: npt.ArrayLike,
    correct_b: npt.ArrayLike,
    *,
    confidence: float = 0.95,
    units: npt.ArrayLike | None = None,
    n_resamples: int = 1000,
    rng: np.random.Generator | None = None,
) -> Comparison:
    """Compare how often two models are right on the same rows.

    Parameters
    ----------
    correct_a, correct_b : array-like of shape (n_rows,)
        1 where the first (the second) model was right, else 0.
    confidence : float, default=0.95
        Level of the two-sided interval, in (0, 1); its lower end at 0.90 is the one-sided
        0.95 bound.
    units : array-like of shape (n_rows,), optional
        What the rows belong to, when rows of one unit are alike.
    n_resamples : int, default=1000
        Resamples, used with units only.
    rng : numpy.random.Generator, optional
        Source of the resamples; needed with units.

    Returns
    -------
    Comparison
        Share of the first less that of the second. Without units by McNemar's mid-p and
        Bonett and Price's interval; with units by a cluster bootstrap of whole units, or, if
        no row tells the models apart, by Bonett and Price with each unit counted once.

    Raises
    ------
    ValueError
        If the arrays are empty, hold anything but 0 and 1, differ in length, or there are
        units but no `rng`.

    Examples
    --------
    >>> a = [1] * 90 + [0] * 10
    >>> b = [1] * 70 + [0] * 30
    >>> comparison = paired_proportions(a, b)
    >>> round(comparison.difference, 3), comparison.p_value < 1e-5, comparison.method
    (0.2, True, 'McNemar mid-p, Bonett-Price')
    """
    a = labels("correct_a", correct_a)
    b = labels("correct_b", correct_b, length=a.size)
    difference = a.astype(np.float64) - b
    if units is not None:
        if rng is None:
            raise ValueError("units are resampled at random; pass rng=np.random.default_rng(seed)")
        codes, n_units = codes_of(units, n_rows=a.size)
        if not difference.any():
            return _never_apart(n_units, confidence=confidence)
        replicates = replicate_ratio(
            difference,
            np.ones(a.size),
            codes=codes,
            n_units=n_units,
            n_resamples=n_resamples,
            rng=rng,
        )
        return comparison_from(replicates, confidence=confidence, n=n_units, clustered=True)
    n10, n01 = int((a & ~b).sum()), int((b & ~a).sum())
    return Comparison(
        difference=float(difference.mean()),
        interval=bonett_price(
            int((a & b).sum()), n10, n01, int((~a & ~b).sum()), confidence=confidence
        ),
        p_value=mcnemar_midp(n10, n01),
        n=a.size,
        method="McNemar mid-p, Bonett-Price",
    )


def paired_bootstrap_ratio(
    numerator_a: npt.ArrayLike,
    numerator_b: npt.ArrayLike,
    denominator: npt.ArrayLike | None = None,
    denominator_b: npt.ArrayLike | None = None,
    *,
    units: npt.ArrayLike | None = None,
    n_resamples: int = 1000,
    confidence: float = 0.95,
    rng: np.random.Generator,
) -> Comparison:
    """Compare two means, or two ratios of sums, on the same rows: fast on millions of rows.

    Parameters
    ----------
    numerator_a, numerator_b : array-like of shape (n_rows,)
        What each row adds above the line for the first and the second model, such as its
        absolute error; finite.
    denominator : array-like of shape (n_rows,), optional
        What each row adds below the line; 1 for each by default.
    denominator_b : array-like of shape (n_rows,), optional
        The same for the second model, where it differs: precision counts other rows for
        either.
    units : array-like of shape (n_rows,), optional
        What the rows belong to, when rows of one unit are alike.
    n_resamples : int, default=1000
        Resamples, at least 50.
    confidence : float, default=0.95
        Level of the two-sided interval, in (0, 1).
    rng : numpy.random.Generator
        Source of the resamples.

    Returns
    -------
    Comparison
        First ratio less the second, by the BCa bootstrap of sums per unit.

    Raises
    ------
    ValueError
        As in `bootstrap_ratio`.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> error = rng.exponential(size=500)
    >>> comparison = paired_bootstrap_ratio(error, error + rng.normal(0.1, 0.1, 500), rng=rng)
    >>> comparison.interval.high < 0
    True
    """
    a = finite("numerator_a", numerator_a)
    b = finite("numerator_b", numerator_b, length=a.size)
    below = np.ones(a.size)
    if denominator is not None:
        below = finite("denominator", denominator, length=a.size)
    below_b = below
    if denominator_b is not None:
        below_b = finite("denominator_b", denominator_b, length=a.size)
    codes, n_units = codes_of(units, n_rows=a.size)
    replicates = replicate_ratio(
        a,
        below,
        rival=(b, below_b),
        codes=codes,
        n_units=n_units,
        n_resamples=n_resamples,
        rng=rng,
    )
    return comparison_from(
        replicates, confidence=confidence, n=n_units, clustered=units is not None
    )


def _never_apart(n_units: int, *, confidence: float) -> Comparison:
    return Comparison(
        difference=0.0,
        interval=bonett_price(n_units, 0, 0, 0, confidence=confidence),
        p_value=1.0,
        n=n_units,
        method="Bonett-Price on units",
    )

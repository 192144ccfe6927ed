"""Intervals of shares, means and quantiles."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from scipy import special

from mldeploy.errors import InvalidDataError
from mldeploy.stats._arrays import check_confidence, check_share, finite, vector
from mldeploy.stats._estimate import Estimate, Interval


def z_of(confidence: float) -> float:
    """Return the normal quantile that cuts `confidence` out of the middle."""
    check_confidence(confidence)
    return float(special.ndtri(0.5 + confidence / 2))


def wilson(successes: float, n: float, *, confidence: float = 0.95) -> Estimate:
    r"""Estimate a share by Wilson's score interval.

    Parameters
    ----------
    successes : float
        How many succeeded, in [0, n]; a fraction when rows carry weights.
    n : float
        How many were tried, above 0; with weights, the effective number of rows.
    confidence : float, default=0.95
        Level of the two-sided interval, in (0, 1).

    Returns
    -------
    Estimate
        The share and its interval, both in [0, 1].

    Raises
    ------
    ValueError
        If `n` is not positive, or `successes` lies outside [0, n].

    Notes
    -----
    The shares :math:`\pi` with :math:`|p - \pi| \le z \sqrt{\pi (1 - \pi) / n}` [1]_ [2]_.

    References
    ----------
    .. [1] E. B. Wilson, "Probable inference, the law of succession, and statistical
       inference", Journal of the American Statistical Association 22, 1927.
    .. [2] R. G. Newcombe, "Two-sided confidence intervals for the single proportion",
       Statistics in Medicine 17, 1998, method 3.

    Examples
    --------
    >>> share = wilson(81, 263)
    >>> f"{share.value:.4f} in [{share.interval.low:.4f}, {share.interval.high:.4f}]"
    '0.3080 in [0.2553, 0.3662]'
    """
    z = z_of(confidence)
    if not 0 < n < math.inf:
        raise InvalidDataError(f"a share of {n} trials has no interval; at least one is needed")
    if not 0 <= successes <= n:
        raise InvalidDataError(f"{successes} successes in {n} trials are impossible")
    p = successes / n
    shrink = 1 + z * z / n
    centre = (p + z * z / (2 * n)) / shrink
    half = z / shrink * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    low = 0.0 if successes == 0 else max(0.0, centre - half)
    high = 1.0 if successes == n else min(1.0, centre + half)
    interval = Interval(low=low, high=high, confidence=confidence)
    return Estimate(value=p, interval=interval, n=round(n), method="Wilson")


def rule_of_three(n: int, *, confidence: float = 0.95) -> float:
    r"""Bound the share of an event that `n` rows never showed.

    Parameters
    ----------
    n : int
        Independent rows without the event, at least 1.
    confidence : float, default=0.95
        Level of the one-sided bound, in (0, 1).

    Returns
    -------
    float
        Upper bound of the share; at 0.95 about 3 / n.

    Raises
    ------
    ValueError
        If there are no rows.

    Notes
    -----
    :math:`1 - (1 - c)^{1/n}`, of which 3 / n is the limit [1]_.

    References
    ----------
    .. [1] J. A. Hanley and A. Lippman-Hand, "If nothing goes wrong, is everything all
       right?", JAMA 249, 1983.

    Examples
    --------
    >>> round(rule_of_three(300), 5)
    0.00994
    """
    check_confidence(confidence)
    if n < 1:
        raise InvalidDataError(f"{n} rows bound nothing; at least one is needed")
    return float(-math.expm1(math.log1p(-confidence) / n))


def mean_interval(values: npt.ArrayLike, *, confidence: float = 0.95) -> Estimate:
    """Estimate a mean of independent values by Student's t.

    Parameters
    ----------
    values : array-like of shape (n,)
        Finite values; means per unit, if rows come in units.
    confidence : float, default=0.95
        Level of the two-sided interval, in (0, 1).

    Returns
    -------
    Estimate
        The mean; its interval is infinite when there is only one value.

    Raises
    ------
    ValueError
        If the values are empty, NaN or infinite.

    Notes
    -----
    Exact for normal values, approximate otherwise [1]_.

    References
    ----------
    .. [1] Student, "The probable error of a mean", Biometrika 6, 1908.

    Examples
    --------
    >>> mean = mean_interval([1.0, 2.0, 3.0])
    >>> f"{mean.value} in [{mean.interval.low:.3f}, {mean.interval.high:.3f}]"
    '2.0 in [-0.484, 4.484]'
    """
    check_confidence(confidence)
    array = finite("values", values)
    mean, half = float(array.mean()), math.inf
    if array.size > 1:
        t = float(special.stdtrit(array.size - 1, 0.5 + confidence / 2))
        half = t * float(array.std(ddof=1)) / math.sqrt(array.size)
    interval = Interval(low=mean - half, high=mean + half, confidence=confidence)
    return Estimate(value=mean, interval=interval, n=array.size, method="Student t")


def quantile_interval(values: npt.ArrayLike, q: float, *, confidence: float = 0.95) -> Estimate:
    """Estimate a quantile, such as the latency that 99 % of requests stay under.

    Parameters
    ----------
    values : array-like of shape (n,)
        Independent values without NaN; infinite ones (a request that never answered) are fine.
    q : float
        Which quantile, in (0, 1).
    confidence : float, default=0.95
        Level of the two-sided interval, in (0, 1).

    Returns
    -------
    Estimate
        The smallest value with a share of at least `q` at or below it. An end is infinite
        when there are too few values to bound that side: 0.99 needs 368 for an upper one.

    Raises
    ------
    ValueError
        If there are no values, one is NaN, or `q` is no share.

    Notes
    -----
    The ends are order statistics; how many values lie below a quantile is binomial, so the
    interval holds for every distribution [1]_.

    References
    ----------
    .. [1] W. J. Conover, "Practical Nonparametric Statistics", 3rd edition, 1999, section 3.2.

    Examples
    --------
    >>> estimate = quantile_interval(range(1, 1001), 0.99)
    >>> estimate.value, estimate.interval.low, estimate.interval.high
    (990.0, 983.0, 997.0)
    """
    check_confidence(confidence)
    check_share("q", q)
    if q in {0, 1}:
        raise ValueError(f"{q=}: the extreme of a distribution has no interval from a sample")
    ordered = np.sort(vector("values", values))
    n = ordered.size
    alpha = (1 - confidence) / 2
    low, high = _binomial_quantile(alpha, n, q), _binomial_quantile(1 - alpha, n, q) + 1
    interval = Interval(
        low=float(ordered[low - 1]) if low >= 1 else -math.inf,
        high=float(ordered[high - 1]) if high <= n else math.inf,
        confidence=confidence,
    )
    value = float(np.quantile(ordered, q, method="inverted_cdf"))
    return Estimate(value=value, interval=interval, n=n, method="order statistics")


def _binomial_quantile(level: float, n: int, p: float) -> int:
    """Return the smallest count whose distribution function reaches `level`."""
    count = int(np.ceil(special.bdtrik(level, n, p)))
    below = max(count - 1, 0)
    return below if special.bdtr(below, n, p) >= level else count

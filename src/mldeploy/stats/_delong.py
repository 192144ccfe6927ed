"""Intervals and comparisons of the area under the ROC curve, from ranks."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from scipy import special

from mldeploy.errors import InvalidDataError
from mldeploy.stats._arrays import check_confidence, labels, unit_codes, vector
from mldeploy.stats._auc import Placements, placements
from mldeploy.stats._estimate import Comparison, Estimate, Interval
from mldeploy.stats._intervals import z_of


def delong(
    y_true: npt.ArrayLike,
    y_score: npt.ArrayLike,
    *,
    units: npt.ArrayLike | None = None,
    confidence: float = 0.95,
) -> Estimate:
    r"""Estimate the area under the ROC curve, with DeLong's interval on the logit scale.

    Parameters
    ----------
    y_true : array-like of shape (n,)
        1 (or True) for the positive class, else 0.
    y_score : array-like of shape (n,)
        Higher means more likely positive; any scale.
    units : array-like of shape (n,), optional
        What the rows belong to, when rows of one unit are alike (a customer, a day).
    confidence : float, default=0.95
        Level of the two-sided interval, in (0, 1).

    Returns
    -------
    Estimate
        The area and its interval, both in [0, 1]; `n` counts units if there are any.

    Raises
    ------
    ValueError
        If there are no rows, a value is NaN, a class is missing, or there is one unit only.

    Notes
    -----
    DeLong's variance [1]_ by ranks [2]_, on the logit scale, which keeps the interval in
    [0, 1]; with units, Obuchowski's sum over units [3]_ and Student's t. Where the variance
    is 0 or undefined (perfect separation, one row of a class) the interval is Newcombe's
    score interval [4]_, which is never of zero width.

    References
    ----------
    .. [1] E. R. DeLong, D. M. DeLong and D. L. Clarke-Pearson, "Comparing the areas under two
       or more correlated receiver operating characteristic curves", Biometrics 44, 1988.
    .. [2] X. Sun and W. Xu, "Fast implementation of DeLong's algorithm", IEEE Signal
       Processing Letters 21, 2014.
    .. [3] N. A. Obuchowski, "Nonparametric analysis of clustered ROC curve data",
       Biometrics 53, 1997.
    .. [4] R. G. Newcombe, "Confidence intervals for an effect size measure based on the
       Mann-Whitney statistic, part 2", Statistics in Medicine 25, 2006, method 5.

    Examples
    --------
    >>> area = delong([0, 0, 0, 1, 1, 1], [1, 2, 4, 3, 5, 6])
    >>> f"{area.value:.4f} in [{area.interval.low:.4f}, {area.interval.high:.4f}]"
    '0.8889 in [0.2614, 0.9945]'
    """
    check_confidence(confidence)
    positive = labels("y_true", y_true)
    score = vector("y_score", y_score, length=positive.size)
    places = placements(positive, score)
    variance, n, quantile = _variance(places, positive, units, confidence)
    theta, scale = places.auc, places.auc * (1 - places.auc)
    if not variance > 0 or scale <= 0:
        m_eff, n_eff = _effective_counts(positive, n)
        interval = _newcombe(theta, m_eff, n_eff, confidence)
        return Estimate(value=theta, interval=interval, n=n, method="Newcombe score")
    half = quantile * math.sqrt(variance) / scale
    centre = float(special.logit(theta))
    low, high = special.expit([centre - half, centre + half])
    interval = Interval(low=float(low), high=float(high), confidence=confidence)
    method = "DeLong (logit)" if units is None else "clustered DeLong (logit)"
    return Estimate(value=theta, interval=interval, n=n, method=method)


def delong_difference(
    y_true: npt.ArrayLike,
    score_a: npt.ArrayLike,
    score_b: npt.ArrayLike,
    *,
    units: npt.ArrayLike | None = None,
    confidence: float = 0.95,
) -> Comparison:
    """Compare the areas of two models on the same rows, by DeLong's paired test.

    Parameters
    ----------
    y_true : array-like of shape (n,)
        1 (or True) for the positive class, else 0.
    score_a, score_b : array-like of shape (n,)
        Scores of either model; higher means more likely positive.
    units : array-like of shape (n,), optional
        What the rows belong to, when rows of one unit are alike.
    confidence : float, default=0.95
        Level of the two-sided interval, in (0, 1); its lower end at 0.90 is the one-sided
        0.95 bound.

    Returns
    -------
    Comparison
        Area of `score_a` less that of `score_b`. Two models that rank every row alike differ
        by 0, with p-value 1.

    Raises
    ------
    ValueError
        As in `delong`, and if a class has a single row.

    Notes
    -----
    The sources are those of `delong`; the difference itself is taken as normal. Where its
    variance is 0 although the scores differ (both separate the classes perfectly), the two
    Newcombe intervals are combined as if independent, which is never of zero width.

    Examples
    --------
    >>> y = [0, 0, 0, 0, 1, 1, 1, 1]
    >>> comparison = delong_difference(y, [1, 2, 3, 5, 4, 6, 7, 8], [1, 5, 3, 2, 4, 6, 0, 8])
    >>> round(comparison.difference, 4), round(comparison.p_value, 3)
    (0.25, 0.355)
    """
    check_confidence(confidence)
    positive = labels("y_true", y_true)
    a = placements(positive, vector("score_a", score_a, length=positive.size))
    b = placements(positive, vector("score_b", score_b, length=positive.size))
    if min(a.of_positive.size, a.of_negative.size) < 2:
        raise InvalidDataError("a class has one row only; two of each are needed to see variation")
    both = Placements(
        auc=a.auc - b.auc,
        of_positive=a.of_positive - b.of_positive,
        of_negative=a.of_negative - b.of_negative,
    )
    variance, n, quantile = _variance(both, positive, units, confidence)
    low = high = quantile * math.sqrt(variance)
    if variance == 0 and not np.array_equal(score_a, score_b):
        counts = _effective_counts(positive, n)
        in_a, in_b = (_newcombe(x.auc, *counts, confidence) for x in (a, b))
        low = math.hypot(a.auc - in_a.low, in_b.high - b.auc)
        high = math.hypot(in_a.high - a.auc, b.auc - in_b.low)
    return Comparison(
        difference=both.auc,
        interval=Interval(
            low=max(-1.0, both.auc - low), high=min(1.0, both.auc + high), confidence=confidence
        ),
        p_value=_two_sided(
            both.auc,
            error=(low if both.auc > 0 else high) / quantile,
            df=n - 1,
            clustered=units is not None,
        ),
        n=n,
        method="paired DeLong" if units is None else "paired clustered DeLong",
    )


def _variance(
    places: Placements,
    positive: npt.NDArray[np.bool_],
    units: npt.ArrayLike | None,
    confidence: float,
) -> tuple[float, int, float]:
    """Return the variance of the area, the number of independent units, and the quantile."""
    if units is None:
        m, n = places.of_positive.size, places.of_negative.size
        if min(m, n) < 2:
            return math.nan, m + n, z_of(confidence)
        variance = places.of_positive.var(ddof=1) / m + places.of_negative.var(ddof=1) / n
        return float(variance), m + n, z_of(confidence)
    codes, n_units = unit_codes(units, n_rows=positive.size)
    sums = np.bincount(codes, weights=places.influence(positive))
    variance = float(sums @ sums) * n_units / (n_units - 1)
    quantile = float(special.stdtrit(n_units - 1, 0.5 + confidence / 2))
    return variance, n_units, quantile


def _two_sided(difference: float, *, error: float, df: int, clustered: bool) -> float:
    if difference == 0:
        return 1.0
    z = -abs(difference) / error
    return 2 * float(special.stdtr(df, z) if clustered else special.ndtr(z))


def _effective_counts(positive: npt.NDArray[np.bool_], n: int) -> tuple[float, float]:
    """Shrink the class counts in proportion when there are fewer units than rows."""
    share = n / positive.size
    m = max(1.0, float(positive.sum()) * share)
    return m, max(1.0, float((~positive).sum()) * share)


def _newcombe(auc: float, m: float, n: float, confidence: float) -> Interval:
    """Return the areas that are less than z of *their own* standard errors away."""
    z, star = z_of(confidence), (m + n) / 2 - 1

    def excess(theta: float) -> float:
        spread = 1 + star * (1 - theta) / (2 - theta) + star * theta / (1 + theta)
        return (theta - auc) ** 2 - z * z * theta * (1 - theta) * spread / (m * n)

    def end(outside: float) -> float:
        # scipy.optimize takes a quarter of a second to import; 50 halvings are exact.
        inside = min(max(auc, 1e-12), 1 - 1e-12)
        for _ in range(50):
            middle = (inside + outside) / 2
            inside, outside = (middle, outside) if excess(middle) <= 0 else (inside, middle)
        return outside

    low, high = (end(0.0) if auc > 0 else 0.0), (end(1.0) if auc < 1 else 1.0)
    return Interval(low=low, high=high, confidence=confidence)

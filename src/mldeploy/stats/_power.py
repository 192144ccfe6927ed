"""How many rows an answer needs."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from scipy import special

from mldeploy.stats._arrays import check_share
from mldeploy.stats._estimate import Estimate
from mldeploy.stats._intervals import wilson, z_of

_HOPELESS = 10**12
"""Rows that nobody will ever collect."""


def n_for_proportion(
    p: float,
    *,
    half_width: float | None = None,
    bound: float | None = None,
    confidence: float = 0.95,
) -> int:
    r"""Count the rows after which Wilson's interval is narrow enough, or clears a bound.

    Parameters
    ----------
    p : float
        Share that is expected, in [0, 1].
    half_width : float, optional
        Half the width that the interval may have, in (0, 0.5]. Give this or `bound`.
    bound : float, optional
        Share that the interval shall exclude, in [0, 1] and not `p`.
    confidence : float, default=0.95
        Level of the two-sided interval, in (0, 1).

    Returns
    -------
    int
        The smallest number of independent rows that does it.

    Raises
    ------
    ValueError
        If not exactly one of `half_width` and `bound` is given, or `bound` equals `p`.

    Notes
    -----
    Wilson's interval at p excludes a bound b once :math:`n > z^2 b (1 - b) / (p - b)^2`,
    which is its definition; see `wilson`.

    Examples
    --------
    >>> n_for_proportion(0.65, bound=0.60)
    369
    >>> n_for_proportion(0.5, half_width=0.05)
    381
    """
    z = z_of(confidence)
    check_share("p", p)
    if (half_width is None) == (bound is None):
        raise ValueError("give either half_width or bound")
    if bound is not None:
        check_share("bound", bound)
        if bound == p:
            raise ValueError(f"no number of rows tells {p} from {bound}")
        return math.floor(z * z * bound * (1 - bound) / (p - bound) ** 2) + 1
    assert half_width is not None
    if not 0 < half_width <= 0.5:
        raise ValueError(f"{half_width=} of a share must lie in (0, 0.5]")

    def enough(n: int) -> bool:
        return wilson(p * n, n, confidence=confidence).interval.width <= 2 * half_width

    return _smallest(enough)


def hanley_mcneil_variance(auc: float, *, n_positive: float, n_negative: float) -> float:
    r"""Return the variance that an area of this size has, whatever the scores.

    Parameters
    ----------
    auc : float
        Area in [0, 1].
    n_positive, n_negative : float
        Rows of either class, 1 or more.

    Returns
    -------
    float
        Variance under exponential scores; of others it is close or on the safe side.

    Raises
    ------
    ValueError
        If `auc` is no share or a class has no rows.

    Notes
    -----
    :math:`[A(1-A) + (m-1)(Q_1-A^2) + (n-1)(Q_2-A^2)]/(mn)` with :math:`Q_1 = A/(2-A)` and
    :math:`Q_2 = 2A^2/(1+A)` [1]_.

    References
    ----------
    .. [1] J. A. Hanley and B. J. McNeil, "The meaning and use of the area under a receiver
       operating characteristic (ROC) curve", Radiology 143, 1982.

    Examples
    --------
    >>> round(hanley_mcneil_variance(0.8, n_positive=50, n_negative=50) ** 0.5, 4)
    0.0445
    """
    check_share("auc", auc)
    if min(n_positive, n_negative) < 1:
        raise ValueError(f"{n_positive=}, {n_negative=}: the AUC needs rows of both classes")
    square = auc * auc
    of_positive = (n_positive - 1) * (auc / (2 - auc) - square)
    of_negative = (n_negative - 1) * (2 * square / (1 + auc) - square)
    return (auc * (1 - auc) + of_positive + of_negative) / (n_positive * n_negative)


def n_for_auc(auc: float, *, bound: float, prevalence: float, confidence: float = 0.95) -> int:
    r"""Count the rows after which the interval of an area under the ROC curve clears a bound.

    Parameters
    ----------
    auc : float
        Area that is expected, in (0, 1).
    bound : float
        Area that the interval shall exclude, in (0, 1) and not `auc`.
    prevalence : float
        Share of rows of the positive class, in (0, 1).
    confidence : float, default=0.95
        Level of the two-sided interval, in (0, 1).

    Returns
    -------
    int
        The smallest number of independent rows of both classes together.

    Raises
    ------
    ValueError
        If a share is not strictly between 0 and 1, or `bound` equals `auc`.

    Notes
    -----
    Solves :math:`|logit A - logit b| \ge z \cdot se(n) / (A (1 - A))`, the interval of
    `delong` with Hanley and McNeil's standard error; see `hanley_mcneil_variance`. It is
    on the safe side: of normal scores it asks more rows than needed when positives are rare
    and the area is large (1.8 times at 0.9 and a prevalence of 0.1). Once there are scores,
    `rows_needed` knows better.

    Examples
    --------
    >>> n_for_auc(0.75, bound=0.70, prevalence=0.2)
    778
    """
    z = z_of(confidence)
    for name, share in {"auc": auc, "bound": bound, "prevalence": prevalence}.items():
        if not 0 < share < 1:
            raise ValueError(f"{name}={share} must lie strictly between 0 and 1")
    if auc == bound:
        raise ValueError(f"no number of rows tells {auc} from {bound}")
    distance = abs(special.logit(auc) - special.logit(bound)) * auc * (1 - auc)

    def enough(n: int) -> bool:
        m = n * prevalence
        if min(m, n - m) < 2:
            return False
        variance = hanley_mcneil_variance(auc, n_positive=m, n_negative=n - m)
        return bool(z * math.sqrt(variance) <= distance)

    return _smallest(enough)


def n_for_mean(sd: float, *, half_width: float, confidence: float = 0.95) -> int:
    """Count the rows after which Student's interval of a mean is narrow enough.

    Parameters
    ----------
    sd : float
        Standard deviation that is expected, 0 or more.
    half_width : float
        Half the width that the interval may have, above 0 and in the unit of `sd`.
    confidence : float, default=0.95
        Level of the two-sided interval, in (0, 1).

    Returns
    -------
    int
        The smallest number of independent rows, at least 2.

    Raises
    ------
    ValueError
        If `sd` is negative or `half_width` not positive.

    Notes
    -----
    See `mean_interval`.

    Examples
    --------
    >>> n_for_mean(10.0, half_width=1.0)
    387
    """
    z_of(confidence)
    if not (0 <= sd < math.inf and half_width > 0):
        raise ValueError(f"{sd=} must not be negative, and {half_width=} must be positive")

    def enough(n: int) -> bool:
        if n < 2:
            return False
        t = float(special.stdtrit(n - 1, 0.5 + confidence / 2))
        return t * sd <= half_width * math.sqrt(n)

    return _smallest(enough)


def rows_needed(estimate: Estimate, *, threshold: float, n: int) -> int | None:
    r"""Count the rows after which an estimate's interval would exclude a threshold.

    Parameters
    ----------
    estimate : Estimate
        What `n` rows gave.
    threshold : float
        Value that the interval shall exclude, on whichever side the estimate is.
    n : int
        Rows behind the estimate, at least 1; more than ``estimate.n`` when they come in units.

    Returns
    -------
    int or None
        Rows in total, not fewer than `n`, if the estimate stays where it is; None when no
        number of rows would do: the estimate equals the threshold, shows no limit on that
        side, or is so close that a million million rows were not enough.

    Raises
    ------
    ValueError
        If there are no rows, or the threshold is NaN.

    Notes
    -----
    Wilson's interval is solved exactly (`n_for_proportion`). Others shrink with
    :math:`1/\sqrt n` around the estimate, on the logit scale when estimate, interval and
    threshold all lie in [0, 1], as shares and areas do, else as they are.

    Examples
    --------
    >>> rows_needed(wilson(65, 100), threshold=0.6, n=100)
    369
    >>> rows_needed(wilson(60, 100), threshold=0.6, n=100) is None
    True
    """
    if n < 1 or math.isnan(threshold):
        raise ValueError(f"{n=} rows and {threshold=}: need a row and a number")
    value, interval = estimate.value, estimate.interval
    if math.isclose(value, threshold, rel_tol=1e-9, abs_tol=1e-9):
        return None
    if not interval.contains(threshold):
        return n
    if estimate.method == "Wilson":
        units = n_for_proportion(value, bound=threshold, confidence=interval.confidence)
        needed = units * n / max(estimate.n, 1)
    else:
        needed = n * _shrinkage(estimate, threshold) ** 2
    return max(n, math.ceil(needed)) if needed <= _HOPELESS else None


def _shrinkage(estimate: Estimate, threshold: float) -> float:
    """Return how many times narrower the interval must become on the threshold's side."""
    value, interval = estimate.value, estimate.interval
    end = interval.low if threshold < value else interval.high
    points = np.array([value, threshold, end])
    if interval.low >= 0 and interval.high <= 1 and 0 < value < 1 and 0 < threshold < 1:
        on_logit = special.logit(points)
        if np.isfinite(on_logit).all():
            points = on_logit
    return float(np.nextafter(abs(points[2] - points[0]) / abs(points[1] - points[0]), np.inf))


def _smallest(enough: Callable[[int], bool]) -> int:
    """Find the smallest number of rows that is enough, given that more rows stay enough."""
    high = 1
    while not enough(high):
        if high > _HOPELESS:
            raise ValueError("more than a million million rows would be needed; ask for less")
        high *= 2
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high

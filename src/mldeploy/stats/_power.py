"""How many rows an answer needs."""

from __future__ import annotations

import math
from collections.abc import Callable

from scipy import special

from mldeploy.stats._arrays import check_share
from mldeploy.stats._intervals import wilson, z_of

HOPELESS = 10**12
"""Rows that nobody will ever collect."""


def n_for_proportion(
    p: float,
    *,
    half_width: float | None = None,
    bound: float | None = None,
    power: float = 0.5,
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
    power : float, default=0.5
        Chance that it does when the true share is `p`, at least 0.5: where the estimate may be
        anywhere around p, half of all samples fall short of the mean.
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
    which is its definition; see `wilson`. With power the root of n grows by
    :math:`z_{power} \sqrt{p (1 - p)} / |p - b|`.

    Examples
    --------
    >>> n_for_proportion(0.65, bound=0.60), n_for_proportion(0.65, bound=0.60, power=0.8)
    (369, 742)
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
        reach = z * math.sqrt(bound * (1 - bound)) + z_of_power(power) * math.sqrt(p * (1 - p))
        return math.floor(reach * reach / (p - bound) ** 2) + 1
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


def n_for_auc(
    auc: float,
    *,
    bound: float,
    prevalence: float,
    power: float = 0.5,
    confidence: float = 0.95,
) -> int:
    r"""Count the rows after which the interval of an area under the ROC curve clears a bound.

    Parameters
    ----------
    auc : float
        Area that is expected, in (0, 1).
    bound : float
        Area that the interval shall exclude, in (0, 1) and not `auc`.
    prevalence : float
        Share of rows of the positive class, in (0, 1).
    power : float, default=0.5
        Chance that the interval does so when the true area is `auc`, at least 0.5.
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
    z = z_of(confidence) + z_of_power(power)
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


def n_for_difference(
    sd: float,
    *,
    difference: float,
    margin: float = 0.0,
    power: float = 0.8,
    confidence: float = 0.95,
) -> int:
    r"""Count the rows that two models must answer to be told apart.

    Parameters
    ----------
    sd : float
        Standard deviation of the rows' differences, above 0. For a share of right answers it is
        :math:`\sqrt{a + b - (a - b)^2}` with the shares a and b of rows that only one of the
        models gets right.
    difference : float
        Mean difference that is expected, in the unit of `sd`.
    margin : float, default=0.0
        What the interval of the difference shall exclude; for non-inferiority a negative one.
    power : float, default=0.8
        Chance that it does, at least 0.5.
    confidence : float, default=0.95
        Level of the two-sided interval, in (0, 1).

    Returns
    -------
    int
        The smallest number of independent rows, or units.

    Raises
    ------
    ValueError
        If `sd` is not positive, or `difference` equals `margin`.

    Notes
    -----
    :math:`n = ((z + z_{power}) \, sd / (d - m))^2`; of paired shares it is Connor's [1]_ to
    within some rows.

    References
    ----------
    .. [1] R. J. Connor, "Sample size for testing differences in proportions for the
       paired-sample design", Biometrics 43, 1987.

    Examples
    --------
    Of a hundred rows only the one gets 10 right, and only the other 6:

    >>> n_for_difference(math.sqrt(0.10 + 0.06 - 0.04**2), difference=0.04)
    778
    """
    if not 0 < sd < math.inf or difference == margin:
        raise ValueError(f"{sd=} must be positive, and {difference=} not {margin=}")
    reach = (z_of(confidence) + z_of_power(power)) * sd / (difference - margin)
    return max(2, math.ceil(reach * reach))


def z_of_power(power: float) -> float:
    """Return by how many standard errors the mean must lie beyond what is excluded."""
    if not 0.5 <= power < 1:
        raise ValueError(f"{power=} of rows that are worth collecting lies in [0.5, 1)")
    return float(special.ndtri(power))


def _smallest(enough: Callable[[int], bool]) -> int:
    """Find the smallest number of rows that is enough, given that more rows stay enough."""
    high = 1
    while not enough(high):
        if high > HOPELESS:
            raise ValueError("more than a million million rows would be needed; ask for less")
        high *= 2
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high

"""Shares of two independent samples, such as two groups of people: difference and ratio."""

from __future__ import annotations

import math

from scipy import special

from mldeploy.errors import InvalidDataError
from mldeploy.stats._estimate import Comparison, Estimate, Interval
from mldeploy.stats._intervals import wilson, z_of


def two_proportions(
    successes_a: float, n_a: float, successes_b: float, n_b: float, *, confidence: float = 0.95
) -> Comparison:
    r"""Compare the shares of two independent samples by their difference.

    Parameters
    ----------
    successes_a, n_a : float
        How many succeeded in the first sample, of how many that were tried, above 0.
    successes_b, n_b : float
        The same of the second.
    confidence : float, default=0.95
        Level of the two-sided interval, in (0, 1).

    Returns
    -------
    Comparison
        First share less the second, in [-1, 1], with Newcombe's interval and the p-value of
        Pearson's test; `n` counts both samples.

    Raises
    ------
    ValueError
        If a sample is empty, or more succeeded than were tried.

    Notes
    -----
    The hybrid of the two Wilson intervals [1]_: with ends l and u around p,
    :math:`d - \sqrt{(p_1 - l_1)^2 + (u_2 - p_2)^2}` and mirrored above. It is never of zero
    width, and close to its level in samples of ten.

    References
    ----------
    .. [1] R. G. Newcombe, "Interval estimation for the difference between independent
       proportions", Statistics in Medicine 17, 1998, method 10.

    Examples
    --------
    >>> found = two_proportions(56, 70, 48, 80)
    >>> f"{found.difference:.2f} in [{found.interval.low:.4f}, {found.interval.high:.4f}]"
    '0.20 in [0.0524, 0.3339]'
    """
    a = wilson(successes_a, n_a, confidence=confidence)
    b = wilson(successes_b, n_b, confidence=confidence)
    difference = a.value - b.value
    below = math.hypot(a.value - a.interval.low, b.interval.high - b.value)
    above = math.hypot(a.interval.high - a.value, b.value - b.interval.low)
    pooled = (successes_a + successes_b) / (n_a + n_b)
    error = math.sqrt(pooled * (1 - pooled) * (1 / n_a + 1 / n_b))
    return Comparison(
        difference=difference,
        interval=Interval(
            low=max(-1.0, difference - below),
            high=min(1.0, difference + above),
            confidence=confidence,
        ),
        p_value=1.0 if difference == 0 else 2 * float(special.ndtr(-abs(difference) / error)),
        n=round(n_a + n_b),
        method="Newcombe, Pearson",
    )


def ratio_of_proportions(
    successes_a: float, n_a: float, successes_b: float, n_b: float, *, confidence: float = 0.95
) -> Estimate:
    r"""Estimate how many times larger one sample's share is than another's.

    Parameters
    ----------
    successes_a, n_a : float
        How many succeeded in the first sample, of how many that were tried, above 0.
    successes_b, n_b : float
        The same of the second.
    confidence : float, default=0.95
        Level of the two-sided interval, in (0, 1).

    Returns
    -------
    Estimate
        Share of the first over that of the second, 0 or more; infinite where only the first
        had a success. `n` counts both samples.

    Raises
    ------
    InvalidDataError
        If neither sample had a success: their ratio is anything.
    ValueError
        If a sample is empty, or more succeeded than were tried.

    Notes
    -----
    Normal on the log scale [1]_: :math:`\ln (p_1/p_2) \pm z \sqrt{1/x_1 - 1/n_1 + 1/x_2 -
    1/n_2}`. Where nobody, or everybody, of a sample succeeded that has no width; the two Wilson
    intervals are then combined [2]_.

    References
    ----------
    .. [1] D. Katz, J. Baptista, S. P. Azen and M. C. Pike, "Obtaining confidence intervals for
       the risk ratio in cohort studies", Biometrics 34, 1978.
    .. [2] A. Donner and G. Y. Zou, "Closed-form confidence intervals for functions of the normal
       mean and standard deviation", Statistical Methods in Medical Research 21, 2012.

    Examples
    --------
    >>> ratio = ratio_of_proportions(30, 100, 15, 100)
    >>> f"{ratio.value:.1f} in [{ratio.interval.low:.2f}, {ratio.interval.high:.2f}]"
    '2.0 in [1.15, 3.48]'
    """
    z = z_of(confidence)
    a, b = (
        wilson(x, n, confidence=confidence) for x, n in ((successes_a, n_a), (successes_b, n_b))
    )
    if a.value == b.value == 0:
        raise InvalidDataError("neither sample had a success; a ratio of nothing is anything")
    if {a.value, b.value} & {0.0, 1.0}:
        low, high, method = *_donner_zou(a, b), "Donner-Zou"
    else:
        centre = math.log(a.value / b.value)
        half = z * math.sqrt(1 / successes_a - 1 / n_a + 1 / successes_b - 1 / n_b)
        low, high, method = math.exp(centre - half), math.exp(centre + half), "Katz log"
    return Estimate(
        value=a.value / b.value if b.value > 0 else math.inf,
        interval=Interval(low=low, high=high, confidence=confidence),
        n=round(n_a + n_b),
        method=method,
    )


def _donner_zou(a: Estimate, b: Estimate) -> tuple[float, float]:
    """Combine two Wilson intervals into that of the ratio."""
    both = a.value * b.value
    l_a, u_a, l_b, u_b = a.interval.low, a.interval.high, b.interval.low, b.interval.high
    beside_low = l_a * u_b * (2 * a.value - l_a) * (2 * b.value - u_b)
    low = 0.0
    if (turn := 2 * b.value - u_b) != 0 and l_a > 0:
        low = (both - math.sqrt(max(0.0, both**2 - beside_low))) / (u_b * turn)
    high = math.inf
    if l_b > 0:
        beside_high = u_a * l_b * (2 * a.value - u_a) * (2 * b.value - l_b)
        high = (both + math.sqrt(max(0.0, both**2 - beside_high))) / (l_b * (2 * b.value - l_b))
    return low, high

"""How many more rows would settle what an interval leaves open."""

from __future__ import annotations

import math

import numpy as np
from scipy import special

from mldeploy.stats._estimate import Comparison, Estimate, Interval
from mldeploy.stats._intervals import z_of
from mldeploy.stats._power import HOPELESS, n_for_proportion, z_of_power


def rows_needed(
    estimate: Estimate | Comparison, *, threshold: float, n: int, power: float = 0.5
) -> int | None:
    r"""Count the rows after which an interval would exclude a threshold, whatever the metric.

    Parameters
    ----------
    estimate : Estimate or Comparison
        What `n` rows gave; of a comparison the difference counts.
    threshold : float
        Value that the interval shall exclude, on whichever side the estimate is.
    n : int
        Rows behind the estimate, at least 1; more than ``estimate.n`` when they come in units.
    power : float, default=0.5
        Chance that the interval does so if the truth is where the estimate is, at least 0.5.

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
    >>> from mldeploy.stats import wilson
    >>> rows_needed(wilson(65, 100), threshold=0.6, n=100)
    369
    >>> rows_needed(wilson(60, 100), threshold=0.6, n=100) is None
    True
    """
    if n < 1 or math.isnan(threshold):
        raise ValueError(f"{n=} rows and {threshold=}: need a row and a number")
    interval = estimate.interval
    value = estimate.value if isinstance(estimate, Estimate) else estimate.difference
    if math.isclose(value, threshold, rel_tol=1e-9, abs_tol=1e-9):
        return None
    if not interval.contains(threshold):
        return n
    if estimate.method == "Wilson":
        units = n_for_proportion(
            value, bound=threshold, power=power, confidence=interval.confidence
        )
        needed = units * n / max(estimate.n, 1)
    else:
        more = 1 + z_of_power(power) / z_of(interval.confidence)
        needed = n * (more * _shrinkage(value, interval, threshold)) ** 2
    return max(n, math.ceil(needed)) if needed <= HOPELESS else None


def _shrinkage(value: float, interval: Interval, threshold: float) -> float:
    """Return how many times narrower the interval must become on the threshold's side."""
    end = interval.low if threshold < value else interval.high
    points = np.array([value, threshold, end])
    if interval.low >= 0 and interval.high <= 1 and 0 < value < 1 and 0 < threshold < 1:
        on_logit = special.logit(points)
        if np.isfinite(on_logit).all():
            points = on_logit
    return float(np.nextafter(abs(points[2] - points[0]) / abs(points[1] - points[0]), np.inf))

"""The largest difference of a rate between groups."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations

import numpy as np

from mldeploy.errors import NotMeasurableError
from mldeploy.problem._builtin import find_metric
from mldeploy.problem._measure import measure
from mldeploy.problem._metric import Metric
from mldeploy.problem._rows import ScoredRows
from mldeploy.stats import Estimate, Interval, holm_confidence


def group_gap(
    metric: Metric, groups: Mapping[str, ScoredRows], *, confidence: float = 0.95
) -> Estimate:
    """Measure the largest difference of a rate between any two groups.

    Parameters
    ----------
    metric : Metric
        A metric of fairness, whose `per_row` gives the rate within a group; equalised odds
        compare two rates, and take the larger difference.
    groups : mapping of str to ScoredRows
        The rows of each group by its name.
    confidence : float, default=0.95
        Two-sided confidence over all pairs together.

    Returns
    -------
    Estimate
        The largest absolute difference. Its interval reaches from the largest lower end to the
        largest upper end of the pairs' intervals, so both ends hold for all pairs at once.

    Raises
    ------
    NotMeasurableError
        If there are fewer than two groups, or a group's rate has no value.

    Notes
    -----
    Each pair's interval is Newcombe's hybrid of the two groups' own intervals [1]_, at a
    confidence corrected for the number of pairs.

    References
    ----------
    .. [1] R. G. Newcombe, "Interval estimation for the difference between independent
       proportions", Statistics in Medicine 17, 1998, method 10.
    """
    if len(groups) < 2:
        raise NotMeasurableError(f"{metric.name} compares groups and found {len(groups)}")
    parts, pairs = _rates_of(metric), list(combinations(groups, 2))
    level = holm_confidence(len(parts) * len(pairs), confidence)
    rates = [
        {name: measure(part, rows, confidence=level) for name, rows in groups.items()}
        for part in parts
    ]
    gaps = [_newcombe(of_part[a], of_part[b]) for of_part in rates for a, b in pairs]
    return Estimate(
        value=max(value for value, _, _ in gaps),
        interval=Interval(
            low=max(low for _, low, _ in gaps),
            high=max(high for _, _, high in gaps),
            confidence=confidence,
        ),
        n=sum(rate.n for of_part in rates for rate in of_part.values()),
        method="Newcombe, all pairs",
    )


def _rates_of(metric: Metric) -> tuple[Metric, ...]:
    """Return the metrics whose differences make up one of fairness: two for equalised odds."""
    if metric.name != "equalized_odds_difference":
        return (metric,)
    return find_metric("recall"), find_metric("false_positive_rate")


def _newcombe(a: Estimate, b: Estimate) -> tuple[float, float, float]:
    """Return the absolute difference of two rates, with the ends of its interval."""
    difference = a.value - b.value
    below = np.hypot(a.value - a.interval.low, b.interval.high - b.value)
    above = np.hypot(a.interval.high - a.value, b.value - b.interval.low)
    low, high = difference - below, difference + above
    nearest = 0.0 if low <= 0 <= high else min(abs(low), abs(high))
    return abs(difference), float(nearest), float(max(abs(low), abs(high)))

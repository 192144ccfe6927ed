"""Bootstrap intervals: rows or whole units drawn again, by weights, so that no row is copied."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from mldeploy.stats._areas import resampled_areas
from mldeploy.stats._arrays import Floats, finite, labels, vector
from mldeploy.stats._auc import placements
from mldeploy.stats._delong import delong
from mldeploy.stats._estimate import Comparison, Estimate
from mldeploy.stats._intervals import wilson
from mldeploy.stats._replicates import (
    Statistic,
    codes_of,
    comparison_from,
    estimate_from,
    per_unit,
    replicate,
    replicate_ratio,
    replicates_of,
)


def bootstrap(
    statistic: Statistic,
    *,
    n_rows: int,
    units: npt.ArrayLike | None = None,
    n_resamples: int = 1000,
    confidence: float = 0.95,
    rng: np.random.Generator,
) -> Estimate:
    r"""Estimate any metric that takes row weights, with a BCa interval.

    Parameters
    ----------
    statistic : callable
        ``statistic(weights) -> float``; the weights, of shape (n_rows,), say how often each
        row was drawn. It answers NaN where it is undefined, such as on one class only.
    n_rows : int
        Number of rows, at least 2.
    units : array-like of shape (n_rows,), optional
        What the rows belong to, when rows of one unit are alike (a customer, a day): whole
        units are then drawn. Rows taken for independent when they come in tens make a 95 %
        interval that covers 65 %.
    n_resamples : int, default=1000
        Resamples, at least 50.
    confidence : float, default=0.95
        Level of the two-sided interval, in (0, 1).
    rng : numpy.random.Generator
        Source of the resamples.

    Returns
    -------
    Estimate
        The statistic on all rows; `n` counts units if there are any, else rows.

    Raises
    ------
    ValueError
        If there are fewer than two rows or units, or the statistic is undefined on all rows
        or on more than 5 % of the resamples.

    Notes
    -----
    Bias-corrected and accelerated [1]_; the acceleration comes from leaving out one row or
    unit, or one of 200 random groups of them, at a time. With units the same is done on whole
    units, the cluster bootstrap [2]_. It needs 20 units or more to be trusted.

    References
    ----------
    .. [1] B. Efron, "Better bootstrap confidence intervals", Journal of the American
       Statistical Association 82, 1987.
    .. [2] A. C. Davison and D. V. Hinkley, "Bootstrap Methods and their Application", 1997,
       section 3.8.

    Examples
    --------
    >>> values = np.arange(50.0)
    >>> estimate = bootstrap(
    ...     lambda w: float(np.average(values, weights=w)),
    ...     n_rows=50, rng=np.random.default_rng(0),
    ... )
    >>> estimate.value, estimate.interval.contains(24.5), estimate.method
    (24.5, True, 'BCa bootstrap')
    """
    codes, n_units = codes_of(units, n_rows=n_rows)
    replicates = replicate(
        statistic, codes=codes, n_units=n_units, n_rows=n_rows, n_resamples=n_resamples, rng=rng
    )
    return estimate_from(replicates, confidence=confidence, n=n_units, clustered=units is not None)


def bootstrap_ratio(
    numerator: npt.ArrayLike,
    denominator: npt.ArrayLike | None = None,
    *,
    units: npt.ArrayLike | None = None,
    n_resamples: int = 1000,
    confidence: float = 0.95,
    rng: np.random.Generator,
) -> Estimate:
    r"""Estimate a mean, or a ratio of two sums, fast enough for millions of rows.

    Accuracy, recall (hits over positives), precision, mean absolute error and cost per case
    are all such ratios.

    Parameters
    ----------
    numerator : array-like of shape (n_rows,)
        What each row adds above the line; finite.
    denominator : array-like of shape (n_rows,), optional
        What each row adds below the line; 1 for each by default, which makes it a mean.
    units : array-like of shape (n_rows,), optional
        What the rows belong to, as in `bootstrap`.
    n_resamples : int, default=1000
        Resamples, at least 50.
    confidence : float, default=0.95
        Level of the two-sided interval, in (0, 1).
    rng : numpy.random.Generator
        Source of the resamples.

    Returns
    -------
    Estimate
        :math:`\sum_i a_i / \sum_i b_i`; `n` counts units if there are any, else rows.

    Raises
    ------
    ValueError
        If the arrays are empty, NaN, infinite or of different lengths, or the sum below the
        line is 0 on all rows or on more than 5 % of the resamples.

    Notes
    -----
    A share that is 0 or 1 shows no variation to resample; its interval is then Wilson's, with
    each unit counted once. Sums per unit are drawn instead of rows. Beyond 10,000 rows or
    units they are first pooled at random into 10,000 groups of equal size, which are
    independent and alike too.

    Examples
    --------
    >>> hits, positives = [1, 0, 1, 1] * 25, [1, 1, 1, 1] * 25
    >>> estimate = bootstrap_ratio(hits, positives, rng=np.random.default_rng(0))
    >>> estimate.value, estimate.n
    (0.75, 100)
    """
    above = finite("numerator", numerator)
    below = np.ones(above.size)
    if denominator is not None:
        below = finite("denominator", denominator, length=above.size)
    codes, n_units = codes_of(units, n_rows=above.size)
    if _all_or_none(above, below):
        n_tried = int(np.count_nonzero(per_unit(codes, below, n=n_units)))
        return wilson(n_tried if above.any() else 0, n_tried, confidence=confidence)
    replicates = replicate_ratio(
        above, below, codes=codes, n_units=n_units, n_resamples=n_resamples, rng=rng
    )
    return estimate_from(replicates, confidence=confidence, n=n_units, clustered=units is not None)


def bootstrap_auc(
    y_true: npt.ArrayLike,
    y_score: npt.ArrayLike,
    *,
    units: npt.ArrayLike | None = None,
    n_resamples: int = 1000,
    confidence: float = 0.95,
    rng: np.random.Generator,
) -> Estimate:
    """Estimate the area under the ROC curve by resampling: one sort serves every resample.

    `delong` gives nearly the same interval at once; this one makes no use of normality, and
    checks it.

    Parameters
    ----------
    y_true : array-like of shape (n,)
        1 (or True) for the positive class, else 0.
    y_score : array-like of shape (n,)
        Higher means more likely positive; any scale.
    units : array-like of shape (n,), optional
        What the rows belong to, as in `bootstrap`.
    n_resamples : int, default=1000
        Resamples, at least 50.
    confidence : float, default=0.95
        Level of the two-sided interval, in (0, 1).
    rng : numpy.random.Generator
        Source of the resamples.

    Returns
    -------
    Estimate
        The area and its BCa interval, both in [0, 1]; `n` counts units if there are any.

    Raises
    ------
    ValueError
        If there are no rows, a value is NaN, or a class is missing from all rows or from more
        than 5 % of the resamples.

    Notes
    -----
    As `bootstrap`, with the acceleration taken from the influence of each row or unit. An area
    of exactly 0 or 1 shows no variation to resample: it gets the interval of `delong`. Beyond
    20,000 rows units are first pooled at random into 2,000 groups and scores into 2,000 bins;
    what that loses of the spread is put back by the rows' influence.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> y = np.arange(300) % 2
    >>> area = bootstrap_auc(y, y + rng.normal(size=300), rng=rng)
    >>> area.interval.low < area.value < area.interval.high
    True
    """
    positive = labels("y_true", y_true)
    score = vector("y_score", y_score, length=positive.size)
    codes, n_units = codes_of(units, n_rows=positive.size)
    places = placements(positive, score)
    if places.auc in {0.0, 1.0}:
        return delong(y_true, y_score, units=units, confidence=confidence)
    resampled = resampled_areas(
        positive, score, places, codes=codes, n_units=n_units, n_resamples=n_resamples, rng=rng
    )
    influence = places.influence(positive)
    replicates = replicates_of(
        places.auc, resampled, influence=per_unit(codes, influence, n=n_units)
    )
    return estimate_from(replicates, confidence=confidence, n=n_units, clustered=units is not None)


def paired_bootstrap(
    statistic_a: Statistic,
    statistic_b: Statistic,
    *,
    n_rows: int,
    units: npt.ArrayLike | None = None,
    n_resamples: int = 1000,
    confidence: float = 0.95,
    rng: np.random.Generator,
) -> Comparison:
    """Compare one metric of two models on the same rows: the same draws serve both.

    Parameters
    ----------
    statistic_a, statistic_b : callable
        ``statistic(weights) -> float`` of either model, as in `bootstrap`.
    n_rows : int
        Number of rows, at least 2.
    units : array-like of shape (n_rows,), optional
        What the rows belong to, as in `bootstrap`.
    n_resamples : int, default=1000
        Resamples, at least 50; no p-value can be below about 1 / n_resamples.
    confidence : float, default=0.95
        Level of the two-sided interval, in (0, 1); its lower end at 0.90 is the one-sided
        0.95 bound.
    rng : numpy.random.Generator
        Source of the resamples.

    Returns
    -------
    Comparison
        `statistic_a` less `statistic_b`, with the p-value at which its BCa interval just
        excludes 0.

    Raises
    ------
    ValueError
        As in `bootstrap`.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> a, b = rng.random(200) < 0.9, rng.random(200) < 0.7
    >>> comparison = paired_bootstrap(
    ...     lambda w: float(a @ w / w.sum()), lambda w: float(b @ w / w.sum()),
    ...     n_rows=200, rng=rng,
    ... )
    >>> comparison.interval.low > 0, comparison.p_value < 0.01
    (True, True)
    """
    codes, n_units = codes_of(units, n_rows=n_rows)
    replicates = replicate(
        lambda weights: statistic_a(weights) - statistic_b(weights),
        codes=codes,
        n_units=n_units,
        n_rows=n_rows,
        n_resamples=n_resamples,
        rng=rng,
    )
    return comparison_from(
        replicates, confidence=confidence, n=n_units, clustered=units is not None
    )


def _all_or_none(above: Floats, below: Floats) -> bool:
    """Tell whether a ratio is a share, of counts, that is exactly 0 or 1."""
    counts = bool(((above == 0) | (above == 1)).all() and ((below == 0) | (below == 1)).all())
    return counts and bool(below.any()) and (not above.any() or bool((above == below).all()))

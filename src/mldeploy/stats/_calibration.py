"""Are probabilities what they say: scores, a test, and a curve with intervals."""

from __future__ import annotations

import math
from typing import final

import numpy as np
import numpy.typing as npt
from scipy import special

from mldeploy._record import Record
from mldeploy.errors import InvalidDataError
from mldeploy.stats._arrays import Floats, Ints, check_confidence, labels, vector
from mldeploy.stats._estimate import Estimate
from mldeploy.stats._intervals import wilson

_CLIP = 1e-9
"""Probabilities are kept this far from 0 and 1, whose logit is infinite."""


@final
class CalibrationResult(Record):
    """What Cox's recalibration found; perfect probabilities give intercept 0 and slope 1."""

    intercept: float
    """Log odds to add; above 0 when the probabilities are too low."""
    slope: float
    """Factor of the log odds; below 1 when the probabilities are too extreme."""
    statistic: float
    """Likelihood ratio against intercept 0 and slope 1."""
    p_value: float
    """Chance of such a statistic under perfect calibration, in [0, 1]."""
    n: int


@final
class ReliabilityBin(Record):
    """Rows of similar probability: what was promised, and what happened."""

    low: float
    high: float
    """Smallest and largest probability in the bin."""
    predicted: float
    """Mean probability."""
    observed: Estimate
    """Share of positives, with Wilson's interval."""


@final
class ReliabilityCurve(Record):
    """Bins of equal size, from the lowest probability to the highest."""

    bins: tuple[ReliabilityBin, ...]


def brier(y: npt.ArrayLike, p: npt.ArrayLike, sample_weight: npt.ArrayLike | None = None) -> float:
    r"""Compute the mean squared error of probabilities.

    Parameters
    ----------
    y : array-like of shape (n,)
        1 (or True) for the positive class, else 0.
    p : array-like of shape (n,)
        Probability of the positive class, in [0, 1].
    sample_weight : array-like of shape (n,), optional
        Weights, none negative, not all 0.

    Returns
    -------
    float
        Score in [0, 1], lower is better; :math:`\bar y (1 - \bar y)` for a constant that is
        right on average.

    Raises
    ------
    ValueError
        If there are no rows, a value is NaN, or a probability lies outside [0, 1].

    Notes
    -----
    :math:`\sum w (p - y)^2 / \sum w` [1]_, as scikit-learn's ``brier_score_loss``.

    References
    ----------
    .. [1] G. W. Brier, "Verification of forecasts expressed in terms of probability",
       Monthly Weather Review 78, 1950.

    Examples
    --------
    >>> brier([0, 1], [0.5, 1.0])
    0.125
    """
    positive, probability = _checked(y, p)
    if sample_weight is None:
        return float(np.mean((probability - positive) ** 2))
    weight = vector("sample_weight", sample_weight, length=positive.size)
    if (weight < 0).any() or weight.sum() == 0:
        raise InvalidDataError("sample_weight must not be negative, nor 0 on every row")
    return float(np.average((probability - positive) ** 2, weights=weight))


def cox_calibration(y: npt.ArrayLike, p: npt.ArrayLike) -> CalibrationResult:
    r"""Test whether probabilities are calibrated, by Cox's intercept and slope.

    Parameters
    ----------
    y : array-like of shape (n,)
        1 (or True) for the positive class, else 0; independent rows.
    p : array-like of shape (n,)
        Probability of the positive class, in [0, 1]; 0 and 1 count as 1e-9 and 1 - 1e-9.

    Returns
    -------
    CalibrationResult
        Intercept, slope, and the likelihood ratio's p-value.

    Raises
    ------
    ValueError
        If a class is missing, all probabilities are equal, or they separate the classes
        perfectly, so that no slope fits best.

    Notes
    -----
    Fits :math:`logit P(y = 1) = a + b \, logit p` by Newton's method; twice its gain in log
    likelihood over a = 0, b = 1 is :math:`\chi^2` with two degrees of freedom [1]_.

    References
    ----------
    .. [1] D. R. Cox, "Two further applications of a model for binary regression",
       Biometrika 45, 1958.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> p = rng.random(2000)
    >>> result = cox_calibration(rng.random(2000) < p, p)
    >>> result.p_value > 0.05, round(result.slope, 1)
    (True, 1.0)
    """
    positive, probability = _checked(y, p)
    n_positive = int(positive.sum())
    if n_positive in {0, positive.size}:
        raise InvalidDataError("calibration needs rows of both classes; y holds only one")
    x = special.logit(np.clip(probability, _CLIP, 1 - _CLIP))
    if np.ptp(x) == 0:
        raise InvalidDataError(f"every probability is {probability[0]:g}, which fixes no slope")
    if not x[positive].min() < x[~positive].max() or not x[~positive].min() < x[positive].max():
        raise InvalidDataError(
            "the probabilities separate the classes perfectly; no slope fits best"
        )
    design = np.column_stack([np.ones_like(x), x])
    beta, gain = _fit(design, positive.astype(np.float64), start=np.array([0.0, 1.0]))
    statistic = max(0.0, 2 * gain)
    return CalibrationResult(
        intercept=float(beta[0]),
        slope=float(beta[1]),
        statistic=statistic,
        p_value=math.exp(-statistic / 2),
        n=positive.size,
    )


def debiased_ece(y: npt.ArrayLike, p: npt.ArrayLike, *, n_bins: int = 15) -> float:
    r"""Estimate the calibration error without what chance adds to it.

    Parameters
    ----------
    y : array-like of shape (n,)
        1 (or True) for the positive class, else 0; independent rows.
    p : array-like of shape (n,)
        Probability of the positive class, in [0, 1].
    n_bins : int, default=15
        Bins of equal size; at most n / 2, so that each holds two rows.

    Returns
    -------
    float
        Root mean squared gap between promised and true share, in [0, 1]; near 0 for perfect
        probabilities however few the rows, where the usual error is `null_ece`.

    Raises
    ------
    ValueError
        If there are fewer than two rows per bin, a value is NaN, or a probability lies
        outside [0, 1].

    Notes
    -----
    :math:`\sqrt{\max(0, \sum_b w_b [(\bar y_b - \bar p_b)^2 -
    \bar y_b (1 - \bar y_b) / (n_b - 1)])}` [1]_.

    References
    ----------
    .. [1] A. Kumar, P. Liang and T. Ma, "Verified uncertainty calibration", Advances in
       Neural Information Processing Systems 32, 2019, definition 5.1.

    Examples
    --------
    >>> y = np.repeat([0, 1, 0, 1], [90, 10, 50, 50])
    >>> p = np.repeat([0.1, 0.9], [100, 100])
    >>> round(debiased_ece(y, p, n_bins=2), 3)
    0.28
    """
    positive, probability = _checked(y, p)
    bins = _equal_bins(probability, n_bins=n_bins, least=2)
    n = np.bincount(bins).astype(np.float64)
    observed = np.bincount(bins, weights=positive) / n
    predicted = np.bincount(bins, weights=probability) / n
    noise = observed * (1 - observed) / (n - 1)
    squared = float(n @ ((observed - predicted) ** 2 - noise)) / positive.size
    return math.sqrt(max(0.0, squared))


def null_ece(p: npt.ArrayLike, *, n_bins: int = 15) -> float:
    r"""Return the usual expected calibration error that *perfect* probabilities show.

    Parameters
    ----------
    p : array-like of shape (n,)
        Probabilities in [0, 1].
    n_bins : int, default=15
        Bins of equal size; at most n.

    Returns
    -------
    float
        Mean absolute gap that chance makes, in [0, 1]: an expected calibration error says
        nothing unless it is well above this.

    Raises
    ------
    ValueError
        If there are fewer rows than bins, a value is NaN or outside [0, 1].

    Notes
    -----
    :math:`\sqrt{2/\pi} \sum_b \sqrt{\sum_{i \in b} p_i (1 - p_i)} / n`, the mean of folded
    normals [1]_.

    References
    ----------
    .. [1] J. Bröcker and L. A. Smith, "Increasing the reliability of reliability diagrams",
       Weather and Forecasting 22, 2007.

    Examples
    --------
    >>> round(null_ece(np.full(300, 0.5)), 3)
    0.089
    """
    probability = vector("p", p)
    _, probability = _checked(np.zeros(probability.size), probability)
    bins = _equal_bins(probability, n_bins=n_bins, least=1)
    variance = np.bincount(bins, weights=probability * (1 - probability))
    return float(math.sqrt(2 / math.pi) * np.sqrt(variance).sum() / probability.size)


def reliability_curve(
    y: npt.ArrayLike, p: npt.ArrayLike, *, n_bins: int = 10, confidence: float = 0.95
) -> ReliabilityCurve:
    """Set promised against observed shares, in bins of equal size.

    Parameters
    ----------
    y : array-like of shape (n,)
        1 (or True) for the positive class, else 0; independent rows.
    p : array-like of shape (n,)
        Probability of the positive class, in [0, 1].
    n_bins : int, default=10
        Bins of equal size; at most n.
    confidence : float, default=0.95
        Level of each bin's interval; see `holm_confidence` for all bins at once.

    Returns
    -------
    ReliabilityCurve
        One bin after another, with `wilson` intervals.

    Raises
    ------
    ValueError
        If there are fewer rows than bins, a value is NaN, or a probability lies outside [0, 1].

    Examples
    --------
    >>> curve = reliability_curve([0, 1, 1, 1], [0.1, 0.3, 0.8, 0.8], n_bins=2)
    >>> [(b.predicted, b.observed.value) for b in curve.bins]
    [(0.2, 0.5), (0.8, 1.0)]
    """
    check_confidence(confidence)
    positive, probability = _checked(y, p)
    bins = _equal_bins(probability, n_bins=n_bins, least=1)
    members = (bins == b for b in range(n_bins))
    return ReliabilityCurve(
        bins=tuple(
            ReliabilityBin(
                low=float(probability[member].min()),
                high=float(probability[member].max()),
                predicted=float(probability[member].mean()),
                observed=wilson(positive[member].sum(), member.sum(), confidence=confidence),
            )
            for member in members
        )
    )


def _checked(y: npt.ArrayLike, p: npt.ArrayLike) -> tuple[npt.NDArray[np.bool_], Floats]:
    positive = labels("y", y)
    probability = vector("p", p, length=positive.size)
    if ((probability < 0) | (probability > 1)).any():
        raise InvalidDataError("p holds values outside [0, 1]; pass probabilities, not scores")
    return positive, probability


def _equal_bins(p: Floats, *, n_bins: int, least: int) -> Ints:
    """Number the rows' bins by rank, so that sizes differ by one at most."""
    if n_bins < 1 or p.size < least * n_bins:
        raise InvalidDataError(
            f"{p.size} rows do not fill {n_bins} bins of {least} or more; ask for fewer bins"
        )
    bins = np.empty(p.size, dtype=np.intp)
    bins[np.argsort(p, kind="stable")] = np.arange(p.size) * n_bins // p.size
    return bins


def _fit(design: Floats, y: Floats, *, start: Floats) -> tuple[Floats, float]:
    """Maximise a logistic likelihood; return the coefficients and the gain over `start`."""

    def log_likelihood(beta: Floats) -> float:
        eta = design @ beta
        return float(y @ eta - np.logaddexp(0.0, eta).sum())

    beta, first = start, log_likelihood(start)
    best = first
    for _ in range(100):
        mean = special.expit(design @ beta)
        curvature = (design * (mean * (1 - mean))[:, None]).T @ design
        step = np.linalg.lstsq(curvature, design.T @ (y - mean), rcond=None)[0]
        while (value := log_likelihood(beta + step)) < best and np.abs(step).max() > 1e-12:
            step = step / 2
        if value < best:
            break
        beta, gained, best = beta + step, value - best, value
        if gained < 1e-10:
            break
    return beta, best - first

"""What labels would show, told from probabilities alone: the confidence-based estimate."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias, final

import numpy as np
import numpy.typing as npt

from mldeploy._record import Record
from mldeploy.stats._arrays import Floats, Ints, check_share
from mldeploy.stats._estimate import Estimate, Interval
from mldeploy.stats._intervals import z_of
from mldeploy.stats._recalibration import (
    checked_labels,
    checked_probabilities,
    recalibrate,
    recalibration_influence,
)

_STEP = 1e-4


@final
class WithoutLabels(Record):
    """Metrics as labels would show them, if nothing changed in how rows get their label.

    A metric is None where it is undefined: precision, if no row is said to be positive.
    """

    accuracy: Estimate
    precision: Estimate | None
    recall: Estimate | None
    f1: Estimate | None
    roc_auc: Estimate | None


def cbpe(
    reference_labels: npt.ArrayLike,
    reference_probabilities: npt.ArrayLike,
    current_probabilities: npt.ArrayLike,
    *,
    threshold: float = 0.5,
    confidence: float = 0.95,
) -> WithoutLabels:
    r"""Estimate how good a binary classifier is on rows whose labels are not there yet.

    It assumes *no concept change*: a row that was said to be positive with some probability is
    so as often as before. Rows may be others than before (covariate shift). Where the concept
    changed, the estimate is wrong by any amount and nothing here can tell: compare it with a
    standing random sample of rows that are labelled at once.

    Parameters
    ----------
    reference_labels : array-like of shape (n_reference,)
        1 (or True) for the positive class, else 0, on held-out rows.
    reference_probabilities : array-like of shape (n_reference,)
        Probability of the positive class on the same rows; it is recalibrated by them.
    current_probabilities : array-like of shape (n_current,)
        Probability of the positive class on the rows without labels.
    threshold : float, default=0.5
        Probability, as the model says it, from which on a row counts as positive; in [0, 1].
    confidence : float, default=0.95
        Level of the intervals for what the labels of these rows will show, in (0, 1).

    Returns
    -------
    WithoutLabels
        Metrics with intervals that know of chance in the labels and of the calibration's error,
        not of a changed concept.

    Raises
    ------
    EmptyDataError
        If there are no rows.
    InvalidDataError
        If a class has no reference rows, or a probability is NaN or none.

    Notes
    -----
    Each row counts as a positive with its probability and as a negative with the rest [1]_; for
    the area under the ROC curve, each pair of rows with the chance that it is one of either.

    References
    ----------
    .. [1] J. Kivimäki, J. Białek, J. K. Nurminen and W. Kuberski, "Confidence-based estimators
       for predictive performance in model monitoring", Journal of Artificial Intelligence
       Research 82, 2025.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> p = rng.beta(2, 3, size=4000)
    >>> harder = rng.uniform(0.3, 0.7, size=4000)
    >>> found = cbpe(rng.random(4000) < p, p, harder)
    >>> labels = rng.random(4000) < harder
    >>> found.accuracy.interval.contains(float(np.mean(labels == (harder >= 0.5))))
    True
    """
    check_share("threshold", threshold)
    z = z_of(confidence)
    codes, logs = checked_labels(reference_labels, reference_probabilities)
    raw = checked_probabilities(current_probabilities, n_classes=2)
    right, said = recalibrate(codes, np.exp(logs)), raw[:, 1] >= threshold
    theta, order = np.array([right.slope, right.biases[1]]), _Order.of(raw[:, 1])
    influence = recalibration_influence(right, codes, logs)

    def probabilities(at: Floats) -> Floats:
        gap = np.log(raw[:, 1]) - np.log(raw[:, 0])
        p: Floats = 1 / (1 + np.exp(-np.clip(at[0] * gap + at[1], -700, 700)))
        return p

    p = probabilities(theta)

    def estimate(metric: Callable[[Floats], tuple[float, Floats]]) -> Estimate | None:
        value, by_label = metric(p)
        if not math.isfinite(value):
            return None
        slope = np.array(
            [
                (metric(probabilities(theta + e))[0] - metric(probabilities(theta - e))[0])
                / (2 * _STEP)
                for e in _STEP * np.eye(2)
            ]
        )
        variance = float((by_label**2 * p * (1 - p)).sum() + ((influence @ slope) ** 2).sum())
        half = z * math.sqrt(variance)
        low, high = max(0.0, value - half), min(1.0, value + half)
        interval = Interval(low=low, high=high, confidence=confidence)
        return Estimate(value=value, interval=interval, n=p.size, method="CBPE")

    accuracy = estimate(lambda p: _ratio(p, (~said, 2.0 * said - 1), (np.ones(p.size), 0 * p)))
    assert accuracy is not None
    return WithoutLabels(
        accuracy=accuracy,
        precision=estimate(lambda p: _ratio(p, (0 * p, said), (said, 0 * p))),
        recall=estimate(lambda p: _ratio(p, (0 * p, said), (0 * p, np.ones(p.size)))),
        f1=estimate(lambda p: _ratio(p, (0 * p, 2.0 * said), (said, np.ones(p.size)))),
        roc_auc=estimate(lambda p: _area(p, order)),
    )


_Parts: TypeAlias = tuple[npt.NDArray[np.generic], npt.NDArray[np.generic]]


def _ratio(p: Floats, above: _Parts, below: _Parts) -> tuple[float, Floats]:
    """Return a ratio of sums of ``a + b * label``, and its derivative in each label."""
    a, b, c, d = (np.asarray(part, dtype=np.float64) for part in (*above, *below))
    total = float((c + d * p).sum())
    if total <= 0:
        return math.nan, np.zeros(p.size)
    value = float((a + b * p).sum()) / total
    return value, (b - value * d) / total


@dataclass(frozen=True, kw_only=True)
class _Order:
    """Where each score stands among all, found once for all the weights that follow."""

    order: Ints
    low: Ints
    high: Ints

    @classmethod
    def of(cls, score: Floats) -> _Order:
        order = np.argsort(score, kind="stable")
        ordered = score[order]
        low, high = (np.searchsorted(ordered, score, side=side) for side in ("left", "right"))
        return cls(order=order, low=low, high=high)

    def below(self, weight: Floats) -> Floats:
        """Return the weight of the scores below each, ties counted half."""
        sums = np.r_[0.0, np.cumsum(weight[self.order])]
        result: Floats = (sums[self.low] + sums[self.high]) / 2
        return result


def _area(p: Floats, order: _Order) -> tuple[float, Floats]:
    """Return the expected area under the ROC curve, and its derivative in each label."""
    positives, negatives = float(p.sum()), float((1 - p).sum())
    own = float((p * (1 - p)).sum())
    n_pairs = positives * negatives - own
    if p.size < 2 or n_pairs <= 1e-12:
        return math.nan, np.zeros(p.size)
    below = order.below(1 - p)
    above = positives - order.below(p)
    # A row paired with itself is a tie, which counts half; it is no pair.
    area = (float(p @ below) - own / 2) / n_pairs
    return area, (below - area * negatives - above + area * positives) / n_pairs

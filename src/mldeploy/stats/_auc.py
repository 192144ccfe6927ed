"""Area under the ROC curve, and where each score falls among those of the other class."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mldeploy.errors import InvalidDataError
from mldeploy.stats._arrays import Floats, Ints, labels, vector


def roc_auc(
    y: npt.ArrayLike, score: npt.ArrayLike, sample_weight: npt.ArrayLike | None = None
) -> float:
    r"""Compute the chance that a positive row scores above a negative one.

    Parameters
    ----------
    y : array-like of shape (n,)
        1 (or True) for the positive class, else 0.
    score : array-like of shape (n,)
        Higher means more likely positive; any scale.
    sample_weight : array-like of shape (n,), optional
        Weights, none negative; how often each row counts.

    Returns
    -------
    float
        Area in [0, 1]; ties count half. The same value as scikit-learn's ``roc_auc_score``.

    Raises
    ------
    ValueError
        If there are no rows, a value is NaN, or a class is missing (or has no weight).

    Notes
    -----
    Mann and Whitney's U over the number of pairs, by one sort [1]_.

    References
    ----------
    .. [1] J. A. Hanley and B. J. McNeil, "The meaning and use of the area under a receiver
       operating characteristic (ROC) curve", Radiology 143, 1982.

    Examples
    --------
    >>> roc_auc([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])
    0.75
    """
    positive = labels("y", y)
    values = vector("score", score, length=positive.size)
    if sample_weight is None:
        weight = np.ones(values.size)
    else:
        weight = vector("sample_weight", sample_weight, length=values.size)
        if (weight < 0).any():
            raise InvalidDataError("sample_weight holds negative weights; drop those rows")
    order = np.argsort(values)
    weight, positive, ordered = weight[order], positive[order], values[order]
    starts = starts_of_runs(ordered)
    of_positive = np.add.reduceat(np.where(positive, weight, 0.0), starts)
    of_negative = np.add.reduceat(np.where(positive, 0.0, weight), starts)
    n_pairs = of_positive.sum() * of_negative.sum()
    if n_pairs == 0:
        raise InvalidDataError(
            "the AUC needs rows of both classes; y holds only one (with weight)"
        )
    wins = of_positive @ (np.cumsum(of_negative) - of_negative / 2)
    return float(min(1.0, max(0.0, wins / n_pairs)))


@dataclass(frozen=True, kw_only=True)
class Placements:
    """Where each row's score falls among the scores of the other class."""

    auc: float
    of_positive: Floats
    """Share of negatives below each positive, ties half; shape (n_positive,)."""
    of_negative: Floats
    """Share of positives above each negative, ties half; shape (n_negative,)."""

    def influence(self, positive: npt.NDArray[np.bool_]) -> Floats:
        """Return how far each row moves the area, in the rows' order; they sum to 0."""
        influence = np.empty(positive.size)
        influence[positive] = (self.of_positive - self.auc) / self.of_positive.size
        influence[~positive] = (self.of_negative - self.auc) / self.of_negative.size
        return influence


def placements(positive: npt.NDArray[np.bool_], score: Floats) -> Placements:
    """Place every score among those of the other class, in O(n log n)."""
    of_positive, of_negative = np.sort(score[positive]), np.sort(score[~positive])
    m, n = of_positive.size, of_negative.size
    if m == 0 or n == 0:
        raise InvalidDataError("the AUC needs rows of both classes; y_true holds only one")
    above = _share_below(of_negative, score[positive])
    below = 1 - _share_below(of_positive, score[~positive])
    return Placements(auc=float(above.mean()), of_positive=above, of_negative=below)


def starts_of_runs(ordered: Floats) -> Ints:
    """Return the positions at which a new value begins."""
    return np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])


def _share_below(ordered: Floats, values: Floats) -> Floats:
    """Return the share of `ordered` below each value, ties counted half."""
    below = np.searchsorted(ordered, values, side="left")
    up_to = np.searchsorted(ordered, values, side="right")
    share: Floats = (below + up_to) / (2 * ordered.size)
    return share

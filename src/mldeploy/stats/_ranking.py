"""Metrics of a ranking, sorted once and then computed for any weights."""

from __future__ import annotations

from typing import final

import numpy as np
import numpy.typing as npt

from mldeploy.stats._arrays import Floats, labels, vector
from mldeploy.stats._auc import starts_of_runs


@final
class Ranking:
    r"""Labels in the order of their scores, for metrics of many weightings of the same rows.

    A bootstrap asks for the same metric hundreds of times with other weights; sorting once
    makes each answer a few sums.

    Parameters
    ----------
    y : array-like of shape (n,)
        1 (or True) for the positive class, else 0.
    score : array-like of shape (n,)
        Higher means more likely positive; any scale.

    Raises
    ------
    ValueError
        If there are no rows, a value is NaN, or a label is neither 0 nor 1.

    Notes
    -----
    The average precision is :math:`\sum_t (R_t - R_{t-1}) P_t` over the distinct scores
    :math:`t`, from the highest down: scikit-learn's ``average_precision_score`` [1]_.

    References
    ----------
    .. [1] M. Zhu, "Recall, precision and average precision", Working Paper 2004-09, Department
       of Statistics and Actuarial Science, University of Waterloo, 2004.

    Examples
    --------
    >>> ranking = Ranking([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])
    >>> round(ranking.average_precision(), 4), ranking.roc_auc()
    (0.8333, 0.75)
    """

    def __init__(self, y: npt.ArrayLike, score: npt.ArrayLike) -> None:
        positive = labels("y", y)
        values = vector("score", score, length=positive.size)
        self._order = np.argsort(-values)
        self._positive = positive[self._order].astype(np.float64)
        self._starts = starts_of_runs(-values[self._order])

    def average_precision(self, weights: npt.ArrayLike | None = None) -> float:
        """Return the average precision, in [0, 1]; NaN if no positive row has weight.

        Parameters
        ----------
        weights : array-like of shape (n,), optional
            How often each row counts, none negative; once each by default.
        """
        of_positive, of_all = self._by_score(weights)
        hits, seen = np.cumsum(of_positive), np.cumsum(of_all)
        if hits[-1] <= 0:
            return float("nan")
        hits /= np.maximum(seen, np.finfo(float).tiny)
        return float(min(1.0, of_positive @ hits / of_positive.sum()))

    def roc_auc(self, weights: npt.ArrayLike | None = None) -> float:
        """Return the area under the ROC curve, in [0, 1]; NaN if a class has no weight.

        Parameters
        ----------
        weights : array-like of shape (n,), optional
            How often each row counts, none negative; once each by default.
        """
        of_positive, of_all = self._by_score(weights)
        of_negative = of_all - of_positive
        below = of_negative.sum() - np.cumsum(of_negative) + of_negative / 2
        n_pairs = of_positive.sum() * of_negative.sum()
        if n_pairs <= 0:
            return float("nan")
        return float(min(1.0, max(0.0, of_positive @ below / n_pairs)))

    def _by_score(self, weights: npt.ArrayLike | None) -> tuple[Floats, Floats]:
        """Return the weight of the positives, and of all rows, of each distinct score."""
        if weights is None:
            ordered = np.ones(self._positive.size)
        else:
            ordered = np.asarray(weights, dtype=np.float64)[self._order]
        of_positive = ordered * self._positive
        if self._starts.size == ordered.size:
            return of_positive, ordered
        return (
            np.add.reduceat(of_positive, self._starts),
            np.add.reduceat(ordered, self._starts),
        )

"""Scores of repeated cross-validation: folds share rows, so a plain t-test sees too much."""

from __future__ import annotations

import math

import numpy.typing as npt
from scipy import special

from mldeploy.errors import InvalidDataError
from mldeploy.stats._arrays import check_confidence, finite
from mldeploy.stats._estimate import Comparison, Interval


def corrected_resampled_t(
    differences: npt.ArrayLike, *, n_train: int, n_test: int, confidence: float = 0.95
) -> Comparison:
    r"""Compare two learners by their scores on the same folds of a resampled data set.

    Parameters
    ----------
    differences : array-like of shape (n_folds,)
        Score of the first learner less that of the second on each fold; two folds or more.
    n_train, n_test : int
        Rows that each fold trains on and is scored on.
    confidence : float, default=0.95
        Level of the two-sided interval, in (0, 1).

    Returns
    -------
    Comparison
        Mean difference; `n` counts folds.

    Raises
    ------
    ValueError
        If there are fewer than two folds, a difference is NaN, or a row count is not positive.

    Notes
    -----
    :math:`t = \bar d / \sqrt{(1/J + n_{test}/n_{train}) s^2}` with J - 1 degrees of
    freedom [1]_: the second term stands for the rows that folds share. Without it, two equal
    learners are told apart in about half of all ten times repeated cross-validations.

    References
    ----------
    .. [1] C. Nadeau and Y. Bengio, "Inference for the generalization error", Machine
       Learning 52, 2003.

    Examples
    --------
    >>> comparison = corrected_resampled_t([0.1, 0.2, 0.3], n_train=90, n_test=10)
    >>> round(comparison.difference, 3), round(comparison.p_value, 4)
    (0.2, 0.0955)
    """
    check_confidence(confidence)
    d = finite("differences", differences)
    if d.size < 2:
        raise InvalidDataError("one fold shows no variation; pass the differences of two or more")
    if n_train < 1 or n_test < 1:
        raise ValueError(f"{n_train=}, {n_test=}: folds train and are scored on rows")
    mean, df = float(d.mean()), d.size - 1
    error = math.sqrt((1 / d.size + n_test / n_train) * float(d.var(ddof=1)))
    if error == 0:
        p_value = 1.0 if mean == 0 else 0.0
    else:
        p_value = float(2 * special.stdtr(df, -abs(mean) / error))
    half = float(special.stdtrit(df, 0.5 + confidence / 2)) * error
    interval = Interval(low=mean - half, high=mean + half, confidence=confidence)
    return Comparison(
        difference=mean,
        interval=interval,
        p_value=p_value,
        n=d.size,
        method="corrected resampled t",
    )

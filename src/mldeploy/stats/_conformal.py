"""Prediction sets and intervals that cover as often as promised, whatever the model."""

from __future__ import annotations

import math
from collections.abc import Hashable

import numpy as np
import numpy.typing as npt
from scipy import special

from mldeploy.errors import InvalidDataError
from mldeploy.stats._arrays import Floats, check_confidence, vector


def conformal_quantile(
    scores: npt.ArrayLike, *, confidence: float = 0.9, delta: float | None = None
) -> float:
    r"""Return the score up to which a new row's true answer is kept.

    The score says how strange an answer is for a row: :math:`|y - \hat y|` for a regression,
    one less the probability of the label for a classifier. The set of all answers that score at
    most this quantile holds the truth as often as promised.

    Parameters
    ----------
    scores : array-like of shape (n,)
        Scores of the true answers on calibration rows that the model was not fitted on. Higher
        is stranger; infinite is fine, NaN is not.
    confidence : float, default=0.9
        Share of new rows whose set shall hold the truth, in (0, 1).
    delta : float, optional
        Without it the share holds on average over calibration samples. With it the share holds
        on this one, up to a chance of `delta` that these rows mislead; in (0, 1).

    Returns
    -------
    float
        The quantile; infinite when there are too few rows for a set smaller than everything.

    Raises
    ------
    EmptyDataError
        If there are no scores.
    InvalidDataError
        If a score is NaN.
    ValueError
        If `confidence` or `delta` does not lie in (0, 1).

    Notes
    -----
    The :math:`\lceil (n + 1) c \rceil`-th smallest score [1]_. Rows must be exchangeable with
    the new ones. The coverage of the k-th smallest is Beta(k, n + 1 - k), from which follows
    the k that keeps the promise with `delta` [2]_; ties only make it cover more.

    References
    ----------
    .. [1] V. Vovk, A. Gammerman and G. Shafer, "Algorithmic Learning in a Random World", 2005.
    .. [2] V. Vovk, "Conditional validity of inductive conformal predictors", Machine Learning
       92, 2013, proposition 2a.

    Examples
    --------
    >>> conformal_quantile(range(1, 10), confidence=0.8)
    8.0
    >>> conformal_quantile(range(1, 10), confidence=0.95)
    inf
    """
    check_confidence(confidence)
    ordered = np.sort(vector("scores", scores))
    rank = _rank(ordered.size, confidence, delta)
    return float(ordered[rank - 1]) if rank <= ordered.size else math.inf


def mondrian_quantiles(
    scores: npt.ArrayLike,
    groups: npt.ArrayLike,
    *,
    confidence: float = 0.9,
    delta: float | None = None,
) -> dict[Hashable, float]:
    """Return a conformal quantile for each group, so that each is covered as promised.

    Parameters
    ----------
    scores : array-like of shape (n,)
        Scores of the true answers on calibration rows, as in `conformal_quantile`.
    groups : array-like of shape (n,)
        Group of each row, known when the answer is asked for (a region), or the true label,
        which makes sets that hold each class as often as promised. None may be missing.
    confidence : float, default=0.9
        Share of new rows of *each* group whose set shall hold the truth, in (0, 1).
    delta : float, optional
        As in `conformal_quantile`, for each group by itself.

    Returns
    -------
    dict of group to float
        Quantiles in the order of the groups; infinite for groups of too few rows. A group that
        is not in it has no calibration rows: its set is everything.

    Raises
    ------
    EmptyDataError
        If there are no scores.
    InvalidDataError
        If a score is NaN, a group is missing, or there is not one group per row.

    Notes
    -----
    Split conformal prediction within each group [1]_. Coverage over all rows together says
    nothing of a group: a tenth of the rows may be covered half as often as promised.

    References
    ----------
    .. [1] V. Vovk, A. Gammerman and G. Shafer, "Algorithmic Learning in a Random World", 2005,
       section 4.5.

    Examples
    --------
    >>> mondrian_quantiles([1, 2, 3, 10, 20, 30], list("aaabbb"), confidence=0.75)
    {'a': 3.0, 'b': 30.0}
    """
    array = vector("scores", scores)
    names = np.asarray(groups)
    if names.shape != array.shape:
        raise InvalidDataError(
            f"groups has shape {names.shape}; pass one for each of {array.size}"
        )
    if any(name is None or name != name for name in names.tolist()):  # noqa: PLR0124 - NaN
        raise InvalidDataError("a group is missing; name it, or drop the row")
    distinct, codes = np.unique(names, return_inverse=True)
    return {
        name: conformal_quantile(array[codes == code], confidence=confidence, delta=delta)
        for code, name in enumerate(distinct.tolist())
    }


def conformal_p_values(
    calibration_scores: npt.ArrayLike,
    scores: npt.ArrayLike,
    *,
    rng: np.random.Generator | None = None,
) -> Floats:
    r"""Return how strange each score is among those of calibration rows.

    Parameters
    ----------
    calibration_scores : array-like of shape (n_calibration,)
        Scores of rows that are as they should be; higher is stranger.
    scores : array-like of shape (n,)
        Scores of the rows to judge.
    rng : numpy.random.Generator, optional
        Breaks ties at random, which makes p-values exactly uniform; without it they err on
        the safe side.

    Returns
    -------
    ndarray of shape (n,)
        P-values in (0, 1]: at most u with a chance of at most u for a row that is exchangeable
        with the calibration rows. All share these rows, so they are not independent.

    Raises
    ------
    EmptyDataError
        If there are no scores.
    InvalidDataError
        If a score is NaN.

    Notes
    -----
    :math:`(\#\{s_i > s\} + u (\#\{s_i = s\} + 1)) / (n + 1)`, with u = 1 or uniform [1]_.

    References
    ----------
    .. [1] V. Vovk, A. Gammerman and G. Shafer, "Algorithmic Learning in a Random World", 2005,
       equation 2.20.

    Examples
    --------
    >>> conformal_p_values([1, 2, 3, 4], [0, 4, 5]).tolist()
    [1.0, 0.4, 0.2]
    """
    ordered = np.sort(vector("calibration_scores", calibration_scores))
    array = vector("scores", scores)
    above = ordered.size - np.searchsorted(ordered, array, side="right")
    equal = ordered.size - np.searchsorted(ordered, array, side="left") - above
    share = 1.0 if rng is None else 1 - rng.random(array.size)
    p_values: Floats = (above + share * (equal + 1)) / (ordered.size + 1)
    return p_values


def _rank(n: int, confidence: float, delta: float | None) -> int:
    """Return which of n ordered scores is the quantile; n + 1 if none is high enough."""
    if delta is None:
        # 1e-9 keeps (9 + 1) * 0.7 = 7.000000000000001 from asking for the eighth.
        return math.ceil((n + 1) * confidence - 1e-9)
    check_confidence(delta)
    ranks = np.arange(1, n + 1)
    # P(Beta(k, n + 1 - k) < c) falls with k.
    broken = special.betainc(ranks, n + 1 - ranks, confidence)
    return int(np.count_nonzero(broken > delta)) + 1

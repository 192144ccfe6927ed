"""Bets against "the stream is as it was": conformal test martingales."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort

import numpy as np
import numpy.typing as npt

from mldeploy.errors import InvalidDataError
from mldeploy.stats._arrays import Floats, vector

_BETS = np.array([-1.0, -0.5, 0.0, 0.5, 1.0])


def online_p_values(scores: npt.ArrayLike, *, rng: np.random.Generator) -> Floats:
    r"""Return how strange each score is among those up to it.

    Parameters
    ----------
    scores : array-like of shape (n,)
        Strangeness of each row in order of arrival, such as the absolute error of a model that
        was fitted before; higher is stranger.
    rng : numpy.random.Generator
        Breaks ties, which makes the p-values exactly uniform.

    Returns
    -------
    ndarray of shape (n,)
        P-values in (0, 1]: independent and uniform as long as rows are exchangeable, small after
        scores have risen. Unlike those of `conformal_p_values` they share no calibration rows.

    Raises
    ------
    EmptyDataError
        If there are no scores.
    InvalidDataError
        If a score is NaN.

    Notes
    -----
    :math:`(\#\{i \le t: s_i > s_t\} + u \#\{i \le t: s_i = s_t\}) / t` [1]_.

    References
    ----------
    .. [1] V. Vovk, A. Gammerman and G. Shafer, "Algorithmic Learning in a Random World", second
       edition, 2022, chapter 8.

    Examples
    --------
    >>> p = online_p_values([1.0, 2.0, 3.0, 0.5], rng=np.random.default_rng(0))
    >>> np.ceil(p * [1, 2, 3, 4]).tolist()
    [1.0, 1.0, 1.0, 4.0]
    """
    array = vector("scores", scores)
    ordered: list[float] = []
    p_values = np.empty(array.size)
    for t, (score, u) in enumerate(zip(array.tolist(), rng.random(array.size), strict=True)):
        insort(ordered, score)
        above = t + 1 - bisect_right(ordered, score)
        equal = t + 1 - bisect_left(ordered, score) - above
        p_values[t] = (above + (1 - u) * equal) / (t + 1)
    return p_values


def conformal_martingale(p_values: npt.ArrayLike, *, jump: float = 0.01) -> Floats:
    r"""Return the evidence after each p-value that they are no longer uniform.

    Parameters
    ----------
    p_values : array-like of shape (n,)
        From `online_p_values`, in order.
    jump : float, default=0.01
        Share of the capital that is dealt anew before each bet, in (0, 1): with it bets follow
        a change that comes after a long calm.

    Returns
    -------
    ndarray of shape (n,)
        Natural logarithm of the capital, 0 at the start. It ever reaches ``log(1 / alpha)`` with
        a chance of at most alpha while rows are exchangeable, however often one looks.

    Raises
    ------
    EmptyDataError
        If there are no p-values.
    InvalidDataError
        If one is NaN or outside [0, 1].
    ValueError
        If `jump` does not lie in (0, 1).

    Notes
    -----
    The simple jumper [1]_: capital on five bets :math:`1 + \epsilon (p - 1/2)`, from which a
    share moves between the bets at each step. Rows of real systems depend on each other, which
    it takes for a change: feed it blocks, or units.

    References
    ----------
    .. [1] V. Vovk et al., "Retrain or not retrain: conformal test martingales for change-point
       detection", Conformal and Probabilistic Prediction and Applications, 2021.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> errors = np.abs(np.r_[rng.normal(size=300), rng.normal(0, 3, size=200)])
    >>> evidence = conformal_martingale(online_p_values(errors, rng=rng))
    >>> bool(evidence[:300].max() < np.log(100) < evidence.max())
    True
    """
    if not 0 < jump < 1:
        raise ValueError(f"{jump=} is no share of the capital; it lies in (0, 1)")
    p = vector("p_values", p_values)
    if not ((p >= 0) & (p <= 1)).all():
        raise InvalidDataError("p_values holds values outside [0, 1]")
    shares, log_capital = np.full(_BETS.size, 1 / _BETS.size), 0.0
    path = np.empty(p.size)
    for t, gains in enumerate(1 + _BETS * (p[:, None] - 0.5)):
        held = ((1 - jump) * shares + jump / _BETS.size) * gains
        total = float(held.sum())
        log_capital += np.log(total)
        shares = held / total
        path[t] = log_capital
    return path

"""Several looks at one set of rows: how wide an interval must be, and what the rows are worth."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy import optimize, special

from mldeploy.errors import InvalidDataError
from mldeploy.stats._arrays import Floats, check_confidence

_FARTHEST = 37.0
"""Standard errors beyond which a normal tail is less than a float can hold."""


def looks_confidence(n_looks: int, confidence: float = 0.95) -> float:
    r"""Return the level of an interval for the n-th model that is judged on the same rows.

    Parameters
    ----------
    n_looks : int
        How many models these rows have judged, this one included; at least 1.
    confidence : float, default=0.95
        Chance that the interval holds, in (0, 1), however the models before led to this one.

    Returns
    -------
    float
        Level at which an ordinary interval is to be taken, in [confidence, 1).

    Raises
    ------
    ValueError
        If `n_looks` is below 1, or `confidence` is no level.

    Notes
    -----
    An ordinary interval reaches :math:`z` standard errors to either side; this one reaches
    Scheffé's :math:`\sqrt{\chi^2_{k; c}}` for look :math:`k` [1]_, the protection against any
    selection [2]_. It holds although each model may have been made with the scores of all
    models before it at hand: by how much the rows flatter a model, in standard errors, is a
    linear function of the rows' noise. Taken in the order of the looks and made orthogonal,
    these functions have coordinates that are independent and standard normal, since what the
    scores told says nothing about the directions that were not looked at. The k-th model lies
    in the span of k of them, so the rows flatter it by :math:`\chi_k` standard errors at most.
    The width grows as :math:`\sqrt k`, as the worst case does [3]_. It is not covered that
    somebody looks at the rows themselves, at slices, or at other metrics in between.

    References
    ----------
    .. [1] H. Scheffé, "A method for judging all contrasts in the analysis of variance",
       Biometrika 40, 1953.
    .. [2] R. Berk, L. Brown, A. Buja, K. Zhang and L. Zhao, "Valid post-selection inference",
       Annals of Statistics 41, 2013.
    .. [3] C. Dwork, V. Feldman, M. Hardt, T. Pitassi, O. Reingold and A. Roth, "The reusable
       holdout: Preserving validity in adaptive data analysis", Science 349, 2015.

    Examples
    --------
    >>> looks_confidence(1), round(looks_confidence(2), 4), round(looks_confidence(5), 4)
    (0.95, 0.9856, 0.9991)
    """
    check_confidence(confidence)
    _check_looks(n_looks)
    if n_looks == 1:
        return confidence
    return 1 - 2 * float(special.ndtr(-_reach(n_looks, confidence)))


def worth_after_looks(n_looks: int, confidence: float = 0.95) -> float:
    """Return which share of as many fresh rows the n-th look is worth.

    Parameters
    ----------
    n_looks, confidence
        As of `looks_confidence`.

    Returns
    -------
    float
        In (0, 1]: that many fresh rows would give an interval of the same width.

    Examples
    --------
    >>> worth_after_looks(1), round(worth_after_looks(8), 3), round(worth_after_looks(26), 3)
    (1.0, 0.248, 0.099)
    """
    looks_confidence(n_looks, confidence)
    return (_reach(1, confidence) / _reach(n_looks, confidence)) ** 2


def looks_p_values(n_looks: int, p_values: npt.ArrayLike, *, sides: Literal[1, 2] = 2) -> Floats:
    r"""Return what p-values are worth where the rows have judged other models before.

    Parameters
    ----------
    n_looks : int
        As of `looks_confidence`.
    p_values : array-like of shape (n_tests,)
        P-values in [0, 1] of tests of the n-th model; adjust them for each other afterwards,
        as by `holm`.
    sides : {1, 2}, default=2
        Whether the tests look for a difference in one direction or in both.

    Returns
    -------
    ndarray of shape (n_tests,)
        P-values that may be compared with the usual level; the same ones at the first look.

    Raises
    ------
    InvalidDataError
        If a value is NaN or outside [0, 1].

    Notes
    -----
    The tail of :math:`\chi_k` at the normal deviate of the p-value, so that a two-sided test
    rejects what the interval at `looks_confidence` leaves out. In one direction it is
    :math:`\tfrac12 P(\chi_k > z) + \tfrac12 P(\chi_{k-1} > z)`: whoever makes the k-th model does
    not know the sign of the coordinate that nobody has looked at yet.

    Examples
    --------
    >>> looks_p_values(1, [0.05, 0.001]).tolist()
    [0.05, 0.001]
    >>> looks_p_values(2, [0.05, 0.001]).round(4).tolist()
    [0.1465, 0.0045]
    >>> looks_p_values(2, [0.05], sides=1).round(4).tolist()
    [0.1793]
    """
    _check_looks(n_looks)
    p = np.asarray(p_values, dtype=np.float64)
    if p.ndim != 1 or not ((p >= 0) & (p <= 1)).all():
        raise InvalidDataError("p_values must be one value per test, each in [0, 1]")
    if n_looks == 1:
        return p
    z = -special.ndtri(p / 2 if sides == 2 else p)
    worth = special.chdtrc(n_looks, np.maximum(z, 0) ** 2)
    if sides == 1:
        worth = (worth + special.chdtrc(n_looks - 1, np.maximum(z, 0) ** 2)) / 2
    return np.asarray(worth, dtype=np.float64)


def looks_alpha(n_looks: int, alpha: float = 0.05) -> float:
    """Return the level at which a one-sided test of the n-th model keeps `alpha`.

    Parameters
    ----------
    n_looks : int
        As of `looks_confidence`.
    alpha : float, default=0.05
        Chance of a false claim, in (0, 1), however the models before led to this one.

    Returns
    -------
    float
        In (0, alpha]: `looks_p_values` of it, on one side, is `alpha`.

    Examples
    --------
    >>> looks_alpha(1, 0.05), round(looks_alpha(2, 0.05), 4)
    (0.05, 0.0117)
    """
    check_confidence(alpha)
    _check_looks(n_looks)
    if n_looks == 1:
        return alpha

    def excess(z: float) -> float:
        p = np.array([special.ndtr(-z)])
        return float(looks_p_values(n_looks, p, sides=1)[0]) - alpha

    return float(special.ndtr(-optimize.brentq(excess, 0.0, _FARTHEST)))


def _check_looks(n_looks: int) -> None:
    if n_looks < 1:
        raise ValueError(f"{n_looks=}: the look that is taken now counts, too")


def _reach(n_looks: int, confidence: float) -> float:
    """Return how many standard errors the interval reaches to either side."""
    return math.sqrt(float(special.chdtri(n_looks, 1 - confidence)))

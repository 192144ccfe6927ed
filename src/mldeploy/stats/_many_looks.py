"""Several looks at one set of rows: how wide an interval must be, and what the rows are worth."""

from __future__ import annotations

import math

from scipy import special

from mldeploy.stats._arrays import check_confidence


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
    if n_looks < 1:
        raise ValueError(f"{n_looks=}: the look that is taken now counts, too")
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


def _reach(n_looks: int, confidence: float) -> float:
    """Return how many standard errors the interval reaches to either side."""
    return math.sqrt(float(special.chdtri(n_looks, 1 - confidence)))

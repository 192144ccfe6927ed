"""Many tests or intervals at once, such as one per slice."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from mldeploy.stats._arrays import Floats, check_confidence


def holm(p_values: npt.ArrayLike) -> Floats:
    """Adjust p-values so that the chance of any false claim stays below the level.

    Parameters
    ----------
    p_values : array-like of shape (n_tests,)
        P-values in [0, 1] of tests that may depend on each other in any way; may be empty.

    Returns
    -------
    ndarray of shape (n_tests,)
        Adjusted p-values in the order given; reject where one is at most the level.

    Raises
    ------
    ValueError
        If a value is NaN or outside [0, 1].

    Notes
    -----
    The k-th smallest is multiplied by the number of tests not yet rejected [1]_.

    References
    ----------
    .. [1] S. Holm, "A simple sequentially rejective multiple test procedure", Scandinavian
       Journal of Statistics 6, 1979.

    Examples
    --------
    >>> holm([0.01, 0.04, 0.03]).tolist()
    [0.03, 0.06, 0.06]
    """
    p = np.asarray(p_values, dtype=np.float64)
    if p.ndim != 1:
        raise ValueError(f"p_values has {p.ndim} dimensions; pass one value per test")
    if not ((p >= 0) & (p <= 1)).all():
        raise ValueError("p_values holds values outside [0, 1] or NaN")
    order = np.argsort(p, kind="stable")
    adjusted = np.empty_like(p)
    adjusted[order] = np.maximum.accumulate(p[order] * np.arange(p.size, 0, -1))
    return np.minimum(adjusted, 1.0)


def holm_confidence(n_tests: int, confidence: float = 0.95) -> float:
    r"""Return the level each of several intervals needs, for all of them to hold at once.

    Parameters
    ----------
    n_tests : int
        How many intervals are shown together, at least 1.
    confidence : float, default=0.95
        Chance that all of them hold, in (0, 1).

    Returns
    -------
    float
        Level of each interval, in [confidence, 1).

    Raises
    ------
    ValueError
        If there are no tests, or `confidence` is no level.

    Notes
    -----
    :math:`1 - (1 - c) / n`: the first step of Holm's procedure, which is Bonferroni's.
    Holm's later steps have no intervals that are both simple and useful [1]_, so intervals
    take the first step throughout; whatever they exclude, `holm` rejects too.

    References
    ----------
    .. [1] K. Strassburger and F. Bretz, "Compatible simultaneous lower confidence bounds for
       the Holm procedure and other Bonferroni-based closed tests", Statistics in Medicine
       27, 2008.

    Examples
    --------
    >>> round(holm_confidence(10, 0.95), 4)
    0.995
    """
    check_confidence(confidence)
    if n_tests < 1:
        raise ValueError(f"{n_tests} intervals need no level; pass how many are shown together")
    return 1 - (1 - confidence) / n_tests

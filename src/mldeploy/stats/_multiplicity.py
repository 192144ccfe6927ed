"""Many tests or intervals at once, such as one per slice."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from mldeploy.errors import InvalidDataError
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
    InvalidDataError
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
    p = _checked(p_values)
    order = np.argsort(p, kind="stable")
    adjusted = np.empty_like(p)
    adjusted[order] = np.maximum.accumulate(p[order] * np.arange(p.size, 0, -1))
    return np.minimum(adjusted, 1.0)


def hommel(p_values: npt.ArrayLike) -> Floats:
    """Adjust p-values by the closed test, which rejects whatever `holm` does and often more.

    Parameters
    ----------
    p_values : array-like of shape (n_tests,)
        P-values in [0, 1] of tests that are independent, such as on slices without rows in
        common, or positively dependent, such as on slices that overlap; may be empty.

    Returns
    -------
    ndarray of shape (n_tests,)
        Adjusted p-values in the order given; reject where one is at most the level.

    Raises
    ------
    InvalidDataError
        If a value is NaN or outside [0, 1].

    Notes
    -----
    A hypothesis is rejected if Simes' test rejects every set of hypotheses that it is in [1]_.

    References
    ----------
    .. [1] G. Hommel, "A stagewise rejective multiple test procedure based on a modified
       Bonferroni test", Biometrika 75, 1988.

    Examples
    --------
    >>> hommel([0.01, 0.04, 0.03]).tolist()
    [0.03, 0.04, 0.04]
    """
    p = _checked(p_values)
    order = np.argsort(p, kind="stable")
    ordered, n = p[order], p.size
    if n == 0:
        return p
    adjusted = np.full(n, (n * ordered / np.arange(1, n + 1)).min())
    for m in range(n - 1, 1, -1):
        last = (m * ordered[n - m + 1 :] / np.arange(2, m + 1)).min()
        first = np.minimum(m * ordered[: n - m + 1], last)
        adjusted[: n - m + 1] = np.maximum(adjusted[: n - m + 1], first)
        adjusted[n - m + 1 :] = np.maximum(adjusted[n - m + 1 :], first[-1])
    result = np.empty(n)
    result[order] = np.maximum(adjusted, ordered)
    return result


def true_discoveries(
    p_values: npt.ArrayLike, selected: npt.ArrayLike | None = None, *, alpha: float = 0.05
) -> int:
    r"""Count how many of the selected hypotheses are false at least, whoever selected them.

    "At least three of these seven slices are worse" holds for every selection at once, made
    before or after looking, with a chance of at most `alpha` that any such sentence is wrong.

    Parameters
    ----------
    p_values : array-like of shape (n_tests,)
        P-values in [0, 1] of *all* tests that were made, as in `hommel`; may be empty.
    selected : array-like of bool of shape (n_tests,), optional
        Which of them the sentence is about; all by default.
    alpha : float, default=0.05
        Chance that the sentence is wrong, in (0, 1).

    Returns
    -------
    int
        Lower bound of the number of effects among the selected, from 0 to their number.

    Raises
    ------
    InvalidDataError
        If a value is NaN or outside [0, 1], or `selected` has another length.
    ValueError
        If `alpha` does not lie in (0, 1).

    Notes
    -----
    The closed test with Simes' local tests, by its shortcut [1]_: with h the size of the
    largest set that it does not reject, :math:`\max_u (1 - u + \#\{i: h p_i \le u \alpha\})`.

    References
    ----------
    .. [1] J. J. Goeman, R. J. Meijer, T. J. P. Krebs and A. Solari, "Simultaneous control of all
       false discovery proportions in large-scale multiple hypothesis testing", Biometrika
       106, 2019.

    Examples
    --------
    >>> p = [0.001, 0.02, 0.03, 0.04, 0.7]
    >>> true_discoveries(p), true_discoveries(p, [False, True, True, True, False])
    (1, 0)
    """
    check_confidence(alpha)
    p = _checked(p_values)
    chosen = np.ones(p.size, dtype=bool) if selected is None else np.asarray(selected, dtype=bool)
    if chosen.shape != p.shape:
        raise InvalidDataError(f"selected has shape {chosen.shape}; pass one per test, {p.size}")
    size, ordered = _largest_unrejected(np.sort(p), alpha), np.sort(p[chosen])
    if ordered.size == 0:
        return 0
    u = np.arange(1, ordered.size + 1)
    n_small = np.searchsorted(size * ordered, u * alpha, side="right")
    return max(0, int((1 - u + n_small).max()))


def _largest_unrejected(ordered: Floats, alpha: float) -> int:
    """Return the size of the largest set of hypotheses that Simes' test does not reject."""
    n = ordered.size
    for size in range(n, 0, -1):
        if (ordered[n - size :] * size > np.arange(1, size + 1) * alpha).all():
            return size
    return 0


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


def _checked(p_values: npt.ArrayLike) -> Floats:
    p = np.asarray(p_values, dtype=np.float64)
    if p.ndim != 1:
        raise InvalidDataError(f"p_values has {p.ndim} dimensions; pass one value per test")
    if not ((p >= 0) & (p <= 1)).all():
        raise InvalidDataError("p_values holds values outside [0, 1] or NaN")
    return p

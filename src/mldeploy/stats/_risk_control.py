"""Settings of a model that keep a promised risk, up to a stated chance: Learn-then-Test."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import final

import numpy as np
import numpy.typing as npt
from scipy import special

from mldeploy._record import Record
from mldeploy.errors import InvalidDataError
from mldeploy.stats._arrays import Floats, Ints, check_confidence, labels, unit_codes, vector
from mldeploy.stats._bounded import log_peak
from mldeploy.stats._replicates import per_unit

_FIRST = 3
"""The walk over thresholds begins at this many times the fewest rows that could show anything,
where three or four errors are forgiven, not none ..."""
_SECOND = 4
"""... and once more at this many times that, for confidences that are wrong at the very top.
Of starts tried on simulated models these two found most (at n = 20,000 and 5 %: 6.4 % of rows
answered, where one start at the fewest found 1.6 %)."""


@final
class SafeThreshold(Record):
    """From which confidence on answers may stand, and what that means on the rows it is from."""

    threshold: float
    """Smallest confidence of an answer that may stand."""
    coverage: float
    """Share of rows whose answer may stand, in (0, 1]."""
    error: float
    """Share of wrong answers among these."""
    n: int
    """Independent units: rows, or the clusters that rows come in."""


def learn_then_test(
    p_values: npt.ArrayLike, *, delta: float = 0.05, starts: Sequence[int] = (0,)
) -> Ints:
    r"""Return the candidates that keep a promise, all of them at once up to a chance of `delta`.

    Parameters
    ----------
    p_values : array-like of shape (n_candidates,)
        For each candidate setting, the p-value of "it breaks the promise", as from
        `risk_p_value`; ordered beforehand, the candidate most likely to be safe first (the most
        cautious threshold, say).
    delta : float, default=0.05
        Largest chance that any of the candidates returned breaks the promise, in (0, 1).
    starts : sequence of int, default=(0,)
        Positions at which the walk begins, chosen without a look at the p-values. With one, a
        single unlucky candidate ends it; with several, each has a smaller level.

    Returns
    -------
    ndarray of shape (n_safe,)
        Positions of the safe candidates, increasing; empty if none is shown to be safe.

    Raises
    ------
    InvalidDataError
        If a p-value is NaN or outside [0, 1].
    ValueError
        If `delta` does not lie in (0, 1), or a start is no position.

    Notes
    -----
    Fixed-sequence testing from several starts [1]_: each start holds an equal part of `delta`;
    a candidate is safe if its p-value is at most what has come to it, and then hands all of it
    to the next, which adds its own. That is a closed test of the graphical kind [2]_, so any
    choice among the safe candidates, made after looking, keeps the promise.

    References
    ----------
    .. [1] A. N. Angelopoulos et al., "Learn then Test: calibrating predictive algorithms to
       achieve risk control", Annals of Applied Statistics 19, 2025.
    .. [2] F. Bretz, W. Maurer, W. Brannath and M. Posch, "A graphical approach to sequentially
       rejective multiple test procedures", Statistics in Medicine 28, 2009.

    Examples
    --------
    >>> learn_then_test([0.001, 0.02, 0.04, 0.3, 0.01], delta=0.05).tolist()
    [0, 1, 2]
    >>> learn_then_test([0.2, 0.001, 0.002, 0.003], delta=0.05, starts=[0, 2]).tolist()
    [2, 3]
    """
    check_confidence(delta)
    p = np.asarray(p_values, dtype=np.float64)
    if p.ndim != 1 or not ((p >= 0) & (p <= 1)).all():
        raise InvalidDataError("p_values must be one value per candidate, each in [0, 1]")
    begins = set(starts)
    if p.size and not (begins and begins <= set(range(p.size))):
        raise ValueError(f"{starts=} are no positions among {p.size} candidates")
    safe, level = [], 0.0
    for i, value in enumerate(p.tolist()):
        level += delta / len(begins) if i in begins else 0.0
        if value <= level and level > 0:
            safe.append(i)
        else:
            level = 0.0
    return np.array(safe, dtype=np.intp)


def risk_p_value(losses: npt.ArrayLike, *, max_risk: float) -> float:
    r"""Test whether the mean of losses between 0 and 1 exceeds a promised risk.

    Parameters
    ----------
    losses : array-like of shape (n,)
        Loss of each independent row or unit, in [0, 1].
    max_risk : float
        Promised mean, in (0, 1).

    Returns
    -------
    float
        P-value of "the mean is above `max_risk`": at most u with a chance of at most u where
        that is so, however the losses are distributed.

    Raises
    ------
    EmptyDataError
        If there are no losses.
    InvalidDataError
        If a loss is NaN or outside [0, 1].
    ValueError
        If `max_risk` does not lie in (0, 1).

    Notes
    -----
    The exact binomial tail for losses of 0 and 1, else Hoeffding and Bentkus's bound [1]_:
    :math:`\min(e^{-n h(\bar L, r)}, e P(\mathrm{Bin}(n, r) \le \lceil n \bar L \rceil))` with
    h the divergence of two coins.

    References
    ----------
    .. [1] S. Bates, A. Angelopoulos, L. Lei, J. Malik and M. Jordan, "Distribution-free,
       risk-controlling prediction sets", Journal of the ACM 68, 2021, section 3.1.

    Examples
    --------
    >>> round(risk_p_value([0, 0, 0, 1, 0, 0, 0, 0, 0, 0], max_risk=0.5), 4)
    0.0107
    """
    array = vector("losses", losses)
    _check_risk("max_risk", max_risk)
    if not ((array >= 0) & (array <= 1)).all():
        raise InvalidDataError("losses must lie in [0, 1]; divide by the largest there can be")
    n, mean = array.size, float(array.mean())
    if ((array == 0) | (array == 1)).all():
        return float(special.bdtr(round(mean * n), n, max_risk))
    if mean >= max_risk:
        return 1.0
    divergence = float(special.rel_entr(mean, max_risk) + special.rel_entr(1 - mean, 1 - max_risk))
    bentkus = math.e * float(special.bdtr(math.ceil(mean * n - 1e-9), n, max_risk))
    return min(1.0, math.exp(-n * divergence), bentkus)


def safe_threshold(
    confidences: npt.ArrayLike,
    wrong: npt.ArrayLike,
    *,
    max_error: float,
    delta: float = 0.05,
    units: npt.ArrayLike | None = None,
    n_candidates: int = 200,
    rng: np.random.Generator | None = None,
) -> SafeThreshold | None:
    """Return the lowest confidence from which on few enough answers are wrong.

    Parameters
    ----------
    confidences : array-like of shape (n_rows,)
        How sure the model was of each answer on held-out rows; higher is surer.
    wrong : array-like of shape (n_rows,)
        1 where the answer was wrong, else 0.
    max_error : float
        Largest share of wrong answers among those that stand, in (0, 1).
    delta : float, default=0.05
        Chance that the promise is broken on new rows of the same kind, in (0, 1).
    units : array-like of shape (n_rows,), optional
        What the rows belong to, when rows of one unit are alike.
    n_candidates : int, default=200
        Thresholds that are tried, at geometrically growing numbers of rows that stand.
    rng : numpy.random.Generator, optional
        Order in which units are looked at; needed with units.

    Returns
    -------
    SafeThreshold or None
        None if no threshold is shown to keep the promise.

    Raises
    ------
    EmptyDataError
        If there are no rows.
    InvalidDataError
        If a value is NaN, `wrong` holds anything but 0 and 1, or lengths differ.
    ValueError
        If a share does not lie in (0, 1), or there are units but no `rng`.

    Notes
    -----
    `learn_then_test` from the most confident answers downwards, each threshold tested by
    `risk_p_value`. With units, each is tested by betting on the units' sums of error above
    `max_error` (`BoundedMeanEProcess`), which is as valid and asks for more units.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> p = rng.uniform(0.5, 1, size=4000)
    >>> found = safe_threshold(p, rng.uniform(size=4000) > p, max_error=0.1)
    >>> 0.78 < found.threshold < 0.9, found.error < 0.1
    (True, True)
    """
    confidence = vector("confidences", confidences)
    error = labels("wrong", wrong, length=confidence.size)
    _check_risk("max_error", max_error)
    check_confidence(delta)
    if n_candidates < 1:
        raise ValueError(f"{n_candidates=}: at least one threshold is tried")
    order = np.argsort(-confidence, kind="stable")
    ordered, errors = confidence[order], error[order]
    fewest = math.log(delta) / math.log1p(-max_error)
    if units is None:
        n_units = confidence.size
        ends = _ends(ordered, fewest=fewest, n_candidates=n_candidates)
        p_values = special.bdtr(np.cumsum(errors)[ends - 1], ends, max_error)
    else:
        if rng is None:
            raise ValueError("units are taken in random order; pass rng=np.random.default_rng(0)")
        codes, n_units = unit_codes(units, n_rows=confidence.size)
        fewest *= confidence.size / n_units
        ends = _ends(ordered, fewest=fewest, n_candidates=n_candidates)
        shuffled = rng.permutation(n_units)[codes][order]
        p_values = _of_units(
            np.subtract(errors, max_error, dtype=np.float64), shuffled, ends, max_error=max_error
        )
    starts = {0, int(np.searchsorted(ends, _SECOND * ends[0]))} if ends.size else {0}
    safe = learn_then_test(
        p_values, delta=delta, starts=[start for start in starts if start < max(ends.size, 1)]
    )
    if safe.size == 0:
        return None
    end = int(ends[safe[-1]])
    return SafeThreshold(
        threshold=float(ordered[end - 1]),
        coverage=end / confidence.size,
        error=float(errors[:end].mean()),
        n=n_units,
    )


def _ends(ordered: Floats, *, fewest: float, n_candidates: int) -> Ints:
    """Return how many rows stand at each candidate; rows of equal confidence stand together."""
    if ordered.size < math.ceil(fewest):
        return np.empty(0, dtype=np.intp)
    first = min(_FIRST * math.ceil(fewest), ordered.size)
    sizes = np.geomspace(first, ordered.size, n_candidates).round().astype(np.intp)
    return np.unique(np.searchsorted(-ordered, -ordered[sizes - 1], side="right"))


def _of_units(excess: Floats, codes: Ints, ends: Ints, *, max_error: float) -> Floats:
    """Return the p-value at each end of "units' sums of excess error are 0 or more on average"."""
    largest = int(np.bincount(codes).max())
    p_values = np.ones(ends.size)
    for i, end in enumerate(ends.tolist()):
        sums = per_unit(codes[:end], excess[:end], n=int(codes.max()) + 1)
        peak = log_peak(-sums, limit=0.0, low=(max_error - 1) * largest, high=max_error * largest)
        p_values[i] = math.exp(-peak)
    return p_values


def _check_risk(name: str, value: float) -> None:
    if not 0 < value < 1:
        raise ValueError(f"{name}={value} must lie strictly between 0 and 1")

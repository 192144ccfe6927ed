"""Values that stand apart from all others of their column."""

from __future__ import annotations

import math
from typing import final

import numpy as np
import pydantic

from mldeploy._record import Record
from mldeploy.stats._counts import Floats, ValueCounts

_MOST = 0.005
"""Largest share of the values that may stand apart; more are a group of their own."""
_FEW = 50
_TAIL = 0.05


@final
class IsolatedTail(Record):
    """Values beyond a gap that the tail before it makes hard to believe."""

    n: int = pydantic.Field(ge=1, description="How many values lie beyond the gap.")
    n_distinct: int = pydantic.Field(ge=1, description="How many distinct ones.")
    nearest: float = pydantic.Field(description="The one nearest to the others.")
    farthest: float
    last: float = pydantic.Field(description="The last value before the gap.")
    ratio: float = pydantic.Field(description="Distance of `nearest` by that of `last`.")
    p_value: float = pydantic.Field(ge=0, le=1)


def isolated_tail(
    table: ValueCounts, *, above: bool, least_ratio: float = 2.0
) -> IsolatedTail | None:
    r"""Find the values on one side that are too far from all others to be of their tail.

    Parameters
    ----------
    table : ValueCounts
        Finite numbers; infinities and missing values are left out.
    above : bool
        Whether to look above the median, or below.
    least_ratio : float, default=2.0
        How many times as far from the median as the last of the others they must be; above 1.

    Returns
    -------
    IsolatedTail or None
        At most 0.5 % of the values; None without such a gap, or if fewer than 50 values on that
        side tell what the tail is like.

    Notes
    -----
    In a Pareto tail with index :math:`1/\gamma`, the logarithm of the ratio of the two largest
    distances is exponential with mean :math:`\gamma`, that of the j-th and the next with
    :math:`\gamma / j` [1]_; lighter tails leave smaller gaps. So a gap of ratio r has a p-value
    of at most :math:`2 r^{-1/\gamma}`, over all places of the gap. The index is Hill's [2]_ over
    the 5 % (50 at least) before the gap, two standard errors to the safe side, and at least what
    rounding to the finest step between two values makes it. Values beyond the gap may repeat
    each other, as codes for missing values do.

    References
    ----------
    .. [1] A. Renyi, "On the theory of order statistics", Acta Mathematica Hungarica 4 (1953)
       191-231.
    .. [2] B. M. Hill, "A simple general approach to inference about the tail of a distribution",
       Annals of Statistics 3 (1975) 1163-1174.

    Examples
    --------
    >>> found = isolated_tail(ValueCounts.of([*range(1, 400), 9_831]), above=True)
    >>> found.n, found.nearest, found.last, found.p_value < 1e-6
    (1, 9831.0, 399.0, True)
    >>> isolated_tail(ValueCounts.of(range(400)), above=True) is None
    True
    """
    if least_ratio <= 1:
        raise ValueError(f"{least_ratio=} is no gap; it must be above 1")
    distances, counts, values = _one_side(table, above=above)
    n_side, beyond = int(counts.sum()), np.cumsum(counts)
    if n_side < _FEW + 1:
        return None
    grain = float(np.abs(np.diff(distances, append=0.0)).min())
    allowed = np.flatnonzero(beyond[:-1] <= max(_MOST * table.n, 1))
    best: IsolatedTail | None = None
    for j in allowed:
        ratio = float(distances[j] / distances[j + 1])
        if ratio < least_ratio or n_side - beyond[j] < _FEW:
            continue
        gamma = max(
            _hill(distances[j + 1 :], counts[j + 1 :]),
            math.log1p(float(grain / distances[j + 1])),
        )
        p_value = min(1.0, 2 * math.exp(-math.log(ratio) / gamma))
        if best is None or p_value < best.p_value:
            best = IsolatedTail(
                n=int(beyond[j]), n_distinct=int(j) + 1, nearest=float(values[j]),
                farthest=float(values[0]), last=float(values[j + 1]), ratio=ratio,
                p_value=p_value,
            )  # fmt: skip
    return best


def _one_side(table: ValueCounts, *, above: bool) -> tuple[Floats, Floats, Floats]:
    """Return distances from the median, farthest first, with their counts and values."""
    kept = np.isfinite(table.values)
    values, counts = table.values[kept], table.counts[kept]
    if not values.size:
        return np.empty(0), np.empty(0), np.empty(0)
    middle = values[np.searchsorted(np.cumsum(counts), counts.sum() / 2)]
    half = np.abs(values / 2 - middle / 2)
    side = values > middle if above else values < middle
    order = np.argsort(-half[side], kind="stable")
    return half[side][order], counts[side][order], values[side][order]


def _hill(distances: Floats, counts: Floats) -> float:
    """Return Hill's estimate of the tail's index, two standard errors above."""
    k = max(_FEW, _TAIL * float(counts.sum()))
    reached = np.cumsum(counts)
    at = int(np.searchsorted(reached, k))
    at = min(at, counts.size - 1)
    weights = counts[: at + 1]
    n = float(weights.sum())
    gamma = float(weights @ np.log(distances[: at + 1] / distances[at])) / n
    return gamma * (1 + 2 / math.sqrt(n))

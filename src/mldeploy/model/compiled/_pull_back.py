"""Where an answer jumps, in terms of raw values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
import numpy.typing as npt

from mldeploy.model.compiled._columns import NumberColumn
from mldeploy.model.compiled._encoding import Encoding
from mldeploy.model.compiled._kernel import Floats
from mldeploy.model.compiled._ops import Op, applied

_BITS: Final = 64
_COLLAPSING: Final = frozenset({"above", "bins", "equals"})


def pulled_back(encoding: Encoding, jumps: Mapping[int, Floats]) -> dict[int, Floats]:
    """Return by raw column the values at which the answer may jump.

    Parameters
    ----------
    encoding : Encoding
        What turns raw columns into numbers.
    jumps : mapping of int to ndarray
        By column of the encoded row, where the answer jumps.

    Returns
    -------
    dict of int to ndarray
        Sorted raw values: the last before each jump.
    """
    found: dict[int, list[Floats]] = {}
    place = 0
    for column in encoding.columns:
        own = jumps.get(place) if isinstance(column, NumberColumn) else None
        values = [edges_of(column.ops)]
        if own is not None and len(own):
            values.append(inverse(column.ops, own))
        if any(len(v) for v in values):
            found.setdefault(column.source, []).extend(values)
        place += column.width
    return {source: np.unique(np.concatenate(v)) for source, v in found.items()}


def edges_of(ops: tuple[Op, ...]) -> Floats:
    """Return where steps that cut a column into parts jump by themselves."""
    for number, op in enumerate(ops):
        if op.name in _COLLAPSING:
            edges = np.array(op.numbers)
            return inverse(ops[:number], edges[np.isfinite(edges)])
    return np.empty(0)


def inverse(ops: tuple[Op, ...], values: Floats) -> Floats:
    """Return for each value the last raw number whose image has not passed it.

    Steps that are not monotone have no inverse, and give none.

    Examples
    --------
    >>> inverse((Op("subtract", (1.0,)), Op("divide", (2.0,))), np.array([3.0]))
    array([7.])
    """
    if not all(op.is_monotone for op in ops):
        return np.empty(0)
    if not ops:
        return values
    ends = np.array([-np.finfo(np.float64).max, np.finfo(np.float64).max])
    low, high = (np.full(len(values), end) for end in _ordinal(ends))
    with np.errstate(all="ignore"):
        first, last = applied(ops, ends).tolist()

        def is_before(ordinal: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
            image = applied(ops, _number(ordinal))
            return image >= values if first > last else ~(image > values)

        crosses = is_before(low) & ~is_before(high)
        for _ in range(_BITS):
            middle = (low & high) + ((low ^ high) >> 1)
            before = is_before(middle)
            low, high = np.where(before, middle, low), np.where(before, high, middle)
    return _number(low[crosses])


def _ordinal(x: Floats) -> npt.NDArray[np.int64]:
    """Return whole numbers in the order of the floats."""
    bits = x.view(np.int64)
    return np.where(bits < 0, np.int64(-(2**63)) - bits, bits)


def _number(ordinal: npt.NDArray[np.int64]) -> Floats:
    bits = np.where(ordinal < 0, np.int64(-(2**63)) - ordinal, ordinal)
    return bits.view(np.float64)

"""Buckets for numbers and times, from exact to coarse, each nested in the next."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import numpy.typing as npt

from mldeploy.data._column import Kind

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]

MANTISSA_BITS = (52, 14, 11, 9, 7)
"""Leading binary digits kept of a number at each level; the last is within 0.4 % of the value."""

_SECOND = 1_000_000.0
WIDTHS = (1.0, _SECOND, 60 * _SECOND, 3_600 * _SECOND, 86_400 * _SECOND, 604_800 * _SECOND)
"""Width of a bucket of times and durations at each level, in microseconds: up to a week."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TEMPORAL = ("datetime", "duration", "time")


def n_levels(kind: Kind) -> int:
    """Return how many levels of coarseness a kind has; level 0 is exact."""
    return len(WIDTHS) if kind in _TEMPORAL else len(MANTISSA_BITS)


def keys_of(values: Floats, kind: Kind, level: int) -> Floats:
    """Return the bucket of each value: the end of the bucket that is nearest to zero, or first.

    Only bits are cleared, or whole microseconds divided, so that every machine agrees. A bucket
    of one level lies within one bucket of the next: keys of keys are keys.
    """
    if level == 0:
        return values + 0.0
    if kind in _TEMPORAL:
        return np.floor(values / WIDTHS[level]) * WIDTHS[level]
    dropped = 52 - MANTISSA_BITS[level]
    bits = np.ascontiguousarray(values).view(np.int64) & ~np.int64((1 << dropped) - 1)
    return bits.view(np.float64) + 0.0


def middles_of(keys: Floats, kind: Kind, level: int) -> Floats:
    """Return the middle of each bucket."""
    if level == 0:
        return keys
    if kind in _TEMPORAL:
        return keys + WIDTHS[level] / 2
    half = np.int64(1 << (51 - MANTISSA_BITS[level]))
    middles = (np.ascontiguousarray(keys).view(np.int64) | half).view(np.float64)
    return np.where(np.isfinite(keys) & (keys != 0), middles, keys)


def pooled(keys: Floats, counts: Counts) -> tuple[Floats, Counts]:
    """Return distinct keys in increasing order with their summed counts."""
    distinct, where = np.unique(keys, return_inverse=True)
    sums = np.zeros(distinct.size, np.int64)
    np.add.at(sums, where, counts)
    return distinct, sums


def fitted(
    keys: Floats, counts: Counts, kind: Kind, level: int, limit: int
) -> tuple[Floats, Counts, int]:
    """Pool values at the finest level, `level` or coarser, that has at most `limit` buckets.

    The level that results depends on the set of values only, since coarser buckets are unions
    of finer ones: this is why merging is associative.
    """
    keys, counts = pooled(keys_of(keys, kind, level), counts)
    while len(keys) > limit and level + 1 < n_levels(kind):
        level += 1
        keys, counts = pooled(keys_of(keys, kind, level), counts)
    return keys, counts, level


def readable(value: float, kind: Kind) -> str:
    """Write a number in the unit of its kind for people."""
    match kind:
        case "datetime":
            return f"{_EPOCH + timedelta(microseconds=value):%Y-%m-%d %H:%M}"
        case "date":
            return f"{_EPOCH + timedelta(days=value):%Y-%m-%d}"
        case "duration" | "time":
            return str(timedelta(microseconds=value))
        case "boolean":
            return str(bool(value))
        case _:
            whole = abs(value) < 1e15 and value == int(value)
            return f"{value:,.0f}" if whole else f"{value:.6g}"

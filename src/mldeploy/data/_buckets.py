"""Buckets for numbers and times, from exact to coarse, each nested in the next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final, final

import numpy as np
import numpy.typing as npt

from mldeploy.data._column import Kind
from mldeploy.data._profile_arrays import ordered

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]

MOST_DROPPED: Final = 45
"""The coarsest level of a number: binary digits dropped of 52; what is left is within 0.4 %."""

_SECOND: Final = 1_000_000.0
WIDTHS: Final = (1.0, *(_SECOND * s for s in (0.001, 1, 60, 3_600, 86_400, 604_800)))
"""Width of a bucket of times and durations at each level, in microseconds: up to a week."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_TEMPORAL: Final = ("datetime", "duration", "time")


def is_temporal(kind: Kind) -> bool:
    """Whether values of a kind are microseconds, whose buckets are of equal width."""
    return kind in _TEMPORAL


def keys_of(values: Floats, kind: Kind, level: int) -> Floats:
    """Return the bucket of each value: the end of the bucket that is nearest to zero, or first.

    Only bits are cleared, or whole microseconds divided, so that every machine agrees. A bucket
    of one level lies within one bucket of the next: keys of keys are keys.
    """
    if level == 0:
        return values + 0.0
    if is_temporal(kind):
        return np.floor(values / WIDTHS[level]) * WIDTHS[level]
    bits = np.ascontiguousarray(values).view(np.int64) & ~np.int64((1 << level) - 1)
    return bits.view(np.float64) + 0.0


def middles_of(keys: Floats, kind: Kind, level: int) -> Floats:
    """Return the middle of each bucket: of the whole numbers in it, if they are whole."""
    if level == 0:
        return keys
    if is_temporal(kind):
        return keys + WIDTHS[level] / 2
    bits = np.ascontiguousarray(keys).view(np.int64)
    some = np.isfinite(keys) & (keys != 0)
    if kind != "integer":
        return np.where(some, (bits | np.int64(1 << (level - 1))).view(np.float64), keys)
    last = (bits | np.int64((1 << level) - 1)).view(np.float64)
    return np.where(some, keys + (np.trunc(last) - keys) / 2, keys)


@final
@dataclass(frozen=True, eq=False)
class Tally:
    """How often each key occurs, and the weight of the rows with it, if rows have weights."""

    keys: Floats
    counts: Counts
    weights: Floats = field(default_factory=lambda: np.zeros(0))

    @classmethod
    def joined(cls, parts: Sequence[Tally]) -> Tally:
        """Return parts one after the other."""
        return cls(
            np.concatenate([part.keys for part in parts]),
            np.concatenate([part.counts for part in parts]),
            np.concatenate([part.weights for part in parts]),
        )

    def pooled(self, kind: Kind, level: int) -> Tally:
        """Return the buckets of a level in increasing order, each once."""
        keys = keys_of(self.keys, kind, level)
        if not keys.size:
            return self
        order = np.argsort(keys)
        keys = keys[order]
        starts = np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]]))
        weights = self.weights
        if weights.size:
            weights = np.add.reduceat(weights[order], starts)
        return Tally(keys[starts], np.add.reduceat(self.counts[order], starts), weights)

    def fitted(self, kind: Kind, level: int, limit: int) -> tuple[Tally, int]:
        """Pool at the finest level, `level` or coarser, that has at most `limit` buckets.

        The level that results depends on the set of keys only, since coarser buckets are unions
        of finer ones: this is why merging is associative.
        """
        tally = self.pooled(kind, level)
        if tally.keys.size <= limit:
            return tally, level
        coarser = _finest(tally.keys, kind, level, limit)
        return tally.pooled(kind, coarser), coarser


def _finest(keys: Floats, kind: Kind, level: int, limit: int) -> int:
    """Return the finest level with at most `limit` buckets, or the coarsest there is."""
    if is_temporal(kind):
        while level + 1 < len(WIDTHS):
            level += 1
            if np.unique(keys_of(keys, kind, level)).size <= limit:
                break
        return level
    bits = ordered(keys)
    lengths = _bit_lengths((bits[1:] ^ bits[:-1]).view(np.uint64))
    n_buckets = keys.size - np.cumsum(np.bincount(lengths, minlength=65))
    enough = np.flatnonzero(n_buckets[level : MOST_DROPPED + 1] <= limit)
    return level + int(enough[0]) if enough.size else MOST_DROPPED


def _bit_lengths(numbers: npt.NDArray[np.uint64]) -> npt.NDArray[np.int64]:
    """Return how many low bits must be dropped for nothing to be left."""
    lengths = np.zeros(numbers.size, np.int64)
    for step in (32, 16, 8, 4, 2, 1):
        high = numbers >> np.uint64(step)
        some = high > 0
        lengths += some * step
        numbers = np.where(some, high, numbers)
    return lengths + (numbers > 0)


def readable(value: float, kind: Kind) -> str:
    """Write a number in the unit of its kind for people."""
    match kind:
        case "datetime":
            return _moment(value).isoformat(" ", "minutes")
        case "date":
            return _moment(value * 86_400 * _SECOND).date().isoformat()
        case "duration" | "time":
            return _span(value)
        case "boolean":
            return str(bool(value))
        case _:
            whole = abs(value) < 1e15 and value == int(value)
            return f"{value:,.0f}" if whole else f"{value:.6g}"


def _moment(microseconds: float) -> datetime:
    """Return a moment without its zone, or the first or last that has a name."""
    try:
        return (_EPOCH + timedelta(microseconds=microseconds)).replace(tzinfo=None)
    except OverflowError:
        return datetime.max if microseconds > 0 else datetime.min  # noqa: DTZ901 - UTC as shown


def _span(microseconds: float) -> str:
    """Write a duration, or only its days if it is longer than Python's longest."""
    try:
        return str(timedelta(microseconds=microseconds))
    except OverflowError:
        return f"{microseconds / (86_400 * _SECOND):,.0f} days"

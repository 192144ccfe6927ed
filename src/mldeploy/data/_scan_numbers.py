"""Counting the numbers of a column, batch by batch, in bounded memory."""

from __future__ import annotations

from typing import Any, Final, TypeAlias, final

import numpy as np
import numpy.typing as npt
import polars as pl

from mldeploy.data._buckets import WIDTHS, Tally, is_temporal
from mldeploy.data._column import Kind
from mldeploy.data._column_counts import ColumnCounts, sample_of
from mldeploy.data._hashing import hashes_of_numbers, hashes_of_whole_numbers
from mldeploy.data._profile_arrays import ordered, unordered
from mldeploy.data._sketch import DistinctSketch

Floats: TypeAlias = npt.NDArray[np.float64]
Numbers: TypeAlias = npt.NDArray[Any]
"""Doubles, or whole numbers of any width."""

_LARGEST_WHOLE: Final = 2**53
_DENSE: Final = 1 << 17
"""Whole numbers that lie this close together are counted in an array, not in a hash table."""

_NOTHING: Final = Tally(np.zeros(0), np.zeros(0, np.int64))


@final
class NumberCounter:
    """Counts of the numbers of one column; times, dates and booleans are numbers too."""

    def __init__(self, kind: Kind, *, limit: int) -> None:
        self.kind = kind
        self._limit = limit
        self._level = 0
        self._n = self._n_missing = 0
        self._minimum, self._maximum = np.inf, -np.inf
        self._missing_weight: float | None = None
        self._tallies = [_NOTHING]
        self._n_pending = 0
        self._sample: DistinctSketch | None = None

    @property
    def n_known(self) -> int:
        """Number of values that are not missing."""
        return self._n - self._n_missing

    def add(self, column: pl.Series, weights: Floats | None = None) -> None:
        """Count the values of a batch."""
        numbers = _physical(column.drop_nulls() if column.null_count() else column)
        if numbers.dtype.kind == "f":
            is_number = ~np.isnan(numbers)
            numbers = numbers if is_number.all() else numbers[is_number]
        self._n += len(column)
        self._n_missing += len(column) - numbers.size
        if weights is not None:
            known = _are_known(column)
            missing = float(weights[~known].sum())
            self._missing_weight = (self._missing_weight or 0.0) + missing
            weights = weights[known]
        if numbers.size:
            self._add_known(numbers, weights)

    def _add_known(self, numbers: Numbers, weights: Floats | None) -> None:
        low, high = numbers.min(), numbers.max()
        self._minimum = min(self._minimum, float(low))
        self._maximum = max(self._maximum, float(high))
        is_large = self.kind == "integer" and max(-int(low), int(high)) > _LARGEST_WHOLE
        if self._sample is None and is_large and _are_rounded(numbers):
            self._settle()
            so_far = self._tallies[0]
            self._sample = self._sample or sample_of(so_far.keys, so_far.counts)
        if self._sample is not None:
            self._add_to_sample(numbers)
        if self._level:
            self._add_to_buckets(numbers, weights)
        else:
            self._hold(_distinct(numbers, weights, float(low), float(high)))

    def _hold(self, tally: Tally) -> None:
        self._tallies.append(tally)
        self._n_pending += tally.keys.size
        is_new = not self._level and tally.keys.size > self._limit
        if is_new or self._n_pending > 2 * self._limit + 2 * _DENSE:
            self._settle()

    def _settle(self) -> None:
        """Pool what was counted; more distinct values than the limit become buckets."""
        tally = Tally.joined(self._tallies)
        fit, level = tally.fitted(self.kind, self._level, self._limit)
        if level and self._sample is None:
            self._sample = sample_of(tally.keys, tally.counts)
        self._tallies, self._level, self._n_pending = [fit], level, fit.keys.size

    def _add_to_sample(self, numbers: Numbers) -> None:
        assert self._sample is not None, "begun before"
        whole = self.kind == "integer" and numbers.dtype.kind != "f"
        hashes = (hashes_of_whole_numbers if whole else hashes_of_numbers)(numbers)
        kept = hashes[hashes <= self._sample.largest_kept]
        if kept.size:
            self._sample += DistinctSketch.of(kept, np.ones(kept.size, np.int64))

    def _add_to_buckets(self, numbers: Numbers, weights: Floats | None) -> None:
        values = numbers.astype(np.float64, copy=False)
        if is_temporal(self.kind):
            width = WIDTHS[self._level]
            found = _counted(np.floor(values / width).astype(np.int64), weights)
            keys = found.keys.astype(np.float64) * width
        else:
            shift = np.int64(self._level)
            found = _counted(ordered(values + 0.0) >> shift, weights)
            low = np.where(found.keys < 0, np.int64((1 << self._level) - 1), np.int64(0))
            high = found.keys.astype(np.int64, copy=False)
            keys = unordered((high << shift) | low)
        self._hold(Tally(keys, found.counts, found.weights))

    def column(self, name: str) -> ColumnCounts:
        """Return what was counted."""
        self._settle()
        tally, some = self._tallies[0], self.n_known > 0
        return ColumnCounts(
            name=name, kind=self.kind, n=self._n, n_missing=self._n_missing,
            minimum=self._minimum + 0.0 if some else None,
            maximum=self._maximum + 0.0 if some else None,
            level=self._level, values=tally.keys, counts=tally.counts,
            distinct=self._sample, limit=self._limit, weights=tally.weights,
            missing_weight=self._missing_weight,
        )  # fmt: skip


def _physical(column: pl.Series) -> Numbers:
    """Return values as whole numbers, or as doubles, in the unit that their kind has."""
    dtype = column.dtype
    if dtype == pl.Boolean:
        column = column.cast(pl.Int64)
    elif dtype == pl.Time:
        column = column.to_physical() // 1_000
    elif dtype == pl.Date:
        column = column.to_physical().cast(pl.Int64)
    elif dtype.is_temporal():
        return _microseconds(
            column.to_physical().to_numpy(), str(getattr(dtype, "time_unit", "us"))
        )
    elif dtype.is_integer() and dtype not in (pl.Int64, pl.UInt64):
        column = _as_64_bits(column)
    elif not dtype.is_integer():
        column = column.cast(pl.Float64)
    numbers: Numbers = column.to_numpy()
    return numbers


def _microseconds(ticks: Numbers, unit: str) -> Numbers:
    """Return moments or durations as whole microseconds; what polars cannot name is read too."""
    if unit == "ns":
        return ticks // 1_000
    if unit == "us" or not ticks.size:
        return ticks
    fits = max(-int(ticks.min()), int(ticks.max())) < _LARGEST_WHOLE
    return ticks * 1_000 if fits else ticks.astype(np.float64) * 1_000


def _as_64_bits(column: pl.Series) -> pl.Series:
    """Return whole numbers in 64 bits, or as doubles if one is larger."""
    try:
        return column.cast(pl.Int64)
    except pl.exceptions.InvalidOperationError:
        return column.cast(pl.Float64)


def _are_rounded(numbers: Numbers) -> bool:
    """Whether a whole number is too large for a double to hold."""
    large = numbers[(numbers > _LARGEST_WHOLE) | (numbers < -_LARGEST_WHOLE)]
    if not large.size or large.dtype.kind == "f":
        return bool(large.size)
    doubles = large.astype(np.float64)
    beyond = doubles >= float(np.iinfo(large.dtype).max)
    return bool(beyond.any() or (doubles.astype(large.dtype) != large).any())


def _are_known(column: pl.Series) -> npt.NDArray[np.bool_]:
    known = column.is_not_null()
    if column.dtype.is_float():
        known &= column.is_not_nan().fill_null(value=False)
    are_known: npt.NDArray[np.bool_] = known.to_numpy()
    return are_known


def _distinct(numbers: Numbers, weights: Floats | None, low: float, high: float) -> Tally:
    """Return distinct numbers with their counts, in any order."""
    if numbers.dtype.kind != "f":
        found = _counted(numbers, weights)
    elif _are_whole(numbers, low, high):
        found = _counted(numbers.astype(np.int64), weights)
    else:
        found = _hashed(numbers + 0.0, weights)
    return Tally(found.keys.astype(np.float64), found.counts, found.weights)


def _are_whole(numbers: Numbers, low: float, high: float) -> bool:
    if not high - low < _DENSE or max(-low, high) > _LARGEST_WHOLE:
        return False
    few = numbers[:1_024]
    return bool((few == np.floor(few)).all() and (numbers == np.floor(numbers)).all())


def _counted(numbers: Numbers, weights: Floats | None) -> Tally:
    low, span = numbers.min(), int(numbers.max()) - int(numbers.min())
    if span >= _DENSE:
        return _hashed(numbers, weights)
    places = (numbers - low).astype(np.intp, copy=False)
    occurrences = np.bincount(places)
    found = np.flatnonzero(occurrences)
    sums = np.zeros(0) if weights is None else _summed(places, weights)[found]
    return Tally(found.astype(numbers.dtype) + low, occurrences[found], sums)


def _hashed(numbers: Numbers, weights: Floats | None) -> Tally:
    if weights is not None:
        distinct, where, counts = np.unique(numbers, return_inverse=True, return_counts=True)
        return Tally(distinct, counts, _summed(where, weights))
    found, n = pl.Series("value", numbers).value_counts(name="n").get_columns()
    return Tally(found.to_numpy(), n.to_numpy().astype(np.int64))


def _summed(places: npt.NDArray[np.intp], weights: Floats) -> Floats:
    return np.bincount(places, weights).astype(np.float64, copy=False)

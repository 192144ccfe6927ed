"""Counting the numbers of a column, batch by batch, in bounded memory."""

from __future__ import annotations

from typing import Any, Final, TypeAlias, final

import numpy as np
import numpy.typing as npt
import polars as pl

from mldeploy.data._buckets import WIDTHS, fitted, is_temporal
from mldeploy.data._column import Kind
from mldeploy.data._column_counts import ColumnCounts, sample_of
from mldeploy.data._hashing import hashes_of_numbers, hashes_of_whole_numbers
from mldeploy.data._profile_arrays import ordered, unordered
from mldeploy.data._sketch import DistinctSketch

Floats: TypeAlias = npt.NDArray[np.float64]
Counts: TypeAlias = npt.NDArray[np.int64]
Numbers: TypeAlias = npt.NDArray[Any]
"""Doubles, or whole numbers of any width."""

_LARGEST_WHOLE: Final = 2**53
_DENSE: Final = 1 << 17
"""Whole numbers that lie this close together are counted in an array, not in a hash table."""


@final
class NumberCounter:
    """Counts of the numbers of one column; times, dates and booleans are numbers too."""

    def __init__(self, kind: Kind, *, limit: int) -> None:
        self.kind = kind
        self._limit = limit
        self._level = 0
        self._n = self._n_missing = 0
        self._minimum, self._maximum = np.inf, -np.inf
        self._keys: list[Floats] = [np.zeros(0)]
        self._counts: list[Counts] = [np.zeros(0, np.int64)]
        self._n_pending = 0
        self._sample: DistinctSketch | None = None

    @property
    def n_known(self) -> int:
        """Number of values that are not missing."""
        return self._n - self._n_missing

    def add(self, column: pl.Series) -> None:
        """Count the values of a batch."""
        numbers = _physical(column.drop_nulls() if column.null_count() else column)
        if numbers.dtype.kind == "f":
            known = ~np.isnan(numbers)
            numbers = numbers if known.all() else numbers[known]
        self._n += len(column)
        self._n_missing += len(column) - numbers.size
        if not numbers.size:
            return
        low, high = numbers.min(), numbers.max()
        self._minimum = min(self._minimum, float(low))
        self._maximum = max(self._maximum, float(high))
        if not self._level and self.kind == "integer":
            self._coarsen_if_rounded(numbers, int(low), int(high))
        if self._level:
            self._add_to_buckets(numbers)
        else:
            self._hold(*_distinct(numbers, low, high))

    def _hold(self, values: Floats, counts: Counts) -> None:
        self._keys.append(values)
        self._counts.append(counts)
        self._n_pending += values.size
        is_new = not self._level and values.size > self._limit
        if is_new or self._n_pending > 2 * self._limit + 2 * _DENSE:
            self._settle()

    def _settle(self) -> None:
        """Pool what was counted; more distinct values than the limit become buckets."""
        keys, counts = np.concatenate(self._keys), np.concatenate(self._counts)
        fit, fit_counts, level = fitted(keys, counts, self.kind, self._level, self._limit)
        if level and self._sample is None:
            self._sample = sample_of(keys, counts)
        self._keys, self._counts, self._level = [fit], [fit_counts], level
        self._n_pending = fit.size

    def _coarsen_if_rounded(self, numbers: Numbers, low: int, high: int) -> None:
        """Count in buckets from here on if a whole number is larger than doubles can hold."""
        if max(abs(low), abs(high)) <= _LARGEST_WHOLE:
            return
        large = np.unique(numbers[(numbers > _LARGEST_WHOLE) | (numbers < -_LARGEST_WHOLE)])
        rounded = large.dtype.kind == "f"
        if rounded or any(int(float(number)) != number for number in large.tolist()):
            self._settle()
            self._level = max(self._level, 1)
            self._sample = self._sample or sample_of(self._keys[0], self._counts[0])

    def _add_to_buckets(self, numbers: Numbers) -> None:
        assert self._sample is not None, "buckets come with a sample"
        whole = self.kind == "integer" and numbers.dtype.kind != "f"
        values = numbers.astype(np.float64, copy=False)
        hashes = hashes_of_whole_numbers(numbers) if whole else hashes_of_numbers(values)
        kept = hashes[hashes <= self._sample.largest_kept]
        if kept.size:
            self._sample += DistinctSketch.of(kept, np.ones(kept.size, np.int64))
        if is_temporal(self.kind):
            width = WIDTHS[self._level]
            buckets, counts = _counted((np.floor(values / width)).astype(np.int64))
            self._hold(buckets.astype(np.float64) * width, counts)
            return
        shift = np.int64(self._level)
        high, counts = _counted(ordered(values + 0.0) >> shift)
        low = np.where(high < 0, np.int64((1 << self._level) - 1), np.int64(0))
        self._hold(unordered((high << shift) | low), counts)

    def column(self, name: str) -> ColumnCounts:
        """Return what was counted."""
        self._settle()
        some = self.n_known > 0
        return ColumnCounts(
            name=name, kind=self.kind, n=self._n, n_missing=self._n_missing,
            minimum=self._minimum + 0.0 if some else None,
            maximum=self._maximum + 0.0 if some else None,
            level=self._level, values=self._keys[0], counts=self._counts[0],
            distinct=self._sample, limit=self._limit,
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
        column = column.dt.cast_time_unit("us").to_physical()
    elif dtype.is_integer() and dtype not in (pl.Int64, pl.UInt64):
        column = _as_64_bits(column)
    elif not dtype.is_integer():
        column = column.cast(pl.Float64)
    numbers: Numbers = column.to_numpy()
    return numbers


def _as_64_bits(column: pl.Series) -> pl.Series:
    """Return whole numbers in 64 bits, or as doubles if one is larger."""
    try:
        return column.cast(pl.Int64)
    except pl.exceptions.InvalidOperationError:
        return column.cast(pl.Float64)


def _distinct(numbers: Numbers, low: np.generic, high: np.generic) -> tuple[Floats, Counts]:
    """Return distinct numbers with their counts, in any order."""
    if numbers.dtype.kind == "f":
        if not _are_whole(numbers, float(low), float(high)):
            values, counts = _hashed(numbers)
            return values.astype(np.float64) + 0.0, counts
        numbers = numbers.astype(np.int64)
    distinct, counts = _counted(numbers)
    return distinct.astype(np.float64), counts


def _are_whole(numbers: Numbers, low: float, high: float) -> bool:
    if not high - low < _DENSE or max(-low, high) > _LARGEST_WHOLE:
        return False
    few = numbers[:1_024]
    return bool((few == np.floor(few)).all() and (numbers == np.floor(numbers)).all())


def _counted(numbers: Numbers) -> tuple[Numbers, Counts]:
    low, span = numbers.min(), int(numbers.max()) - int(numbers.min())
    if span >= _DENSE:
        return _hashed(numbers)
    occurrences = np.bincount((numbers - low).astype(np.intp, copy=False))
    found = np.flatnonzero(occurrences)
    return found.astype(numbers.dtype) + low, occurrences[found]


def _hashed(numbers: Numbers) -> tuple[Numbers, Counts]:
    distinct, counts = pl.Series("value", numbers).value_counts(name="n").get_columns()
    return distinct.to_numpy(), counts.to_numpy().astype(np.int64)

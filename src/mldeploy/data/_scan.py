"""One pass over the batches of a table: count every column, in bounded memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final, TypeAlias, final

import numpy as np
import numpy.typing as npt
import polars as pl
from tqdm import tqdm

from mldeploy.data._column import Kind, common_kind, kind_of
from mldeploy.data._column_counts import ColumnCounts, TableCounts, merged_columns
from mldeploy.data._scan_numbers import NumberCounter
from mldeploy.data._scan_texts import TextCounter
from mldeploy.errors import (
    DuplicateColumnsError,
    EmptyDataError,
    InvalidDataError,
    SchemaMismatchError,
)

ColumnCounter: TypeAlias = NumberCounter | TextCounter
Floats: TypeAlias = npt.NDArray[np.float64]

_WORTH_A_THREAD: Final = 1 << 16
_DELAY: Final = 1.0
"""Seconds after which a bar is shown."""


@final
@dataclass(frozen=True, kw_only=True)
class Batch:
    """Some rows, and where they are from."""

    frame: pl.DataFrame
    of: str


def count(
    batches: Iterable[Batch],
    *,
    limit: int,
    weight: str | None = None,
    n_rows: int | None = None,
    progress: bool = False,
) -> TableCounts:
    """Return the counts of all batches; there is none unless every one was counted.

    Raises
    ------
    EmptyDataError
        If there is no batch.
    InvalidDataError
        If a batch has other columns than the first, or holds other kinds in them.
    """
    counting = Counting(limit=limit, weight=weight)
    with (
        tqdm(
            desc="profile", total=n_rows, unit=" rows", unit_scale=True, delay=_DELAY, leave=False,
            disable=not progress,
        ) as bar,
        ThreadPoolExecutor(pl.thread_pool_size()) as threads,
    ):  # fmt: skip
        for batch in batches:
            counting.add(batch, threads)
            bar.update(batch.frame.height)
    return counting.table()


@final
class Counting:
    """Counts of every column so far."""

    def __init__(self, *, limit: int, weight: str | None = None) -> None:
        self._limit = limit
        self._weight = weight
        self._n_rows = 0
        self._names: tuple[str, ...] = ()
        self._first = ""
        self._counters: dict[tuple[str, Kind], ColumnCounter] = {}
        self._kinds: dict[str, list[Kind]] = {}

    def add(self, batch: Batch, threads: ThreadPoolExecutor) -> None:
        """Count a batch, its columns side by side if they are long."""
        columns = list(flat_columns(batch.frame, self._weights(batch)))
        self._require_same(batch, [column.values.name for column in columns])
        counters = [self._counter(batch, column.values) for column in columns]
        work = threads.map if batch.frame.height * len(columns) > _WORTH_A_THREAD else map
        for _ in work(_add, counters, columns):
            pass
        self._n_rows += batch.frame.height
        for name, kinds in self._kinds.items():
            if len(kinds) > 1:
                self._require_common_kind(batch, name)

    def _weights(self, batch: Batch) -> Floats | None:
        if self._weight is None:
            return None
        if self._weight not in batch.frame.columns:
            raise InvalidDataError(f"there is no column {self._weight!r} of weights in {batch.of}")
        weights = batch.frame[self._weight]
        if not (weights.dtype.is_numeric() or not len(weights)):
            raise InvalidDataError(f"the weights {self._weight!r} of {batch.of} are no numbers")
        numbers = weights.cast(pl.Float64).fill_null(float("nan")).to_numpy()
        if not (np.isfinite(numbers) & (numbers >= 0)).all():
            raise InvalidDataError(
                f"weights must be numbers of at least 0, without gaps; those of {batch.of} in "
                f"{self._weight!r} are not"
            )
        return numbers

    def table(self) -> TableCounts:
        """Return what was counted."""
        if not self._first:
            raise EmptyDataError("there is no batch to profile, so nobody knows the columns")
        columns = tuple(self._column(name) for name in sorted(self._kinds))
        return TableCounts(n_rows=self._n_rows, columns=columns)

    def _column(self, name: str) -> ColumnCounts:
        parts = [self._counters[name, kind].column(name) for kind in self._kinds[name]]
        return parts[0] if len(parts) == 1 else merged_columns(parts)

    def _counter(self, batch: Batch, column: pl.Series) -> ColumnCounter:
        kind = _kind_of(batch, column)
        known = self._counters.get((column.name, kind))
        if known is not None:
            return known
        is_text = kind in ("string", "category")
        counter = (TextCounter if is_text else NumberCounter)(kind, limit=self._limit)
        self._counters[column.name, kind] = counter
        self._kinds.setdefault(column.name, []).append(kind)
        return counter

    def _require_same(self, batch: Batch, names: list[str]) -> None:
        if len(set(names)) != len(names):
            raise DuplicateColumnsError(n for n, times in Counter(names).items() if times > 1)
        if not self._first:
            self._first, self._names = batch.of, tuple(sorted(names))
        elif tuple(sorted(names)) != self._names:
            if lacking := sorted(set(self._names) - set(names)):
                raise SchemaMismatchError(missing=lacking, path=batch.of)
            more = sorted(set(names) - set(self._names))
            raise SchemaMismatchError(missing=more, path=self._first)

    def _require_common_kind(self, batch: Batch, name: str) -> None:
        known = {kind for kind in self._kinds[name] if self._counters[name, kind].n_known}
        if len(known) > 1:
            try:
                common_kind(name, known)
            except InvalidDataError as error:
                raise SchemaMismatchError(
                    mistyped={name: f"is of kind {' and '.join(sorted(known))}"}, path=batch.of
                ) from error


@final
@dataclass(frozen=True, eq=False)
class FlatColumn:
    """Values without nesting, and the weight of each if rows have weights."""

    values: pl.Series
    weights: Floats | None


def _add(counter: ColumnCounter, column: FlatColumn) -> None:
    counter.add(column.values, column.weights)


def flat_columns(frame: pl.DataFrame, weights: Floats | None) -> Iterator[FlatColumn]:
    """Yield columns without nesting: fields as ``a.b``, lists as ``a.length`` and ``a[]``."""
    for column in frame.get_columns():
        yield from _flat(column, weights)


def _flat(column: pl.Series, weights: Floats | None) -> Iterator[FlatColumn]:
    name, dtype = column.name, column.dtype
    if isinstance(dtype, pl.Struct):
        for field in dtype.fields:
            inside = column.struct.field(field.name).alias(f"{name}.{field.name}")
            yield from _flat(inside, weights)
    elif isinstance(dtype, pl.Array):
        yield from _flat(column.arr.to_list(), weights)
    elif isinstance(dtype, pl.List):
        lengths = column.list.len()
        yield FlatColumn(lengths.alias(f"{name}.length"), weights)
        elements = column.filter(lengths > 0).explode().alias(f"{name}[]")
        if weights is not None:
            weights = np.repeat(weights, lengths.fill_null(0).to_numpy())
        yield from _flat(elements, weights)
    elif dtype == pl.Binary:
        yield FlatColumn(column.bin.size().alias(f"{name}.length"), weights)
    else:
        yield FlatColumn(column, weights)


def _kind_of(batch: Batch, column: pl.Series) -> Kind:
    dtype = column.dtype
    if dtype == pl.Null or dtype.is_decimal():
        return "number"
    if isinstance(dtype, pl.Categorical):
        return "category"
    try:
        return kind_of(dtype)
    except InvalidDataError as error:
        raise InvalidDataError(
            f"column {column.name!r} of {batch.of} holds {dtype}, which has no profile; turn it "
            "into numbers, texts or times, or drop it"
        ) from error

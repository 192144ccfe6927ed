"""The sources that mldeploy has: a frame in memory, files of a folder, and any polars query."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import final

import pandas as pd
import polars as pl

from mldeploy.data._data_source import DataSource
from mldeploy.data._dataset import Dataset
from mldeploy.data._file_source import FileSource
from mldeploy.data._fingerprint import fingerprint_of
from mldeploy.data._prepare import with_utc_time
from mldeploy.data._source import TableLike, read_table
from mldeploy.data._source_rows import (
    BATCH_ROWS,
    OPEN,
    Window,
    in_window,
    lazy_batches,
    narrowed,
    plain_batch,
    plain_schema,
    readable,
    require_time,
)
from mldeploy.errors import InvalidDataError


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class FrameSource:
    """A table in memory as a source; build one with `FrameSource.of`.

    Attributes
    ----------
    table : polars.DataFrame
        The rows, as `to_polars` returns them.
    time : str or None
        Column with the time of each row, in UTC.
    name : str
        What people call it.
    batch_rows : int
        Rows of a batch.

    Examples
    --------
    >>> source = FrameSource.of(pl.DataFrame({"x": [1, 2, 3]}), batch_rows=2)
    >>> [batch.height for batch in source.batches()]
    [2, 1]
    """

    table: pl.DataFrame = field(repr=False)
    time: str | None = None
    name: str = ""
    batch_rows: int = BATCH_ROWS

    @classmethod
    def of(
        cls,
        table: TableLike | Dataset,
        *,
        time: str | None = None,
        timezone: str | None = None,
        name: str = "",
        batch_rows: int = BATCH_ROWS,
    ) -> FrameSource:
        """Read a table into memory; a time without a zone is of `timezone`.

        Raises
        ------
        InvalidDataError
            If it is no table, or its time column holds no times, or none with a zone.
        """
        require_batch_rows(batch_rows)
        if isinstance(table, Dataset):
            time, name = time or table.roles.time, name or table.name
        frame = table.table if isinstance(table, Dataset) else read_table(table)
        if time is not None:
            _require_column(time, frame.columns)
            frame = with_utc_time(frame, time, timezone)
        return cls(table=frame, time=time, name=name, batch_rows=batch_rows)

    def schema(self) -> pl.Schema:
        """Return the columns and their types."""
        return self.table.schema

    def batches(self) -> Iterator[pl.DataFrame]:
        """Yield the rows, a batch at a time."""
        return self.table.iter_slices(self.batch_rows) if self.table.height else iter(())

    def fingerprint(self) -> str:
        """Return the fingerprint of the values; see `fingerprint_of`."""
        return self._fingerprint

    def between(self, start: datetime | None, end: datetime | None) -> FrameSource:
        """Return the rows of a window of time."""
        require_time(self.time, self.table.schema, self.name)
        inside = in_window(str(self.time), narrowed(OPEN, start, end))
        return replace(self, table=self.table.filter(inside))

    def parts(self) -> Sequence[DataSource]:
        """Return a source for each batch."""
        return [replace(self, table=batch) for batch in self.batches()] or [self]

    @cached_property
    def _fingerprint(self) -> str:
        return fingerprint_of(self.table)


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class QuerySource:
    """Whatever a polars query finds: cloud folders, Delta and Iceberg tables, other databases.

    Attributes
    ----------
    query : polars.LazyFrame
        What is read, again each time, in streaming. A query that was run once remembers the
        files that it found; see `CursorSource` for one that grows.
    time : str or None
        Column with the time of each row, with a zone.
    name : str
        What people call it.
    batch_rows : int
        Rows of a batch.

    Examples
    --------
    >>> query = pl.LazyFrame({"carrier": ["UA", "AA"], "late": [True, False]})
    >>> source = QuerySource(query=query.filter("late"), name="late flights")
    >>> pl.concat(source.batches())["carrier"].to_list()
    ['UA']
    """

    query: pl.LazyFrame = field(repr=False)
    time: str | None = None
    name: str = ""
    batch_rows: int = BATCH_ROWS
    window: Window = field(default=OPEN, repr=False)

    def __post_init__(self) -> None:
        require_batch_rows(self.batch_rows)

    def schema(self) -> pl.Schema:
        """Return the columns and their types.

        Raises
        ------
        InvalidDataError
            If the query cannot be planned, or yields nested columns.
        """
        with readable(self._where):
            return plain_schema(self.query.collect_schema())

    def batches(self) -> Iterator[pl.DataFrame]:
        """Yield the rows, a batch at a time."""
        schema, rows = self.schema(), self.query
        if self.window != OPEN:
            rows = rows.filter(in_window(str(self.time), self.window))
        for batch in lazy_batches(rows, self.batch_rows, self._where):
            with readable(self._where):
                yield plain_batch(batch, schema, self._where)

    def fingerprint(self) -> str:
        """Return the fingerprint of the values, which reads them all and holds them together."""
        return fingerprint_of(rows_of(self))

    def between(self, start: datetime | None, end: datetime | None) -> QuerySource:
        """Return the rows of a window of time, which the query reads alone where it can."""
        require_time(self.time, self.schema(), self.name)
        return replace(self, window=narrowed(self.window, start, end))

    @property
    def _where(self) -> str:
        return self.name or "the query"


def source_of(
    table: TableLike | Dataset | DataSource,
    *,
    time: str | None = None,
    timezone: str | None = None,
    name: str = "",
) -> DataSource:
    """Return any table as a source; what is one already comes back as it is.

    Parameters
    ----------
    table : DataSource, Dataset, pandas.DataFrame, polars frame, Arrow table or path
        A path names Parquet, CSV or NDJSON files, a folder of them, or a glob.
    time : str, optional
        Column with the time of each row; of a `Dataset` its own by default.
    timezone : str, optional
        Zone that times without one were written in.
    name : str, default=""
        What people call it.

    Returns
    -------
    DataSource
        A `FrameSource`, `FileSource` or `QuerySource`.

    Raises
    ------
    InvalidDataError
        If it is none of these, or a source is given a time, zone or name that it cannot take.

    Examples
    --------
    >>> source_of(pl.DataFrame({"x": [1]})).schema()
    Schema([('x', Int64)])
    """
    if isinstance(table, str | Path):
        return FileSource(pattern=str(table), time=time, timezone=timezone, name=name)
    if isinstance(table, pl.LazyFrame) and timezone is None:
        return QuerySource(query=table, time=time, name=name)
    if isinstance(table, Dataset | pd.DataFrame | pl.DataFrame | pl.LazyFrame):
        return FrameSource.of(table, time=time, timezone=timezone, name=name)
    if isinstance(table, DataSource):
        if time or timezone or name:
            raise InvalidDataError(
                f"{type(table).__name__} is a source already; give it its time and name when it "
                "is made"
            )
        return table
    return FrameSource.of(table, time=time, timezone=timezone, name=name)


def rows_of(source: DataSource) -> pl.DataFrame:
    """Read a whole source into memory.

    Parameters
    ----------
    source : DataSource
        What is read.

    Returns
    -------
    polars.DataFrame
        All rows, perhaps none, of the source's schema.

    Raises
    ------
    InvalidDataError
        If the source cannot be read.

    Examples
    --------
    >>> rows_of(source_of(pl.LazyFrame({"x": [1, 2]}))).height
    2
    """
    batches = list(source.batches())
    return pl.concat(batches) if batches else pl.DataFrame(schema=source.schema())


def require_batch_rows(batch_rows: int) -> None:
    """Refuse batches of no row."""
    if batch_rows < 1:
        raise InvalidDataError(f"{batch_rows=} is no number of rows; pass at least 1")


def _require_column(name: str, columns: Sequence[str]) -> None:
    if name not in columns:
        raise InvalidDataError(f"there is no column {name!r}; the columns are {columns[:20]}")

"""Rows that are only ever added, in the order of a column."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, final

import polars as pl

from mldeploy.data._data_source import DataSource, Position
from mldeploy.data._source_rows import BATCH_ROWS, readable
from mldeploy.data._sources import QuerySource
from mldeploy.errors import InvalidDataError


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class CursorSource:
    """A query whose rows are only added, such as a table of events with a growing number.

    What is new are the rows whose cursor is above the highest that was seen. A position also
    counts the rows up to it: one that comes late, with a cursor that was passed already, is
    refused and not overlooked.

    Attributes
    ----------
    query : callable
        Returns the polars query, anew each time it is called, such as
        ``functools.partial(pl.scan_delta, "s3://lake/events")``: a query that was run once
        remembers the files that it found.
    cursor : str
        Column of whole numbers, or of times with a zone, that grows with each row.
    time : str or None
        Column with the time of each row.
    name : str
        What people call it.
    batch_rows : int
        Rows of a batch.

    Examples
    --------
    >>> source = CursorSource(query=lambda: pl.LazyFrame({"id": [1, 2, 3]}), cursor="id")
    >>> source.position()
    {'upto': 3, 'n_rows': 3}
    >>> new = source.increment({"upto": 1, "n_rows": 1}, source.position())
    >>> pl.concat(new.batches())["id"].to_list()
    [2, 3]
    """

    query: Callable[[], pl.LazyFrame] = field(repr=False)
    cursor: str
    time: str | None = None
    name: str = ""
    batch_rows: int = BATCH_ROWS

    def schema(self) -> pl.Schema:
        """Return the columns and their types.

        Raises
        ------
        InvalidDataError
            If the cursor is not there, or holds neither whole numbers nor times with a zone.
        """
        schema = self._rows.schema()
        dtype = schema.get(self.cursor)
        zoned = isinstance(dtype, pl.Datetime) and dtype.time_zone is not None
        if dtype is None or not (dtype.is_integer() or zoned):
            raise InvalidDataError(
                f"the cursor {self.cursor!r} of {self._where} is {dtype}; it holds whole numbers, "
                "or times with a zone"
            )
        return schema

    def batches(self) -> Iterator[pl.DataFrame]:
        """Yield the rows, a batch at a time."""
        return self._rows.batches()

    def fingerprint(self) -> str:
        """Return the fingerprint of the values."""
        return self._rows.fingerprint()

    def between(self, start: datetime | None, end: datetime | None) -> DataSource:
        """Return the rows of a window of time."""
        return self._rows.between(start, end)

    def position(self, since: Position | None = None) -> Position:
        """Return the highest cursor, and the number of rows up to it.

        Raises
        ------
        InvalidDataError
            If rows have come, or gone, behind an earlier position; or have no cursor.
        """
        if since is not None:
            self._require_count(since)
        self.schema()
        with readable(self._where):
            found = (
                self.query()
                .select(
                    pl.col(self.cursor).max().alias("upto"),
                    pl.col(self.cursor).null_count().alias("unknown"),
                    pl.len().alias("n_rows"),
                )
                .collect()
            )
        upto, unknown, n_rows = found.row(0)
        if unknown:
            raise InvalidDataError(f"{unknown} rows of {self._where} have no {self.cursor!r}")
        if upto is None:
            return since or {}
        return {"upto": upto.isoformat() if isinstance(upto, datetime) else upto, "n_rows": n_rows}

    def increment(self, since: Position | None, until: Position) -> QuerySource:
        """Return the rows above one cursor and up to another.

        Raises
        ------
        InvalidDataError
            If rows have come, or gone, behind either position.
        """
        for position in (since, until):
            if position:
                self._require_count(position)
        column, rows = pl.col(self.cursor), self.query()
        rows = rows.filter(column <= _bound(until)) if until else rows.head(0)
        if since:
            rows = rows.filter(column > _bound(since))
        return replace(self._rows, query=rows)

    @property
    def _rows(self) -> QuerySource:
        return QuerySource(
            query=self.query(), time=self.time, name=self.name, batch_rows=self.batch_rows
        )

    def _require_count(self, position: Position) -> None:
        if not position:
            return
        passed = self.query().filter(pl.col(self.cursor) <= _bound(position))
        with readable(self._where):
            n_rows = passed.select(pl.len()).collect().item()
        if n_rows != position["n_rows"]:
            raise InvalidDataError(
                f"{self._where} has {n_rows} rows up to {position['upto']}, and had "
                f"{position['n_rows']}: rows came late, or went; read it anew, or by a column "
                "that grows with arrival"
            )

    @property
    def _where(self) -> str:
        return self.name or "the query"


def _bound(position: Position) -> Any:
    upto = position["upto"]
    return pl.lit(datetime.fromisoformat(upto)) if isinstance(upto, str) else upto

"""Any table that a user may hold, as batches to be counted."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol, TypeAlias, final, runtime_checkable

import pandas as pd
import polars as pl

from mldeploy.data._convert import check_names, to_polars
from mldeploy.data._scan import Batch
from mldeploy.data._supports_arrow import SupportsArrow
from mldeploy.errors import InvalidDataError

Frame: TypeAlias = pd.DataFrame | pl.DataFrame | SupportsArrow


@runtime_checkable
class SqlResult(Protocol):
    """What SQLAlchemy returns for a query."""

    def keys(self) -> Any:
        """Return the names of the columns."""
        ...

    def partitions(self, size: int | None = None) -> Any:
        """Yield lists of rows."""
        ...


@runtime_checkable
class SupportsBatches(Protocol):
    """A table that is read in batches, such as a `DataSource`."""

    def batches(self) -> Iterable[Frame]:
        """Yield the rows."""
        ...


BATCH_ROWS: Final = 1 << 17
_SLICE_ROWS: Final = 1 << 18
_CELLS: Final = BATCH_ROWS * 32
_FEWEST: Final = 1 << 12
_BYTES: Final = 1 << 26
_SQL_ROWS: Final = 1 << 15


@final
@dataclass(frozen=True, kw_only=True)
class Scan:
    """Batches, and how many rows they have together where that is known."""

    batches: Iterator[Batch]
    n_rows: int | None = None


def open_frames(source: object) -> Scan:
    """Open what is no file: frames, queries, batches, results of a database.

    Raises
    ------
    InvalidDataError
        If it is no table.
    """
    if isinstance(source, pl.LazyFrame):
        return Scan(batches=lazy_batches(source, "the query"))
    if isinstance(source, SqlResult):
        return Scan(batches=_rows(source))
    if isinstance(source, SupportsBatches):
        return Scan(batches=_each(source.batches(), str(getattr(source, "name", "the source"))))
    is_stream = hasattr(source, "read_next_batch")
    if isinstance(source, pd.DataFrame | pl.DataFrame | SupportsArrow) and not is_stream:
        frame = polars_of(source)
        return Scan(batches=_slices(frame), n_rows=frame.height)
    if isinstance(source, Iterable) and not isinstance(source, str | bytes | Mapping):
        return Scan(batches=_each(source, "the stream"))
    raise InvalidDataError(
        f"a {type(source).__name__} is not a table; pass a pandas or polars frame, an Arrow "
        "table, batches of them, the path of Parquet, CSV or NDJSON files, or the result of a "
        "SQLAlchemy query"
    )


def polars_of(source: object) -> pl.DataFrame:
    """Return a frame as polars; types of polars stay as they are."""
    if isinstance(source, pl.DataFrame):
        return source
    if isinstance(source, pd.DataFrame):
        return to_polars(source)
    if isinstance(source, SupportsArrow) or hasattr(source, "__arrow_c_array__"):
        names = getattr(source, "column_names", None) or getattr(source, "schema", None)
        names = getattr(names, "names", names)
        if names is not None:
            check_names(names)
        frame = pl.DataFrame(source)
        if isinstance(frame, pl.DataFrame):
            return frame
    raise InvalidDataError(
        f"a {type(source).__name__} is no batch of rows; yield pandas or polars frames, or Arrow "
        "record batches"
    )


def batch_rows(n_columns: int, bytes_a_row: float = 0.0) -> int:
    """Return how many rows to hold at a time."""
    by_cells = max(_CELLS // max(n_columns, 1), _FEWEST)
    by_bytes = max(int(_BYTES / bytes_a_row), 16) if bytes_a_row else BATCH_ROWS
    return min(BATCH_ROWS, by_cells, by_bytes)


def lazy_batches(query: pl.LazyFrame, of: str, *, n_rows: int | None = None) -> Iterator[Batch]:
    """Yield the rows of a query as they come; at least one batch, perhaps empty.

    Raises
    ------
    InvalidDataError
        If the query cannot be run.
    """
    try:
        schema = query.collect_schema()
        found = query.collect_batches(
            chunk_size=n_rows or batch_rows(len(schema)), maintain_order=False, engine="streaming"
        )
        yield Batch(frame=pl.DataFrame(schema=schema), of=of)
        for frame in found:
            yield Batch(frame=frame, of=of)
    except pl.exceptions.DuplicateError as error:
        raise InvalidDataError(f"{of} yields two columns of one name: {error}") from error
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
        said = str(error).partition("\n")[0]
        raise InvalidDataError(f"{of} cannot be read as a table: {said}") from error


def _slices(frame: pl.DataFrame) -> Iterator[Batch]:
    for start in range(0, max(frame.height, 1), _SLICE_ROWS):
        yield Batch(frame=frame.slice(start, _SLICE_ROWS), of="the table")


def _each(frames: Iterable[object], of: str) -> Iterator[Batch]:
    for number, frame in enumerate(frames):
        yield from (
            Batch(frame=part.frame, of=f"batch {number + 1} of {of}")
            for part in _slices(polars_of(frame))
        )


# --- rows of a database -------------------------------------------------------------------


def _rows(result: SqlResult) -> Iterator[Batch]:
    import sqlalchemy as sa  # noqa: PLC0415 - only whoever has such a result needs it

    names = list(result.keys())
    check_names(names)
    yield Batch(frame=pl.DataFrame(schema=dict.fromkeys(names, pl.Null)), of="the result")
    n_read = 0
    try:
        for rows in result.partitions(_SQL_ROWS):
            columns = [
                _series(name, [row[i] for row in rows], n_read) for i, name in enumerate(names)
            ]
            n_read += len(rows)
            yield Batch(frame=pl.DataFrame(columns), of="the result")
    except sa.exc.SQLAlchemyError as error:
        raise InvalidDataError(f"the result cannot be read after row {n_read}: {error}") from error


def _series(name: str, values: Sequence[Any], n_before: int) -> pl.Series:
    """Return the values of a column, which may be mixed as numbers only."""
    types = {type(value) for value in values} - {type(None)}
    names = {kind.__name__ for kind in types}
    if names <= {"int", "float", "Decimal"} and len(names) > 1:
        return pl.Series(name, [None if v is None else float(v) for v in values], pl.Float64)
    if names == {"UUID"}:
        return pl.Series(name, [None if v is None else str(v) for v in values], pl.String)
    if len(types) > 1:
        first = next(type(v) for v in values if v is not None)
        row = next(i for i, v in enumerate(values) if v is not None and type(v) is not first)
        raise InvalidDataError(
            f"column {name!r} of the result mixes {', '.join(sorted(names))}: row "
            f"{n_before + row + 1} is the first that is no {first.__name__}; cast it in the query"
        )
    try:
        return pl.Series(name, values, strict=True)
    except (TypeError, ValueError, OverflowError, pl.exceptions.PolarsError) as error:
        raise InvalidDataError(
            f"column {name!r} of the result cannot be read: {error}; cast it in the query"
        ) from error


def as_path(source: object) -> str | None:
    """Return the path or address that a source is; None if it is something else."""
    return str(source) if isinstance(source, str | Path) else None

"""What the sources have in common: plain types, windows of time, and refusals that say where."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime

import polars as pl

from mldeploy.data._convert import check_names, to_polars
from mldeploy.errors import InvalidDataError, SchemaMismatchError

BATCH_ROWS = 1 << 17
"""Rows of a batch, unless said otherwise: 20 columns of numbers are then 21 MB."""

Window = tuple[datetime | None, datetime | None]
OPEN: Window = (None, None)


def plain_schema(schema: Mapping[str, pl.DataType | type[pl.DataType]]) -> pl.Schema:
    """Return the types that batches of a table have: text for categories of no fixed set."""
    check_names(schema)
    fixed = {n: pl.String if t == pl.Categorical else t for n, t in schema.items()}
    return to_polars(pl.DataFrame(schema=fixed)).schema


def plain_batch(batch: pl.DataFrame, schema: pl.Schema, where: str) -> pl.DataFrame:
    """Return a batch in the columns, order and types of a schema, or refuse it.

    Raises
    ------
    SchemaMismatchError
        If a column is missing, or holds values of another type. Whole numbers in a column of
        numbers are numbers, and a column without a value is of any type.
    """
    known = set(batch.columns)
    if missing := [name for name in schema if name not in known]:
        raise SchemaMismatchError(missing=missing)
    free = [name for name, dtype in batch.schema.items() if dtype == pl.Categorical]
    plain = to_polars(batch.select(*schema).with_columns(pl.col(free).cast(pl.String)))
    mistyped = {}
    columns = []
    for column, (name, dtype) in zip(plain.get_columns(), schema.items(), strict=True):
        if column.dtype == dtype:
            columns.append(column)
        elif column.null_count() == len(column):
            columns.append(pl.Series(name, [None] * len(column), dtype=dtype))
        elif _holds(dtype, column.dtype):
            columns.append(column.cast(dtype))
        else:
            mistyped[name] = f"is {column.dtype} in {where}, not {dtype}"
    if mistyped:
        raise SchemaMismatchError(mistyped=mistyped)
    return pl.DataFrame(columns)


def widest(schemas: Mapping[str, pl.Schema]) -> pl.Schema:
    """Return the one schema of several tables: numbers where some hold whole ones only.

    Raises
    ------
    SchemaMismatchError
        If a column is missing from one, or is of two types. It names the first such table.
    """
    (first, common), *others = schemas.items()
    found = dict(common)
    for where, schema in others:
        if odd := sorted(set(common) ^ set(schema)):
            lacking = {name: where if name in common else first for name in odd}
            raise SchemaMismatchError(
                mistyped={name: f"is missing from {place}" for name, place in lacking.items()}
            )
        for name, dtype in schema.items():
            if dtype != found[name] and not (dtype.is_numeric() and found[name].is_numeric()):
                why = f"is {dtype} in {where}, and {found[name]} in {first}"
                raise SchemaMismatchError(mistyped={name: why})
            if dtype != found[name]:
                found[name] = pl.Float64() if dtype.is_float() else _wider(found[name], dtype)
    return pl.Schema(found)


def _holds(wide: pl.DataType, narrow: pl.DataType) -> bool:
    """Tell whether a type has room for the numbers of another, or the cast says where not."""
    if wide.is_float():
        return narrow.is_numeric()
    return wide.is_integer() and narrow.is_integer()


def _wider(one: pl.DataType, other: pl.DataType) -> pl.DataType:
    return pl.Float64() if one.is_float() or other.is_float() else pl.Int64()


def narrowed(window: Window, start: datetime | None, end: datetime | None) -> Window:
    """Return the part of a window that lies in another."""
    for bound in (start, end):
        if bound is not None and bound.tzinfo is None:
            raise InvalidDataError(
                f"{bound} has no time zone; pass datetime(..., tzinfo=timezone.utc)"
            )
    first, last = window
    return (
        max((b for b in (first, start) if b is not None), default=None),
        min((b for b in (last, end) if b is not None), default=None),
    )


def require_time(time: str | None, schema: pl.Schema, name: str) -> None:
    """Refuse a window of a source that declares no time, or none with a zone."""
    if time is None:
        raise InvalidDataError(f"{name or 'the source'} declares no time; pass time= to it")
    dtype = schema.get(time)
    if not isinstance(dtype, pl.Datetime) or dtype.time_zone is None:
        raise InvalidDataError(
            f"{time!r} of {name or 'the source'} is {dtype}, not times with a zone, so nobody can "
            "say which rows lie in a window; localise it first"
        )


def in_window(time: str, window: Window) -> pl.Expr:
    """Express that a time lies in a window; a row without a time lies in none."""
    start, end = window
    inside = pl.col(time).is_not_null()
    if start is not None:
        inside &= pl.col(time) >= start.astimezone(UTC)
    return inside & (pl.col(time) < end.astimezone(UTC)) if end is not None else inside


@contextmanager
def readable(where: str) -> Iterator[None]:
    """Raise what goes wrong in reading as InvalidDataError that says where."""
    try:
        yield
    except InvalidDataError as error:
        error.add_note(f"in {where}")
        raise
    except (pl.exceptions.PolarsError, OSError, UnicodeError) as error:
        raise InvalidDataError(f"{where} cannot be read as a table: {error}") from error


def lazy_batches(rows: pl.LazyFrame, size: int, where: str) -> Iterator[pl.DataFrame]:
    """Yield what a query finds, in its order, `size` rows at a time and then the rest."""
    with readable(where):
        found: Iterable[pl.DataFrame] = rows.collect_batches(
            chunk_size=size, maintain_order=True, lazy=True
        )
        held: list[pl.DataFrame] = []
        n_held = 0
        for batch in found:
            held.append(batch)
            n_held += batch.height
            while n_held >= size:
                together = pl.concat(held)
                yield together[:size]
                held, n_held = [together[size:]], n_held - size
        if n_held:
            yield pl.concat(held)

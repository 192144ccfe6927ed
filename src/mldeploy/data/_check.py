"""Hold columns against their schema, vectorised."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import islice

import polars as pl

from mldeploy.data._column import Bound, ColumnSchema
from mldeploy.errors import FieldError

_EXACT = 2.0**53
_DTYPES: dict[str, str] = {"integer": "a whole number", "number": "a number", "string": "text"}


@dataclass(frozen=True, kw_only=True)
class Cast:
    """A column in its schema's type; `refused` marks the values that have none there."""

    values: pl.Series
    refused: pl.Series


def cast_column(column: pl.Series, schema: ColumnSchema) -> Cast:
    """Cast a column without loss; a value that would change is refused and left null."""
    if column.dtype.is_float():
        column = column.fill_nan(None)
    values = _lossless(column, schema)
    return Cast(values=values, refused=values.is_null() & column.is_not_null())


def type_errors(cast: Cast, column: pl.Series, schema: ColumnSchema) -> Iterator[FieldError]:
    """Yield one error for each value of the wrong type."""
    wanted = _DTYPES.get(schema.kind, f"a {schema.kind}")
    if schema.kind == "datetime":
        wanted += f" in {schema.time_zone}" if schema.time_zone else " without a zone"
    for row in _rows(cast.refused):
        yield FieldError(
            row=row,
            column=schema.name,
            code="type",
            message=f"{column[row]!r} ({column.dtype}) is not {wanted}",
        )


def missing_errors(cast: Cast, schema: ColumnSchema) -> Iterator[FieldError]:
    """Yield one error for each value that must not be missing."""
    if schema.nullable:
        return
    for row in _rows(cast.values.is_null() & ~cast.refused):
        yield FieldError(
            row=row, column=schema.name, code="missing", message="a value is required"
        )


def category_errors(cast: Cast, schema: ColumnSchema) -> Iterator[FieldError]:
    """Yield one error for each value that is not among the categories."""
    if schema.categories is None:
        return
    levels = pl.Series(schema.categories, dtype=pl.String)
    known = ", ".join(map(repr, schema.categories[:5]))
    more = f" and {len(levels) - 5} more" if len(levels) > 5 else ""
    for row in _rows(~cast.values.is_in(levels.implode()) & cast.values.is_not_null()):
        yield FieldError(
            row=row,
            column=schema.name,
            code="category",
            message=f"{cast.values[row]!r} is none of {known}{more}",
        )


def range_errors(cast: Cast, schema: ColumnSchema) -> Iterator[FieldError]:
    """Yield one error for each value outside the range."""
    values, outside = cast.values, pl.repeat(False, len(cast.values), eager=True)
    if schema.minimum is not None:
        outside |= (values < _bound(schema.minimum, schema)).fill_null(False)
    if schema.maximum is not None:
        outside |= (values > _bound(schema.maximum, schema)).fill_null(False)
    for row in _rows(outside):
        yield FieldError(
            row=row,
            column=schema.name,
            code="range",
            message=f"{values[row]} is outside {_range(schema)}",
        )


def infinite_errors(cast: Cast, schema: ColumnSchema) -> Iterator[FieldError]:
    """Yield one error for each infinite value, unless the range says that there are some."""
    if schema.kind != "number" or math.inf in (
        _magnitude(schema.minimum),
        _magnitude(schema.maximum),
    ):
        return
    for row in _rows(cast.values.is_infinite().fill_null(False)):
        yield FieldError(
            row=row, column=schema.name, code="range", message=f"{cast.values[row]} is not finite"
        )


def errors_of(
    cast: Cast, column: pl.Series, schema: ColumnSchema, limit: int
) -> Iterator[FieldError]:
    """Yield what the schema refuses in one column, at most `limit` errors of each code."""
    yield from islice(type_errors(cast, column, schema), limit)
    yield from refusals_of(cast, schema, limit)


def refusals_of(cast: Cast, schema: ColumnSchema, limit: int) -> Iterator[FieldError]:
    """Yield what the schema refuses among values of the right type."""
    yield from islice(missing_errors(cast, schema), limit)
    if schema.closed:
        yield from islice(category_errors(cast, schema), limit)
    if schema.strict_range:
        yield from islice(range_errors(cast, schema), limit)
    yield from islice(infinite_errors(cast, schema), limit)


def surprises_of(cast: Cast, schema: ColumnSchema, limit: int) -> Iterator[FieldError]:
    """Yield what the schema accepts, though it was not seen when it was inferred."""
    if not schema.closed:
        yield from islice(category_errors(cast, schema), limit)
    if not schema.strict_range:
        yield from islice(range_errors(cast, schema), limit)


def _rows(mask: pl.Series) -> list[int]:
    return mask.arg_true().to_list() if mask.any() else []


def _lossless(column: pl.Series, schema: ColumnSchema) -> pl.Series:
    dtype, nothing = column.dtype, pl.Series(column.name, [None] * len(column), _target(schema))
    match schema.kind:
        case "integer" if dtype.is_integer():
            return column.cast(pl.Int64, strict=False)
        case "integer" if dtype.is_float():
            whole = ((column == column.floor()) & (column.abs() <= _EXACT)).fill_null(False)
            return column.zip_with(whole, pl.Series([None], dtype=dtype)).cast(pl.Int64)
        case "number" if dtype.is_numeric():
            return column.cast(pl.Float64)
        case "boolean" if dtype == pl.Boolean:
            return column
        case "boolean" if dtype.is_numeric():
            binary = ((column == 0) | (column == 1)).fill_null(False)
            return column.zip_with(binary, pl.Series([None], dtype=dtype)).cast(pl.Boolean)
        case "string" | "category" if dtype in (pl.String, pl.Categorical, pl.Enum):
            return column.cast(pl.String)
        case "datetime" if dtype == pl.Datetime or dtype == pl.Date:
            return _lossless_datetime(column, schema, nothing)
        case "date" if dtype == pl.Date:
            return column
        case "date" if isinstance(dtype, pl.Datetime) and dtype.time_zone is None:
            midnight = (column.dt.truncate("1d") == column).fill_null(False)
            return column.zip_with(midnight, pl.Series([None], dtype=dtype)).cast(pl.Date)
        case "time" if dtype == pl.Time:
            return column
        case "duration" if dtype == pl.Duration:
            return column.dt.cast_time_unit(schema.time_unit or "us")
        case _:
            return nothing


def _lossless_datetime(column: pl.Series, schema: ColumnSchema, nothing: pl.Series) -> pl.Series:
    unit = schema.time_unit or "us"
    zone = getattr(column.dtype, "time_zone", None)
    if (zone is None) != (schema.time_zone is None):
        return nothing
    instants = column.cast(pl.Datetime(unit)) if column.dtype == pl.Date else column
    instants = instants.dt.cast_time_unit(unit)
    return (
        instants if schema.time_zone is None else instants.dt.convert_time_zone(schema.time_zone)
    )


def _target(schema: ColumnSchema) -> pl.DataType:
    return pl.String() if schema.kind == "category" else schema.dtype


def _bound(bound: Bound, schema: ColumnSchema) -> Bound | timedelta:
    if schema.kind == "duration" and isinstance(bound, int | float):
        return timedelta(seconds=bound)
    if schema.kind == "datetime" and isinstance(bound, date) and not isinstance(bound, datetime):
        return datetime(bound.year, bound.month, bound.day)  # noqa: DTZ001 (a zone is added by polars)
    return bound


def _range(schema: ColumnSchema) -> str:
    low = "-∞" if schema.minimum is None else schema.minimum
    high = "∞" if schema.maximum is None else schema.maximum
    return f"[{low}, {high}]"


def _magnitude(bound: Bound | None) -> float:
    return abs(bound) if isinstance(bound, int | float) else 0.0

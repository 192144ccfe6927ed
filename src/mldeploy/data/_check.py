"""Hold columns against their schema, vectorised."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from itertools import chain, islice

import numpy as np
import polars as pl

from mldeploy.data._column import Bound, ColumnSchema
from mldeploy.data._pattern import whole
from mldeploy.errors import FieldError

_EXACT = 2.0**53


@dataclass(frozen=True, kw_only=True)
class Cast:
    """A column before and after the cast to its schema's type; what has no place is null."""

    given: pl.Series
    values: pl.Series

    @property
    def refused(self) -> pl.Series:
        """True where a value was given that the type cannot hold; empty if nowhere."""
        if self.given.null_count() == self.values.null_count():
            return pl.Series([], dtype=pl.Boolean)
        return self.values.is_null() & self.given.is_not_null()


def cast_frame(frame: pl.DataFrame, columns: tuple[ColumnSchema, ...]) -> Iterator[Cast]:
    """Cast each column without loss; a value that would change is left null."""
    for column in columns:
        given = _without_nan(frame.get_column(column.name))
        same = given.dtype == column.dtype and column.kind != "category"
        yield Cast(given=given, values=given if same else _LOSSLESS[column.kind](given, column))


def _without_nan(values: pl.Series) -> pl.Series:
    """Return values with NaN written as null; where there is none, at no cost."""
    if not values.dtype.is_float():
        return values
    if values.null_count():
        return values.fill_nan(None)
    return values.fill_nan(None) if np.isnan(values.to_numpy()).any() else values


def errors_of(cast: Cast, column: ColumnSchema, limit: int) -> Iterator[FieldError]:
    """Yield what a column refuses, at most `limit` errors of each code."""
    return chain(
        islice(_type_errors(cast, column), limit),
        islice(() if column.nullable else _missing_errors(cast, column), limit),
        islice(_category_errors(cast, column) if column.closed else (), limit),
        islice(_range_errors(cast, column) if column.strict_range else (), limit),
        islice(_pattern_errors(cast, column) if column.strict_pattern else (), limit),
        islice(_infinite_errors(cast, column), limit),
    )


def surprises_of(cast: Cast, column: ColumnSchema, limit: int) -> Iterator[FieldError]:
    """Yield what a column accepts, though it was not seen when the schema was inferred."""
    return chain(
        islice(() if column.closed else _category_errors(cast, column), limit),
        islice(() if column.strict_range else _range_errors(cast, column), limit),
        islice(() if column.strict_pattern else _pattern_errors(cast, column), limit),
    )


def bound_of(column: ColumnSchema, bound: Bound | None) -> Bound | timedelta | None:
    """Return a bound as a value of the column's type."""
    if column.kind == "duration" and isinstance(bound, int | float):
        return timedelta(seconds=bound)
    return bound


def category_message(value: object, column: ColumnSchema) -> str:
    """Say that a value is none of the categories."""
    levels = column.categories or ()
    more = f" and {len(levels) - 5} more" if len(levels) > 5 else ""
    return f"{value!r} is none of {', '.join(map(repr, levels[:5]))}{more}"


def range_message(value: object, column: ColumnSchema) -> str:
    """Say that a value is outside the range."""
    low = "-∞" if column.minimum is None else column.minimum
    high = "∞" if column.maximum is None else column.maximum
    return f"{value} is outside [{low}, {high}]"


def pattern_message(value: object, column: ColumnSchema) -> str:
    """Say that a text is of another pattern."""
    shown = repr(value) if len(repr(value)) <= 60 else repr(value)[:57] + "..."
    return f"{shown} does not match {column.pattern!r}"


def matches(texts: pl.Series, pattern: str) -> pl.Series:
    """Tell which texts match from their first to their last letter; null for null."""
    return texts.cast(pl.String).str.contains(whole(pattern))


def may_be_infinite(column: ColumnSchema) -> bool:
    """Whether the column's range says that it holds infinite values."""
    return any(isinstance(b, float) and math.isinf(b) for b in (column.minimum, column.maximum))


# --- errors, one for each value -----------------------------------------------------------


def _type_errors(cast: Cast, column: ColumnSchema) -> Iterator[FieldError]:
    refused = cast.refused
    if not len(refused):
        return
    wanted = {"integer": "a whole number of 64 bits", "string": "text"}.get(
        column.kind, f"a {column.kind}"
    )
    if column.kind == "datetime":
        wanted += f" in {column.time_zone}" if column.time_zone else " without a zone"
    for row in refused.arg_true():
        message = f"{cast.given[row]!r} ({cast.given.dtype}) is not {wanted}"
        yield FieldError(row=row, column=column.name, code="type", message=message)


def _missing_errors(cast: Cast, column: ColumnSchema) -> Iterator[FieldError]:
    if not cast.given.null_count():
        return
    for row in cast.given.is_null().arg_true():
        message = "a value is required"
        yield FieldError(row=row, column=column.name, code="missing", message=message)


def _category_errors(cast: Cast, column: ColumnSchema) -> Iterator[FieldError]:
    if column.categories is None:
        return
    levels = pl.Series(column.categories, dtype=pl.String)
    unseen = set(cast.values.drop_nulls().unique().to_list()) - set(column.categories)
    if not unseen:
        return
    for row in (cast.values.is_not_null() & ~cast.values.is_in(levels.implode())).arg_true():
        message = category_message(cast.values[row], column)
        yield FieldError(row=row, column=column.name, code="category", message=message)


def _range_errors(cast: Cast, column: ColumnSchema) -> Iterator[FieldError]:
    values = cast.values
    low, high = bound_of(column, column.minimum), bound_of(column, column.maximum)
    outside = pl.Series([None], dtype=pl.Boolean)
    if low is not None:
        outside = outside | (values < low)
    if high is not None:
        outside = outside | (values > high)
    for row in outside.arg_true() if len(outside) == len(values) else ():
        message = range_message(values[row], column)
        yield FieldError(row=row, column=column.name, code="range", message=message)


def _pattern_errors(cast: Cast, column: ColumnSchema) -> Iterator[FieldError]:
    if column.pattern is None:
        return
    for row in (~matches(cast.values, column.pattern)).arg_true():
        message = pattern_message(cast.values[row], column)
        yield FieldError(row=row, column=column.name, code="pattern", message=message)


def _infinite_errors(cast: Cast, column: ColumnSchema) -> Iterator[FieldError]:
    if column.kind != "number" or may_be_infinite(column):
        return
    if math.inf not in (cast.values.max(), -_real(cast.values.min())):
        return
    for row in cast.values.is_infinite().arg_true():
        message = f"{cast.values[row]} is not finite"
        yield FieldError(row=row, column=column.name, code="range", message=message)


def _real(value: object) -> float:
    return value if isinstance(value, float) else 0.0


# --- casts that keep every value or leave it null -----------------------------------------


def _nothing(given: pl.Series, dtype: pl.DataType) -> pl.Series:
    return pl.Series(given.name, [None], dtype=dtype).new_from_index(0, len(given))


def _only(given: pl.Series, kept: pl.Series) -> pl.Series:
    return given.set(~kept, None)


def _integer(given: pl.Series, column: ColumnSchema) -> pl.Series:
    if given.dtype.is_float():
        given = _only(given, (given == given.floor()) & (given.abs() <= _EXACT))
    elif not given.dtype.is_integer():
        return _nothing(given, column.dtype)
    return given.cast(pl.Int64, strict=False)


def _number(given: pl.Series, column: ColumnSchema) -> pl.Series:
    numeric = given.dtype.is_numeric()
    return given.cast(pl.Float64) if numeric else _nothing(given, column.dtype)


def _boolean(given: pl.Series, column: ColumnSchema) -> pl.Series:
    if not given.dtype.is_numeric():
        return _nothing(given, column.dtype)
    return _only(given, (given == 0) | (given == 1)).cast(pl.Boolean)


def _text(given: pl.Series, _column: ColumnSchema) -> pl.Series:
    if given.dtype == pl.String or isinstance(given.dtype, pl.Enum | pl.Categorical):
        return given.cast(pl.String)
    return _nothing(given, pl.String())


def _datetime(given: pl.Series, column: ColumnSchema) -> pl.Series:
    unit, zone = column.time_unit or "us", column.time_zone
    if given.dtype == pl.Date and zone is None:
        return given.cast(column.dtype)
    own = given.dtype.time_zone if isinstance(given.dtype, pl.Datetime) else None
    if given.dtype != pl.Datetime or (own is None) != (zone is None):
        return _nothing(given, column.dtype)
    cast = given.cast(pl.Datetime(unit, own), strict=False)
    return cast if zone is None else cast.dt.convert_time_zone(zone)


def _date(given: pl.Series, column: ColumnSchema) -> pl.Series:
    if not isinstance(given.dtype, pl.Datetime) or given.dtype.time_zone is not None:
        return _nothing(given, column.dtype)
    return _only(given, given.dt.truncate("1d") == given).cast(pl.Date)


def _time(given: pl.Series, column: ColumnSchema) -> pl.Series:
    return _nothing(given, column.dtype)


def _duration(given: pl.Series, column: ColumnSchema) -> pl.Series:
    if given.dtype != pl.Duration:
        return _nothing(given, column.dtype)
    return given.cast(pl.Duration(column.time_unit or "us"), strict=False)


_LOSSLESS: dict[str, Callable[[pl.Series, ColumnSchema], pl.Series]] = {
    "integer": _integer,
    "number": _number,
    "boolean": _boolean,
    "string": _text,
    "category": _text,
    "datetime": _datetime,
    "date": _date,
    "time": _time,
    "duration": _duration,
}

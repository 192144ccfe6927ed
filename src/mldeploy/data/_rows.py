"""Rows of plain values, as JSON carries them, held against a schema without any coercion."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final

import numpy as np
import polars as pl

from mldeploy.data._check import (
    bound_of,
    category_message,
    matches,
    may_be_infinite,
    pattern_message,
    range_message,
)
from mldeploy.data._column import ColumnSchema
from mldeploy.errors import FieldError

_INT64, _EXACT = 2**63, 2**53
_LONGEST: Final = {
    "ms": timedelta(days=999_999_998),
    "us": timedelta(days=106_751_990),
    "ns": timedelta(days=106_750),
}
"""Durations that 64 bits of a unit can count, and Python too."""
_FIRST_NS, _LAST_NS = datetime(1678, 1, 1, tzinfo=UTC), datetime(2261, 12, 31, tzinfo=UTC)

_AT_ONCE: dict[str, frozenset[type]] = {
    "integer": frozenset({int, type(None)}),
    "number": frozenset({float, type(None)}),
    "boolean": frozenset({bool, type(None)}),
    "string": frozenset({str, type(None)}),
    "category": frozenset({str, type(None)}),
}
"""Types of values that need no conversion."""


def parse_rows(
    rows: Sequence[Mapping[str, object]], columns: tuple[ColumnSchema, ...]
) -> tuple[pl.DataFrame, tuple[FieldError, ...]]:
    """Read rows into a frame of the schema's types, and list every value it refuses."""
    errors = list(_unknown(rows, frozenset(column.name for column in columns)))
    parsed = []
    for column in columns:
        values, refused = _parse_column([row.get(column.name) for row in rows], column)
        parsed.append(values)
        errors += refused
    errors.sort(key=lambda error: error.row)
    return pl.DataFrame(parsed), tuple(errors)


def _unknown(rows: Sequence[Mapping[str, object]], known: frozenset[str]) -> Iterator[FieldError]:
    for number, row in enumerate(rows):
        if row.keys() <= known:
            continue
        for name in row:
            if name not in known:
                message = "the schema has no such column; leave it out"
                yield FieldError(row=number, column=str(name), code="unknown", message=message)


def _parse_column(values: list[Any], column: ColumnSchema) -> tuple[pl.Series, list[FieldError]]:
    errors: list[FieldError] = []
    if not set(map(type, values)) <= _AT_ONCE.get(column.kind, frozenset()):
        values, errors = _parse_one_by_one(values, column)
    elif column.kind == "integer":
        values, errors = _refuse(values, column, "type", _overflows)
    elif column.kind in ("string", "category"):
        values, errors = _refuse(values, column, "type", _unencodable)
    elif column.kind == "number":
        values = [None if value != value else value for value in values]  # noqa: PLR0124 (NaN)
    refused = {error.row for error in errors}
    for code, wrong in _rules(column, values):
        values, more = _refuse(values, column, code, wrong)
        errors += more
    if column.strict_pattern:
        values, more = _refuse_patterns(values, column)
        errors += more
    if not column.nullable and None in values:
        errors += [
            FieldError(row=row, column=column.name, code="missing", message="a value is required")
            for row, value in enumerate(values)
            if value is None and row not in refused | {error.row for error in errors}
        ]
    dtype = column.dtype
    if column.kind == "category":
        known = frozenset(column.categories or ())
        values = [value if value in known else None for value in values]
    return pl.Series(column.name, values, dtype=dtype), errors


def _rules(
    column: ColumnSchema, values: list[Any]
) -> Iterator[tuple[str, Callable[[Any, ColumnSchema], str | None]]]:
    """Yield the checks that some value of the right type may fail."""
    if column.closed and not set(values) <= {*(column.categories or ()), None}:
        yield "category", _outside_categories
    if column.strict_range:
        yield "range", _outside_range
    if column.kind == "number" and not may_be_infinite(column):
        yield "range", _infinite


def _refuse(
    values: list[Any],
    column: ColumnSchema,
    code: str,
    wrong: Callable[[Any, ColumnSchema], str | None],
) -> tuple[list[Any], list[FieldError]]:
    errors = [
        FieldError(row=row, column=column.name, code=code, message=message)
        for row, value in enumerate(values)
        if value is not None and (message := wrong(value, column)) is not None
    ]
    if errors:
        refused = {error.row for error in errors}
        values = [None if row in refused else value for row, value in enumerate(values)]
    return values, errors


def _refuse_patterns(
    values: list[Any], column: ColumnSchema
) -> tuple[list[Any], list[FieldError]]:
    kept = matches(pl.Series(values, dtype=pl.String), column.pattern or "")
    if kept.all():
        return values, []
    odd = {value for value, keeps in zip(values, kept, strict=True) if keeps is False}

    def wrong(value: str, column: ColumnSchema) -> str | None:
        return pattern_message(value, column) if value in odd else None

    return _refuse(values, column, "pattern", wrong)


def _overflows(value: int, _column: ColumnSchema) -> str | None:
    return None if -_INT64 <= value < _INT64 else f"{value} is not a whole number of 64 bits"


def _unencodable(value: str, _column: ColumnSchema) -> str | None:
    try:
        value.encode()
    except UnicodeEncodeError as error:
        return f"{value!r} is not text: {error.reason}"
    return None


def _outside_categories(value: str, column: ColumnSchema) -> str | None:
    known = column.categories or ()
    return None if value in known else category_message(value, column)


def _outside_range(value: Any, column: ColumnSchema) -> str | None:
    low, high = bound_of(column, column.minimum), bound_of(column, column.maximum)
    inside = (low is None or low <= value) and (high is None or value <= high)
    return None if inside else range_message(value, column)


def _infinite(value: float, _column: ColumnSchema) -> str | None:
    return f"{value} is not finite" if math.isinf(value) else None


def _parse_one_by_one(
    values: list[Any], column: ColumnSchema
) -> tuple[list[Any], list[FieldError]]:
    parse = _PARSERS[column.kind]
    errors: list[FieldError] = []
    cleaned: list[Any] = []
    for row, value in enumerate(values):
        plain = value.item() if isinstance(value, np.generic) else value
        try:
            cleaned.append(None if _missing(plain) else parse(plain, column))
        except (TypeError, ValueError, OverflowError) as error:
            cleaned.append(None)
            message = str(error)
            errors.append(FieldError(row=row, column=column.name, code="type", message=message))
    return cleaned, errors


def _missing(value: object) -> bool:
    if value is None or type(value).__name__ == "NAType":
        return True
    return isinstance(value, float | datetime) and value != value  # noqa: PLR0124 (NaN and NaT)


def _refused(value: object, wanted: str) -> TypeError:
    shown = repr(value)
    shown = shown if len(shown) <= 60 else shown[:57] + "..."
    return TypeError(f"{shown} ({type(value).__name__}) is not {wanted}")


def _integer(value: object, _column: ColumnSchema) -> int:
    if isinstance(value, float) and value.is_integer() and abs(value) <= _EXACT:
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise _refused(value, "a whole number")
    if not -_INT64 <= value < _INT64:
        raise _refused(value, "a whole number of 64 bits")
    return value


def _number(value: object, _column: ColumnSchema) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _refused(value, "a number")
    try:
        return float(value)
    except OverflowError as error:
        raise _refused(value, "a number of 64 bits") from error


def _boolean(value: object, _column: ColumnSchema) -> bool:
    if not isinstance(value, bool):
        raise _refused(value, "true or false")
    return value


def _text(value: object, _column: ColumnSchema) -> str:
    if not isinstance(value, str):
        raise _refused(value, "text")
    value.encode()
    return value


def _datetime(value: object, column: ColumnSchema) -> datetime:
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    except ValueError:
        raise _refused(value, "a time such as 2013-01-31T17:45:00Z") from None
    if not isinstance(moment, datetime):
        raise _refused(value, "a time such as 2013-01-31T17:45:00Z")
    if (moment.tzinfo is None) != (column.time_zone is None):
        wanted = "with an offset, such as 17:45:00Z" if column.time_zone else "without a zone"
        raise _refused(value, f"a time {wanted}")
    try:
        instant = moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except OverflowError:
        raise _refused(value, "a time in the years 1 to 9999, in UTC") from None
    if column.time_unit == "ns" and not _FIRST_NS <= instant <= _LAST_NS:
        raise _refused(value, "a time in the years 1678 to 2261, which nanoseconds can count")
    return moment


def _date(value: object, _column: ColumnSchema) -> date:
    try:
        day = date.fromisoformat(value) if isinstance(value, str) else value
    except ValueError:
        raise _refused(value, "a date such as 2013-01-31") from None
    if isinstance(day, datetime) or not isinstance(day, date):
        raise _refused(value, "a date such as 2013-01-31")
    return day


def _time(value: object, _column: ColumnSchema) -> time:
    try:
        moment = time.fromisoformat(value) if isinstance(value, str) else value
    except ValueError:
        raise _refused(value, "a time of day such as 17:45:00") from None
    if not isinstance(moment, time) or moment.tzinfo is not None:
        raise _refused(value, "a time of day such as 17:45:00")
    return moment


def _duration(value: object, column: ColumnSchema) -> timedelta:
    if isinstance(value, bool) or not isinstance(value, int | float | timedelta):
        raise _refused(value, "a number of seconds")
    longest = _LONGEST[column.time_unit or "us"]
    try:
        span = value if isinstance(value, timedelta) else timedelta(seconds=value)
    except OverflowError:
        span = timedelta.max
    if abs(span) > longest:
        raise _refused(value, f"a duration of at most {longest.total_seconds():.3g} seconds")
    return span


_PARSERS: dict[str, Callable[[Any, ColumnSchema], Any]] = {
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

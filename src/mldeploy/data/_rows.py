"""Rows of plain values, as JSON carries them, held against a schema without any coercion."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from typing import Any

import numpy as np
import polars as pl

from mldeploy.data._check import Cast, refusals_of
from mldeploy.data._column import ColumnSchema
from mldeploy.errors import FieldError

_INT64, _EXACT = 2**63, 2**53

_AT_ONCE: dict[str, frozenset[type]] = {
    "integer": frozenset({int, type(None)}),
    "number": frozenset({float, type(None)}),
    "boolean": frozenset({bool, type(None)}),
    "string": frozenset({str, type(None)}),
    "category": frozenset({str, type(None)}),
}
"""Types of values that need no look at each value; polars refuses the integers that overflow."""


def parse_rows(
    rows: Sequence[Mapping[str, object]], columns: tuple[ColumnSchema, ...]
) -> tuple[pl.DataFrame, tuple[FieldError, ...]]:
    """Read rows into a frame of the schema's types, and list every value it refuses."""
    errors = list(_unknown(rows, frozenset(c.name for c in columns)))
    parsed = []
    for column in columns:
        values = [row.get(column.name) for row in rows]
        cast, refused = _parse_column(values, column)
        errors += refused
        errors += refusals_of(cast, column, len(rows))
        parsed.append(cast.values.cast(column.dtype, strict=False))
    errors.sort(key=lambda error: error.row)
    return pl.DataFrame(parsed), tuple(errors)


def _unknown(rows: Sequence[Mapping[str, object]], known: frozenset[str]) -> Iterator[FieldError]:
    for number, row in enumerate(rows):
        for name in row:
            if name not in known:
                yield FieldError(
                    row=number,
                    column=str(name),
                    code="unknown",
                    message="the schema has no such column; leave it out",
                )


def _parse_column(values: list[object], column: ColumnSchema) -> tuple[Cast, list[FieldError]]:
    dtype = pl.String() if column.kind == "category" else column.dtype
    accepted = pl.repeat(False, len(values), dtype=pl.Boolean, eager=True)
    if set(map(type, values)) <= _AT_ONCE.get(column.kind, frozenset()):
        try:
            series = pl.Series(column.name, values, dtype=dtype)
        except (OverflowError, TypeError, pl.exceptions.PolarsError):
            pass
        else:
            series = series.fill_nan(None) if column.kind == "number" else series
            return Cast(values=series, refused=accepted), []
    return _parse_one_by_one(values, column, dtype)


def _parse_one_by_one(
    values: list[object], column: ColumnSchema, dtype: pl.DataType
) -> tuple[Cast, list[FieldError]]:
    parse, errors, cleaned = _PARSERS[column.kind], [], []
    for row, value in enumerate(values):
        plain = value.item() if isinstance(value, np.generic) else value
        try:
            cleaned.append(None if _missing(plain) else parse(plain, column))
        except (TypeError, ValueError, OverflowError) as error:
            cleaned.append(None)
            errors.append(FieldError(row=row, column=column.name, code="type", message=str(error)))
    refused = np.zeros(len(values), dtype=bool)
    refused[[error.row for error in errors]] = True
    series = pl.Series(column.name, cleaned, dtype=dtype)
    return Cast(values=series, refused=pl.Series(refused)), errors


def _missing(value: object) -> bool:
    if value is None or type(value).__name__ == "NAType":
        return True
    return isinstance(value, float | datetime) and value != value  # noqa: PLR0124 (NaN and NaT)


def _refused(value: object, wanted: str) -> TypeError:
    shown = repr(value)
    shown = shown if len(shown) <= 60 else shown[:57] + "..."
    return TypeError(f"{shown} ({type(value).__name__}) is not {wanted}")


def _integer(value: object, column: ColumnSchema) -> int:
    if isinstance(value, float) and value.is_integer() and abs(value) <= _EXACT:
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise _refused(value, "a whole number")
    if not -_INT64 <= value < _INT64:
        raise _refused(value, "a whole number of 64 bits")
    return value


def _number(value: object, column: ColumnSchema) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _refused(value, "a number")
    try:
        return float(value)
    except OverflowError as error:
        raise _refused(value, "a number of 64 bits") from error


def _boolean(value: object, column: ColumnSchema) -> bool:
    if not isinstance(value, bool):
        raise _refused(value, "true or false")
    return value


def _text(value: object, column: ColumnSchema) -> str:
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
    return moment


def _date(value: object, column: ColumnSchema) -> date:
    try:
        day = date.fromisoformat(value) if isinstance(value, str) else value
    except ValueError:
        raise _refused(value, "a date such as 2013-01-31") from None
    if isinstance(day, datetime) or not isinstance(day, date):
        raise _refused(value, "a date such as 2013-01-31")
    return day


def _time(value: object, column: ColumnSchema) -> time:
    try:
        moment = time.fromisoformat(value) if isinstance(value, str) else value
    except ValueError:
        raise _refused(value, "a time of day such as 17:45:00") from None
    if not isinstance(moment, time) or moment.tzinfo is not None:
        raise _refused(value, "a time of day such as 17:45:00")
    return moment


def _duration(value: object, column: ColumnSchema) -> timedelta:
    if isinstance(value, timedelta):
        return value
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _refused(value, "a number of seconds")
    return timedelta(seconds=value)


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

"""Read the text of a CSV file as a schema says, value by value."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import polars as pl

from mldeploy.data import ColumnSchema, Schema
from mldeploy.errors import FieldError


def read_text(frame: pl.DataFrame, schema: Schema) -> tuple[pl.DataFrame, tuple[FieldError, ...]]:
    """Read columns of text in the types of a schema.

    What a column holds does not depend on the other rows, as it would if types were guessed: a
    file read in pieces says the same as one read whole.

    Parameters
    ----------
    frame : polars.DataFrame
        Columns of text, among them those of the schema.
    schema : Schema
        What they should hold.

    Returns
    -------
    frame : polars.DataFrame
        The schema's columns; what cannot be read is null.
    errors : tuple of FieldError
        One for each text that cannot be read, with code ``type``.

    Examples
    --------
    >>> schema = Schema.infer(pl.DataFrame({"hour": [1, 2]}))
    >>> frame, errors = read_text(pl.DataFrame({"hour": ["5", "5.0", "noon", None]}), schema)
    >>> frame["hour"].to_list(), [(e.row, e.message) for e in errors]
    ([5, 5, None, None], [(2, "'noon' is not a whole number of 64 bits")])
    """
    read, errors = [], []
    for column in schema.columns:
        text = frame[column.name]
        values = _READERS[column.kind](text, column)
        read.append(values)
        if values.null_count() != text.null_count():
            message = _WANTED.get(column.kind, f"a {column.kind}")
            for row in (values.is_null() & text.is_not_null()).arg_true():
                told = f"{_shown(text[row])} is not {message}"
                errors.append(FieldError(row=row, column=column.name, code="type", message=told))
    return pl.DataFrame(read), tuple(errors)


def _shown(text: str) -> str:
    shown = repr(text)
    return shown if len(shown) <= 60 else shown[:57] + "..."


def _integer(text: pl.Series, _column: ColumnSchema) -> pl.Series:
    whole = text.cast(pl.Int64, strict=False)
    if whole.null_count() == text.null_count():
        return whole
    real = text.cast(pl.Float64, strict=False)
    exact = (real == real.floor()) & (real.abs() <= 2.0**53)
    return whole.zip_with(
        whole.is_not_null(), real.set(~exact.fill_null(value=False), None).cast(pl.Int64)
    )


def _number(text: pl.Series, _column: ColumnSchema) -> pl.Series:
    return text.cast(pl.Float64, strict=False)


def _boolean(text: pl.Series, _column: ColumnSchema) -> pl.Series:
    return text.str.to_lowercase().replace_strict(_TRUTH, default=None, return_dtype=pl.Boolean)


def _text(text: pl.Series, _column: ColumnSchema) -> pl.Series:
    return text


def _datetime(text: pl.Series, column: ColumnSchema) -> pl.Series:
    zone, formats = column.time_zone, _LOCAL if column.time_zone is None else _INSTANTS
    given = pl.col("text").str
    read = [
        given.to_datetime(
            f, time_unit=column.time_unit or "us", strict=False, time_zone=zone and "UTC"
        )
        for f in formats
    ]
    moments = text.alias("text").to_frame().select(pl.coalesce(read)).to_series()
    moments = moments.alias(text.name)
    return moments if zone is None else moments.dt.convert_time_zone(zone)


def _date(text: pl.Series, _column: ColumnSchema) -> pl.Series:
    return text.str.to_date("%Y-%m-%d", strict=False)


def _time(text: pl.Series, _column: ColumnSchema) -> pl.Series:
    return text.str.to_time("%H:%M:%S%.f", strict=False)


def _duration(text: pl.Series, column: ColumnSchema) -> pl.Series:
    microseconds = (text.cast(pl.Float64, strict=False) * 1e6).round(0)
    return (
        microseconds.cast(pl.Int64, strict=False)
        .cast(pl.Duration("us"))
        .dt.cast_time_unit(column.time_unit or "us")
    )


_TRUTH: Final = {"true": True, "false": False, "1": True, "0": False}

_INSTANTS: Final = ("%Y-%m-%dT%H:%M:%S%.f%#z", "%Y-%m-%d %H:%M:%S%.f%#z")
"""ISO 8601, with an offset such as Z, +0000 or +00:00."""

_LOCAL: Final = ("%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f")

_WANTED: Final = {
    "integer": "a whole number of 64 bits",
    "boolean": "true or false",
    "datetime": "a time such as 2013-01-31T17:45:00Z, with an offset if the column has a zone",
    "date": "a date such as 2013-01-31",
    "time": "a time of day such as 17:45:00",
    "duration": "a number of seconds",
}

_READERS: Final[Mapping[str, Callable[[pl.Series, ColumnSchema], pl.Series]]] = {
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

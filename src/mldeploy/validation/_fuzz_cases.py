"""Rows that a schema allows and nobody has sent yet: extremes, gaps, values never seen."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from datetime import time as time_of_day
from typing import Final

import polars as pl

from mldeploy.data import ColumnSchema, Schema

_UNSEEN: Final = ("", "never seen before", "ünï ☃\t\x00", "x" * 10_000)
_LARGEST: Final = 2**62
_FAR: Final = 10.0


@dataclass(frozen=True, kw_only=True)
class Case:
    """Rows in which some columns hold one odd value.

    Attributes
    ----------
    name : str
        What is odd, e.g. ``"maximum"``.
    column : str, optional
        Where; None if it is in every column that can hold it.
    frame : polars.DataFrame
        The rows, in the schema's types.
    """

    name: str
    column: str | None
    frame: pl.DataFrame


def cases_of(schema: Schema, rows: pl.DataFrame) -> Iterator[Case]:
    """Yield what a schema allows beyond the given rows, one column at a time, and then all.

    Parameters
    ----------
    schema : Schema
        What is accepted; nothing else is yielded.
    rows : polars.DataFrame
        Ordinary rows in its columns.
    """
    together: dict[str, dict[str, pl.Series]] = {}
    for column in schema.columns:
        for name, value in _values(column):
            series = pl.Series(column.name, [value] * rows.height, dtype=column.dtype)
            frame = rows.with_columns(series)
            if schema.check(frame, limit=1):
                continue
            together.setdefault(name, {})[column.name] = series
            yield Case(name=name, column=column.name, frame=frame)
    for name, columns in together.items():
        if len(columns) > 1:
            yield Case(name=name, column=None, frame=rows.with_columns(*columns.values()))


def _values(column: ColumnSchema) -> Iterator[tuple[str, object]]:
    if column.nullable:
        yield "missing", None
    if column.kind in ("integer", "number"):
        yield from _numbers(column)
    elif column.kind == "string":
        names = ("empty text", "unseen", "control characters", "long text")
        yield from zip(names, _UNSEEN, strict=True)
    elif column.kind == "boolean":
        yield from (("true", True), ("false", False))
    elif column.kind == "category":
        yield from ((f"category {i}", c) for i, c in enumerate((column.categories or ())[:20]))
    elif column.kind == "datetime":
        zone = UTC if column.time_zone else None
        for name, year in (("long ago", 1900), ("far ahead", 2200)):
            moment = datetime(year, 2, 28, 23, 59, 59, tzinfo=UTC)
            yield name, moment if zone else moment.replace(tzinfo=None)
    elif column.kind == "date":
        yield from (("long ago", date(1900, 2, 28)), ("far ahead", date(2200, 2, 28)))
    elif column.kind == "time":
        yield from (("midnight", time_of_day(0)), ("last moment", time_of_day(23, 59, 59)))
    elif column.kind == "duration":
        yield from (("no time", timedelta(0)), ("a century", timedelta(days=36_525)))


def _numbers(column: ColumnSchema) -> Iterator[tuple[str, object]]:
    whole = column.kind == "integer"
    low, high = column.minimum, column.maximum
    values: list[tuple[str, float]] = [("zero", 0), ("minus one", -1)]
    if isinstance(low, int | float) and isinstance(high, int | float):
        reach = max(high - low, 1) * _FAR
        values += [("minimum", low), ("maximum", high)]
        values += [("far below", low - reach), ("far above", high + reach)]
    if whole:
        values += [("largest", _LARGEST), ("smallest", -_LARGEST)]
    else:
        values += [("largest", sys.float_info.max / 4), ("smallest", -sys.float_info.max / 4)]
        values.append(("nearly zero", sys.float_info.min))
    for name, value in values:
        yield name, int(value) if whole else float(value)

"""Does one column's schema accept every value that another does?"""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from mldeploy.data._check import matches, may_be_infinite
from mldeploy.data._column import ColumnSchema

_READS: dict[str, frozenset[str]] = {
    "number": frozenset({"integer"}),
    "string": frozenset({"category"}),
    "category": frozenset({"string"}),
    "datetime": frozenset({"date"}),
}
"""Other kinds whose values each kind reads without loss."""


def objections(reader: ColumnSchema, writer: ColumnSchema) -> Iterator[str]:
    """Yield why `reader` may refuse, or change, a value that `writer` accepts.

    Without an objection, it does neither. An objection is not always a refusal: what rests on
    values that no table may ever hold is objected to as well.
    """
    if not _reads_type(reader, writer):
        yield f"{_type(writer)} is not read as {_type(reader)}"
        return
    if writer.optional and not reader.optional:
        yield "the column may be absent"
    if writer.nullable and not reader.nullable:
        yield "values may be missing"
    if reader.strict_range and not _is_within(writer, reader):
        yield f"values may be outside {_range(reader)}"
    if reader.kind == "number" and may_be_infinite(writer) and not may_be_infinite(reader):
        yield "values may be infinite"
    if (reader.closed or reader.kind == "category") and not _is_among(writer, reader):
        yield "values may be of other categories"
    if reader.strict_pattern and not _has_pattern_of(writer, reader):
        yield f"values may not match {reader.pattern!r}"


def reads_kind(reader: str, writer: str) -> bool:
    """Tell whether each value of one kind is read as one of another, without loss."""
    return reader == writer or writer in _READS.get(reader, ())


def _reads_type(reader: ColumnSchema, writer: ColumnSchema) -> bool:
    if reader.kind != writer.kind:
        if not reads_kind(reader.kind, writer.kind):
            return False
        return reader.kind != "datetime" or (reader.time_zone is None and _unit(reader) != "ns")
    if reader.kind == "datetime" and (reader.time_zone is None) != (writer.time_zone is None):
        return False
    if reader.kind in ("datetime", "duration"):
        return _unit(reader) == _unit(writer) or (_unit(writer), _unit(reader)) == ("ms", "us")
    return True


def _unit(column: ColumnSchema) -> str:
    return column.time_unit or "us"


def _type(column: ColumnSchema) -> str:
    if column.kind not in ("datetime", "duration"):
        return column.kind
    return f"{column.kind} ({', '.join(filter(None, (_unit(column), column.time_zone)))})"


def _is_within(inner: ColumnSchema, outer: ColumnSchema) -> bool:
    if not inner.strict_range or (inner.kind == "date") != (outer.kind == "date"):
        return False
    low, high = outer.minimum, outer.maximum
    reaches_up = low is None or (inner.minimum is not None and inner.minimum >= low)  # type: ignore[operator]
    reaches_down = high is None or (inner.maximum is not None and inner.maximum <= high)  # type: ignore[operator]
    return reaches_up and reaches_down


def _range(column: ColumnSchema) -> str:
    low = "-∞" if column.minimum is None else column.minimum
    return f"[{low}, {'∞' if column.maximum is None else column.maximum}]"


def _is_among(inner: ColumnSchema, outer: ColumnSchema) -> bool:
    is_closed = inner.closed or (inner.kind == "category" and inner == outer)
    return is_closed and set(inner.categories or ()) <= set(outer.categories or ())


def _has_pattern_of(inner: ColumnSchema, outer: ColumnSchema) -> bool:
    if inner.strict_pattern and inner.pattern == outer.pattern:
        return True
    levels = pl.Series(inner.categories or (), dtype=pl.String)
    return inner.closed and matches(levels, outer.pattern or "").all()

"""TensorFlow Metadata: `schema.pbtxt`, which TFX and TensorFlow Data Validation read.

The file is protocol buffers' text format, written here without TensorFlow.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Final

from mldeploy.data import ColumnSchema, Schema

__all__ = ["to_schema_pbtxt"]

_TYPES: Final = {
    "integer": "INT", "number": "FLOAT", "boolean": "INT", "duration": "FLOAT",
    "datetime": "INT", "date": "INT", "time": "INT",
}  # fmt: skip
_INT64: Final = 2**63


def to_schema_pbtxt(schema: Schema) -> str:
    """Write a schema as TensorFlow Metadata.

    Parameters
    ----------
    schema : Schema
        What data must look like.

    Returns
    -------
    str
        A ``tensorflow.metadata.v0.Schema`` in text format. Datetimes are whole microseconds
        since 1970 in UTC, times of day microseconds, dates days, durations seconds, booleans 0
        and 1. Open categories are a domain of which no share of the values is demanded; ranges
        that are not strict, patterns, keys and dependencies are comments, since the format has
        no place for them.

    Examples
    --------
    >>> import polars as pl
    >>> print(to_schema_pbtxt(Schema.infer(pl.DataFrame({"hour": [5, 23]}))))
    feature {
      name: "hour"
      type: INT
      presence {
        min_fraction: 1.0
        min_count: 1
      }
      value_count {
        min: 1
        max: 1
      }
      annotation {
        comment: "seen: 5 to 23"
      }
    }
    <BLANKLINE>
    """
    lines = [line for column in schema.columns for line in _block("feature", _feature(column))]
    comments = [f"key: {', '.join(key)}" for key in schema.keys]
    comments += [f"{d.follows} follows from {', '.join(d.given)}" for d in schema.dependencies]
    if comments:
        lines += _block("annotation", [f"comment: {_quoted(text)}" for text in comments])
    return "\n".join([*lines, ""])


def _feature(column: ColumnSchema) -> Iterator[str]:
    yield f"name: {_quoted(column.name)}"
    yield f"type: {_TYPES.get(column.kind, 'BYTES')}"
    present = ["min_fraction: 1.0", "min_count: 1"]
    if column.nullable:
        present = ["min_fraction: 0.0", f"min_count: {0 if column.optional else 1}"]
    yield from _block("presence", present)
    yield from _block("value_count", ["min: 1", "max: 1"])
    yield from _domain(column)
    if comments := list(_comments(column)):
        yield from _block("annotation", [f"comment: {_quoted(text)}" for text in comments])


def _domain(column: ColumnSchema) -> Iterator[str]:
    if column.categories is not None:
        yield from _block("string_domain", [f"value: {_quoted(v)}" for v in column.categories])
        if not column.closed:
            yield from _block("distribution_constraints", ["min_domain_mass: 0.0"])
    elif column.kind == "boolean":
        yield from _block("bool_domain", [])
    elif column.kind == "datetime":
        yield from _block("time_domain", ["integer_format: UNIX_MICROSECONDS"])
    elif column.kind == "date":
        yield from _block("time_domain", ["integer_format: UNIX_DAYS"])
    elif column.strict_range:
        yield from _range(column)
    elif column.kind == "number":
        yield from _block("float_domain", ["disallow_nan: true"])


def _range(column: ColumnSchema) -> Iterator[str]:
    whole = _TYPES[column.kind] == "INT"
    bounds = {"min": column.minimum, "max": column.maximum}
    said = []
    for name, bound in bounds.items():
        if isinstance(bound, int | float) and not isinstance(bound, bool) and math.isfinite(bound):
            if whole:
                said.append(f"{name}: {min(max(int(bound), -_INT64), _INT64 - 1)}")
            else:
                said.append(f"{name}: {float(bound)!r}")
    yield from _block("int_domain" if whole else "float_domain", said)


def _comments(column: ColumnSchema) -> Iterator[str]:
    is_number = column.kind in ("integer", "number", "duration")
    if not (column.strict_range and is_number):
        bounds = [column.minimum, column.maximum]
        if any(bound is not None for bound in bounds):
            low, high = map(_shown, bounds)
            yield f"{'allowed' if column.strict_range else 'seen'}: {low} to {high}"
    if column.pattern is not None:
        yield f"{'matches' if column.strict_pattern else 'seen to match'} {column.pattern}"
    if column.kind == "datetime":
        yield f"in the zone {column.time_zone}" if column.time_zone else "local time, no zone"


def _shown(bound: object) -> str:
    if isinstance(bound, datetime) and bound.tzinfo is not None:
        return bound.astimezone(UTC).isoformat()
    return bound.isoformat() if isinstance(bound, date) else str(bound)


def _block(name: str, lines: Iterator[str] | list[str]) -> list[str]:
    return [f"{name} {{", *(f"  {line}" for line in lines), "}"]


def _quoted(text: str) -> str:
    """Return a string as text format reads it: UTF-8, what is not printable as octal bytes."""
    parts = []
    for byte in text.encode():
        letter = chr(byte)
        if letter in "\\\"'":
            parts.append(f"\\{letter}")
        elif 32 <= byte < 127:
            parts.append(letter)
        else:
            parts.append(f"\\{byte:03o}")
    return f'"{"".join(parts)}"'

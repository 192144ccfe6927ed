"""What the values of a column say about it."""

from __future__ import annotations

from typing import Any

import polars as pl

from mldeploy.data._column import ColumnSchema, kind_of

MAX_CATEGORIES = 200
"""Distinct texts up to which they are listed as categories."""


def infer_column(column: pl.Series) -> ColumnSchema:
    """Describe a column; see `Schema.infer`."""
    dtype, kind = column.dtype, kind_of(column.dtype)
    settings: dict[str, Any] = {"nullable": column.null_count() > 0}
    if kind in ("integer", "number", "datetime", "date"):
        settings |= {"minimum": column.min(), "maximum": column.max()}
    if kind == "duration":
        low, high = column.dt.total_microseconds().min(), column.dt.total_microseconds().max()
        settings["minimum"] = None if low is None else float(low) / 1e6  # type: ignore[arg-type]
        settings["maximum"] = None if high is None else float(high) / 1e6  # type: ignore[arg-type]
    if kind in ("datetime", "duration"):
        settings["time_unit"] = getattr(dtype, "time_unit", None)
    if kind == "datetime":
        settings["time_zone"] = getattr(dtype, "time_zone", None)
    if isinstance(dtype, pl.Enum):
        settings |= {"categories": tuple(dtype.categories), "closed": True}
    if kind == "string":
        levels = column.drop_nulls().unique()
        if 0 < len(levels) <= MAX_CATEGORIES:
            settings["categories"] = tuple(levels.sort())
    return ColumnSchema(name=column.name, kind=kind, **settings)

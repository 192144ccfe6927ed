"""The schema of data that was read once, in parts, from its profile."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import polars as pl

from mldeploy.data._column import Bound, ColumnSchema, kind_of
from mldeploy.data._column_profile import ColumnProfile
from mldeploy.data._profile import Profile
from mldeploy.data._schema import Schema

_MOST_CATEGORIES: Final = 200
_EPOCH: Final = datetime(1970, 1, 1)  # noqa: DTZ001 (times without a zone count from it)


def schema_of_profile(types: pl.Schema, profile: Profile) -> Schema:
    """Describe columns by their types and by what a profile has counted."""
    return Schema(columns=tuple(_column(n, dtype, profile[n]) for n, dtype in types.items()))


def _column(name: str, dtype: pl.DataType, counted: ColumnProfile) -> ColumnSchema:
    kind = kind_of(dtype)
    settings: dict[str, Any] = {"nullable": counted.n_missing > 0}
    if kind in ("integer", "number", "datetime", "date", "duration"):
        settings["minimum"] = _bound(kind, counted.minimum, dtype)
        settings["maximum"] = _bound(kind, counted.maximum, dtype)
    if kind in ("datetime", "duration"):
        settings["time_unit"] = getattr(dtype, "time_unit", None)
    if kind == "datetime":
        settings["time_zone"] = getattr(dtype, "time_zone", None)
    if isinstance(dtype, pl.Enum):
        settings |= {"categories": tuple(dtype.categories), "closed": True}
    if kind == "string" and counted.is_exact and 0 < counted.n_distinct <= _MOST_CATEGORIES:
        levels = sorted(level for level in counted.levels() if level is not None)
        settings["categories"] = tuple(levels)
    return ColumnSchema(name=name, kind=kind, **settings)


def _bound(kind: str, value: float | None, dtype: pl.DataType) -> Bound | None:
    if value is None or not math.isfinite(value):
        return None
    if kind == "integer":
        return int(value)
    if kind == "duration":
        return value / 1e6
    if kind == "date":
        return (_EPOCH + timedelta(days=value)).date()
    if kind == "datetime":
        moment = _EPOCH + timedelta(microseconds=value)
        return moment.replace(tzinfo=UTC) if getattr(dtype, "time_zone", None) else moment
    return value

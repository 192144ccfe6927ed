"""Values of one column that are searched for trouble."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, TypeAlias

import numpy as np
import polars as pl

from mldeploy.data import ColumnSchema
from mldeploy.model.compiled._kernel import Floats

Oddity: TypeAlias = tuple[str, Any]
"""Why a value is odd, and the value."""

_MOST_LEVELS: Final = 30
_MOST_FREQUENT: Final = 8
_WHOLE: Final = (2**24 + 1, 2**31, 2**53 + 1, 2**63 - 1)
_LARGE: Final = (3.5e38, 1e308)
_SMALL: Final = (5e-324, np.finfo(np.float64).tiny, 1e-45)


def oddities_of(column: ColumnSchema, values: pl.Series) -> Iterator[Oddity]:
    """Yield odd values of a column; whether its schema accepts them is for others to say.

    Parameters
    ----------
    column : ColumnSchema
        What the column may hold.
    values : polars.Series
        What it does hold, in the schema's type.
    """
    match column.kind:
        case "integer":
            yield from _whole_numbers(values)
        case "number":
            yield from _numbers(values)
        case "boolean":
            yield from (("true", True), ("false", False))
        case "string":
            yield from _texts(values)
        case "category":
            yield from (("a category", v) for v in (column.categories or ())[:_MOST_LEVELS])


def around(thresholds: Floats, column: ColumnSchema) -> list[list[Any]]:
    """Return for each threshold the values at it and next to it.

    For numbers these are the neighbours in float64 and in float32, for whole numbers those
    that the threshold lies between, and theirs.
    """
    if column.kind == "integer":
        return [_whole_around(threshold) for threshold in thresholds.tolist()]
    with np.errstate(over="ignore", under="ignore"):
        single = thresholds.astype(np.float32)
    columns = [
        thresholds,
        *(np.nextafter(thresholds, way) for way in (-np.inf, np.inf)),
        single.astype(np.float64),
        *(np.nextafter(single, np.float32(way)).astype(np.float64) for way in (-np.inf, np.inf)),
    ]
    return [list(dict.fromkeys(row)) for row in np.stack(columns, axis=1).tolist()]


def _whole_around(threshold: float) -> list[int]:
    if not abs(threshold) < 2.0**63:
        return []
    below = int(np.floor(threshold))
    return [v for v in range(below - 1, below + 3) if -(2**63) <= v < 2**63]


def _numbers(values: pl.Series) -> Iterator[Oddity]:
    yield from (("zero", 0.0), ("negative zero", -0.0), ("one", 1.0), ("minus one", -1.0))
    for sign in (1.0, -1.0):
        yield from (("next to zero", sign * value) for value in _SMALL)
        yield from ((f"{value:.3g}", sign * value) for value in _LARGE)
        yield from (("a large whole number", sign * value) for value in _WHOLE)
        yield "infinite", sign * np.inf
    for value in _typical(values):
        yield "typical", value
        yield "next to typical", float(np.nextafter(value, np.inf))
        yield "next to typical", float(np.nextafter(value, -np.inf))
    low, high = _range(values)
    yield from (("below the range", 2 * low - high - 1), ("above the range", 2 * high - low + 1))


def _whole_numbers(values: pl.Series) -> Iterator[Oddity]:
    yield from (("zero", 0), ("one", 1), ("minus one", -1))
    for value in _WHOLE:
        yield "a large whole number", value
        yield "a large whole number", -value
    yield "a large whole number", -(2**63)
    for whole in map(int, _typical(values)):
        yield from (("typical", whole), ("next to typical", whole + 1))
        yield "next to typical", whole - 1
    low, high = map(int, _range(values))
    yield from (("below the range", low - 1), ("above the range", high + 1))
    yield from (("below the range", 2 * low - high - 1), ("above the range", 2 * high - low + 1))


def _typical(values: pl.Series) -> list[float]:
    """Return what imputers fill in: mean, median, frequent values; and the ends."""
    known = values.drop_nulls()
    if known.is_empty():
        return []
    numbers = known.cast(pl.Float64)
    frequent = numbers.value_counts(sort=True)[known.name].head(_MOST_FREQUENT).to_list()
    statistics = (numbers.mean(), numbers.median(), numbers.min(), numbers.max())
    found = [float(v) for v in (*statistics, *frequent) if isinstance(v, float)]
    return [v for v in dict.fromkeys(found) if np.isfinite(v)]


def _range(values: pl.Series) -> tuple[float, float]:
    typical = _typical(values) or [0.0]
    return min(typical), max(typical)


def _texts(values: pl.Series) -> Iterator[Oddity]:
    yield "empty text", ""
    for text in ("a category never seen", "0", "nan", "None", "x" * 10_000, "é", "e\u0301", "🛫"):
        yield "an unseen category", text
    levels = values.drop_nulls().unique().sort().to_list()
    for level in levels[:_MOST_LEVELS]:
        yield "a category", level
    for level in levels[:2]:
        for text in (level.swapcase(), f"{level} ", f" {level}", f"{level}\0", level[:-1]):
            yield "almost a category", text

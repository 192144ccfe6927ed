"""Columns whose means or shares are apart from a population's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

import numpy as np
import numpy.typing as npt
import polars as pl

from mldeploy.assessment._outcome import Floats, numbers_of
from mldeploy.data import Dataset
from mldeploy.stats import Estimate, holm_confidence, standardised_difference

_MISSING = "missing"
_LEVELS, _LEAST = 20, 0.01


@final
@dataclass(frozen=True, kw_only=True)
class Unlike:
    """A column that is apart: its largest standardised difference, and the shares to rake to."""

    column: str
    estimate: Estimate
    words: str
    margin: Mapping[str, float] | None


def unlike_columns(
    dataset: Dataset,
    population: Dataset,
    columns: list[str],
    *,
    limit: float,
    confidence: float,
) -> list[Unlike]:
    """Return the columns that are apart by more than a limit, with certainty over all of them."""
    looks = [
        (name, words, x, y)
        for name in columns
        for words, x, y in _sides(dataset.polars()[name], population.polars()[name])
        if min(x.size, y.size) > 1
    ]
    level = holm_confidence(max(len(looks), 1), confidence)
    best: dict[str, tuple[Estimate, str]] = {}
    for name, words, x, y in looks:
        found = standardised_difference(x, y, confidence=level)
        sure = max(found.interval.low, -found.interval.high)
        if sure > limit and (name not in best or abs(found.value) > abs(best[name][0].value)):
            best[name] = found, words
    return [
        Unlike(
            column=name, estimate=found, words=words,
            margin=_margin(dataset.polars()[name], population.polars()[name]),
        )
        for name, (found, words) in best.items()
    ]  # fmt: skip


def _sides(one: pl.Series, other: pl.Series) -> list[tuple[str, Floats, Floats]]:
    """Return what is compared of a column: its mean, its frequent levels, what is missing."""
    sides = []
    if one.null_count() or other.null_count():
        gone = _flags(one.is_null()), _flags(other.is_null())
        sides.append((_shares("missing values", *gone), *gone))
    if _is_number(one) and _is_number(other):
        x, y = (v[np.isfinite(v)] for v in (numbers_of(one), numbers_of(other)))
        if x.size and y.size:
            words = f"Its mean is {x.mean():.4g}, the population's {y.mean():.4g}"
            sides.append((words, x, y))
        return sides
    if one.dtype.is_temporal() or other.dtype.is_temporal():
        return sides
    here, there = _texts(one), _texts(other)
    both = pl.concat([here, there]).drop_nulls()
    top = both.value_counts(sort=True, name="\x00n") if len(both) else None
    if top is None:
        return sides
    for level in top.filter(pl.col("\x00n") >= _LEAST * len(both)).head(_LEVELS)[both.name]:
        x, y = (_flags((s == level).fill_null(value=False)) for s in (here, there))
        sides.append((_shares(repr(level), x, y), x, y))
    return sides


def _shares(what: str, x: Floats, y: Floats) -> str:
    return f"The share of {what} is {x.mean():.1%}, the population's {y.mean():.1%}"


def _is_number(column: pl.Series) -> bool:
    return column.dtype.is_numeric()


def _texts(column: pl.Series) -> pl.Series:
    return column.cast(pl.String).alias("text")


def _flags(column: pl.Series) -> Floats:
    flags: Floats = column.cast(pl.Float64).to_numpy()
    return flags


def _margin(one: pl.Series, other: pl.Series) -> Mapping[str, float] | None:
    """Return the population's shares of the values that are few; None for many or numbers."""
    if one.dtype.is_float() or one.dtype.is_temporal():
        return None
    counts = _texts(other).drop_nulls().value_counts(sort=True, name="\x00n")
    if not 1 < counts.height <= _LEVELS:
        return None
    shares = (counts["\x00n"] / counts["\x00n"].sum()).to_list()
    return dict(zip(counts["text"].to_list(), shares, strict=True))


def side_by_side(one: Dataset, other: Dataset, columns: list[str]) -> npt.NDArray[np.float64]:
    """Return both tables' columns as numbers, one below the other; texts by their common order."""
    parts = []
    for name in columns:
        pair = one.polars()[name], other.polars()[name]
        if all(_is_number(c) or c.dtype.is_temporal() or c.dtype == pl.Boolean for c in pair):
            parts.append(np.concatenate([numbers_of(c) for c in pair]))
        else:
            parts.append(numbers_of(pl.concat([_texts(c) for c in pair])))
    return np.column_stack(parts)

"""Runs of equal values in the order of time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import polars as pl

from mldeploy.data import Dataset

_COMMON = 0.02
"""Share of the other rows from which on a value is common, and may last."""
_SHORT, _FEW_RUNS, _FEW_VALUES = 10, 200, 20


@final
@dataclass(frozen=True, kw_only=True)
class Run:
    """The longest run of an uncommon value, and how long such runs usually are."""

    value: float
    length: int
    start: str
    end: str
    unit: str
    usual: float
    limit: float
    n_longer: int
    """Runs as much longer than they are."""


def in_order(dataset: Dataset, columns: list[str]) -> pl.DataFrame:
    """Return columns in the order of time, within units if there are any."""
    roles = dataset.roles
    assert roles.time is not None
    own = [pl.col(c).alias(f"\x00{c}") for c in columns]
    unit = [] if roles.unit is None else [pl.col(roles.unit).cast(pl.String).alias("unit")]
    table = dataset.polars().select(*own, pl.col(roles.time).alias("time"), *unit)
    return table.sort(*(["unit"] if unit else []), "time", maintain_order=True)


def longest_run(ordered: pl.DataFrame, column: str, *, times: float) -> Run | None:
    """Return the longest run of one value within a unit, if it is longer than runs are.

    Values that make up 2 % of the other rows (no rain, a closed shop) are common and may last; a
    limit comes from the runs of all others: `times` their quantile at .999, in moments and in
    duration (rows of one hour share its weather), the longest run left out. A column of 20
    distinct values or fewer, or of fewer than 200 runs, has no rhythm.
    """
    keys = ["unit"] if "unit" in ordered.columns else []
    value = pl.col(f"\x00{column}").alias("value")
    table = ordered.select(value, "time", *keys).filter(pl.col("value").is_not_null())
    if table.height < _FEW_RUNS or table["value"].n_unique() <= _FEW_VALUES:
        return None
    parts = ["value", *(["unit"] if keys else [])]
    lasted = (pl.col("time").last() - pl.col("time").first()).dt.total_seconds()
    runs = (
        table.with_columns(run=pl.struct(parts).rle_id())
        .group_by("run")
        .agg(
            pl.col("value").first(), pl.col("time").n_unique().alias("length"),
            pl.col("time").first().alias("start"), pl.col("time").last().alias("end"),
            lasted.alias("lasted"),
            *([pl.col("unit").first()] if keys else []),
        )
    )  # fmt: skip
    others = pl.col("length").sum().over("value") - pl.col("length")
    uncommon = runs.filter(others <= _COMMON * table.height).sort(
        "length", "start", descending=[True, False]
    )
    if uncommon.height < _FEW_RUNS:
        return None
    usual = float(uncommon["length"][1:].quantile(0.999) or 1)
    limit = max(times * usual, _SHORT)
    lasts = float(uncommon["lasted"][1:].quantile(0.999) or 0)
    longer = uncommon.filter((pl.col("length") > limit) & (pl.col("lasted") > times * lasts))
    if longer.is_empty():
        return None
    top = longer.row(0, named=True)
    return Run(
        value=float(top["value"]),
        length=int(top["length"]),
        start=str(top["start"])[:16],
        end=str(top["end"])[:16],
        unit=str(top.get("unit", "")) if keys else "",
        usual=usual,
        limit=limit,
        n_longer=longer.height,
    )

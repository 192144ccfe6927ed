"""What the rhythm of a table's own times says: moments that repeat, and units fallen silent."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import polars as pl

from mldeploy.assessment._say import holds, skipped
from mldeploy.data import Dataset
from mldeploy.evidence import Finding, Severity, Verdict

_FEW = 30
_GRID = 0.5
"""Share of the steps that are the usual one, from which on times lie on a grid."""
_TWICE = 2
"""How many times longer than gaps are a silence must be."""
_SHOWN = 10


def repeated_times(check: str, dataset: Dataset) -> Iterator[Finding]:
    """Yield how many rows repeat the moment of an earlier one, in a series with a fixed step.

    A series has one row for a moment (and unit) in most cases, and one step between successive
    moments in at least half; other tables, of events, may have many rows of a moment.
    """
    time, unit = dataset.roles.time, dataset.roles.unit
    assert time is not None
    keys = [time] if unit is None or unit == time else [unit, time]
    moments = dataset.polars().group_by(keys).agg(pl.len().alias("\x00n")).sort(keys)
    steps = moments.select(
        pl.col(time).diff().over(keys[:-1]) if keys[1:] else pl.col(time).diff()
    )[time].drop_nulls()
    single = float((moments["\x00n"] == 1).mean() or 0.0)  # type: ignore[arg-type]
    usual = steps.mode().sort().to_list()[0] if len(steps) else None
    if len(steps) < _FEW or single < _GRID or float((steps == usual).mean() or 0) < _GRID:  # type: ignore[arg-type]
        yield skipped(check, "repeated_times", "the rows are no series with a fixed step")
        return
    count = len(dataset) - moments.height
    of = "" if len(keys) == 1 else f" and {unit!r}"
    if not count:
        yield holds(check, "repeated_times", f"No two rows share a moment{of}.", n=len(dataset))
        return
    example = moments.sort("\x00n", descending=True)[time][0]
    yield Finding(
        check=check,
        name="repeated_times",
        verdict=Verdict.FAIL,
        severity=Severity.WARNING,
        summary=f"{count:,} of {len(dataset):,} rows repeat the moment{of} of an earlier row, in "
        f"a series with one row every {usual}; most often {str(example)[:16]}.",
        action="Keep one row of each, or aggregate them; else moments count several times.",
        estimate=count / len(dataset),
        n=len(dataset),
        column=time,
        details={"count": count},
    )


def silent_units(check: str, dataset: Dataset) -> Iterator[Finding]:
    """Yield the units that fell silent while others went on, in between or for good.

    A silence counts if it is longer than twice the longest of 99.9 % of the gaps between
    successive rows of a unit, over all units; units with fewer than 30 rows have no rhythm.
    """
    time, unit = dataset.roles.time, dataset.roles.unit
    assert time is not None
    if unit is None or unit == time:
        yield skipped(check, "silent_units", "there is no unit")
        return
    gaps = _gaps(dataset, time, unit)
    if gaps["unit"].n_unique() < 2:
        yield skipped(check, "silent_units", f"fewer than two units have {_FEW} rows")
        return
    inner = gaps.filter(~pl.col("last"))["gap"].dt.total_seconds()
    limit = _TWICE * float(inner.quantile(0.999) or 0)
    longest = gaps.group_by("unit").agg(
        pl.col("gap").max(),
        pl.col("last").sort_by("gap").last(),
        pl.col("at").sort_by("gap").last(),
    )
    silent = longest.filter(pl.col("gap").dt.total_seconds() > limit).sort(
        "gap", "unit", descending=[True, False]
    )
    if silent.is_empty():
        summary = f"None of {longest.height:,} units is silent for longer than "
        yield holds(check, "silent_units", f"{summary}{timedelta(seconds=limit)}.",
                    n=longest.height)  # fmt: skip
        return
    names = [_silence(row) for row in silent.iter_rows(named=True)]
    more = f" and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else ""
    yield Finding(
        check=check,
        name="silent_units",
        verdict=Verdict.FAIL,
        severity=Severity.WARNING,
        summary=f"{silent.height:,} of {longest.height:,} units were silent for longer than "
        f"{timedelta(seconds=round(limit))}: {'; '.join(names[:_SHOWN])}{more}.",
        action="See whether their source stopped; what is missing then is not missing at random.",
        estimate=silent.height / longest.height,
        n=longest.height,
        column=unit,
        details={"silent": silent.height, "ended": int(silent["last"].sum())},
    )


def _gaps(dataset: Dataset, time: str, unit: str) -> pl.DataFrame:
    """Return the gaps between moments of a unit, and from its last one to the newest of all."""
    rows = dataset.polars().select(pl.col(unit).cast(pl.String).alias("unit"),
                                   pl.col(time).alias("at")).drop_nulls()  # fmt: skip
    rows = rows.filter(pl.len().over("unit") >= _FEW).unique().sort("unit", "at")
    following = pl.col("at").shift(-1).over("unit")
    return rows.with_columns(
        last=following.is_null(),
        gap=following.fill_null(dataset.polars()[time].max()) - pl.col("at"),
    )


def _silence(row: dict[str, Any]) -> str:
    days = timedelta(seconds=round(row["gap"].total_seconds()))
    until = "to the end" if row["last"] else "again later"
    return f"{row['unit']} {until}, {days} from {str(row['at'])[:16]}"

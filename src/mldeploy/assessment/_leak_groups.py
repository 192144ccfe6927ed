"""Numbers that are the mean label of a group, of the very rows to be learnt from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import final

import numpy as np
import polars as pl
from scipy import special

from mldeploy.assessment._outcome import Floats, Outcome
from mldeploy.data import Dataset
from mldeploy.problem import Task

_MAX_KEYS, _MAX_NUMBERS = 20, 60
_FEW_GROUPS = 20
_LEFT = 0.5
"""Part of the chance variation of a group's mean that a mean of other rows must leave."""


@final
@dataclass(frozen=True, kw_only=True)
class GroupMean:
    """A column that is the mean label of each value of a key."""

    column: str
    key: str
    how: str
    left: float
    n_groups: int


def group_means(dataset: Dataset, outcome: Outcome, *, alpha: float) -> Iterator[GroupMean]:
    r"""Yield the columns that follow the mean label of their group closer than chance allows.

    Let :math:`\bar y_g` be the mean label of group g. A column that was made from other rows
    (history) is independent of the chance in :math:`\bar y_g`, so that around any line through
    it the groups vary by at least :math:`\sum_g s_g^2`, with :math:`s_g^2` the variance within
    the group. One made from these rows follows that chance and leaves less. A mean that leaves
    out the row itself differs within the group, and is recognised by its value.
    """
    keys, numbers = _keys(dataset), _reals(dataset)
    if not keys or not numbers:
        return
    y = outcome.values
    if outcome.task is Task.MULTICLASS:
        y = (y == np.bincount(y.astype(np.int64)).argmax()).astype(np.float64)
    level, seen = alpha / (len(keys) * len(numbers)), set[str]()
    for key in keys:
        columns = [c for c in numbers if c not in seen and c != key]
        for found in _by_key(dataset.polars(), y, key, columns, level):
            seen.add(found.column)
            yield found


def _by_key(
    table: pl.DataFrame, y: Floats, key: str, columns: list[str], level: float
) -> Iterator[GroupMean]:
    rows = table.select(
        pl.col(key).alias("k"), *(pl.col(c).alias(f"x{i}") for i, c in enumerate(columns))
    )
    rows = rows.with_columns(pl.Series("y", y)).filter(pl.col("k").is_not_null())
    xs = [f"x{i}" for i in range(len(columns))]
    groups = rows.group_by("k").agg(
        n=pl.len(), mean=pl.col("y").mean(), var=pl.col("y").var(),
        **{f"{x}_low": pl.col(x).min() for x in xs},
        **{f"{x}_high": pl.col(x).max() for x in xs},
    ).filter(pl.col("n") > 1)  # fmt: skip
    if groups.height < _FEW_GROUPS:
        return
    for name, x in zip(columns, xs, strict=True):
        known = groups.filter(pl.col(f"{x}_low").is_not_null())
        spread = (known[f"{x}_high"] - known[f"{x}_low"]).max()
        if known.height < _FEW_GROUPS or spread is None:
            continue
        if float(spread) <= 1e-9 * (1 + float(known[f"{x}_high"].abs().max())):  # type: ignore[arg-type]
            left, p_value = _left_by_line(known, x)
            if left < _LEFT and p_value < level:
                yield GroupMean(
                    column=name, key=key, how="the mean", left=left, n_groups=known.height
                )
        elif (share := _left_out(rows, groups, x)) > 0.9:
            yield GroupMean(
                column=name, key=key, how="the mean without the row itself",
                left=1 - share, n_groups=known.height,
            )  # fmt: skip


def _left_by_line(groups: pl.DataFrame, x: str) -> tuple[float, float]:
    """Return the variation left around a line over that of chance, and its p-value."""
    n, mean, var = (groups[c].cast(pl.Float64).to_numpy() for c in ("n", "mean", "var"))
    value = groups[f"{x}_low"].cast(pl.Float64).to_numpy()
    chance, df = float(var.sum()), groups.height - 2
    centred = value - np.average(value, weights=n)
    if chance <= 0 or not np.isfinite(value).all() or not (n @ centred**2) > 0:
        return np.inf, 1.0
    slope = float(n @ (centred * mean)) / float(n @ centred**2)
    residual = mean - np.average(mean, weights=n) - slope * centred
    left = float(n @ residual**2) / chance * groups.height / df
    return left, float(special.chdtr(df, left * df))


def _left_out(rows: pl.DataFrame, groups: pl.DataFrame, x: str) -> float:
    """Return the share of rows whose value is the mean label of the other rows of the group."""
    joined = rows.select("k", "y", x).join(groups.select("k", "n", "mean"), on="k", how="inner")
    others = (pl.col("n") * pl.col("mean") - pl.col("y")) / (pl.col("n") - 1)
    close = (pl.col(x) - others).abs() <= 1e-6 * (1 + others.abs())
    return float(joined.select(close.fill_null(value=False).mean()).item() or 0.0)


def _keys(dataset: Dataset) -> list[str]:
    """Return columns that rows can be grouped by, the unit first."""
    table = dataset.polars()
    unit = [] if dataset.roles.unit is None else [dataset.roles.unit]
    texts = [
        c for c in dataset.columns
        if table[c].dtype == pl.String or isinstance(table[c].dtype, pl.Enum)
        or table[c].dtype.is_integer()
    ]  # fmt: skip
    candidates = [c for c in dict.fromkeys([*unit, *texts]) if c != dataset.roles.target]
    kept: list[str] = []
    for name in candidates:
        if _FEW_GROUPS <= table[name].n_unique() <= len(dataset) / 3:
            kept.append(name)
        if len(kept) == _MAX_KEYS:
            break
    return kept


def _reals(dataset: Dataset) -> list[str]:
    reals = [c for c in dataset.features if dataset.polars()[c].dtype.is_float()]
    return reals[:_MAX_NUMBERS]

"""Bins cut on one profile, over which profiles and rows of the same column are counted."""

from __future__ import annotations

import itertools
from collections.abc import Hashable
from dataclasses import dataclass
from typing import final

import numpy as np
import numpy.typing as npt
import polars as pl

from mldeploy.data._column_profile import ColumnProfile
from mldeploy.stats import kept_levels, quantile_edges

Counts = npt.NDArray[np.int64]

_NUMBERS = ("integer", "number", "boolean")
_TEXTS = ("string", "category")
MISSING, OTHER = "missing", "other"


def comparable(one: ColumnProfile, other: ColumnProfile) -> bool:
    """Tell whether two profiles of a column hold values of the same sort."""
    same = one.kind == other.kind
    return same or any({one.kind, other.kind} <= set(sort) for sort in (_NUMBERS, _TEXTS))


def level_table(profile: ColumnProfile) -> dict[Hashable, int]:
    """Return the texts of a profile with their counts; None counts the missing."""
    return {text: n for text, n in profile.levels().items()}  # noqa: C416 - another key type


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class ColumnBins:
    """Bins of a column, cut on one profile of it; the last one is for missing values.

    Attributes
    ----------
    labels : tuple of str
        What each bin holds, for people.
    edges : tuple of float or None
        Increasing inner edges of numbers and times; bins are closed on the right.
    levels : tuple of str or None
        Texts with a bin of their own; all others share the last but one.
    """

    labels: tuple[str, ...]
    edges: tuple[float, ...] | None = None
    levels: tuple[str, ...] | None = None

    @classmethod
    def of(cls, profile: ColumnProfile, *, n_bins: int = 10) -> ColumnBins:
        """Cut numbers and times at their quantiles; texts have bins for levels of 1 % or more.

        Parameters
        ----------
        profile : ColumnProfile
            Usually the reference's.
        n_bins : int, default=10
            Bins wanted for numbers and times; ties leave fewer.

        Returns
        -------
        ColumnBins
            One bin and the missing where the profile has no value.
        """
        if profile.is_text:
            levels = tuple(str(level) for level in kept_levels(level_table(profile)))
            return cls(labels=(*levels, OTHER, MISSING), levels=levels)
        cuts = quantile_edges(profile.table, n_bins=n_bins) if profile.n_known else np.empty(0)
        return cls(labels=_labels(profile, cuts), edges=tuple(cuts.tolist()))

    def counts(self, profile: ColumnProfile) -> Counts:
        """Count a profile of the column over these bins."""
        if self.levels is not None:
            return profile.counts_in_bins(levels=self.levels)
        return profile.counts_in_bins(edges=self.edges)

    def places(self, column: pl.Series) -> npt.NDArray[np.intp]:
        """Return the bin of each row of the column."""
        last = len(self.labels) - 1
        if self.levels is not None:
            own = pl.DataFrame({"v": self.levels, "i": range(len(self.levels))},
                               schema={"v": pl.String, "i": pl.Int64})  # fmt: skip
            rows = pl.DataFrame({"v": column.cast(pl.String)})
            found = rows.join(own, on="v", how="left", maintain_order="left")["i"]
            known = found.fill_null(len(self.levels)).to_numpy()
            return np.where(column.is_null().to_numpy(), last, known).astype(np.intp)
        values = _as_numbers(column)
        places = np.searchsorted(np.array(self.edges or ()), values, side="left")
        return np.where(np.isnan(values), last, places).astype(np.intp)


def _labels(profile: ColumnProfile, edges: npt.NDArray[np.float64]) -> tuple[str, ...]:
    if profile.kind == "boolean" and len(edges) == 1:
        return ("False", "True", MISSING)
    names = [profile.readable(edge) for edge in edges]
    if not names:
        return ("any value", MISSING)
    inner = [f"{low} to {high}" for low, high in itertools.pairwise(names)]
    return (f"up to {names[0]}", *inner, f"over {names[-1]}", MISSING)


def _as_numbers(column: pl.Series) -> npt.NDArray[np.float64]:
    """Return the numbers that the column is profiled in; NaN is missing."""
    dtype = column.dtype
    if dtype.is_temporal() and dtype != pl.Date:
        in_us = column.to_physical() // 1_000 if dtype == pl.Time else _microseconds(column)
        return in_us.cast(pl.Float64).to_numpy()
    return column.to_physical().cast(pl.Float64).to_numpy()


def _microseconds(column: pl.Series) -> pl.Series:
    return column.dt.cast_time_unit("us").to_physical()

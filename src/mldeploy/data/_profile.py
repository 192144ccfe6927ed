"""The summary of a table; summaries of its parts merge into that of the whole."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property, reduce
from typing import Self, final

import numpy as np
import polars as pl
import pydantic

from mldeploy._record import Record
from mldeploy.data._column import kind_of
from mldeploy.data._column_profile import (
    MAX_DISTINCT,
    ColumnProfile,
    number_profile,
    text_profile,
)
from mldeploy.data._profile_html import profile_html
from mldeploy.errors import EmptyDataError, InvalidDataError, SchemaMismatchError
from mldeploy.stats import ValueCounts

_N = "n of the value"


@final
class Profile(Record):
    """Counts of the values of every column of a table.

    Merging is commutative and associative: days merge into months, workers into a whole, and
    the result is that of the table read at once, except which texts of a column with more than
    `limit` distinct ones are listed as frequent (those of every part are).

    Attributes
    ----------
    n_rows : int
        Number of rows.
    columns : tuple of ColumnProfile
        One for each column, in order of names.

    Examples
    --------
    >>> frame = pl.DataFrame({"origin": ["JFK", "LGA", "JFK"], "delay": [3.0, None, 8.0]})
    >>> week = Profile.of(frame)
    >>> week["origin"].top(1), week["delay"].n_missing, week["delay"].mean
    ({'JFK': 2}, 1, 5.5)
    >>> week.merge(week)["delay"].counts_in_bins(edges=[5.0]).tolist()
    [2, 2, 2]
    """

    n_rows: int
    columns: tuple[ColumnProfile, ...]

    @pydantic.model_validator(mode="after")
    def _refuse_other_lengths(self) -> Self:
        if odd := [c.name for c in self.columns if c.n != self.n_rows]:
            raise InvalidDataError(f"columns {odd} have not the {self.n_rows} rows of the table")
        return self

    @classmethod
    def of(cls, table: pl.DataFrame | pl.LazyFrame, *, limit: int = MAX_DISTINCT) -> Profile:
        """Summarise a table in one query.

        Parameters
        ----------
        table : polars.DataFrame or polars.LazyFrame
            A frame as `to_polars` returns it.
        limit : int, default=65536
            Most distinct values of a column to count exactly.

        Returns
        -------
        Profile
            The summary.
        """
        lazy = table.lazy()
        schema = lazy.collect_schema()
        queries = [
            _countable(pl.col(name), dtype).value_counts(name=_N).implode().alias(name)
            for name, dtype in schema.items()
        ]
        found = lazy.select(pl.len().alias(_N), *queries).collect()
        n_rows = int(found[_N][0])
        profiles = [
            _profile_column(name, dtype, found[name][0], n_rows, limit)
            for name, dtype in sorted(schema.items(), key=lambda item: item[0])
        ]
        return cls(n_rows=n_rows, columns=tuple(profiles))

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns, in order."""
        return tuple(column.name for column in self.columns)

    @cached_property
    def _by_name(self) -> dict[str, ColumnProfile]:
        return {column.name: column for column in self.columns}

    def __contains__(self, name: object) -> bool:
        return name in self._by_name

    def __getitem__(self, name: str) -> ColumnProfile:
        if name not in self._by_name:
            raise InvalidDataError(
                f"the profile has no column {name!r}; it has {list(self.names[:20])}"
            )
        return self._by_name[name]

    def merge(self, other: Profile) -> Profile:
        """Return the profile of both tables together.

        Raises
        ------
        SchemaMismatchError
            If one of the two lacks a column of the other.
        InvalidDataError
            If a column has another kind in the other.
        """
        if different := sorted(set(self.names) ^ set(other.names)):
            raise SchemaMismatchError(missing=different)
        return Profile(
            n_rows=self.n_rows + other.n_rows,
            columns=tuple(column.merge(other[column.name]) for column in self.columns),
        )

    @classmethod
    def merge_all(cls, parts: Iterable[Profile]) -> Profile:
        """Return the profile of all parts together, whatever their order.

        Parameters
        ----------
        parts : iterable of Profile
            At least one.

        Raises
        ------
        EmptyDataError
            If there is no part.
        SchemaMismatchError, InvalidDataError
            If two parts do not merge; see `merge`.
        """
        profiles = iter(parts)
        first = next(profiles, None)
        if first is None:
            raise EmptyDataError("there is no profile to merge; pass at least one")
        return reduce(Profile.merge, profiles, first)

    def _repr_html_(self) -> str:
        return profile_html(self.n_rows, self.columns)


def _countable(column: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    """Express a column as text, or as a number in the unit that its kind is profiled in."""
    if dtype == pl.String or isinstance(dtype, pl.Enum):
        return column.cast(pl.String)
    if dtype.is_temporal() and dtype != pl.Date:
        if dtype == pl.Time:
            return (column.to_physical() // 1_000).cast(pl.Float64)
        return column.dt.cast_time_unit("us").to_physical().cast(pl.Float64)
    return column.to_physical().cast(pl.Float64).fill_nan(None) + 0.0


def _profile_column(
    name: str, dtype: pl.DataType, found: pl.Series, n_rows: int, limit: int
) -> ColumnProfile:
    kind = kind_of(dtype)
    distinct, occurrences = found.struct.unnest().get_columns()
    if kind in ("string", "category"):
        table = pl.DataFrame([distinct.alias("text"), occurrences.alias("n")])
        known = table.drop_nulls().sort("text")
        counts = known["n"].to_numpy().astype(np.int64)
        return text_profile(name, kind, n_rows, known["text"].to_list(), counts, limit)
    values = distinct.to_numpy()
    order = np.argsort(values, kind="stable")[: len(values) - np.isnan(values).sum()]
    counts = occurrences.to_numpy().astype(np.int64)[order]
    numbers = ValueCounts(
        values=values[order], counts=counts, n_missing=n_rows - int(counts.sum())
    )
    return number_profile(name, kind, n_rows, numbers, limit)

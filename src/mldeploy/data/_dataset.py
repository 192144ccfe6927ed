"""A table with roles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any, final

import numpy as np
import numpy.typing as npt
import pandas as pd
import polars as pl

from mldeploy.data._convert import to_numpy
from mldeploy.data._fingerprint import fingerprint_of
from mldeploy.data._html import dataset_html
from mldeploy.data._prepare import (
    require_columns,
    require_rows,
    require_weights,
    with_utc_time,
)
from mldeploy.data._profile import Profile
from mldeploy.data._roles import Roles, valid_record
from mldeploy.data._schema import Schema
from mldeploy.data._shown import isolated, shown, unchanged_columns
from mldeploy.data._source import SupportsArrow, read_table
from mldeploy.errors import InvalidDataError


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Dataset:
    """A table with roles and a fingerprint; at least one row, never changed in place.

    Build one with `Dataset.of`. Every selection returns a new `Dataset`.

    Attributes
    ----------
    table : polars.DataFrame
        All rows and columns; missing values are null, the time role is in UTC.
    roles : Roles
        What each column is for.
    name : str
        What people call the table; no part of the fingerprint.

    Examples
    --------
    >>> frame = pd.DataFrame({"x": [1.0, 2.0, None], "late": [True, False, None]})
    >>> data = Dataset.of(frame, target="late")
    >>> data.n_rows, data.features, data.labelled().y().tolist()
    (3, ('x',), [True, False])
    """

    table: pl.DataFrame = field(repr=False)
    roles: Roles
    name: str = ""
    source: pd.DataFrame | None = field(default=None, repr=False)
    """The caller's own frame, whose columns are shown again where the type is the same."""

    @classmethod
    def of(
        cls,
        source: pd.DataFrame | pl.DataFrame | pl.LazyFrame | SupportsArrow | str | Path | Dataset,
        *,
        target: str | None = None,
        time: str | None = None,
        unit: str | None = None,
        weight: str | None = None,
        sensitive: Sequence[str] = (),
        features: Sequence[str] | None = None,
        name: str = "",
        timezone: str | None = None,
    ) -> Dataset:
        """Read a table and declare what its columns are for.

        Parameters
        ----------
        source : pandas.DataFrame, polars frame, Arrow table, path or Dataset
            A path names Parquet, CSV, NDJSON or Arrow files, a folder of them, or a glob. A
            `Dataset` is read as its table; its roles are declared anew.
        target, time, unit, weight, sensitive
            See `Roles`.
        features : sequence of str, optional
            Columns the model reads; by default every column without another role.
        name : str, default=""
            What people call the table.
        timezone : str, optional
            Zone that a time column without a zone was written in, such as
            ``"America/New_York"``. An hour that occurs twice when clocks are put back is read as
            the first.

        Returns
        -------
        Dataset
            The table with its roles.

        Raises
        ------
        DuplicateColumnsError
            If two columns share a name.
        EmptyDataError
            If there is no row or no column.
        InvalidDataError
            If a column mixes types, a role names no column, roles conflict, the time column has
            no zone, or weights are not numbers of at least 0.
        """
        table = source.table if isinstance(source, Dataset) else read_table(source)
        require_rows(table, name or "the table")
        for role, names in (("features", features), ("sensitive", sensitive)):
            if isinstance(names, str):
                raise InvalidDataError(f"{role} is the text {names!r}; pass a list: [{names!r}]")
        taken = {target, time, unit, weight, *sensitive}
        named = [c for c in table.columns if c not in taken] if features is None else features
        with valid_record():
            roles = Roles(
                target=target, time=time, unit=unit, weight=weight,
                sensitive=tuple(sensitive), features=tuple(named),
            )  # fmt: skip
        require_columns(roles, table.columns)
        if time is not None:
            table = with_utc_time(table, time, timezone)
        if weight is not None:
            require_weights(table[weight])
        own = source if isinstance(source, pd.DataFrame) else None
        return cls(table=table, roles=roles, name=name, source=unchanged_columns(own, table))

    def __len__(self) -> int:
        return self.table.height

    @property
    def n_rows(self) -> int:
        """Number of rows, at least 1."""
        return self.table.height

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column, in order, with or without a role."""
        return tuple(self.table.columns)

    @property
    def features(self) -> tuple[str, ...]:
        """Columns that the model reads, in order."""
        return self.roles.features

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the table's values: 64 hexadecimal digits.

        It survives the order of rows and columns and the format they were stored in; see
        `fingerprint_of`. Roles and name are not part of it.
        """
        return fingerprint_of(self.table)

    @cached_property
    def schema(self) -> Schema:
        """Schema inferred from the features and the target."""
        return Schema.infer(self)

    def profile(self) -> Profile:
        """Summarise every column, by weight too if there is one; summaries of parts merge."""
        return Profile.of(self.table, weight=self.roles.weight)

    # --- as frames ------------------------------------------------------------------------

    def polars(self) -> pl.DataFrame:
        """Return the table as a polars frame."""
        return self.table.clone()

    def lazy(self) -> pl.LazyFrame:
        """Return the table as a polars query."""
        return self.table.lazy()

    def pandas(self, columns: Sequence[str] | None = None) -> pd.DataFrame:
        """Return the table as a pandas frame with a RangeIndex; see `to_pandas`.

        Parameters
        ----------
        columns : sequence of str, optional
            Columns to show, in order; by default all.
        """
        names = self.columns if columns is None else tuple(columns)
        self._require(names)
        if names == self.features:
            return isolated(self._feature_frame)
        return shown(self.table, self.source, names)

    def X(self) -> pd.DataFrame:  # noqa: N802
        """Return the features, and nothing else, as a pandas frame with a RangeIndex."""
        return self.pandas(self.features)

    def y(self) -> npt.NDArray[Any]:
        """Return the target.

        Raises
        ------
        InvalidDataError
            If there is no target, or some rows have none.
        """
        if self.roles.target is None:
            raise InvalidDataError("the dataset declares no target; pass target= to Dataset.of")
        column = self.table[self.roles.target]
        if unknown := column.null_count():
            raise InvalidDataError(
                f"{unknown} of {self.n_rows} rows have no {self.roles.target!r}; call "
                ".labelled() to keep the rows whose target is known"
            )
        return to_numpy(column)

    def column(self, name: str) -> npt.NDArray[Any]:
        """Return one column as an array; times in UTC, text and categories as objects."""
        self._require((name,))
        return to_numpy(self.table[name])

    def times(self) -> npt.NDArray[np.datetime64]:
        """Return the time of each row, in UTC, as datetime64[us].

        Raises
        ------
        InvalidDataError
            If the dataset declares no time.
        """
        if self.roles.time is None:
            raise InvalidDataError("the dataset declares no time; pass time= to Dataset.of")
        return to_numpy(self.table[self.roles.time])

    def units(self) -> npt.NDArray[Any] | None:
        """Return the unit of each row, or None if the dataset declares none."""
        return None if self.roles.unit is None else self.column(self.roles.unit)

    def weights(self) -> npt.NDArray[np.float64] | None:
        """Return the weight of each row, or None if the dataset declares none."""
        if self.roles.weight is None:
            return None
        return self.table[self.roles.weight].cast(pl.Float64).to_numpy()

    # --- selections -----------------------------------------------------------------------

    def labelled(self) -> Dataset:
        """Return the rows whose target is known."""
        if self.roles.target is None:
            raise InvalidDataError("the dataset declares no target; pass target= to Dataset.of")
        if not self.table[self.roles.target].null_count():
            return self
        return self.filter(pl.col(self.roles.target).is_not_null())

    def take(self, rows: npt.ArrayLike | Sequence[int]) -> Dataset:
        """Return some rows, by their positions in the order given, or by a boolean mask.

        Raises
        ------
        InvalidDataError
            If a mask has another length, or a position is not there.
        EmptyDataError
            If no row is left.
        """
        chosen = np.asarray(rows)
        if chosen.dtype == bool:
            if chosen.shape != (self.n_rows,):
                raise InvalidDataError(
                    f"the mask has shape {chosen.shape}, the dataset {self.n_rows} rows; pass "
                    "one boolean per row"
                )
            return self._with(self.table.filter(pl.Series(chosen)))
        if chosen.size and (
            not np.issubdtype(chosen.dtype, np.integer)
            or chosen.max() >= self.n_rows
            or chosen.min() < -self.n_rows
        ):
            raise InvalidDataError(f"rows are positions from 0 to {self.n_rows - 1}, or a mask")
        return self._with(self.table[chosen.astype(np.int64)])

    def between(self, start: datetime | None, end: datetime | None) -> Dataset:
        """Return the rows with start ≤ time < end; None leaves that side open.

        Raises
        ------
        InvalidDataError
            If the dataset declares no time, or a bound has no zone.
        EmptyDataError
            If no row is left.
        """
        if self.roles.time is None:
            raise InvalidDataError("the dataset declares no time; pass time= to Dataset.of")
        for bound in (start, end):
            if bound is not None and bound.tzinfo is None:
                raise InvalidDataError(
                    f"{bound} has no time zone; pass datetime(..., tzinfo=timezone.utc)"
                )
        column = pl.col(self.roles.time)
        inside = [column >= start] if start is not None else []
        inside += [column < end] if end is not None else []
        return self._with(self.table.filter(*inside)) if inside else self

    def filter(self, expression: pl.Expr) -> Dataset:
        """Return the rows for which a polars expression is true."""
        return self._with(self.table.filter(expression))

    def drop(self, *columns: str) -> Dataset:
        """Return the dataset without some columns and their roles."""
        self._require(columns)
        gone, roles = set(columns), self.roles
        kept = Roles(
            target=None if roles.target in gone else roles.target,
            time=None if roles.time in gone else roles.time,
            unit=None if roles.unit in gone else roles.unit,
            weight=None if roles.weight in gone else roles.weight,
            sensitive=tuple(n for n in roles.sensitive if n not in gone),
            features=tuple(n for n in roles.features if n not in gone),
        )
        table = self.table.drop(columns)
        require_rows(table, "what is left")
        return replace(self, table=table, roles=kept)

    def with_roles(self, **changes: str | Sequence[str] | None) -> Dataset:
        """Return the same table with some roles changed; see `Dataset.of`.

        A column that becomes the target or the weight stops being a feature, unless features
        are given too.
        """
        declared: dict[str, Any] = {**dict(self.roles), **changes}
        if unknown := sorted(set(declared) - set(Roles.model_fields)):
            raise InvalidDataError(
                f"there is no role {unknown}; roles are {', '.join(Roles.model_fields)}"
            )
        if "features" not in changes:
            lost = {declared["target"], declared["weight"]}
            declared["features"] = tuple(n for n in self.features if n not in lost)
        changed = Dataset.of(self, name=self.name, **declared)
        return replace(changed, source=unchanged_columns(self.source, changed.table))

    # --- parts ----------------------------------------------------------------------------

    @cached_property
    def _feature_frame(self) -> pd.DataFrame:
        return shown(self.table, self.source, self.features)

    def _with(self, table: pl.DataFrame) -> Dataset:
        require_rows(table, "the selection")
        return replace(self, table=table, source=None)

    @cached_property
    def _known(self) -> frozenset[str]:
        return frozenset(self.table.columns)

    def _require(self, names: Sequence[str]) -> None:
        if absent := [n for n in names if n not in self._known]:
            raise InvalidDataError(
                f"there is no column {', '.join(map(repr, absent))}; the columns are "
                f"{', '.join(map(repr, self.columns[:20]))}"
            )

    def _repr_html_(self) -> str:
        return dataset_html(self.table, self.roles, self.name)

"""The summary of a table; summaries of its parts merge into that of the whole."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, Literal, Self, final

import polars as pl
import pydantic

from mldeploy.data._column_counts import MAX_DISTINCT, TableCounts, merged_tables
from mldeploy.data._column_profile import ColumnProfile
from mldeploy.data._profile_arrays import ArrayRecord
from mldeploy.data._profile_html import profile_html
from mldeploy.errors import EmptyDataError, InvalidDataError

if TYPE_CHECKING:
    from mldeploy.data._scan_table import Profilable

_DROPPED_IN_VERSION_1: Final = (0, 38, 41, 43, 45)
_TEMPORAL: Final = ("datetime", "duration", "time")


@final
class Profile(ArrayRecord):
    """Counts of the values of every column of a table.

    Merging is commutative and associative: days merge into months, workers into a whole, and
    the result is that of the table read at once, except which texts of a column with more than
    `limit` distinct ones are listed as frequent (those of every part are). As text it has the
    same bytes on every machine.

    Fields of a nested column are columns called ``a.b``. A list has a column ``a.length``, and
    one ``a[]`` of all its elements together; of binary values the lengths are counted.

    Attributes
    ----------
    n_rows : int
        Number of rows.
    columns : tuple of ColumnProfile
        One for each column, in order of names.
    version : int
        Of the form that it is written in; what version 1 wrote is read too.

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
    version: Literal[2] = 2

    @pydantic.model_validator(mode="before")
    @classmethod
    def _read_version_1(cls, given: Any) -> Any:
        if isinstance(given, dict) and given.get("version", 1) == 1 and "columns" in given:
            columns = [_of_version_1(column) for column in given["columns"]]
            return {**given, "version": 2, "columns": columns}
        return given

    @pydantic.model_validator(mode="after")
    def _refuse_other_lengths(self) -> Self:
        if odd := [c.name for c in self.columns if c.n != self.n_rows and "[]" not in c.name]:
            raise InvalidDataError(f"columns {odd} have not the {self.n_rows} rows of the table")
        return self

    @classmethod
    def of(
        cls,
        source: Profilable,
        *,
        limit: int = MAX_DISTINCT,
        weight: str | None = None,
        types: Mapping[str, pl.DataType | type[pl.DataType]] | None = None,
        storage_options: Mapping[str, str] | None = None,
        progress: bool = True,
    ) -> Profile:
        """Summarise a table of any size in one pass.

        Parameters
        ----------
        source : frame, query, batches, path or result
            A pandas or polars frame, a polars query, an Arrow table; an iterable of those, or a
            `DataSource`, whose batches are read one by one; the result of a SQLAlchemy query; or
            the path of Parquet, Arrow, CSV or NDJSON files: one, a folder, a glob, or an address
            such as ``s3://bucket/*.parquet``.
        limit : int, default=65536
            Most distinct values of a column to count exactly.
        weight : str, optional
            Column with the weight of each row, by which `ColumnProfile.weighted` answers.
        types : mapping of str to polars type, optional
            Types of columns of CSV and NDJSON files that cannot be told from the text.
        storage_options : mapping of str to str, optional
            Credentials and settings of the store that an address names, as polars has them.
        progress : bool, default=True
            Whether to show a bar, if it takes longer than a second.

        Returns
        -------
        Profile
            The summary of every row; there is none of a table that was read in part.

        Raises
        ------
        InvalidDataError
            If the source is no table, or a column has no kind that can be counted.
        UnreadableFileError
            If a file cannot be read to its end; it names the file, and the row if it is known.
        SchemaMismatchError
            If a file or batch has other columns, or other kinds in them.
        """
        from mldeploy.data._scan_table import count_table  # noqa: PLC0415 - loads pandas

        counted = count_table(
            source, limit=limit, weight=weight, types=types, storage_options=storage_options,
            progress=progress,
        )  # fmt: skip
        return cls._of_counts(counted)

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
        return Profile.merge_all([self, other])

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
        profiles = [part.as_counts() for part in parts]
        if not profiles:
            raise EmptyDataError("there is no profile to merge; pass at least one")
        return cls._of_counts(merged_tables(profiles))

    @classmethod
    def _of_counts(cls, table: TableCounts) -> Profile:
        columns = tuple(ColumnProfile.of_counts(column) for column in table.columns)
        return cls(n_rows=table.n_rows, columns=columns)

    def as_counts(self) -> TableCounts:
        """Return what was counted."""
        columns = tuple(column.as_counts() for column in self.columns)
        return TableCounts(n_rows=self.n_rows, columns=columns)

    def _repr_html_(self) -> str:
        return profile_html(self.n_rows, self.columns)


def _of_version_1(column: Any) -> Any:
    """Return a column with its level as version 2 counts it."""
    if not isinstance(column, dict) or not column.get("level"):
        return column
    level = int(column["level"])
    if column.get("kind") in _TEMPORAL:
        return {**column, "level": level + 1}
    return {**column, "level": _DROPPED_IN_VERSION_1[min(level, 4)]}

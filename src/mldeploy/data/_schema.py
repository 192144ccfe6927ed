"""What data must look like: inferred, edited by people, enforced in training and serving."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, Self, final

import polars as pl
import pydantic

from mldeploy._record import Record
from mldeploy.data._check import Cast, cast_frame, errors_of, surprises_of
from mldeploy.data._column import ColumnSchema
from mldeploy.data._roles import Roles, valid_record
from mldeploy.data._rows import parse_rows
from mldeploy.data._table_rules import Dependency, dependency_errors, key_errors
from mldeploy.errors import (
    DuplicateColumnsError,
    FieldError,
    InvalidDataError,
    InvalidRowsError,
    SchemaMismatchError,
)

if TYPE_CHECKING:
    from mldeploy.data._sifted import Sifted


class SupportsRoles(Protocol):
    """A table with roles, such as a `Dataset`."""

    @property
    def roles(self) -> Roles:
        """What each column is for."""
        ...

    def polars(self) -> pl.DataFrame:
        """Return the table."""
        ...


@final
class Schema(Record):
    """Names, order, types, ranges and categories of columns.

    Attributes
    ----------
    columns : tuple of ColumnSchema
        One for each column, in order.
    keys : tuple of tuple of str
        Columns that together name a row: no two rows of a table are alike in them.
    dependencies : tuple of Dependency
        Columns that follow from others.

    Notes
    -----
    Keys and dependencies are held against tables, by `check` and `sift`. A request is no table:
    `enforce` and `parse_rows`, which serve, look at each row by itself.

    Examples
    --------
    >>> schema = Schema.infer(pl.DataFrame({"origin": ["JFK", "LGA"], "hour": [5, 23]}))
    >>> frame, errors = schema.parse_rows([{"origin": "EWR", "hour": 3.7}])
    >>> [(e.column, e.code) for e in errors]
    [('hour', 'type')]
    """

    columns: tuple[ColumnSchema, ...]
    keys: tuple[tuple[str, ...], ...] = ()
    dependencies: tuple[Dependency, ...] = ()

    @pydantic.model_validator(mode="after")
    def _refuse_duplicates(self) -> Self:
        if repeated := [name for name, n in Counter(self.names).items() if n > 1]:
            raise DuplicateColumnsError(repeated)
        named = [*self.keys, *((*d.given, d.follows) for d in self.dependencies)]
        if unknown := sorted({name for names in named for name in names} - {*self.names}):
            raise InvalidDataError(f"keys and dependencies name {unknown}, which are no columns")
        if odd := [key for key in self.keys if not key or len({*key}) != len(key)]:
            raise InvalidDataError(f"key {list(odd[0])} is empty, or names a column twice")
        return self

    @classmethod
    def infer(cls, data: SupportsRoles | pl.DataFrame) -> Schema:
        """Describe the columns of a frame, or the features and target of a `Dataset`.

        Parameters
        ----------
        data : Dataset or polars.DataFrame
            A frame as `to_polars` returns it.

        Returns
        -------
        Schema
            Ranges are those of the data and not strict. Text with at most 200 distinct values
            has them as categories, not closed; a column of an `Enum` type has its categories,
            closed. A column may miss values if some are missing in the data.
        """
        from mldeploy.data._infer import infer_column  # noqa: PLC0415 - a server reads schemas only

        if not isinstance(data, pl.DataFrame):
            target = () if data.roles.target is None else (data.roles.target,)
            data = data.polars().select(*data.roles.features, *target)
        reals = [name for name, dtype in data.schema.items() if dtype.is_float()]
        data = data.with_columns(pl.col(reals).fill_nan(None)) if reals else data
        return cls(columns=tuple(infer_column(column) for column in data.get_columns()))

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns, in order."""
        return tuple(column.name for column in self.columns)

    @cached_property
    def _by_name(self) -> dict[str, ColumnSchema]:
        return {column.name: column for column in self.columns}

    def __getitem__(self, name: str) -> ColumnSchema:
        if name not in self._by_name:
            raise InvalidDataError(
                f"the schema has no column {name!r}; it has {list(self.names[:20])}"
            )
        return self._by_name[name]

    def edit(self, name: str, **changes: Any) -> Schema:
        """Return the schema with some settings of one column changed; see `ColumnSchema`."""
        with valid_record():
            edited = ColumnSchema.model_validate({**dict(self[name]), **changes})
        columns = tuple(edited if c.name == name else c for c in self.columns)
        return Schema(columns=columns, keys=self.keys, dependencies=self.dependencies)

    def select(self, names: Sequence[str]) -> Schema:
        """Return the schema of some columns, in the order given, with the keys among them."""
        kept = set(names)
        return Schema(
            columns=tuple(self[name] for name in names),
            keys=tuple(key for key in self.keys if kept.issuperset(key)),
            dependencies=tuple(
                d for d in self.dependencies if kept.issuperset((*d.given, d.follows))
            ),
        )

    def save(self, path: str | Path) -> None:
        """Write the schema as TOML; over an existing file its comments are kept."""
        from mldeploy.data._toml import write_schema  # noqa: PLC0415 - as in `infer`

        write_schema(Path(path), self.columns, self.keys, self.dependencies)

    @classmethod
    def load(cls, path: str | Path) -> Schema:
        """Read a schema that `save` wrote.

        Raises
        ------
        InvalidDataError
            If the file is absent, is not TOML, or says something impossible.
        """
        from mldeploy.data._toml import read_schema  # noqa: PLC0415 - as in `infer`

        with valid_record():
            return cls.model_validate(read_schema(Path(path)))

    def check(self, frame: pl.DataFrame, *, limit: int = 1_000) -> tuple[FieldError, ...]:
        """List the values of a frame that the schema refuses.

        Parameters
        ----------
        frame : polars.DataFrame
            Rows to judge; columns that the schema does not know are ignored.
        limit : int, default=1000
            Most errors to list for each column and code.

        Returns
        -------
        tuple of FieldError
            By column, with the number of the row; then by key and dependency. Empty if all is
            accepted.

        Raises
        ------
        SchemaMismatchError
            If columns are missing.
        """
        casts = self._casts(frame)
        return tuple(
            chain(
                *(errors_of(cast, column, limit) for cast, column in casts),
                self._errors_among_rows(casts, limit),
            )
        )

    def sift(self, frame: pl.DataFrame) -> Sifted:
        """Part a frame into the rows that are accepted and those that are not, with reasons.

        Of rows that are alike in a key the first is accepted.

        Raises
        ------
        SchemaMismatchError
            If columns are missing.
        """
        from mldeploy.data._sifted import Sifted, refused_rows  # noqa: PLC0415 - as in `infer`

        errors = tuple(sorted(self.check(frame, limit=frame.height), key=lambda e: e.row))
        refused = refused_rows(frame, errors)
        kept = frame.with_row_index("\x00row").join(
            refused.select(pl.col("row").alias("\x00row")), on="\x00row", how="anti",
            maintain_order="left",
        )  # fmt: skip
        return Sifted(accepted=self.enforce(kept), refused=refused, errors=errors)

    def surprises(self, frame: pl.DataFrame, *, limit: int = 1_000) -> tuple[FieldError, ...]:
        """List the values that are accepted though none like them was seen: see `check`."""
        return tuple(
            error
            for cast, column in self._casts(frame)
            for error in surprises_of(cast, column, limit)
        )

    def enforce(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Return the frame in the schema's columns, order and types.

        Nothing is rounded, parsed or guessed: a cast either keeps every value or is refused. A
        value outside the categories of a column of kind category that is not closed becomes
        missing, since the type cannot hold it.

        Raises
        ------
        SchemaMismatchError
            If columns are missing.
        InvalidRowsError
            If the schema refuses a value; `errors` lists them.
        """
        casts = self._casts(frame)
        errors = [error for cast, column in casts for error in errors_of(cast, column, 1_000)]
        if errors:
            raise InvalidRowsError(errors)
        return pl.DataFrame([_final(cast, column) for cast, column in casts])

    def parse_rows(
        self, rows: Sequence[Mapping[str, object]]
    ) -> tuple[pl.DataFrame, tuple[FieldError, ...]]:
        """Read rows of plain values, as JSON carries them.

        Nothing is coerced: booleans are not numbers, text is neither a number nor a boolean, a
        whole number has no fraction and at most 64 bits. None, NaN and an absent key are a
        missing value. Times are ISO 8601 text, with an offset if the column has a zone;
        durations are seconds.

        Parameters
        ----------
        rows : sequence of mapping
            One mapping from column to value for each row.

        Returns
        -------
        frame : polars.DataFrame
            All rows in the schema's types; refused values are null.
        errors : tuple of FieldError
            By row; codes missing, type, category, range and unknown (a key without a column).
        """
        return parse_rows(rows, self.columns)

    def _casts(self, frame: pl.DataFrame) -> list[tuple[Cast, ColumnSchema]]:
        known = set(frame.columns)
        absent = [column for column in self.columns if column.name not in known]
        if missing := [column.name for column in absent if not column.optional]:
            raise SchemaMismatchError(missing=missing)
        if absent:
            frame = frame.with_columns(pl.lit(None, c.dtype).alias(c.name) for c in absent)
        return list(zip(cast_frame(frame, self.columns), self.columns, strict=True))

    def _errors_among_rows(
        self, casts: list[tuple[Cast, ColumnSchema]], limit: int
    ) -> Iterator[FieldError]:
        if not (self.keys or self.dependencies):
            return
        frame = pl.DataFrame([cast.values.alias(column.name) for cast, column in casts])
        for key in self.keys:
            yield from key_errors(frame, key, limit)
        for dependency in self.dependencies:
            yield from dependency_errors(frame, dependency, limit)


def _final(cast: Cast, schema: ColumnSchema) -> pl.Series:
    if schema.kind == "category":
        return cast.values.cast(schema.dtype, strict=False)
    return cast.values

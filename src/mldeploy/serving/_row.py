"""One row of plain values, on the shortest way into the frame that an estimator expects."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias, final

import numpy as np
import pandas as pd
import polars as pl

from mldeploy.data import ColumnSchema, Schema, to_pandas
from mldeploy.errors import InvalidRowsError

if int(pd.__version__.partition(".")[0]) >= 3:
    from pandas.api.internals import (  # type: ignore[import-not-found]
        create_dataframe_from_blocks,
    )
else:
    create_dataframe_from_blocks = None
    """Before pandas 3, a frame cannot be made of its blocks."""

_EXACT: Final = 2**53


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class PlainRows:
    """Rows of plain values that a schema has accepted, not yet a frame."""

    rows: tuple[Mapping[str, object], ...]
    schema: Schema

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def shape_of_frame(self) -> object:
        """What rows share whose frame has the same columns."""
        return id(self.schema)

    def slice(self, start: int, length: int) -> PlainRows:
        """Return some of the rows, as `polars.DataFrame.slice` does."""
        return PlainRows(rows=self.rows[start : start + length], schema=self.schema)

    def frame(self) -> pl.DataFrame:
        """Return the rows in the schema's types."""
        return self.schema.parse_rows(self.rows)[0]


Given: TypeAlias = pl.DataFrame | PlainRows
"""The features of a batch as they will be logged."""


@final
class _Doubt(Exception):  # noqa: N818 (never leaves this module)
    """A value that only the schema itself can judge."""


@final
class RowReader:
    """Turn a row into a one-row frame, or refuse it as the schema does.

    Values that are plainly of their column's type pass at once, and the rest goes to
    `Schema.parse_rows`: whatever this class does not know, it does not decide.

    Parameters
    ----------
    schema : Schema
        The model's features.
    """

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._names = frozenset(schema.names)
        kinds = [column.kind for column in schema.columns]
        self._is_plain = create_dataframe_from_blocks is not None and set(kinds) <= set(_ACCEPT)
        if not self._is_plain:
            return
        self._accept = [
            (c.name, _ACCEPT[c.kind], c.nullable, frozenset(c.categories or ()) or None)
            if c.closed
            else (c.name, _ACCEPT[c.kind], c.nullable, None)
            for c in schema.columns
        ]
        self._is_plain = not any(column.strict_range for column in schema.columns)
        self._index = pd.RangeIndex(1)
        self._columns = pd.Index(schema.names)
        self._blocks = [
            (np.flatnonzero([k == kind for k in kinds]), dtype)
            for kind, dtype in _NUMERIC.items()
            if kind in kinds
        ]
        text: Any = to_pandas(pl.DataFrame({"text": ["text"]}))["text"].dtype
        self._texts = [(np.array([i]), text) for i, k in enumerate(kinds) if k == "string"]
        self._categories = [
            (np.array([i]), _codes(column), pd.CategoricalDtype(list(column.categories or ())))
            for i, column in enumerate(schema.columns)
            if column.kind == "category"
        ]

    def read(self, row: Mapping[str, object]) -> tuple[pd.DataFrame, Given]:
        """Return the row as the estimator sees it, and as it is logged.

        Raises
        ------
        InvalidRowsError
            If the schema refuses a value.
        """
        if self._is_plain:
            try:
                return self._frame(self._accepted(row)), PlainRows(
                    rows=(dict(row),), schema=self._schema
                )
            except _Doubt:
                pass
        frame, errors = self._schema.parse_rows([row])
        if errors:
            raise InvalidRowsError(errors)
        return to_pandas(frame), frame

    def _accepted(self, row: Mapping[str, object]) -> list[Any]:
        values = []
        for name, accept, nullable, closed in self._accept:
            value = accept(row.get(name))
            if value is None and not nullable:
                raise _Doubt
            if closed is not None and value is not None and value not in closed:
                raise _Doubt
            values.append(value)
        if not row.keys() <= self._names:
            raise _Doubt
        return values

    def _frame(self, values: list[Any]) -> pd.DataFrame:
        blocks: list[tuple[Any, Any]] = [
            (np.array([[values[i]] for i in places], dtype=dtype), places)
            for places, dtype in self._blocks
        ]
        for place, dtype in self._texts:
            blocks.append((pd.array([values[place[0]]], dtype=dtype), place))
        for place, codes, levels in self._categories:
            code = codes.get(values[place[0]], -1)
            blocks.append((pd.Categorical.from_codes([code], dtype=levels), place))
        frame: pd.DataFrame = create_dataframe_from_blocks(
            blocks, index=self._index, columns=self._columns
        )
        return frame


def _codes(column: ColumnSchema) -> dict[str, int]:
    return {level: code for code, level in enumerate(column.categories or ())}


def _integer(value: object) -> int:
    if type(value) is int and -(2**63) <= value < 2**63:
        return value
    raise _Doubt


def _number(value: object) -> float | None:
    if type(value) is float:
        if value - value == 0.0:  # neither NaN nor infinite
            return value
        if value != value:  # noqa: PLR0124 (NaN)
            return None
    elif value is None:
        return None
    elif type(value) is int and -_EXACT <= value <= _EXACT:
        return float(value)
    raise _Doubt


def _boolean(value: object) -> bool:
    if type(value) is bool:
        return value
    raise _Doubt


def _text(value: object) -> str | None:
    if value is None or (type(value) is str and value.isascii()):
        return value
    raise _Doubt


_ACCEPT: Final[dict[str, Callable[[object], Any]]] = {
    "integer": _integer,
    "number": _number,
    "boolean": _boolean,
    "string": _text,
    "category": _text,
}
_NUMERIC: Final = {"integer": np.int64, "number": np.float64, "boolean": np.bool_}

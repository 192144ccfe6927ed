"""Rows and columns from JSON to the types of the features: read at once, or not at all."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final, final

import msgspec
import polars as pl

from mldeploy.data import Schema

_TYPES: Final[dict[str, Any]] = {
    "integer": int | float | None,
    "number": float | None,
    "boolean": bool | None,
    "string": str | None,
    "category": str | None,
}

_LISTS: Final[dict[str, Any]] = {
    "integer": list[int | None],
    "number": list[float | None],
    "boolean": list[bool | None],
    "string": list[str | None],
    "category": list[str | None],
}
_DOUBTS: Final = (msgspec.DecodeError, RecursionError, UnicodeDecodeError)
_ESCAPED: Final = re.compile(r'["\\\x00-\x1f]')
_BACKSLASH: Final = b"\\"
"""Where texts hold escapes, quotes cannot be counted."""


@final
class FastRow:
    """Read ``{"row": {...}, "key": ...}`` whose values are plainly of their column's type.

    Whatever it does not know, it does not decide: it returns None, and the request is read at
    length, with an error for every field.

    Parameters
    ----------
    schema : Schema
        The features.
    """

    def __init__(self, schema: Schema) -> None:
        self.schema = schema
        self.order = schema.names
        self.is_possible = _is_plain(schema)
        if not self.is_possible:
            return
        row = _members(schema, _TYPES)
        asked = msgspec.defstruct(
            "Asked",
            [("row", row), ("key", str | int | None, None)],
            forbid_unknown_fields=True,
        )
        self._decode = msgspec.json.Decoder(asked).decode
        self._values = msgspec.structs.astuple

    def read(self, body: bytes) -> tuple[list[Any], str | int | None] | None:
        """Return the values in order, and the key; None if it takes a closer look."""
        if _BACKSLASH in body:
            return None
        try:
            asked: Any = self._decode(body)
        except _DOUBTS:
            return None
        values, key = list(self._values(asked.row)), asked.key
        n_texts, n_members, n_values = type(key) is str, 0, 0
        for i, value in enumerate(values):
            if value is msgspec.UNSET:
                values[i] = None
                continue
            n_members += 1
            if type(value) is str:
                n_values += 1
        # Every member and every text has two quotes; more members than were read are doubles.
        with_key = 2 if key is not None else 1
        n_quotes = body.count(b'"')
        expected = 2 * (n_members + n_values + n_texts + with_key)
        return (values, key) if n_quotes == expected else None


@final
class FastColumns:
    """Read ``{"columns": {...}, "keys": [...]}`` whose values are of their column's type.

    As `FastRow`, it returns None where it is in doubt.

    Parameters
    ----------
    schema : Schema
        The features.
    """

    def __init__(self, schema: Schema) -> None:
        self.schema = schema
        self.is_possible = _is_plain(schema)
        if not self.is_possible:
            return
        self._texts = [
            i for i, c in enumerate(schema.columns) if _LISTS[c.kind] == list[str | None]
        ]
        self._dtypes = [
            pl.String() if c.kind in ("string", "category") else c.dtype for c in schema.columns
        ]
        asked = msgspec.defstruct(
            "Asked",
            [
                ("columns", _members(schema, _LISTS)),
                ("keys", list[str | int | None] | None, None),
            ],
            forbid_unknown_fields=True,
        )
        self._decode = msgspec.json.Decoder(asked).decode
        self._values = msgspec.structs.astuple

    def read(self, body: bytes) -> tuple[pl.DataFrame, list[Any] | None] | None:
        """Return the table, and the keys; None if it takes a closer look."""
        if not self.is_possible or _BACKSLASH in body:
            return None
        try:
            asked: Any = self._decode(body)
        except _DOUBTS:
            return None
        columns, keys = self._values(asked.columns), asked.keys
        lengths = {len(column) for column in columns if column is not msgspec.UNSET}
        if msgspec.UNSET in columns or len(lengths) != 1:
            return None
        texts = sum(len(columns[i]) - columns[i].count(None) for i in self._texts)
        n_keys = 0 if keys is None else 1 + sum(type(key) is str for key in keys)
        has_doubles = body.count(b'"') != 2 * (1 + len(columns) + texts + n_keys)
        table = None if has_doubles else self._frame(columns)
        return None if table is None else (table, keys)

    def _frame(self, columns: Sequence[list[Any]]) -> pl.DataFrame | None:
        named = zip(self.schema.names, columns, self._dtypes, strict=True)
        try:
            return pl.DataFrame([pl.Series(n, c, dtype=d) for n, c, d in named])
        except (TypeError, OverflowError, pl.exceptions.PolarsError):
            return None


def _is_plain(schema: Schema) -> bool:
    """Return whether no name or value of the features needs an escape, or a conversion."""
    return all(c.kind in _TYPES and not _ESCAPED.search(c.name) for c in schema.columns)


def _members(schema: Schema, types: dict[str, Any]) -> type[msgspec.Struct]:
    """Return a structure whose fields stand for columns, which need not be names of Python."""
    fields = {f"f{i}": column for i, column in enumerate(schema.columns)}
    members: list[Any] = [
        (name, types[c.kind] | msgspec.UnsetType, msgspec.UNSET) for name, c in fields.items()
    ]
    return msgspec.defstruct(
        "Members",
        members,
        rename={name: c.name for name, c in fields.items()},
        forbid_unknown_fields=True,
    )

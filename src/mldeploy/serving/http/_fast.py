"""One row from JSON to the order of the features: read at once, or not at all."""

from __future__ import annotations

import re
from typing import Any, Final, final

import msgspec

from mldeploy.data import Schema

_TYPES: Final[dict[str, Any]] = {
    "integer": int | float | None,
    "number": float | None,
    "boolean": bool | None,
    "string": str | None,
    "category": str | None,
}

_UNCLEAR: Final = re.compile(rb"[\\\x00-\x1f]")
"""Escapes, which hide quotes, and control characters, which a text may not hold unescaped."""


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
        self.is_possible = all(column.kind in _TYPES for column in schema.columns)
        if not self.is_possible:
            return
        names = [f"f{i}" for i in range(len(schema.columns))]
        row = msgspec.defstruct(
            "Row",
            [
                (name, _TYPES[c.kind] | msgspec.UnsetType, msgspec.UNSET)
                for name, c in zip(names, schema.columns, strict=True)
            ],
            rename={n: c.name for n, c in zip(names, schema.columns, strict=True)},
            forbid_unknown_fields=True,
        )
        asked = msgspec.defstruct(
            "Asked",
            [("row", row), ("key", str | int | None, None)],
            forbid_unknown_fields=True,
        )
        self._decode = msgspec.json.Decoder(asked).decode
        self._values = msgspec.structs.astuple

    def read(self, body: bytes) -> tuple[list[Any], str | int | None] | None:
        """Return the values in order, and the key; None if it takes a closer look."""
        if _UNCLEAR.search(body):
            return None
        try:
            asked: Any = self._decode(body)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
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

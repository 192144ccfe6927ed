"""Rows of plain values that have not become a frame yet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

import polars as pl

from mldeploy.data import Schema


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

"""A table, parted into the rows that a schema accepts and those that it refuses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import final

import polars as pl

from mldeploy.errors import FieldError


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Sifted:
    """The rows of a table that a schema accepts, and those that it refuses, with the reasons.

    Attributes
    ----------
    accepted : polars.DataFrame
        In the schema's columns, order and types, as `Schema.enforce` returns them.
    refused : polars.DataFrame
        As they came, behind their numbers as ``row`` and a list of ``reasons``; columns of the
        table with one of these names are left out.
    errors : tuple of FieldError
        Every value that is refused, by row.
    """

    accepted: pl.DataFrame = field(repr=False)
    refused: pl.DataFrame = field(repr=False)
    errors: tuple[FieldError, ...] = field(repr=False)

    @property
    def n_refused(self) -> int:
        """Number of rows refused."""
        return self.refused.height


def refused_rows(frame: pl.DataFrame, errors: Sequence[FieldError]) -> pl.DataFrame:
    """Return the rows that errors speak of, each with its reasons."""
    reasons = pl.DataFrame(
        {
            "row": [error.row for error in errors],
            "reasons": [f"{error.column}: {error.message}" for error in errors],
        },
        schema={"row": pl.UInt32, "reasons": pl.String},
    )
    by_row = reasons.group_by("row", maintain_order=True).agg("reasons").sort("row")
    others = frame.drop("row", "reasons", strict=False)
    return by_row.hstack(others[by_row["row"].to_list()].get_columns())

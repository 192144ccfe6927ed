"""What is missing where, and what is missing together."""

from __future__ import annotations

from typing import Final, final

import polars as pl

from mldeploy._record import Record

_N_BLOCKS: Final = 60
_MOST_COLUMNS: Final = 40
_MOST_IN_PATTERNS: Final = 15
_MOST_PATTERNS: Final = 6


@final
class MissingPattern(Record):
    """Columns that are missing together, and in how many rows exactly these are."""

    columns: tuple[str, ...]
    n: int


@final
class MissingMap(Record):
    """Shares of missing values in blocks of rows, for the columns in which most are missing.

    Attributes
    ----------
    columns : tuple of str
        At most 40 columns, the one with the most missing values first.
    shares : tuple of tuple of float
        For each, its share of missing values in each block of rows.
    ends : tuple of str
        Where the first block begins and the last one ends.
    patterns : tuple of MissingPattern
        What is missing together, the most frequent first; over at most 15 columns.
    """

    columns: tuple[str, ...] = ()
    shares: tuple[tuple[float, ...], ...] = ()
    ends: tuple[str, ...] = ()
    patterns: tuple[MissingPattern, ...] = ()

    @classmethod
    def of(cls, table: pl.DataFrame, *, time: str | None = None) -> MissingMap:
        """Look at rows in the order of a time column, or as they come."""
        missing = {c.name: c.null_count() for c in table.get_columns() if c.null_count()}
        columns = sorted(missing, key=lambda name: (-missing[name], name))[:_MOST_COLUMNS]
        if not columns:
            return cls()
        flags = table.select(pl.col(name).is_null() for name in columns)
        if time is not None and not table[time].is_sorted():
            flags = flags[table[time].arg_sort()]
        block = pl.int_range(pl.len()) * min(_N_BLOCKS, table.height) // pl.len()
        shares = flags.group_by(block.alias("\0block"), maintain_order=True).mean()
        return cls(
            columns=tuple(columns),
            shares=tuple(tuple(shares[name].to_list()) for name in columns),
            ends=_ends(table, time),
            patterns=_patterns(flags.select(columns[:_MOST_IN_PATTERNS])),
        )


def _ends(rows: pl.DataFrame, time: str | None) -> tuple[str, str]:
    if time is None:
        return "first row", f"row {rows.height:,}"
    days = rows[time].dt.date()
    return str(days.min()), str(days.max())


def _patterns(flags: pl.DataFrame) -> tuple[MissingPattern, ...]:
    names = flags.columns
    counted = flags.group_by(names).len(name="\0n").filter(pl.any_horizontal(names))
    top = counted.sort(["\0n", *names], descending=True).head(_MOST_PATTERNS)
    return tuple(
        MissingPattern(
            columns=tuple(name for name, gone in zip(names, row, strict=False) if gone), n=row[-1]
        )
        for row in top.iter_rows()
    )

"""Columns that name each row, and columns that follow from others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations

import polars as pl

from mldeploy.data._claims import Claim, succession

_SAMPLE = 10_000
_NEVER_KEYS = (pl.Float32, pl.Float64, pl.Boolean, pl.Duration)


def keys_of(frame: pl.DataFrame, *, n_columns: int, n_next: int) -> Iterator[Claim]:
    """Yield the smallest sets of columns that name each row.

    Parameters
    ----------
    frame : polars.DataFrame
        The table.
    n_columns : int
        Most columns of a key; 0 to look for none.
    n_next : int
        Rows by which confidence is told.

    Notes
    -----
    Fractions, truth values and durations name nothing, and neither does a column with missing
    values. A set is looked at in the whole table only if it names the rows of its beginning.
    """
    n = frame.height
    eligible = [
        column.name
        for column in frame.get_columns()
        if not column.null_count() and column.dtype not in _NEVER_KEYS and n > 1
    ]
    found: list[tuple[str, ...]] = []
    start = frame.head(_SAMPLE)
    n_distinct = {name: start[name].n_unique() for name in eligible}
    for size in range(1, n_columns + 1):
        for names in combinations(eligible, size):
            if any(set(known) <= set(names) for known in found):
                continue
            if _product(n_distinct[name] for name in names) < start.height:
                continue
            if _names_each(start, names) and _names_each(frame, names):
                found.append(names)
    for names in found:
        evidence = f"none of {n:,} rows repeats another"
        confidence = succession(n, n_next)
        yield Claim(what="key", columns=names, confidence=confidence, evidence=evidence)


def dependencies_of(
    frame: pl.DataFrame, *, keys: Sequence[tuple[str, ...]], n_next: int
) -> Iterator[Claim]:
    """Yield the columns that follow from one other.

    A row can only contradict that a column follows from another if an earlier row is alike in
    the latter; the confidence rests on the number of those.

    Parameters
    ----------
    frame : polars.DataFrame
        The table.
    keys : sequence of tuple of str
        Keys, from which everything follows.
    n_next : int
        Rows by which confidence is told.
    """
    start = frame.head(_SAMPLE)
    alone = {key[0] for key in keys if len(key) == 1}
    varying = [c.name for c in frame.get_columns() if c.drop_nulls().n_unique() > 1]
    for given in varying:
        if given in alone or frame[given].dtype in (pl.Float32, pl.Float64):
            continue
        for follows in varying:
            if follows == given or not _follows(start, given, follows):
                continue
            known = frame.select(given, follows).drop_nulls()
            n_alike = known.height - known[given].n_unique()
            if not n_alike or not _follows(known, given, follows):
                continue
            yield Claim(
                what="follows", columns=(given, follows),
                confidence=succession(n_alike, n_next),
                evidence=f"{n_alike:,} rows could have contradicted it, none did",
            )  # fmt: skip


def _names_each(frame: pl.DataFrame, names: Sequence[str]) -> bool:
    return frame.select(names).n_unique() == frame.height


def _follows(frame: pl.DataFrame, given: str, follows: str) -> bool:
    known = frame.select(given, follows).drop_nulls()
    return known[given].n_unique() == known.n_unique()


def _product(numbers: Iterator[int]) -> int:
    product = 1
    for number in numbers:
        product *= number
    return product

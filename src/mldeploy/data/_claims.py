"""What a column seems to be, and the chance that its next rows will bear it out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal, TypeAlias, final

import polars as pl
import pydantic

from mldeploy._record import Record
from mldeploy.data._column import ColumnSchema
from mldeploy.data._pattern import whole

What: TypeAlias = Literal[
    "never missing", "whole numbers", "range", "categories", "pattern", "key", "follows"
]
MAX_SHAPES = 8
"""Shapes of text up to which a pattern is claimed."""
_EXACT = 2.0**53
_SPECIAL = frozenset(".^$*+?()[]{}|\\")


@final
class Claim(Record):
    """One thing that a table says of its columns, with the chance that it will hold.

    Attributes
    ----------
    what : str
        What is claimed: never missing, whole numbers, range, categories, pattern, key, follows.
    columns : tuple of str
        The column; the columns of a key; or those that decide, and the one that follows.
    confidence : float
        Chance, in [0, 1], that the next rows keep it all.
    evidence : str
        What it rests on, for people.
    pattern : str or None
        The regular expression that is claimed.
    """

    what: What
    columns: tuple[str, ...]
    confidence: float = pydantic.Field(ge=0, le=1)
    evidence: str
    pattern: str | None = None


def succession(n: int, n_next: int) -> float:
    r"""Return the chance that `n_next` rows keep a rule that `n` rows kept without exception.

    Laplace's rule of succession: :math:`(n + 1) / (n + m + 1)` for m next rows, if every share
    of exceptions was as likely beforehand as any other.
    """
    return (n + 1) / (n + n_next + 1)


def claims_of(column: pl.Series, described: ColumnSchema, n_next: int) -> Iterator[Claim]:
    """Yield what one column seems to be."""
    name, n = column.name, len(column)
    n_known = n - column.null_count()
    if n_known == n and n:
        yield Claim(
            what="never missing", columns=(name,), confidence=succession(n, n_next),
            evidence=f"none of {n:,} rows is missing",
        )  # fmt: skip
    if not n_known:
        return
    if described.kind == "number" and _is_whole(column):
        yield Claim(
            what="whole numbers", columns=(name,), confidence=succession(n_known, n_next),
            evidence=f"{n_known:,} numbers are whole"
            + (f", {n - n_known:,} are missing" if n_known < n else ""),
        )  # fmt: skip
    if described.minimum is not None and not _moves_on(column, described):
        yield _range(column, n_known, n_next)
    if described.kind == "string":
        yield from _texts(column, described, n_known, n_next)


def _is_whole(column: pl.Series) -> bool:
    known = column.drop_nulls()
    return bool(((known == known.floor()) & (known.abs() <= _EXACT)).all())


def _moves_on(column: pl.Series, described: ColumnSchema) -> bool:
    """Whether later rows are sure to leave the range: times, and numbers that only grow or fall.

    Eight distinct values come in order by chance once in 20,160 times.
    """
    if described.kind in ("datetime", "date"):
        return True
    known = column.drop_nulls()
    in_order = known.is_sorted() or known.is_sorted(descending=True)
    return in_order and known.n_unique() >= 8


def _range(column: pl.Series, n_known: int, n_next: int) -> Claim:
    """Claim a range: it breaks if every row with the least, or largest, value is yet to come."""
    lowest, highest = column.min(), column.max()
    n_low, n_high = int((column == lowest).sum()), int((column == highest).sum())
    late = n_next / (n_known + n_next)
    return Claim(
        what="range", columns=(column.name,),
        confidence=max(1 - late**n_low - late**n_high, 0.0),
        evidence=f"the least of {n_known:,} values occurs {n_low:,} times, the largest {n_high:,}",
    )  # fmt: skip


def _texts(
    column: pl.Series, described: ColumnSchema, n_known: int, n_next: int
) -> Iterator[Claim]:
    if described.categories is not None:
        counts = column.drop_nulls().value_counts()["count"]
        yield Claim(
            what="categories", columns=(column.name,), confidence=_complete(counts, n_next),
            evidence=f"{len(counts):,} texts occur {n_known:,} times, "
            f"{int((counts == 1).sum()):,} of them once",
        )  # fmt: skip
        return
    shapes = shapes_of(column.drop_nulls())
    if shapes.height <= MAX_SHAPES:
        pattern = pattern_of(shapes["shape"].to_list())
        if column.str.contains(whole(pattern)).drop_nulls().all():
            yield Claim(
                what="pattern", columns=(column.name,), pattern=pattern,
                confidence=_complete(shapes["count"], n_next),
                evidence=f"{n_known:,} texts have {shapes.height:,} shapes",
            )  # fmt: skip


def _complete(counts: pl.Series, n_next: int) -> float:
    """Return the chance that the next values are all among those counted.

    By Good and Turing the next value is new with a chance of about the share of values that were
    seen once; one more is added, so that a table in which none was is not certain.
    """
    n, n_once = int(counts.sum()), int((counts == 1).sum())
    return float((1 - min((n_once + 1) / (n + 1), 1.0)) ** n_next)


def shapes_of(texts: pl.Series) -> pl.DataFrame:
    """Count texts by shape: ``A`` for each capital, ``a`` for each small letter, ``9`` a digit."""
    shaped = texts.str.replace_all("[0-9]", "9").str.replace_all("[a-z]", "a")
    shapes = shaped.str.replace_all("[A-Z]", "A").alias("shape").value_counts(sort=True)
    return shapes.sort("count", "shape", descending=[True, False])


def pattern_of(shapes: list[str]) -> str:
    """Return the regular expression that matches texts of the given shapes, and no others."""
    return "|".join(map(_pattern_of_one, shapes))


def _pattern_of_one(shape: str) -> str:
    classes = {"A": "[A-Z]", "a": "[a-z]", "9": "[0-9]"}
    parts = []
    for run in re.finditer(r"(.)\1*", shape, flags=re.DOTALL):
        letter, length = run[1], len(run[0])
        one = classes.get(letter) or (f"\\{letter}" if letter in _SPECIAL else letter)
        parts.append(one if length == 1 else f"{one}{{{length}}}")
    return "".join(parts)

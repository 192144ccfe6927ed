"""What a schema says of rows among each other: keys, and columns that follow from others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Self, final

import polars as pl
import pydantic

from mldeploy._record import Record
from mldeploy.errors import FieldError, InvalidDataError

_ROW = "\x00row"


@final
class Dependency(Record):
    """A column that follows from others: rows alike in those are alike in it.

    Attributes
    ----------
    given : tuple of str
        The columns that decide.
    follows : str
        The column that is decided.

    Examples
    --------
    >>> Dependency(given=("tailnum",), follows="seats").follows
    'seats'
    """

    given: tuple[str, ...] = pydantic.Field(min_length=1)
    follows: str

    @pydantic.model_validator(mode="after")
    def _refuse_itself(self) -> Self:
        if self.follows in self.given:
            raise InvalidDataError(f"column {self.follows!r} follows from itself; leave it out")
        return self


def key_errors(frame: pl.DataFrame, key: Sequence[str], limit: int) -> Iterator[FieldError]:
    """Yield the rows that repeat an earlier one in a key; an incomplete key is not compared."""
    known = frame.select(key).with_row_index(_ROW).drop_nulls()
    if known.select(key).n_unique() == known.height:
        return
    first = known.with_columns(first=pl.col(_ROW).first().over(key))
    repeats = first.filter(pl.col(_ROW) != pl.col("first")).select(_ROW, "first")
    for row, earlier in islice(repeats.iter_rows(), limit):
        message = f"{', '.join(key)} repeat row {earlier}" if key[1:] else f"repeats row {earlier}"
        yield FieldError(row=row, column=key[0], code="key", message=message)


def dependency_errors(
    frame: pl.DataFrame, dependency: Dependency, limit: int
) -> Iterator[FieldError]:
    """Yield the rows that differ from the first row alike in the columns that decide."""
    given, follows = dependency.given, dependency.follows
    known = frame.select(*given, follows).with_row_index(_ROW).drop_nulls()
    if known.select(given).n_unique() == known.select(*given, follows).n_unique():
        return
    first = known.with_columns(first=pl.col(_ROW).first().over(given))
    usual = pl.col(follows).first().over(given)
    odd = first.filter(pl.col(follows) != usual).select(_ROW, "first")
    for row, earlier in islice(odd.iter_rows(), limit):
        message = f"differs from row {earlier}, which is alike in {', '.join(given)}"
        yield FieldError(row=row, column=follows, code="dependency", message=message)

"""Values that people gave, in the type of the column they are compared with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from operator import or_
from typing import Any

import polars as pl

from mldeploy.data.expectations._texts import of_each_text
from mldeploy.errors import InvalidDataError

_FEW = 4
"""Values up to which comparing with each costs less than looking them up."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Comparable:
    """A column, and values of the same type."""

    column: pl.Expr
    known: pl.Series

    @property
    def is_known(self) -> pl.Expr:
        """Whether the column's value is among the known ones; null where it is missing."""
        distinct = self.known.drop_nulls().unique()
        if 0 < len(distinct) <= _FEW:
            return reduce(or_, (self.column == pl.lit(value) for value in distinct))
        if distinct.dtype == pl.String:
            return of_each_text(self.column, lambda texts: texts.is_in(distinct.implode()))
        return self.column.is_in(pl.lit(distinct.implode()))


def comparable(name: str, dtype: pl.DataType, values: Sequence[Any] | pl.Series) -> Comparable:
    """Return a column and values in one type, without rounding either.

    Raises
    ------
    InvalidDataError
        If the values are of several types, or of another than the column.
    """
    try:
        given = values if isinstance(values, pl.Series) else pl.Series(values, strict=True)
        column, known = _in_one_type(pl.col(name), dtype, given)
    except (TypeError, ValueError, OverflowError, pl.exceptions.PolarsError) as error:
        raise InvalidDataError(
            f"{name!r} holds {dtype}, which cannot be compared with what is listed: {error}"
        ) from error
    return Comparable(column=column, known=known)


def _in_one_type(
    column: pl.Expr, dtype: pl.DataType, given: pl.Series
) -> tuple[pl.Expr, pl.Series]:
    if isinstance(dtype, pl.Enum | pl.Categorical):
        column, dtype = column.cast(pl.String), pl.String()
    if isinstance(given.dtype, pl.Enum | pl.Categorical):
        given = given.cast(pl.String)
    if given.dtype == dtype or given.is_empty():
        return column, given.cast(dtype)
    if dtype.is_integer() and given.dtype.is_integer():
        return column, given.cast(dtype, strict=False)
    if dtype.is_numeric() and given.dtype.is_numeric():
        return column.cast(pl.Float64), given.cast(pl.Float64)
    if isinstance(dtype, pl.Datetime) and isinstance(given.dtype, pl.Datetime):
        return _in_one_unit(column, dtype, given)
    raise InvalidDataError(f"they are {given.dtype}")


def _in_one_unit(
    column: pl.Expr, dtype: pl.Datetime, given: pl.Series
) -> tuple[pl.Expr, pl.Series]:
    if (dtype.time_zone is None) != (getattr(given.dtype, "time_zone", None) is None):
        raise InvalidDataError("one has a zone, the other has none")
    common = pl.Datetime("ns" if "ns" in (dtype.time_unit, given.dtype.time_unit) else "us")  # type: ignore[attr-defined]
    if dtype.time_zone is not None:
        column = column.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
        given = given.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
    return column.cast(common), given.cast(common)

"""What a schema says about one column."""

from __future__ import annotations

from datetime import date, datetime
from functools import cache
from typing import Literal, Self, TypeAlias, final

import polars as pl
import pydantic

from mldeploy._record import Record
from mldeploy.data._pattern import require_pattern
from mldeploy.errors import InvalidDataError

Kind: TypeAlias = Literal[
    "integer", "number", "boolean", "string", "category", "datetime", "date", "time", "duration"
]
Bound: TypeAlias = int | float | date | datetime


@final
class ColumnSchema(Record):
    """Type, range and categories of one column.

    What was inferred describes the data seen, and is not held against later data unless people
    say so: a value outside the range is refused only with `strict_range`, an unseen category
    only with `closed`, a text of another pattern only with `strict_pattern`. All are otherwise
    reported by `Schema.surprises`.

    Attributes
    ----------
    name : str
        Name of the column.
    kind : str
        One of integer, number, boolean, string, category, datetime, date, time, duration.
    nullable : bool
        Whether a value may be missing.
    minimum, maximum : number, date, datetime or None
        Smallest and largest value, both allowed; durations in seconds.
    strict_range : bool
        Whether a value outside the range is refused.
    categories : tuple of str or None
        The values of a category, or of text with few values.
    closed : bool
        Whether a value that is not among the categories is refused.
    time_unit : {"ms", "us", "ns"} or None
        Resolution of a datetime or duration.
    time_zone : str or None
        Zone of a datetime; None for local time without a zone.
    pattern : str or None
        Regular expression that a text matches from its first to its last letter.
    strict_pattern : bool
        Whether a text that does not match is refused.
    optional : bool
        Whether the whole column may be absent; it is then missing in every row.

    Examples
    --------
    >>> ColumnSchema(name="wind", kind="number", minimum=0.0, maximum=45.0).strict_range
    False
    """

    name: str
    kind: Kind
    nullable: bool = False
    minimum: Bound | None = None
    maximum: Bound | None = None
    strict_range: bool = False
    categories: tuple[str, ...] | None = None
    closed: bool = False
    time_unit: Literal["ms", "us", "ns"] | None = None
    time_zone: str | None = None
    pattern: str | None = None
    strict_pattern: bool = False
    optional: bool = False

    @pydantic.model_validator(mode="after")
    def _refuse_nonsense(self) -> Self:
        where = f"column {self.name!r} of the schema"
        if self.categories is not None and self.kind not in ("string", "category"):
            raise InvalidDataError(f"{where} is of kind {self.kind} and cannot have categories")
        if self.categories is None and (self.closed or self.kind == "category"):
            raise InvalidDataError(f"{where} has no categories; list them, or edit its kind")
        if self.categories is not None and len(set(self.categories)) != len(self.categories):
            raise InvalidDataError(f"{where} lists a category twice")
        if self.strict_range and self.minimum is None and self.maximum is None:
            raise InvalidDataError(
                f"{where} has no range to be strict about; set minimum or maximum"
            )
        if self.optional and not self.nullable:
            raise InvalidDataError(f"{where} may be absent, so its values may be missing")
        self._refuse_empty_range(where)
        self._refuse_odd_pattern(where)
        return self

    def _refuse_odd_pattern(self, where: str) -> None:
        if self.pattern is None:
            if self.strict_pattern:
                raise InvalidDataError(f"{where} has no pattern to be strict about; set pattern")
            return
        if self.kind not in ("string", "category"):
            raise InvalidDataError(f"{where} is of kind {self.kind} and cannot have a pattern")
        require_pattern(self.pattern)

    def _refuse_empty_range(self, where: str) -> None:
        low, high = self.minimum, self.maximum
        for bound in (low, high):
            if bound is not None and not self._is_bound(bound):
                raise InvalidDataError(
                    f"{where} is of kind {self.kind} and cannot be bounded by {bound!r}; bound "
                    "numbers by numbers, durations by seconds, dates by dates, and datetimes by "
                    "datetimes, with a zone if the column has one"
                )
        if low is not None and high is not None and low > high:  # type: ignore[operator]
            raise InvalidDataError(f"{where} allows nothing: {low} > {high}")

    def _is_bound(self, bound: Bound) -> bool:
        if isinstance(bound, datetime):
            zoned = bound.tzinfo is not None
            return self.kind == "datetime" and zoned == (self.time_zone is not None)
        if isinstance(bound, date):
            return self.kind == "date"
        return self.kind in ("integer", "number", "duration") and bound == bound  # noqa: PLR0124

    @property
    def dtype(self) -> pl.DataType:
        """The polars type of the column."""
        match self.kind:
            case "datetime":
                return pl.Datetime(self.time_unit or "us", self.time_zone)
            case "duration":
                return pl.Duration(self.time_unit or "us")
            case "category":
                return pl.Enum(self.categories or ())
            case _:
                return _plain_types()[self.kind]


@cache
def _plain_types() -> dict[str, pl.DataType]:
    return {
        "integer": pl.Int64(),
        "number": pl.Float64(),
        "boolean": pl.Boolean(),
        "string": pl.String(),
        "date": pl.Date(),
        "time": pl.Time(),
    }


def kind_of(dtype: pl.DataType) -> Kind:
    """Return the kind of a polars type that `to_polars` yields."""
    if dtype.is_integer():
        return "integer"
    if dtype.is_float():
        return "number"
    kinds: dict[type[pl.DataType], Kind] = {
        pl.Boolean: "boolean",
        pl.String: "string",
        pl.Enum: "category",
        pl.Datetime: "datetime",
        pl.Date: "date",
        pl.Time: "time",
        pl.Duration: "duration",
    }
    kind = kinds.get(dtype.base_type())
    if kind is None:
        raise InvalidDataError(
            f"{dtype} is no type that a schema knows; convert it with to_polars"
        )
    return kind


def common_kind(name: str, kinds: set[Kind]) -> Kind:
    """Return the kind that holds the values of parts of one column, or say that there is none."""
    if len(kinds) == 1:
        return min(kinds)
    if kinds == {"integer", "number"}:
        return "number"
    if kinds == {"string", "category"}:
        return "string"
    raise InvalidDataError(
        f"column {name!r} is of kind {' in one part and '.join(sorted(kinds))} in another; "
        "read both parts with one schema"
    )

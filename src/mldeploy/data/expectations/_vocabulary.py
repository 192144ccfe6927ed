"""The rules that people write most."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import ClassVar, TypeAlias, final

import polars as pl
from typing_extensions import override

from mldeploy.data._pattern import require_pattern, whole
from mldeploy.data.expectations._base import Facts
from mldeploy.data.expectations._rows import RowExpectation, brief
from mldeploy.data.expectations._texts import of_each_text
from mldeploy.data.expectations._values import comparable
from mldeploy.errors import InvalidDataError

Bound: TypeAlias = float | date | datetime | timedelta
Value: TypeAlias = str | float | bool | date | datetime


@dataclass(frozen=True, eq=False)
class _OfOneColumn(RowExpectation):
    column: str

    @property
    @override
    def needs(self) -> tuple[str, ...]:
        return (self.column,)


@final
@dataclass(frozen=True, eq=False)
class NotNull(_OfOneColumn):
    """A column has a value in every row; NaN is no value.

    Attributes
    ----------
    column : str
        The column.

    Examples
    --------
    >>> NotNull("carrier", max_share=0.01).says
    'carrier has a value'
    """

    kind: ClassVar[str] = "not_null"

    @property
    @override
    def says(self) -> str:
        return f"{self.column} has a value"

    @override
    def _holds(self, facts: Facts) -> pl.Expr:
        return pl.col(self.column).is_not_null()


@final
@dataclass(frozen=True, eq=False)
class InRange(_OfOneColumn):
    """Known values of a column lie between two bounds, both allowed.

    Attributes
    ----------
    column : str
        Numbers, dates, times, durations or text.
    at_least, at_most : number, date, datetime or timedelta, optional
        At least one of them.

    Examples
    --------
    >>> InRange("hour", at_least=0, at_most=23).says
    'hour is at least 0 and at most 23'
    """

    at_least: Bound | None = field(default=None, kw_only=True)
    at_most: Bound | None = field(default=None, kw_only=True)
    kind: ClassVar[str] = "in_range"

    def __post_init__(self) -> None:
        super().__post_init__()
        require_range(self.column, self.at_least, self.at_most)

    @property
    @override
    def says(self) -> str:
        return f"{self.column} is {range_in_words(self.at_least, self.at_most)}"

    @override
    def _holds(self, facts: Facts) -> pl.Expr:
        values = pl.col(self.column)
        inside = [values >= self.at_least] if self.at_least is not None else []
        inside += [values <= self.at_most] if self.at_most is not None else []
        return inside[0] if len(inside) == 1 else inside[0] & inside[1]


@final
@dataclass(frozen=True, eq=False)
class InSet(_OfOneColumn):
    """Known values of a column are among those listed.

    Attributes
    ----------
    column : str
        Text, categories, numbers, booleans or times.
    values : collection
        What is allowed, of one type; not empty.

    Examples
    --------
    >>> InSet("origin", ["EWR", "JFK", "LGA"]).says
    "origin is one of 'EWR', 'JFK', 'LGA'"
    """

    values: Collection[Value]
    kind: ClassVar[str] = "in_set"

    def __post_init__(self) -> None:
        super().__post_init__()
        if isinstance(self.values, str) or not len(self.values):
            raise InvalidDataError(f"values is {self.values!r}; list what is allowed")

    @property
    @override
    def says(self) -> str:
        known = [brief(value) for value in self.values]
        more = f" and {len(known) - 5:,} more" if len(known) > 5 else ""
        return f"{self.column} is one of {', '.join(known[:5])}{more}"

    @override
    def _holds(self, facts: Facts) -> pl.Expr:
        return comparable(self.column, facts.schema[self.column], list(self.values)).is_known


@final
@dataclass(frozen=True, eq=False)
class Matches(_OfOneColumn):
    """Known texts of a column match a regular expression from their first to their last letter.

    Attributes
    ----------
    column : str
        Text or categories.
    pattern : str
        A regular expression without look-around or back-references.

    Examples
    --------
    >>> Matches("tailnum", "N[0-9]{1,5}[A-Z]{0,2}").says
    "tailnum matches 'N[0-9]{1,5}[A-Z]{0,2}'"
    """

    pattern: str
    kind: ClassVar[str] = "pattern"

    def __post_init__(self) -> None:
        super().__post_init__()
        require_pattern(self.pattern)

    @property
    @override
    def says(self) -> str:
        return f"{self.column} matches {self.pattern!r}"

    @override
    def _holds(self, facts: Facts) -> pl.Expr:
        dtype = facts.schema[self.column]
        if dtype != pl.String and not isinstance(dtype, pl.Enum | pl.Categorical):
            raise InvalidDataError(f"{self.column!r} holds {dtype}, and only text has patterns")
        pattern = whole(self.pattern)
        texts = pl.col(self.column).cast(pl.String)
        return of_each_text(texts, lambda some: some.str.contains(pattern))


@final
@dataclass(frozen=True, eq=False)
class Monotone(_OfOneColumn):
    """Each known value of a column is at least the known one before it.

    Attributes
    ----------
    column : str
        Numbers, times or text.
    by : str, optional
        Column naming the entity, if values only increase within each.
    decreasing : bool
        Whether values decrease instead.
    strictly : bool
        Whether equal neighbours break the rule.

    Examples
    --------
    >>> Monotone("odometer", by="vehicle").says
    'odometer never decreases within each vehicle'
    """

    by: str | None = field(default=None, kw_only=True)
    decreasing: bool = field(default=False, kw_only=True)
    strictly: bool = field(default=False, kw_only=True)
    kind: ClassVar[str] = "monotone"

    @property
    @override
    def says(self) -> str:
        verb = {
            (False, False): "never decreases",
            (False, True): "always increases",
            (True, False): "never increases",
            (True, True): "always decreases",
        }[self.decreasing, self.strictly]
        return f"{self.column} {verb}" + (f" within each {self.by}" if self.by else "")

    @property
    @override
    def needs(self) -> tuple[str, ...]:
        return (self.column,) if self.by is None else (self.column, self.by)

    @override
    def _holds(self, facts: Facts) -> pl.Expr:
        now = self.only_where(pl.col(self.column))
        before = now.forward_fill().shift()
        if self.by is not None:
            before = before.over(self.by)
        if self.decreasing:
            return now < before if self.strictly else now <= before
        return now > before if self.strictly else now >= before


def require_range(what: str, low: Bound | None, high: Bound | None) -> None:
    """Refuse a range that is open at both ends, or holds nothing."""
    if low is None and high is None:
        raise InvalidDataError(f"the range of {what!r} has no bound; give at_least or at_most")
    if any(bound != bound for bound in (low, high)):  # noqa: PLR0124 (NaN)
        raise InvalidDataError(f"a bound of {what!r} is NaN; give a number")
    try:
        empty = low is not None and high is not None and low > high  # type: ignore[operator]
    except TypeError as error:
        raise InvalidDataError(f"the bounds of {what!r} are of two types: {error}") from error
    if empty:
        raise InvalidDataError(f"the range of {what!r} holds nothing: {low} > {high}")


def range_in_words(low: Bound | None, high: Bound | None) -> str:
    """Return a range as the end of a sentence."""
    parts = [f"at least {_figure(low)}"] if low is not None else []
    parts += [f"at most {_figure(high)}"] if high is not None else []
    return " and ".join(parts)


def _figure(bound: Bound) -> str:
    return f"{bound:,}" if isinstance(bound, int) else str(bound)

"""Rules about one figure of the whole table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, ClassVar, final

import polars as pl
from typing_extensions import override

from mldeploy.data.expectations._base import Expectation, Facts, Question, roots_of
from mldeploy.data.expectations._rows import brief
from mldeploy.data.expectations._scan import Table
from mldeploy.data.expectations._vocabulary import Bound, range_in_words, require_range
from mldeploy.errors import InvalidDataError
from mldeploy.evidence import Finding, Verdict


@final
@dataclass(frozen=True, eq=False)
class FigureInRange(Expectation):
    """A figure of the table, by any polars expression that yields one, lies between two bounds.

    Attributes
    ----------
    figure : polars.Expr
        Such as ``pl.col("fare").mean()``. Filter within the expression instead of with *where*.
    at_least, at_most : number, date, datetime or timedelta, optional
        At least one of them.

    Examples
    --------
    >>> from mldeploy.data.expectations import Expectations
    >>> rule = FigureInRange(pl.col("fare").mean(), at_least=10, label="mean fare")
    >>> print(Expectations([rule]).check(pl.DataFrame({"fare": [5.0, 9.0]})).findings[0].summary)
    mean fare is at least 10: it is 7.
    """

    figure: pl.Expr
    at_least: Bound | None = field(default=None, kw_only=True)
    at_most: Bound | None = field(default=None, kw_only=True)
    kind: ClassVar[str] = "figure"

    def __post_init__(self) -> None:
        require_range(self.name, self.at_least, self.at_most)
        if self.where is not None:
            raise InvalidDataError(
                "where cannot reach into an expression; filter inside it: pl.col(...).filter(...)"
            )

    @property
    @override
    def says(self) -> str:
        return f"{self.name} is {range_in_words(self.at_least, self.at_most)}"

    @property
    @override
    def needs(self) -> tuple[str, ...] | None:
        return roots_of(self.figure)

    @override
    def _question(self, facts: Facts) -> Question:
        def judge(answer: Mapping[str, Any], _table: Table) -> Finding:
            hide = self.may_show_sensitive(facts)
            return bounded(self, answer["figure"], self.at_least, self.at_most, hide=hide)

        return Question(judge=judge, wanted={"figure": self.figure})


@final
@dataclass(frozen=True, eq=False)
class SumInRange(Expectation):
    """The known values of a column add up to something between two bounds.

    Attributes
    ----------
    column : str
        Numbers or durations.
    at_least, at_most : number or timedelta, optional
        At least one of them.

    Examples
    --------
    >>> SumInRange("seats", at_least=1_000).says
    'the sum of seats is at least 1,000'
    """

    column: str
    at_least: Bound | None = field(default=None, kw_only=True)
    at_most: Bound | None = field(default=None, kw_only=True)
    kind: ClassVar[str] = "sum"

    def __post_init__(self) -> None:
        require_range(f"the sum of {self.column}", self.at_least, self.at_most)

    @property
    @override
    def says(self) -> str:
        return f"the sum of {self.column} is {range_in_words(self.at_least, self.at_most)}"

    @property
    @override
    def needs(self) -> tuple[str, ...]:
        return (self.column,)

    @override
    def _question(self, facts: Facts) -> Question:
        values = self.only_where(pl.col(self.column))

        def judge(answer: Mapping[str, Any], _table: Table) -> Finding:
            total = answer["sum"] if answer["n"] else None
            hide = self.may_show_sensitive(facts)
            return bounded(self, total, self.at_least, self.at_most, n=answer["n"], hide=hide)

        return Question(judge=judge, wanted={"sum": values.sum(), "n": values.count()})


@final
@dataclass(frozen=True, eq=False)
class RowCount(Expectation):
    """The table, or what *where* leaves of it, has a number of rows between two bounds.

    Attributes
    ----------
    at_least, at_most : int, optional
        At least one of them.

    Examples
    --------
    >>> RowCount(at_least=1_000).says
    'the number of rows is at least 1,000'
    """

    at_least: int | None = field(default=None, kw_only=True)
    at_most: int | None = field(default=None, kw_only=True)
    kind: ClassVar[str] = "row_count"

    def __post_init__(self) -> None:
        require_range("the number of rows", self.at_least, self.at_most)

    @property
    @override
    def says(self) -> str:
        return f"the number of rows is {range_in_words(self.at_least, self.at_most)}"

    @property
    @override
    def needs(self) -> tuple[str, ...]:
        return ()

    @override
    def _question(self, facts: Facts) -> Question:
        rows = pl.len() if self.where is None else self.where.fill_null(value=False).sum()

        def judge(answer: Mapping[str, Any], _table: Table) -> Finding:
            n = int(answer["n"])
            return bounded(self, n, self.at_least, self.at_most, n=n)

        return Question(judge=judge, wanted={"n": rows})


@final
@dataclass(frozen=True, eq=False)
class Fresh(Expectation):
    """The newest time of a column is not older than a duration when the table is checked.

    Attributes
    ----------
    column : str
        Times with a zone, or dates, which count from their midnight in UTC.
    max_age : timedelta
        Most time that may have passed since.

    Examples
    --------
    >>> Fresh("loaded_at", max_age=timedelta(hours=6)).says
    'the newest loaded_at is at most 6:00:00 old'
    """

    column: str
    max_age: timedelta = field(kw_only=True)
    kind: ClassVar[str] = "fresh"

    @property
    @override
    def says(self) -> str:
        return f"the newest {self.column} is at most {self.max_age} old"

    @property
    @override
    def needs(self) -> tuple[str, ...]:
        return (self.column,)

    @override
    def _question(self, facts: Facts) -> Question:
        dtype = facts.schema[self.column]
        if dtype != pl.Date and getattr(dtype, "time_zone", None) is None:
            raise InvalidDataError(
                f"{self.column!r} holds {dtype}, which says no moment; give it a time zone"
            )

        def judge(answer: Mapping[str, Any], _table: Table) -> Finding:
            newest = answer["newest"]
            if newest is None:
                return bounded(self, None, None, self.max_age)
            if not isinstance(newest, datetime):
                newest = datetime.combine(newest, time(), UTC)
            hide = self.may_show_sensitive(facts)
            return bounded(self, facts.now - newest, None, self.max_age, hide=hide)

        newest = self.only_where(pl.col(self.column)).max()
        return Question(judge=judge, wanted={"newest": newest})


def bounded(
    rule: Expectation,
    value: Any,
    low: Bound | None,
    high: Bound | None,
    *,
    n: int | None = None,
    hide: bool = False,
) -> Finding:
    """Judge one figure by its bounds; of a sensitive column it may be somebody's own value."""
    if value is None or value != value:  # noqa: PLR0124 (NaN)
        return rule.cannot_be_told("there is no value to judge")
    try:
        too_low = low is not None and value < low
        too_high = high is not None and value > high
    except TypeError as error:
        return rule.cannot_be_told(
            type(error).__name__ if hide else f"it is {brief(value)}: {error}"
        )
    broken = too_low or too_high
    bound = low if too_low or high is None else high
    return rule.finding(
        Verdict.FAIL if broken else Verdict.PASS,
        f"{rule.says}: it is {'withheld' if hide else _figure(value)}.",
        action="See what changed at the source, or correct the rule." if broken else "",
        estimate=None if hide else _number(value),
        threshold=_number(bound),
        unit="s" if isinstance(value, timedelta) else "",
        n=n,
    )


def _number(value: object) -> float | None:
    if isinstance(value, timedelta):
        return value.total_seconds()
    if value is None or isinstance(value, str | date):
        return None
    return float(value)  # type: ignore[arg-type]


def _figure(value: object) -> str:
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:,.6g}" if isinstance(value, float) else str(value)

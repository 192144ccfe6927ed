"""Rules by any polars expression, or by a Python function."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, final

import numpy as np
import polars as pl
from typing_extensions import override

from mldeploy.data.expectations._base import Expectation, Facts, Question, first_line, roots_of
from mldeploy.data.expectations._keys import several
from mldeploy.data.expectations._rows import RowExpectation, judged, seen
from mldeploy.data.expectations._scan import Table
from mldeploy.errors import InvalidDataError
from mldeploy.evidence import Finding, Verdict


@final
@dataclass(frozen=True, eq=False)
class Holds(RowExpectation):
    """A polars expression is true in each row; rows in which it is null are not judged.

    Attributes
    ----------
    truth : polars.Expr
        A boolean for each row.

    Examples
    --------
    >>> Holds(pl.col("departed") < pl.col("landed"), label="departs before landing").says
    'departs before landing holds'
    """

    truth: pl.Expr
    kind: ClassVar[str] = "holds"

    @property
    @override
    def says(self) -> str:
        return f"{self.label or self.truth} holds"

    @property
    @override
    def needs(self) -> tuple[str, ...] | None:
        return roots_of(self.truth)

    @override
    def _holds(self, facts: Facts) -> pl.Expr:
        try:
            yields = pl.LazyFrame(schema=facts.schema).select(self.truth).collect_schema()
        except pl.exceptions.PolarsError as error:
            raise InvalidDataError(first_line(error)) from error
        if len(yields) != 1:
            raise InvalidDataError(
                f"it has a truth for each of {len(yields)} columns; reduce it with "
                "pl.all_horizontal"
            )
        if yields.dtypes() != [pl.Boolean]:
            raise InvalidDataError(f"it is no truth, but {yields.dtypes()[0]}")
        return self.truth


@final
@dataclass(frozen=True, eq=False)
class Passes(Expectation):
    """A Python function is true of each value of a column, or of the values of several.

    The function is called once for each distinct value of a batch of rows, and once more to show
    examples where it is false of some; never with a missing value. If it raises, the finding says
    so, and the other rules are judged all the same.

    Attributes
    ----------
    columns : str or sequence of str
        One argument each.
    function : callable
        Returns True or False.
    max_share : float
        Share of the rows judged, in [0, 1], of which it may be false.

    Examples
    --------
    >>> from mldeploy.data.expectations import Expectations
    >>> rule = Passes("code", str.isupper)
    >>> print(Expectations([rule]).check(pl.DataFrame({"code": ["A", "b"]})).findings[0].summary)
    isupper(code) is true: 1 of 2 break it; row 1: 'b'.
    """

    columns: str | Sequence[str]
    function: Callable[..., bool]
    max_share: float = field(default=0.0, kw_only=True)
    kind: ClassVar[str] = "passes"

    def __post_init__(self) -> None:
        object.__setattr__(self, "columns", several(self.columns))
        if not 0 <= self.max_share <= 1:
            raise InvalidDataError(f"max_share is {self.max_share}; give a share in [0, 1]")

    @property
    @override
    def says(self) -> str:
        called = getattr(self.function, "__name__", type(self.function).__name__)
        return f"{self.label or called + '(' + ', '.join(self.columns) + ')'} is true"

    @property
    @override
    def needs(self) -> tuple[str, ...]:
        return tuple(self.columns)

    @override
    def _question(self, facts: Facts) -> Question:
        raised: list[Exception] = []

        def judge(answer: Mapping[str, Any], _table: Table) -> Finding:
            n, n_kept = int(answer["n"]), int(answer["n_kept"] or 0)
            found = judged(self, n, n - n_kept, self.max_share, answer["examples"], facts)
            if raised and found.verdict is not Verdict.FAIL:
                hidden = facts.sensitive & {*self.needs}
                return self.cannot_be_told(_why(raised[0], hide=bool(hidden)))
            return found

        truth = pl.struct(self.needs).map_batches(
            lambda rows: _truth(rows, self.function, raised),
            return_dtype=pl.Boolean,
            is_elementwise=True,
        )
        return Question(judge=judge, holds=self.only_where(truth), shown=seen(self, facts))


def _truth(rows: pl.Series, function: Callable[..., bool], raised: list[Exception]) -> pl.Series:
    """Call a function once for each distinct row; where it raises, the truth is null."""
    given = rows.struct.unnest()
    distinct = given.unique().drop_nulls()
    truth = [_call(function, row, raised) for row in distinct.iter_rows()]
    told = distinct.with_columns(pl.Series("\x00truth", truth, dtype=pl.Boolean))
    joined = given.join(told, on=given.columns, how="left", maintain_order="left")
    return joined["\x00truth"].alias(rows.name)


def _call(
    function: Callable[..., object], row: Sequence[Any], raised: list[Exception]
) -> bool | None:
    try:
        truth = function(*row)
    except Exception as error:  # noqa: BLE001 (a stranger's function may raise anything)
        raised.append(error)
        return None
    if isinstance(truth, bool | np.bool_):
        return bool(truth)
    raised.append(TypeError(f"it returned {truth!r}; return True or False"))
    return None


def _why(error: Exception, *, hide: bool) -> str:
    return type(error).__name__ if hide else f"{type(error).__name__}: {error}"

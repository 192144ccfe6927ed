"""What one expectation asks of a table, and how it reads the answer."""

from __future__ import annotations

import abc
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar, final

import polars as pl

from mldeploy.data.expectations._scan import Table
from mldeploy.errors import InvalidDataError
from mldeploy.evidence import Finding, Severity, Verdict

ROW = "\x00row"
"""Column with the number of each row, from 0, in the table that a question is asked of."""

CHECK = "Expectations"


@final
@dataclass(frozen=True, kw_only=True)
class Facts:
    """What a rule may know of a table before its rows are read.

    Attributes
    ----------
    schema : mapping of str to polars.DataType
        The table's columns with their types.
    now : datetime
        The moment at which it is checked, with a zone.
    sensitive : frozenset of str
        Columns whose values are never shown.
    n_examples : int
        Most examples to show of what breaks a rule.
    """

    schema: Mapping[str, pl.DataType]
    now: datetime
    sensitive: frozenset[str] = frozenset()
    n_examples: int = 5


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Question:
    """What is asked of the one query, and how the answer is read.

    Attributes
    ----------
    judge : callable
        Reads the answer, and the table that was asked, which is read again only if need be.
    wanted : mapping of str to polars.Expr
        Expressions that each yield one value of the answer. Missing values of any kind are null
        in them, and the column `ROW` numbers the rows.
    listed : polars.Expr or None
        A value for each row; the answer then has those that are not null, as the series
        ``listed``, which is held in memory.
    holds : polars.Expr or None
        Whether each row keeps the rule, null where it does not apply; None if the rule is not
        about rows. The answer then has ``n`` (rows judged), ``n_kept`` and ``examples``.
    shown : tuple of str
        Columns whose values the examples show.
    is_counted : bool
        Whether the query counts `holds`; False if `wanted` says it at less cost.
    """

    judge: Callable[[Mapping[str, Any], Table], Finding]
    wanted: Mapping[str, pl.Expr] = field(default_factory=dict)
    listed: pl.Expr | None = None
    holds: pl.Expr | None = None
    shown: tuple[str, ...] = ()
    is_counted: bool = True


@dataclass(frozen=True, eq=False)
class Expectation(abc.ABC):
    """One thing that people expect of a table.

    Implement `says`, `needs` and `_question`; the rest is final. To judge row by row, derive
    from `RowExpectation` instead. Instances are immutable and hold no data but what they
    compare with.

    Attributes
    ----------
    where : polars.Expr, optional
        Rows to look at; by default all.
    severity : Severity
        What follows if the expectation is broken.
    label : str
        What the finding is called; by default the kind of the rule, such as ``not_null``.
    """

    where: pl.Expr | None = field(default=None, kw_only=True)
    severity: Severity = field(default=Severity.BLOCKER, kw_only=True)
    label: str = field(default="", kw_only=True)

    kind: ClassVar[str] = ""
    """What the findings of the class are called where there is no label."""

    @property
    def name(self) -> str:
        """What the finding is called."""
        return self.label or self.kind or type(self).__name__

    @property
    @abc.abstractmethod
    def says(self) -> str:
        """What is expected, in words that a sentence can begin with."""

    @property
    @abc.abstractmethod
    def needs(self) -> tuple[str, ...] | None:
        """The columns that the rule reads, the first being its subject; None if it may be any."""

    @final
    def question(self, facts: Facts) -> Question | Finding:
        """Return what to ask of a table, or what can be found without reading it.

        Parameters
        ----------
        facts : Facts
            The table's columns, and the moment.
        """
        if absent := [name for name in self.needs or () if name not in facts.schema]:
            return self.finding(
                Verdict.FAIL,
                f"The data have no column {', '.join(map(repr, absent))}.",
                action="Add the column, or drop the rule.",
            )
        try:
            return self._question(facts)
        except InvalidDataError as error:
            return self.cannot_be_told(str(error))

    @abc.abstractmethod
    def _question(self, facts: Facts) -> Question:
        """Return the question; every column that the rule needs is there."""

    @final
    def finding(self, verdict: Verdict, summary: str, **further: Any) -> Finding:
        """Return a finding of this rule, with its name, column and severity."""
        needs = self.needs
        column = needs[0] if needs and len(needs) == 1 else None
        return Finding(
            check=CHECK,
            name=self.name,
            verdict=verdict,
            severity=self.severity,
            summary=summary,
            **{"column": column, **further},
        )

    @final
    def cannot_be_told(self, why: str) -> Finding:
        """Return the finding that the rule could not be held against the data, and why."""
        return self.finding(
            Verdict.INSUFFICIENT,
            f"It cannot be told whether {self.says}: {why}.",
            action="Correct the rule, or the type of the column.",
        )

    @final
    def may_show_sensitive(self, facts: Facts) -> bool:
        """Whether a figure or an error of the rule could show a value that nobody may see."""
        if not facts.sensitive:
            return False
        where = () if self.where is None else roots_of(self.where)
        if self.needs is None or where is None:
            return True
        return not facts.sensitive.isdisjoint((*self.needs, *where))

    @final
    def only_where(self, values: pl.Expr) -> pl.Expr:
        """Return an expression that is null in rows which the rule does not look at."""
        return values if self.where is None else pl.when(self.where).then(values)


def roots_of(*expressions: pl.Expr | None) -> tuple[str, ...] | None:
    """Return the columns that expressions read; None if that may be any."""
    names: list[str] = []
    for expression in expressions:
        if expression is None:
            continue
        roots = expression.meta.root_names()
        if expression.meta.has_multiple_outputs() or not roots or "*" in roots:
            return None
        names += roots
    return tuple(dict.fromkeys(names))


def first_line(error: Exception) -> str:
    """Return what polars complains of, without the plan that follows."""
    return str(error).strip().splitlines()[0].rstrip(".")

"""Many expectations, asked of a table in one query."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import final

import polars as pl

from mldeploy._record import Clock, utc_now
from mldeploy.data.expectations._base import (
    CHECK,
    ROW,
    Expectation,
    Facts,
    Question,
    roots_of,
)
from mldeploy.data.expectations._query import answers_of
from mldeploy.data.expectations._scan import Source, Table, scan, sensitive_of, unreadable
from mldeploy.errors import InvalidDataError
from mldeploy.evidence import Finding, Report


@final
@dataclass(frozen=True)
class Expectations:
    """What people expect of a table: any number of rules, asked of it in one query.

    Attributes
    ----------
    rules : sequence of Expectation
        At least one.

    Examples
    --------
    >>> from mldeploy.data.expectations import InRange, NotNull, Unique
    >>> flights = pl.DataFrame({"flight": [1, 2, 2], "hour": [5, 25, None]})
    >>> rules = [NotNull("flight"), InRange("hour", at_least=0, at_most=23), Unique("flight")]
    >>> for finding in Expectations(rules).check(flights).findings:
    ...     print(finding.verdict, finding.summary)
    PASS flight has a value: all 3 keep it.
    FAIL hour is at least 0 and at most 23: 1 of 2 break it; row 1: 25.
    FAIL flight is never repeated: 1 of 3 break it; row 2: 2.
    """

    rules: Sequence[Expectation]

    def __post_init__(self) -> None:
        object.__setattr__(self, "rules", tuple(self.rules))
        if not self.rules:
            raise InvalidDataError("there is nothing to expect; give at least one rule")
        if odd := [rule for rule in self.rules if not isinstance(rule, Expectation)]:
            raise InvalidDataError(f"{odd[0]!r} is no Expectation")

    def __len__(self) -> int:
        return len(self.rules)

    def check(
        self,
        source: Source,
        *,
        sensitive: Iterable[str] = (),
        n_examples: int = 5,
        clock: Clock = utc_now,
    ) -> Report:
        """Hold a table against every rule, reading it once.

        A second look is taken only at rows that seem to repeat others, at examples of a table in
        memory, and at each rule alone if the query fails, so that one broken rule does not hide
        what the others find.

        Parameters
        ----------
        source : pandas or polars frame, query, Dataset, Arrow table, or path
            A path names Parquet or CSV files, a folder of them, or a glob; those and queries
            (``pl.scan_parquet``) may be larger than memory.
        sensitive : iterable of str
            Columns whose values are not shown, besides those a `Dataset` says are sensitive.
        n_examples : int, default=5
            Most examples to show of what breaks a rule.
        clock : Clock, default=utc_now
            Tells the moment by which freshness is judged.

        Returns
        -------
        Report
            One finding for each rule, in their order, with the share and number of rows that
            break it, and in `details` its ``count``, the numbers of some ``rows`` and their
            ``examples``.

        Raises
        ------
        InvalidDataError
            If the table cannot be read.
        """
        started, tick = clock(), time.perf_counter()
        table = scan(source, self._columns())
        facts = Facts(
            schema=table.rows.collect_schema(),
            now=started,
            sensitive=frozenset((*sensitive, *sensitive_of(source))),
            n_examples=n_examples,
        )
        return Report(
            step="expect",
            made_by=CHECK,
            findings=answers_of(self.rules, facts, _numbered(table)),
            started_at=started,
            duration=timedelta(seconds=time.perf_counter() - tick),
        )

    def broken_rows(
        self, source: Source, *, limit: int | None = None, clock: Clock = utc_now
    ) -> pl.DataFrame:
        """Return the rows that break a rule about rows, with the names of the rules they break.

        Parameters
        ----------
        source : table or path
            See `check`.
        limit : int, optional
            Most rows to return, the first ones; by default all.
        clock : Clock, default=utc_now
            Tells the moment.

        Returns
        -------
        polars.DataFrame
            The rows' numbers as ``row``, the broken rules as ``breaks``, then the table's
            columns but those of these names.

        Raises
        ------
        InvalidDataError
            If the table cannot be read, or a rule cannot be held against it.
        """
        table = scan(source, None)
        facts = Facts(schema=table.rows.collect_schema(), now=clock())
        asked = [(rule, rule.question(facts)) for rule in self.rules]
        for _, question in asked:
            if isinstance(question, Finding):
                raise InvalidDataError(question.summary)
        breaks = [
            pl.when(~question.holds).then(pl.lit(rule.name))
            for rule, question in asked
            if isinstance(question, Question) and question.holds is not None
        ]
        kept = [name for name in facts.schema if name not in ("row", "breaks")]
        reasons = pl.concat_list(breaks or [pl.lit(None, pl.String)]).list.drop_nulls()
        found = (
            _numbered(table)
            .rows.select(pl.col(ROW).alias("row"), reasons.alias("breaks"), *kept)
            .filter(pl.col("breaks").list.len() > 0)
        )
        try:
            return table.collect(found if limit is None else found.head(limit))
        except (pl.exceptions.PolarsError, OSError) as error:
            raise unreadable(error) from error

    def _columns(self) -> tuple[str, ...] | None:
        """Return the columns that the rules read; None if those may be any."""
        read: list[str] = []
        for rule in self.rules:
            where = () if rule.where is None else roots_of(rule.where)
            if rule.needs is None or where is None:
                return None
            read += [*rule.needs, *where]
        return tuple(dict.fromkeys(read))


def _numbered(table: Table) -> Table:
    return replace(table, rows=table.rows.with_row_index(ROW))

"""Rules held against the parts of a table, wherever they lie."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, TypeAlias, final

import numpy as np
import polars as pl

from mldeploy._record import Clock, utc_now
from mldeploy.data._data_source import DataSource
from mldeploy.data._dataset import Dataset
from mldeploy.data._engine import Engine
from mldeploy.data._engine_run import reduce_source
from mldeploy.data._source import TableLike
from mldeploy.data._sources import source_of
from mldeploy.data.expectations._base import CHECK, ROW, Expectation, Facts, Question
from mldeploy.data.expectations._figures import Fresh
from mldeploy.data.expectations._keys import Unique
from mldeploy.data.expectations._parts import (
    Place,
    RuleAnswer,
    answer_of,
    repeats_of,
    require_parts,
    rounded,
)
from mldeploy.data.expectations._rows import judged, seen
from mldeploy.data.expectations._scan import Table
from mldeploy.data.expectations._suite import Expectations
from mldeploy.evidence import Finding, Report

Answers: TypeAlias = tuple[Mapping[int, int], Mapping[int, RuleAnswer]]
"""Rows of each part, and what they say to each rule by its number."""

_NO_TABLE: Final = Table(rows=pl.LazyFrame(), is_in_memory=True)


def check_source(
    expectations: Expectations,
    source: DataSource | TableLike | Dataset,
    *,
    engine: Engine | None = None,
    sensitive: Iterable[str] = (),
    n_examples: int = 5,
    clock: Clock = utc_now,
) -> Report:
    """Hold the parts of a table against every rule, wherever they lie.

    Parameters
    ----------
    expectations : Expectations
        The rules: about each row, counts, sums, freshness, distributions, and keys that may not
        repeat, of which 28 bytes a row are held.
    source : DataSource, or any table
        What is read; again for the values of keys that repeat.
    engine : Engine, optional
        Where it runs; threads of this process by default.
    sensitive : iterable of str
        Columns whose values are not shown, besides those a `Dataset` says are sensitive.
    n_examples : int, default=5
        Most examples to show of what breaks a rule.
    clock : Clock, default=utc_now
        Tells the moment by which freshness is judged.

    Returns
    -------
    Report
        What `Expectations.check` finds of the whole, the numbers of rows included.

    Raises
    ------
    InvalidDataError
        If a part cannot be read, or a rule compares rows with each other, so that parts do not
        answer it: an order of rows, or a figure by any expression.

    Examples
    --------
    >>> from mldeploy.data import FrameSource
    >>> from mldeploy.data.expectations import InRange
    >>> source = FrameSource.of(pl.DataFrame({"hour": [5, 23, 25]}), batch_rows=2)
    >>> rules = Expectations([InRange("hour", at_most=23)])
    >>> print(check_source(rules, source).findings[0].summary)
    hour is at most 23: 1 of 3 break it; row 2: 25.
    """
    started, tick = clock(), time.perf_counter()
    whole = source_of(source)
    roles = source.roles.sensitive if isinstance(source, Dataset) else ()
    facts = Facts(
        schema=whole.schema(),
        now=started,
        sensitive=frozenset((*sensitive, *roles)),
        n_examples=n_examples,
    )
    require_parts(expectations.rules, whole.schema())
    reduction = ExpectationReduction(rules=tuple(expectations.rules), facts=facts)
    heights, answers = reduce_source(whole, reduction, engine=engine)
    places = {i: repeats_of(a.keys) for i, a in answers.items() if a.keys.size}
    wanted = frozenset(p for found in places.values() for p in found[:n_examples])
    rows = reduce_source(whole, _RowsAt(wanted), engine=engine) if wanted else {}
    judge = _Judge(facts=facts, offsets=_offsets(heights), places=places, rows=rows)
    return Report(
        step="expect",
        made_by=CHECK,
        findings=tuple(judge.finding(i, r, answers.get(i)) for i, r in enumerate(reduction.rules)),
        started_at=started,
        duration=timedelta(seconds=time.perf_counter() - tick),
    )


@final
@dataclass(frozen=True, kw_only=True)
class ExpectationReduction:
    """What the rows of a table say to rules, from what its parts say.

    Attributes
    ----------
    rules : sequence of Expectation
        What is expected.
    facts : Facts
        Columns and moment.
    """

    rules: Sequence[Expectation]
    facts: Facts

    def map_at(self, rows: pl.DataFrame, part: int, start: int) -> Answers:
        """Ask some rows."""
        numbered, n = rows.with_row_index(ROW, offset=start), self.facts.n_examples
        asked = {i: rule.question(self.facts) for i, rule in enumerate(self.rules)}
        answers = {
            i: answer_of(self.rules[i], question, numbered, part, n_examples=n)
            for i, question in asked.items()
            if isinstance(question, Question)
        }
        return {part: rows.height}, answers

    def merge(self, one: Answers, other: Answers) -> Answers:
        """Return what both say."""
        heights = {p: one[0].get(p, 0) + other[0].get(p, 0) for p in {*one[0], *other[0]}}
        n = self.facts.n_examples
        return heights, {i: a.merge(other[1][i], n_examples=n) for i, a in one[1].items()}

    def finish(self, whole: Answers) -> Answers:
        """Return the answers, which `check_source` judges."""
        return whole


@final
@dataclass(frozen=True)
class _RowsAt:
    """Finds the rows at some places."""

    places: frozenset[Place]

    def map_at(self, rows: pl.DataFrame, part: int, start: int) -> dict[Place, dict[str, Any]]:
        here = [row - start for p, row in self.places if p == part]
        inside = [row for row in here if 0 <= row < rows.height]
        return {(part, start + row): rows.row(row, named=True) for row in inside}

    def merge(
        self, one: dict[Place, dict[str, Any]], other: dict[Place, dict[str, Any]]
    ) -> dict[Place, dict[str, Any]]:
        return {**one, **other}

    def finish(self, whole: dict[Place, dict[str, Any]]) -> dict[Place, dict[str, Any]]:
        return whole


@final
@dataclass(frozen=True, kw_only=True)
class _Judge:
    """Reads the answers of the whole as each rule would read its own."""

    facts: Facts
    offsets: Mapping[int, int]
    places: Mapping[int, Sequence[Place]]
    rows: Mapping[Place, Mapping[str, Any]]

    def finding(self, number: int, rule: Expectation, answer: RuleAnswer | None) -> Finding:
        question = rule.question(self.facts)
        if isinstance(question, Finding) or answer is None:
            return question if isinstance(question, Finding) else rule.cannot_be_told("no answer")
        if answer.error is not None:
            return rule.cannot_be_told(answer.error[1])
        if isinstance(rule, Unique):
            return self._of_keys(rule, answer, self.places.get(number, ()))
        told: dict[str, Any] = {name: rounded(value) for name, value in answer.sums.items()}
        if isinstance(rule, Fresh):
            told["newest"] = answer.newest
        told["examples"] = [self._numbered(place, row) for place, row in answer.examples]
        return question.judge(told, _NO_TABLE)

    def _of_keys(self, rule: Unique, answer: RuleAnswer, places: Sequence[Place]) -> Finding:
        shown = seen(rule, self.facts)
        first = places[: self.facts.n_examples]
        examples = [
            self._numbered(place, {name: self.rows[place][name] for name in shown})
            for place in first
        ]
        return judged(rule, len(answer.keys), len(places), rule.max_share, examples, self.facts)

    def _numbered(self, place: Place, row: Mapping[str, Any]) -> dict[str, Any]:
        return {
            ROW: self.offsets[place[0]] + place[1],
            **{n: v for n, v in row.items() if n != ROW},
        }


def _offsets(heights: Mapping[int, int]) -> dict[int, int]:
    """Return the number of rows before each part."""
    parts = sorted(heights)
    before = np.cumsum([0, *(heights[part] for part in parts)])
    return {part: int(n) for part, n in zip(parts, before, strict=False)}

"""The one query that answers every rule."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from mldeploy.data.expectations._base import ROW, Expectation, Facts, Question, first_line
from mldeploy.data.expectations._scan import Table, unreadable
from mldeploy.evidence import Finding


def answers_of(rules: Sequence[Expectation], facts: Facts, table: Table) -> tuple[Finding, ...]:
    """Return one finding for each rule, in their order.

    Parameters
    ----------
    rules : sequence of Expectation
        What is expected.
    facts : Facts
        What may be known of the table.
    table : Table
        The table, its rows numbered in `ROW`, its missing values null.

    Raises
    ------
    InvalidDataError
        If the table cannot be read.
    """
    asked = [rule.question(facts) for rule in rules]
    questions = {i: q for i, q in enumerate(asked) if isinstance(q, Question)}
    told = _told(questions, facts, table)
    return tuple(
        found if isinstance(found, Finding) else _read(rules[i], found, told[i], facts, table)
        for i, found in enumerate(asked)
    )


def _read(
    rule: Expectation,
    question: Question,
    answer: Mapping[str, Any] | pl.exceptions.PolarsError,
    facts: Facts,
    table: Table,
) -> Finding:
    if isinstance(answer, Mapping):
        return question.judge(answer, table)
    hides = rule.may_show_sensitive(facts)
    return rule.cannot_be_told(type(answer).__name__ if hides else first_line(answer))


def _told(
    questions: Mapping[int, Question], facts: Facts, table: Table
) -> dict[int, Mapping[str, Any] | pl.exceptions.PolarsError]:
    """Return the answer to each question, or the error that stands in its way."""
    try:
        return dict(_ask(questions, facts, table))
    except (pl.exceptions.PolarsError, OSError):
        _require_readable(table)
    told: dict[int, Mapping[str, Any] | pl.exceptions.PolarsError] = {}
    for i, question in questions.items():
        try:
            told |= _ask({i: question}, facts, table)
        except pl.exceptions.PolarsError as error:
            told[i] = error
    return told


def _ask(
    questions: Mapping[int, Question], facts: Facts, table: Table
) -> Iterator[tuple[int, Mapping[str, Any]]]:
    asked = {i: _asked(i, question, facts, table) for i, question in questions.items()}
    told = _answers(asked, table)
    examples = {
        i: _Asked(first=one.first, wanted={"examples": one.examples})
        for i, one in asked.items()
        if one.examples is not None and (told[i]["n_kept"] or 0) < told[i]["n"]
    }
    seen = _answers(examples, table)
    for i in asked:
        yield i, {"examples": (), **told[i], **seen.get(i, {})}


def _answers(asked: Mapping[int, _Asked], table: Table) -> Mapping[int, Mapping[str, Any]]:
    wanted = {_key(i, n): e for i, one in asked.items() for n, e in one.wanted.items()}
    if not wanted:
        return {i: {} for i in asked}
    first = {n: e for one in asked.values() for n, e in one.first.items()}
    then = {n: e for one in asked.values() for n, e in one.then.items()}
    rows = table.rows.with_columns(**first) if first else table.rows
    rows = rows.with_columns(**then) if then else rows
    found = table.collect(rows.select(**wanted))
    return {i: {n: found[_key(i, n)][0] for n in one.wanted} for i, one in asked.items()}


@dataclass(frozen=True, kw_only=True)
class _Asked:
    """A question as the query asks it: columns made first, those made of them, and figures.

    What is made row by row is a column of its own, since polars streams a figure of a column,
    and reads a figure of an expression into memory. Of a table in memory the examples are
    fetched afterwards, where a rule is broken; another table would be read twice for them.
    """

    first: Mapping[str, pl.Expr]
    then: Mapping[str, pl.Expr] = field(default_factory=dict)
    wanted: Mapping[str, pl.Expr]
    examples: pl.Expr | None = None


def _asked(i: int, question: Question, facts: Facts, table: Table) -> _Asked:
    first, then, wanted, examples = {}, {}, dict(question.wanted), None
    if question.listed is not None:
        first[_key(i, "listed")] = question.listed
        wanted["listed"] = pl.col(_key(i, "listed")).drop_nulls().implode()
    if question.holds is not None and question.is_counted:
        first[_key(i, "holds")] = question.holds
        holds, example = pl.col(_key(i, "holds")), pl.struct(ROW, *question.shown)
        wanted |= {"n": holds.count(), "n_kept": holds.sum()}
        if table.is_in_memory:
            examples = example.filter(~holds).head(facts.n_examples).implode()
        else:
            then[_key(i, "broken")] = pl.when(~holds).then(example)
            broken = pl.col(_key(i, "broken")).drop_nulls()
            wanted["examples"] = broken.head(facts.n_examples).implode()
    return _Asked(first=first, then=then, wanted=wanted, examples=examples)


def _key(i: int, name: str) -> str:
    return f"\x00{i} {name}"


def _require_readable(table: Table) -> None:
    """Refuse a table that fails by itself, whatever it is asked."""
    try:
        table.collect(table.rows.select(pl.all().null_count()))
    except (pl.exceptions.PolarsError, OSError) as error:
        raise unreadable(error) from error

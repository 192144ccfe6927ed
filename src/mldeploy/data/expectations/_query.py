"""The one query that answers every rule."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
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
        found if isinstance(found, Finding) else _read(rules[i], found, told[i], table)
        for i, found in enumerate(asked)
    )


def _read(
    rule: Expectation,
    question: Question,
    answer: Mapping[str, Any] | pl.exceptions.PolarsError,
    table: Table,
) -> Finding:
    if isinstance(answer, Mapping):
        return question.judge(answer, table)
    return rule.cannot_be_told(first_line(answer))


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
    held = {_key(i, "holds"): q.holds for i, q in questions.items() if _is_counted(q)}
    wanted = {i: _wanted(i, question, facts) for i, question in questions.items()}
    named = {_key(i, n): e for i, asked in wanted.items() for n, e in asked.items()}
    if not named:
        return
    ready = table.rows.with_columns(**held) if held else table.rows
    found = table.collect(ready.select(**named))
    for i, asked in wanted.items():
        yield i, {name: found[_key(i, name)][0] for name in asked}


def _wanted(i: int, question: Question, facts: Facts) -> Mapping[str, pl.Expr]:
    if not _is_counted(question):
        return question.wanted
    holds = pl.col(_key(i, "holds"))
    examples = pl.struct(ROW, *question.shown).filter(~holds).head(facts.n_examples).implode()
    return {"n": holds.count(), "n_kept": holds.sum(), "examples": examples, **question.wanted}


def _is_counted(question: Question) -> bool:
    return question.holds is not None and question.is_counted


def _key(i: int, name: str) -> str:
    return f"\x00{i} {name}"


def _require_readable(table: Table) -> None:
    """Refuse a table that fails by itself, whatever it is asked."""
    try:
        table.collect(table.rows.select(pl.all().null_count()))
    except (pl.exceptions.PolarsError, OSError) as error:
        raise unreadable(error) from error

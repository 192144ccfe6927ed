"""Do the values have the types, ranges and categories that they should?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import final

import numpy as np
from typing_extensions import override

from mldeploy.assessment._base import DataAssessor
from mldeploy.assessment._say import holds, skipped, some
from mldeploy.assessment._share import (
    asked_for,
    columns_asked_about,
    estimate_share,
    rows_asked_about,
)
from mldeploy.assessment._structure import structure_of
from mldeploy.data import Dataset, Schema
from mldeploy.errors import FieldError
from mldeploy.evidence import Finding, Severity, Verdict
from mldeploy.problem import Criterion, Judge, Problem

_ACTION = {
    "missing": "Fill or drop those rows, or let the schema allow missing values.",
    "type": "Convert the column at its source, or correct its kind in the schema.",
    "category": "Correct the values, or add the category to the schema.",
    "range": "Correct the values, or widen the range in the schema.",
    "pattern": "Correct the values, or the pattern in the schema.",
    "key": "Drop the rows that repeat others, or drop the key from the schema.",
    "dependency": "See which of the rows is right, or drop the dependency from the schema.",
}


@final
@dataclass(frozen=True, kw_only=True)
class SchemaAssessor(DataAssessor):
    """Hold every value against a schema; without one, look for columns that cannot serve.

    With a schema, each column and reason for which values are refused is a finding with count,
    share and an example. Criteria on ``invalid_share`` decide about their columns; elsewhere a
    refused value blocks. Values that the schema accepts though none like them was seen are
    warnings. Without a schema the structure of the features is looked at: columns that are
    empty, constant or name each row, numbers written as text, times without a zone.

    Attributes
    ----------
    schema : Schema, optional
        What the data must look like.
    """

    schema: Schema | None = None

    @override
    def _assess(self, dataset: Dataset, problem: Problem) -> Iterator[Finding]:
        check, criteria = type(self).__name__, asked_for(problem, "invalid_share")
        if self.schema is None:
            for criterion in criteria:
                yield _without_schema(check, criterion)
            yield from structure_of(check, dataset)
            return
        known = set(dataset.columns)
        for column in self.schema.columns:
            if column.name not in known and not column.optional:
                yield _absent(check, column.name)
        present = self.schema.select([n for n in self.schema.names if n in known])
        errors = present.check(dataset.polars(), limit=len(dataset))
        for criterion in criteria:
            yield from _judge(check, criterion, dataset, present)
        decided = {c for k in criteria for c in columns_asked_about(k, dataset)}
        yield from _refused(check, errors, dataset, decided)
        yield from _surprises(check, present.surprises(dataset.polars()), dataset)
        if not errors:
            summary = f"The schema accepts every value of {len(present.columns):,} columns."
            yield holds(check, "schema", summary, n=len(dataset))


def _without_schema(check: str, criterion: Criterion) -> Finding:
    return Finding(
        check=check,
        name=criterion.metric.name,
        verdict=Verdict.INSUFFICIENT,
        severity=criterion.severity,
        summary=f"It cannot be told whether {criterion} holds without a schema.",
        action="Infer one from data you trust (Schema.infer), edit it, and pass it as schema=.",
        criterion=criterion.digest,
    )


def _absent(check: str, name: str) -> Finding:
    return Finding(
        check=check,
        name="schema",
        verdict=Verdict.FAIL,
        summary="The schema has the column, the data do not.",
        action="Add the column, or take it out of the schema.",
        column=name,
    )


def _judge(
    check: str, criterion: Criterion, dataset: Dataset, schema: Schema
) -> Iterator[Finding]:
    judge, part = Judge(check=check), rows_asked_about(criterion, dataset)
    if part is None:
        yield skipped(check, criterion.metric.name, f"no row is in {criterion.where}")
        return
    refused = schema.check(part.polars(), limit=len(part))
    rows_of = {c: [e.row for e in refused if e.column == c] for c in {e.column for e in refused}}
    for column in columns_asked_about(criterion, dataset):
        if column not in schema.names:
            yield skipped(check, criterion.metric.name, f"the schema does not know {column!r}")
            continue
        flags = np.zeros(len(part), dtype=bool)
        flags[rows_of.get(column, [])] = True
        share = estimate_share(flags, units=part.units(), confidence=criterion.confidence)
        yield judge.judge_estimate(criterion, share, column=column, n_rows=len(part))


def _refused(
    check: str, errors: tuple[FieldError, ...], dataset: Dataset, decided: set[str]
) -> Iterator[Finding]:
    for (column, code), group in _by_reason(errors):
        rows = {error.row for error in group}
        example = group[0]
        yield Finding(
            check=check,
            name=f"invalid: {code}",
            verdict=Verdict.FAIL,
            severity=Severity.WARNING if column in decided else Severity.BLOCKER,
            summary=f"{len(rows):,} of {len(dataset):,} values are refused; "
            f"row {example.row}: {example.message}.",
            action=_ACTION.get(code, ""),
            estimate=len(rows) / len(dataset),
            n=len(dataset),
            column=column,
            details={"count": len(rows), "example_row": example.row},
        )


def _surprises(check: str, errors: tuple[FieldError, ...], dataset: Dataset) -> Iterator[Finding]:
    for (column, code), group in _by_reason(errors):
        examples = some(sorted({error.message for error in group}), 2)
        yield Finding(
            check=check,
            name=f"unseen: {code}",
            verdict=Verdict.FAIL,
            severity=Severity.WARNING,
            summary=f"{len(group):,} values (of {len(dataset):,}; at most 1,000 are counted) are "
            f"unlike those the schema was inferred from: {examples}.",
            action="Widen the schema if they are right, or close it if they are wrong.",
            estimate=len(group) / len(dataset),
            n=len(dataset),
            column=column,
        )


def _by_reason(
    errors: tuple[FieldError, ...],
) -> Iterator[tuple[tuple[str, str], list[FieldError]]]:
    ordered = sorted(errors, key=lambda e: (e.column, e.code, e.row))
    for reason, group in groupby(ordered, key=lambda e: (e.column, e.code)):
        yield reason, list(group)

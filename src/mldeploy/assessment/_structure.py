"""Features whose structure says that no model can use them as they are."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from mldeploy.assessment._say import holds
from mldeploy.data import Dataset
from mldeploy.errors import EmptyDataError
from mldeploy.evidence import Finding, Severity, Verdict

_MANY_LEVELS = 0.95
"""Share of distinct texts from which on a column names its rows rather than describes them."""
_FEW_ROWS = 50


def structure_of(check: str, dataset: Dataset) -> Iterator[Finding]:
    """Yield a finding for each feature that cannot serve as it is."""
    if not dataset.features:
        raise EmptyDataError("the dataset has no feature, so there is nothing to learn from")
    table = dataset.polars().select(dataset.features)
    n, blocked = table.height, 0
    distinct = dict(zip(table.columns, table.select(pl.all().n_unique()).row(0), strict=True))
    for column in table.get_columns():
        n_known = n - column.null_count()
        if not n_known:
            blocked += 1
            yield _finding(
                check, column.name, "empty_column", Severity.BLOCKER,
                "It has no value at all.", "Drop it from the features, or mend its source.", n,
            )  # fmt: skip
            continue
        n_distinct = distinct[column.name] - (column.null_count() > 0)
        if n_distinct == 1 and n_known == n and n > 1:
            yield _finding(
                check, column.name, "constant_column", Severity.WARNING,
                "Every row has the same value.", "Drop it: it tells rows apart nowhere.", n,
            )  # fmt: skip
        yield from _by_kind(check, column, n_distinct, n_known)
    if not blocked:
        summary = f"Each of {table.width:,} features has values of one type."
        yield holds(check, "structure", summary, n=n)


def _by_kind(check: str, column: pl.Series, n_distinct: int, n_known: int) -> Iterator[Finding]:
    if column.dtype == pl.String:
        yield from _text(check, column, n_distinct, n_known)
    elif column.dtype.is_integer() and n_distinct == n_known >= _FEW_ROWS:
        steps = column.drop_nulls().diff().drop_nulls()
        if bool((steps == 1).all()):
            yield _finding(
                check, column.name, "identifier", Severity.WARNING,
                "It counts the rows, so it tells their order and nothing of a new row.",
                "Drop it from the features; declare it as unit if it names an entity.", n_known,
            )  # fmt: skip
    elif isinstance(column.dtype, pl.Datetime) and column.dtype.time_zone is None:
        yield _finding(
            check, column.name, "time_without_zone", Severity.WARNING,
            "Its times have no zone, so they cannot be compared with the prediction time.",
            "Localise it, e.g. frame[column].dt.tz_localize('UTC').", n_known,
        )  # fmt: skip
    elif column.dtype.is_float() and (infinite := int(column.is_infinite().sum() or 0)):
        yield _finding(
            check, column.name, "infinite_values", Severity.WARNING,
            f"{infinite:,} values are infinite, which most estimators refuse.",
            "Replace them by missing values, or mend the division that made them.", n_known,
        )  # fmt: skip


def _text(check: str, column: pl.Series, n_distinct: int, n_known: int) -> Iterator[Finding]:
    if n_known >= _FEW_ROWS and n_distinct > _MANY_LEVELS * n_known:
        yield _finding(
            check, column.name, "identifier", Severity.WARNING,
            f"{n_distinct:,} of {n_known:,} texts are distinct: it names rows.",
            "Drop it, or declare it as unit; encode free text before it is a feature.", n_known,
        )  # fmt: skip
    numbers = column.cast(pl.Float64, strict=False)
    n_numbers = n_known - (numbers.null_count() - column.null_count())
    if n_numbers >= 0.5 * n_known and n_distinct > 2:
        odd = column.filter(numbers.is_null() & column.is_not_null())
        which = f"; the others are such as {odd[0]!r}" if len(odd) else ""
        yield _finding(
            check, column.name, "numbers_as_text", Severity.WARNING,
            f"{n_numbers:,} of {n_known:,} texts are numbers{which}.",
            "Read it as numbers, and the words for 'unknown' as missing; "
            "ignore this if they are codes.", n_known,
        )  # fmt: skip


def _finding(
    check: str, column: str, name: str, severity: Severity, summary: str, action: str, n: int
) -> Finding:
    return Finding(
        check=check, name=name, verdict=Verdict.FAIL, severity=severity, summary=summary,
        action=action, column=column, n=n,
    )  # fmt: skip

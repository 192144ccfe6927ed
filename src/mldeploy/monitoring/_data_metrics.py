"""The criteria on data, measured on a window and judged like any other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta

import polars as pl

from mldeploy.errors import InvalidDataError
from mldeploy.evidence import Finding, Verdict
from mldeploy.monitoring._window import Window
from mldeploy.problem import Criterion, Judge, MetricKind
from mldeploy.serving import logged_name
from mldeploy.stats import Estimate, Interval, holm_confidence, wilson

WINDOW_METRICS = frozenset(
    {"missing_share", "invalid_share", "row_count", "age", "label_coverage"}
)
"""Metrics of data that a window shows."""


def judge_data_criteria(
    window: Window, *, metrics: Sequence[str], check: str
) -> Iterator[Finding]:
    """Yield what the window says about the problem's criteria on data, by the one judge."""
    for criterion in window.problem.criteria:
        name = criterion.metric.name
        if criterion.metric.kind is not MetricKind.DATA or name not in metrics:
            continue
        rows = _asked(window, criterion)
        if rows is None:
            yield _unknown(check, criterion, "the column that it speaks of was not logged")
        elif name == "missing_share":
            yield from _missing(window, criterion, rows, check)
        else:
            yield _whole(window, criterion, rows, check)


def _asked(window: Window, criterion: Criterion) -> pl.DataFrame | None:
    """Return the answers that the criterion speaks of; None if that cannot be told."""
    if criterion.where is None:
        return window.answers
    column = criterion.where.column
    if logged_name(column) not in window.answers.columns:
        return None
    mask = criterion.where.mask({column: window.answers[logged_name(column)].to_numpy()})
    return window.answers.filter(pl.Series(mask, dtype=pl.Boolean))


def _missing(
    window: Window, criterion: Criterion, rows: pl.DataFrame, check: str
) -> Iterator[Finding]:
    columns = criterion.columns or window.signature.features
    confidence = holm_confidence(max(len(columns), 1), criterion.confidence)
    for column in columns:
        if logged_name(column) not in rows.columns:
            yield _unknown(check, criterion, "the column was not logged", column=column)
        elif not rows.height:
            yield _unknown(check, criterion, "nobody asked", column=column)
        else:
            share = wilson(_n_missing(rows[logged_name(column)]), len(rows), confidence=confidence)
            yield Judge(check=check).judge_estimate(criterion, share, column=column)


def _n_missing(values: pl.Series) -> int:
    n_nan = int(values.is_nan().sum() or 0) if values.dtype.is_float() else 0
    return values.null_count() + n_nan


def _whole(window: Window, criterion: Criterion, rows: pl.DataFrame, check: str) -> Finding:
    estimate: Estimate | str
    match criterion.metric.name:
        case "row_count":
            estimate = _exact(float(rows.height), n=rows.height)
        case "age":
            estimate = _age(window, rows)
        case "invalid_share":
            asked = window.rejected + rows.height
            estimate = (
                wilson(window.rejected, asked, confidence=criterion.confidence)
                if asked
                else "nobody asked"
            )
        case _:
            estimate = _label_coverage(window, criterion, rows)
    if isinstance(estimate, str):
        return _unknown(check, criterion, estimate)
    return Judge(check=check).judge_estimate(criterion, estimate)


def _exact(value: float, *, n: int) -> Estimate:
    interval = Interval(low=value, high=value, confidence=0.95)
    return Estimate(value=value, interval=interval, n=n, method="exact")


def _age(window: Window, rows: pl.DataFrame) -> Estimate:
    """Seconds from the newest answer to the end of the window; without any, all of it."""
    since = (window.end - rows["time"]).min() if rows.height else window.end - window.start
    if not isinstance(since, timedelta):
        raise InvalidDataError("the answers' column 'time' holds no times; read it from the log")
    return _exact(since.total_seconds(), n=rows.height)


def _label_coverage(window: Window, criterion: Criterion, rows: pl.DataFrame) -> Estimate | str:
    """Share with a label of the answers whose label is due."""
    due = rows.filter(
        pl.col("error").is_null(), pl.col("time") <= window.as_of - window.problem.label_delay
    )
    if not due.height:
        when = window.start + window.problem.label_delay
        return f"no label is due before {when:%Y-%m-%d %H:%M %Z}"
    return wilson(due["label"].count(), due.height, confidence=criterion.confidence)


def _unknown(check: str, criterion: Criterion, why: str, *, column: str | None = None) -> Finding:
    """Say that a criterion cannot be judged."""
    return Finding(
        check=check,
        name=criterion.metric.name,
        verdict=Verdict.INSUFFICIENT,
        severity=criterion.severity,
        summary=f"It cannot be told whether {criterion} holds: {why}.",
        column=column,
        criterion=criterion.digest,
        unit=criterion.metric.unit,
    )

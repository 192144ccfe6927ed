"""What is kept of a window once its labels have matured: an estimate for each criterion."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from statistics import NormalDist
from typing import Any, final

import numpy as np
import numpy.typing as npt
import pydantic

from mldeploy._record import Record
from mldeploy.errors import InvalidDataError, NotMeasurableError
from mldeploy.problem import Criterion, MetricKind, Problem, ScoredRows, measure

Array = npt.NDArray[Any]
_OF_LABELS = (MetricKind.QUALITY, MetricKind.BUSINESS)


@final
class MetricEstimate(Record):
    """A criterion's metric on one window.

    Attributes
    ----------
    criterion : str
        Digest of the criterion.
    metric : str
        Name of its metric.
    value : float
        The estimate, in the metric's unit.
    standard_error : float
        Of `value`, in the same unit; above 0.
    n : int
        Independent units behind it.
    """

    criterion: str
    metric: str
    value: float = pydantic.Field(allow_inf_nan=False)
    standard_error: float = pydantic.Field(gt=0, allow_inf_nan=False)
    n: int = pydantic.Field(ge=0)


@final
class WindowSummary(Record):
    """What a matured window showed: all that the search for a slow decay needs of it.

    Attributes
    ----------
    start, end : datetime
        The slice of time, with zone.
    estimates : tuple of MetricEstimate
        One for each criterion that is watched and could be measured.
    """

    start: pydantic.AwareDatetime
    end: pydantic.AwareDatetime
    estimates: tuple[MetricEstimate, ...]

    def estimate(self, criterion: str) -> MetricEstimate | None:
        """Return the estimate for a criterion's digest, or None if it was not measured."""
        return next((e for e in self.estimates if e.criterion == criterion), None)


def watched(problem: Problem) -> tuple[Criterion, ...]:
    """Return the criteria whose decay is looked for: of quality or business, on all rows."""
    return tuple(c for c in problem.criteria if c.metric.kind in _OF_LABELS and not c.slices)


def label_columns(problem: Problem) -> tuple[str, ...]:
    """Return the columns by which criteria on labelled rows are cut."""
    used = {
        column
        for criterion in problem.criteria
        if criterion.metric.kind not in (MetricKind.DATA, MetricKind.RESOURCE)
        for column in criterion.used_columns
    }
    return tuple(sorted(used))


def estimates_of(rows: ScoredRows, problem: Problem) -> tuple[MetricEstimate, ...]:
    """Measure every watched criterion; one that has no value on these rows is left out.

    Parameters
    ----------
    rows : ScoredRows
        Of a matured window, or of the validation.
    problem : Problem
        Whose criteria are measured.

    Returns
    -------
    tuple of MetricEstimate
        In the order of the criteria.

    Examples
    --------
    >>> from mldeploy.problem import Task
    >>> problem = Problem(name="late", statement="Late?", target="late", positive=True,
    ...                   criteria=[Criterion("accuracy", at_least=0.7)])
    >>> y = np.array([0, 1] * 50)
    >>> (estimate,) = estimates_of(ScoredRows(task=Task.BINARY, y_true=y, y_pred=y * 0), problem)
    >>> estimate.value, round(estimate.standard_error, 3)
    (0.5, 0.049)
    """
    return tuple(_estimates(rows, problem))


def _estimates(rows: ScoredRows, problem: Problem) -> Iterator[MetricEstimate]:
    for criterion in watched(problem):
        try:
            asked = rows if criterion.where is None else rows.take(_where(criterion, rows))
            found = measure(criterion.metric, asked)
        except NotMeasurableError:
            continue
        z = NormalDist().inv_cdf(0.5 + found.interval.confidence / 2)
        error = found.interval.width / (2 * z)
        if np.isfinite(found.value) and 0 < error < np.inf:
            yield MetricEstimate(
                criterion=criterion.digest,
                metric=criterion.metric.name,
                value=found.value,
                standard_error=error,
                n=found.n,
            )


def _where(criterion: Criterion, rows: ScoredRows) -> Array:
    if criterion.where is None or criterion.where.column not in rows.columns:
        raise NotMeasurableError(f"the column that {criterion} speaks of was not logged")
    return criterion.where.mask(rows.columns)


def pooled(parts: Sequence[ScoredRows]) -> ScoredRows:
    """Return the rows of several windows as one table.

    What some windows lack (scores, units, weights, a column) the whole lacks.

    Raises
    ------
    InvalidDataError
        If there is none, or the tasks differ.
    """
    if not parts:
        raise InvalidDataError("there is no window to pool; give at least one")
    if len({part.task for part in parts}) > 1:
        raise InvalidDataError("windows of different tasks cannot be pooled")
    if len(parts) == 1:
        return parts[0]

    def joined(arrays: Sequence[Array | None]) -> Array | None:
        present = [a for a in arrays if a is not None]
        return np.concatenate(present) if len(present) == len(parts) else None

    shared = set.intersection(*(set(part.columns) for part in parts))
    return ScoredRows(
        task=parts[0].task,
        y_true=np.concatenate([p.y_true for p in parts]),
        y_pred=np.concatenate([p.y_pred for p in parts]),
        y_score=joined([p.y_score for p in parts]),
        classes=parts[0].classes,
        weight=joined([p.weight for p in parts]),
        unit=joined([p.unit for p in parts]),
        columns={c: np.concatenate([p.columns[c] for p in parts]) for c in sorted(shared)},
        latency=joined([p.latency for p in parts]),
    )


def summary_of(
    rows: ScoredRows, problem: Problem, *, start: datetime, end: datetime
) -> WindowSummary:
    """Return what is kept of a matured window."""
    return WindowSummary(start=start, end=end, estimates=estimates_of(rows, problem))

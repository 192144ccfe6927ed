"""What "good" means: one bound on one metric, written once."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated, Any, Literal, TypeAlias, final

import pydantic

from mldeploy.errors import InvalidProblemError
from mldeploy.evidence import Severity, figure
from mldeploy.problem._builtin import find_metric
from mldeploy.problem._metric import Direction, Metric, MetricKind
from mldeploy.problem._slice import Slice
from mldeploy.problem._stated import Stated

Rival: TypeAlias = Literal["baseline", "champion"]


def _metric(value: object) -> object:
    """Look a metric up by its name, or recognise a known one that was read from JSON."""
    if isinstance(value, str):
        return find_metric(value)
    if isinstance(value, dict):
        read = Metric(**value)
        try:
            known = find_metric(read.name)
        except InvalidProblemError:
            return read
        return known if known.definition == read.definition else read
    return value


def _slice(value: object) -> object:
    return Slice(value) if isinstance(value, str) else value


def _plain(value: object) -> object:
    return value.total_seconds() if isinstance(value, timedelta) else value


Bound = Annotated[float, pydantic.BeforeValidator(_plain), pydantic.AllowInfNan(False)]  # noqa: FBT003
SliceLike = Annotated[Slice, pydantic.BeforeValidator(_slice)]


@final
class Criterion(Stated):
    """What "good" means: one bound on one metric, for all rows or for slices of them.

    The same criterion tells the assessor how many rows are needed, gates the validation, decides
    the rollout and sets the alarms; its `digest` ties those together.

    Parameters
    ----------
    metric : str or Metric
        What is measured: a built-in name, a scikit-learn scorer's name, or a metric of your own.
    at_least, at_most : float or timedelta, optional
        The bound, in the metric's unit; a `timedelta` for metrics in seconds.
    better_than : {"baseline", "champion"}, optional
        The rival that must be beaten on the same rows, by more than `by`.
    not_worse_than : {"baseline", "champion"}, optional
        The rival that may be better by `by` at most.
    by : float, default=0.0
        The margin towards the rival, in the metric's unit, never negative.
    slices : sequence of str or Slice
        Parts of the rows that must hold the bounds each; a column's name means each of its values.
    columns : sequence of str
        For metrics of data: the columns that are measured; all features when empty.
    where : Slice, optional
        Only these rows count.
    confidence : float, default=0.95
        Two-sided confidence of the interval that the verdict is made on. Over k slices each is
        judged at ``1 - (1 - confidence) / k``.
    severity : Severity, default=Severity.BLOCKER
        What follows when it does not hold.

    Raises
    ------
    InvalidProblemError
        If no data could ever satisfy it, or none could ever fail it.

    Examples
    --------
    >>> criterion = Criterion("roc_auc", at_least=0.7, better_than="baseline", by=0.02)
    >>> str(criterion)
    'roc_auc at least 0.7, better than the baseline by 0.02'
    >>> str(Criterion("latency_p99", at_most=timedelta(milliseconds=20)))
    'latency_p99 at most 20 ms'
    """

    metric: Annotated[Metric, pydantic.BeforeValidator(_metric)]
    at_least: Bound | None = None
    at_most: Bound | None = None
    better_than: Rival | None = None
    not_worse_than: Rival | None = None
    by: Annotated[float, pydantic.Field(ge=0)] = 0.0
    slices: tuple[SliceLike, ...] = ()
    columns: tuple[str, ...] = ()
    where: SliceLike | None = None
    confidence: Annotated[float, pydantic.Field(gt=0.5, lt=1)] = 0.95
    severity: Severity = Severity.BLOCKER

    def __init__(
        self,
        metric: str | Metric | dict[str, Any],
        *,
        at_least: float | timedelta | None = None,
        at_most: float | timedelta | None = None,
        better_than: Rival | None = None,
        not_worse_than: Rival | None = None,
        by: float = 0.0,
        slices: Sequence[str | Slice] = (),
        columns: Sequence[str] = (),
        where: Slice | None = None,
        confidence: float = 0.95,
        severity: Severity | str = Severity.BLOCKER,
    ) -> None:
        super().__init__(
            metric=metric,
            at_least=at_least,
            at_most=at_most,
            better_than=better_than,
            not_worse_than=not_worse_than,
            by=by,
            slices=tuple(slices),
            columns=tuple(columns),
            where=where,
            confidence=confidence,
            severity=severity,
        )

    @pydantic.model_validator(mode="after")
    def _can_be_judged(self) -> Criterion:
        for complaint in self._complaints():
            raise InvalidProblemError(f"criterion on {self.metric.name!r}: {complaint}")
        return self

    def _complaints(self) -> list[str]:
        return [*self._about_bounds(), *self._about_rivals(), *self._about_rows()]

    def _about_bounds(self) -> list[str]:
        low, high, metric = self.at_least, self.at_most, self.metric
        found = []
        if (
            low is None
            and high is None
            and self.better_than is None
            and self.not_worse_than is None
        ):
            found.append("it sets no bound; give at_least, at_most, better_than or not_worse_than")
        if low is not None and high is not None and low > high:
            found.append(f"no value is at least {low:g} and at most {high:g}")
        for bound in (low, high):
            if bound is not None and not metric.lowest <= bound <= metric.highest:
                found.append(
                    f"the bound {bound:g} lies outside of its range "
                    f"[{metric.lowest:g}, {metric.highest:g}]"
                )
        if metric.kind is not MetricKind.BUSINESS and metric.lowest > float("-inf"):
            one_sided = low if metric.direction is Direction.LOWER and high is None else None
            if one_sided is not None:
                found.append("lower is better, so a lower bound says nothing; use at_most")
        if low is None and high is not None and self._better_when_high_and_bounded():
            found.append("higher is better, so an upper bound says nothing; use at_least")
        return found

    def _better_when_high_and_bounded(self) -> bool:
        return (
            self.metric.direction is Direction.HIGHER
            and self.metric.kind is not MetricKind.BUSINESS
        )

    def _about_rivals(self) -> list[str]:
        found = []
        if self.better_than and self.not_worse_than:
            found.append("it wants both to beat a rival and to be no worse; keep one")
        rival = self.better_than or self.not_worse_than
        if rival and self.metric.kind not in {MetricKind.QUALITY, MetricKind.BUSINESS}:
            found.append(f"a {self.metric.kind} metric has no {rival} to be compared with")
        if self.by and not rival:
            found.append("by= is the margin towards a rival; name it with better_than")
        return found

    def _about_rows(self) -> list[str]:
        found, kind = [], self.metric.kind
        if self.columns and kind is not MetricKind.DATA:
            found.append("columns= belongs to metrics of data; use slices or where for rows")
        if kind is MetricKind.FAIRNESS and not self.slices:
            found.append("fairness compares groups; name their column with slices")
        if self.slices and kind in {MetricKind.DATA, MetricKind.RESOURCE}:
            found.append(f"a {kind} metric is not measured by slice")
        return found

    @property
    def used_columns(self) -> tuple[str, ...]:
        """The columns that the data must have for this criterion."""
        cut = [s.column for s in self.slices] + ([self.where.column] if self.where else [])
        return tuple(dict.fromkeys([*self.columns, *cut]))

    def __str__(self) -> str:
        unit, parts = self.metric.unit, []
        if self.at_least is not None:
            parts.append(f"at least {figure(self.at_least, unit)}")
        if self.at_most is not None:
            parts.append(f"at most {figure(self.at_most, unit)}")
        margin = f" by {figure(self.by, unit)}" if self.by else ""
        if self.better_than:
            parts.append(f"better than the {self.better_than}{margin}")
        if self.not_worse_than:
            parts.append(f"not worse than the {self.not_worse_than}{margin}")
        text = f"{self.metric.name} " + ", ".join(parts)
        if self.slices:
            text += " for each of " + ", ".join(s.column for s in self.slices)
        if self.columns:
            text += " in " + ", ".join(self.columns)
        return text if self.where is None else f"{text}, where {' or '.join(self.where.names())}"

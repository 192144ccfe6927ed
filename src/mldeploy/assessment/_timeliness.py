"""Are the data fresh, without holes, and from before now?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, final

import numpy as np
import numpy.typing as npt
import polars as pl
from typing_extensions import override

from mldeploy._record import Clock, utc_now
from mldeploy.assessment._base import DataAssessor
from mldeploy.assessment._rhythm import repeated_times, silent_units
from mldeploy.assessment._say import holds, skipped, some
from mldeploy.assessment._share import asked_for, rows_asked_about
from mldeploy.data import Dataset
from mldeploy.errors import InvalidDataError
from mldeploy.evidence import Finding, Severity, Verdict, figure
from mldeploy.problem import Criterion, Judge, Problem
from mldeploy.stats import Estimate, Interval, quantile_interval

_SECOND = np.timedelta64(1, "s")
_SHOWN = 20
"""Most entities of a column that are named as silent."""

Times = npt.NDArray[np.datetime64]


@final
@dataclass(frozen=True, kw_only=True)
class TimelinessAssessor(DataAssessor):
    """Judge the age of the newest row, the holes between rows, and times that are yet to come.

    In a series with a fixed step it warns of moments that repeat; with a unit, of units that
    fell silent long before the others, going by their own past gaps.

    Attributes
    ----------
    as_of : datetime, optional
        The moment by which age is judged, with a zone; `clock` tells it when None.
    clock : Clock, default=utc_now
        Tells the moment by which age is judged.
    budgets : mapping of str to timedelta
        Largest age of the newest row: by the name of the time column for the whole table, by
        the name of another column for each of its values (a sensor, a shop).
    label_time : str, optional
        Column that says when each label became known, in UTC or with a zone.
    hole : float, default=5.0
        How many times longer than 99.9 % of the steps between successive moments a step must
        be to count as a hole; at least 1.
    """

    as_of: datetime | None = None
    clock: Clock = utc_now
    budgets: Mapping[str, timedelta] = field(default_factory=dict)
    label_time: str | None = None
    hole: float = 5.0

    def __post_init__(self) -> None:
        if self.as_of is not None and self.as_of.tzinfo is None:
            raise ValueError(f"as_of={self.as_of} has no zone; add tzinfo=timezone.utc")
        if self.hole < 1:
            raise ValueError(f"hole={self.hole} would call ordinary steps holes; use 1 or more")
        if bad := [name for name, budget in self.budgets.items() if budget <= timedelta(0)]:
            raise ValueError(f"the budgets of {bad} are not positive; no data could keep them")

    @override
    def _assess(self, dataset: Dataset, problem: Problem) -> Iterator[Finding]:
        check = type(self).__name__
        criteria = asked_for(problem, "age")
        if dataset.roles.time is None:
            for criterion in criteria:
                yield _unknown(check, criterion)
            yield skipped(check, "age", "there is no prediction time")
            return
        moment = self.as_of if self.as_of is not None else self.clock()
        now = np.datetime64(moment.astimezone(UTC).replace(tzinfo=None), "us")
        times = dataset.times()
        past = times[times <= now]
        for criterion in criteria:
            yield from _judge(check, criterion, dataset, now)
        yield from self._ages(check, dataset, now)
        yield _future(check, dataset.roles.time, times, now)
        yield from self._holes(check, dataset.roles.time, past)
        yield from repeated_times(check, dataset)
        if dataset.roles.unit not in self.budgets:
            yield from silent_units(check, dataset)
        yield from self._label_lag(check, dataset, problem)

    def _ages(self, check: str, dataset: Dataset, now: np.datetime64) -> Iterator[Finding]:
        time = dataset.roles.time
        assert time is not None
        age = _age(dataset.times(), now)
        if (budget := self.budgets.get(time)) is not None:
            yield _within_budget(check, time, age, budget, len(dataset))
        elif age is not None:
            yield holds(check, "age", f"The newest row is {figure(age, 's')} old.", n=len(dataset))
        for column, allowed in self.budgets.items():
            if column == time:
                continue
            if column not in dataset.columns:
                raise InvalidDataError(
                    f"a budget names {column!r}, which the data do not have; they have "
                    f"{some(list(dataset.columns), 20)}"
                )
            yield _silent_entities(check, dataset, column, allowed, now)

    def _holes(self, check: str, column: str, times: Times) -> Iterator[Finding]:
        moments = np.unique(times)
        if moments.size < 100:
            yield skipped(check, "holes", f"{moments.size} distinct moments show no rhythm")
            return
        steps = np.diff(moments) / _SECOND
        longest = int(steps.argmax())
        others = np.delete(steps, longest)
        limit = self.hole * float(np.quantile(others, 0.999))
        holes = np.flatnonzero(steps > limit)
        if not holes.size:
            yield holds(check, "holes", f"No step in time is longer than {figure(limit, 's')}.")
            return
        first, last = moments[longest], moments[longest + 1]
        many = f"{holes.size:,} holes; the longest" if holes.size > 1 else "A hole"
        yield Finding(
            check=check,
            name="holes",
            verdict=Verdict.FAIL,
            severity=Severity.WARNING,
            summary=f"{many}, of {timedelta(seconds=steps[longest])}, "
            f"from {str(first)[:16]} to {str(last)[:16]}.",
            action="Find the rows that are not there, or learn from one side only.",
            estimate=float(steps[longest]),
            threshold=limit,
            unit="s",
            column=column,
            n=int(moments.size),
            details={"count": int(holes.size)},
        )

    def _label_lag(self, check: str, dataset: Dataset, problem: Problem) -> Iterator[Finding]:
        if self.label_time is None:
            return
        if self.label_time not in dataset.columns:
            raise InvalidDataError(
                f"label_time is {self.label_time!r}, which the data do not have; they have "
                f"{some(list(dataset.columns), 20)}"
            )
        known = dataset.polars()[self.label_time]
        if not isinstance(known.dtype, pl.Datetime) or known.dtype.time_zone is None:
            yield skipped(check, "label_lag", f"{self.label_time!r} holds no times with a zone")
            return
        seen = known.is_not_null().to_numpy()
        arrived = known.dt.convert_time_zone("UTC").dt.cast_time_unit("us").to_numpy()
        lag = (arrived[seen] - dataset.times()[seen]) / _SECOND
        if not lag.size:
            yield skipped(check, "label_lag", f"{self.label_time!r} is empty")
            return
        yield _lag_finding(check, self.label_time, lag, problem.label_delay)


def _unknown(check: str, criterion: Criterion) -> Finding:
    return Finding(
        check=check,
        name=criterion.metric.name,
        verdict=Verdict.INSUFFICIENT,
        severity=criterion.severity,
        summary=f"It cannot be told whether {criterion} holds: rows have no time.",
        action="Name the column with the time of each row as the problem's prediction_time.",
        criterion=criterion.digest,
        unit=criterion.metric.unit,
    )


def _age(times: Times, now: np.datetime64) -> float | None:
    """Return the seconds since the newest row that is not in the future."""
    past = times[times <= now]
    return float((now - past.max()) / _SECOND) if past.size else None


def _judge(
    check: str, criterion: Criterion, dataset: Dataset, now: np.datetime64
) -> Iterator[Finding]:
    part = rows_asked_about(criterion, dataset)
    age = None if part is None else _age(part.times(), now)
    if part is None or age is None:
        yield skipped(check, criterion.metric.name, "no row of the past is asked about")
        return
    exact = Interval(low=age, high=age, confidence=criterion.confidence)
    estimate = Estimate(value=age, interval=exact, n=len(part), method="exact")
    yield Judge(check=check).judge_estimate(criterion, estimate, column=part.roles.time)


def _within_budget(
    check: str, column: str, age: float | None, budget: timedelta, n: int
) -> Finding:
    limit = budget.total_seconds()
    late = age is None or age > limit
    shown = "unknown" if age is None else figure(age, "s")
    return Finding(
        check=check,
        name="age",
        verdict=Verdict.FAIL if late else Verdict.PASS,
        summary=f"The newest row is {shown} old; the budget is {figure(limit, 's')}.",
        action="See whether the source still delivers." if late else "",
        estimate=age,
        threshold=limit,
        unit="s",
        column=column,
        n=n,
    )


def _silent_entities(
    check: str, dataset: Dataset, column: str, budget: timedelta, now: np.datetime64
) -> Finding:
    time = dataset.roles.time
    assert time is not None
    moment = pl.lit(now.astype("datetime64[us]").item()).dt.replace_time_zone("UTC")
    newest = (
        dataset.polars()
        .filter((pl.col(time) <= moment) & pl.col(column).is_not_null())
        .group_by(column)
        .agg(pl.col(time).max().alias("\x00newest"))
        .sort("\x00newest")
    )
    silent = newest.filter(pl.col("\x00newest") < moment - budget)
    names = [str(v) for v in silent[column].head(_SHOWN).to_list()]
    more = f" and {silent.height - _SHOWN:,} more" if silent.height > _SHOWN else ""
    return Finding(
        check=check,
        name="age by entity",
        verdict=Verdict.FAIL if silent.height else Verdict.PASS,
        severity=Severity.WARNING if silent.height else Severity.BLOCKER,
        summary=f"{silent.height:,} of {newest.height:,} have been silent for longer than "
        f"{budget}" + (f": {', '.join(names)}{more}." if names else "."),
        action="See whether they still deliver, or are gone for good." if names else "",
        estimate=silent.height / newest.height if newest.height else None,
        n=newest.height,
        column=column,
        details={"silent": silent.height},
    )


def _future(check: str, column: str, times: Times, now: np.datetime64) -> Finding:
    ahead = int((times > now).sum())
    if not ahead:
        return holds(check, "future_times", f"No row is later than {str(now)[:16]} UTC.")
    return Finding(
        check=check,
        name="future_times",
        verdict=Verdict.FAIL,
        severity=Severity.WARNING,
        summary=f"{ahead:,} of {len(times):,} rows are later than {str(now)[:16]} UTC, up to "
        f"{str(times.max())[:16]}.",
        action="Check the zone that the times were written in, and the clock of their source.",
        estimate=ahead / len(times),
        n=len(times),
        column=column,
        details={"count": ahead},
    )


def _lag_finding(check: str, column: str, lag: npt.NDArray[Any], declared: timedelta) -> Finding:
    known_after = quantile_interval(lag, 0.99)
    limit = declared.total_seconds()
    late, early = known_after.interval.low > limit, int((lag < 0).sum())
    quantiles = {f"p{q}": float(np.quantile(lag, q / 100)) for q in (50, 90, 99)}
    before = f" {early:,} labels are known before their prediction." if early else ""
    return Finding(
        check=check,
        name="label_lag",
        verdict=Verdict.FAIL if late or early else Verdict.PASS,
        severity=Severity.WARNING if late or early else Severity.INFO,
        summary=f"99 % of the labels are known {figure(known_after.value, 's')} after the "
        f"prediction; the problem says {figure(limit, 's')}.{before}",
        action="State a longer label_delay in the problem, or rows count as matured too early."
        if late
        else "",
        estimate=known_after.value,
        interval=known_after.interval,
        threshold=limit,
        unit="s",
        n=known_after.n,
        column=column,
        details=quantiles,
    )

"""Does the service answer, and fast enough?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, final

import numpy as np
import numpy.typing as npt
import polars as pl
from typing_extensions import override

from mldeploy.evidence import Finding, Severity, Verdict
from mldeploy.monitoring._base import Monitor
from mldeploy.monitoring._window import Reference, Window
from mldeploy.problem import Criterion, Judge, MetricKind, ScoredRows
from mldeploy.serving import logged_name
from mldeploy.stats import BurnRateAlarm, WindowCounts, burn_rate_alarms, wilson

_STEP = timedelta(minutes=5)
_SPANS = {timedelta(minutes=5): 1, timedelta(minutes=30): 6, timedelta(hours=1): 12,
          timedelta(hours=6): 72}  # fmt: skip
_SHORTEST = timedelta(hours=1)


@final
@dataclass(frozen=True, kw_only=True)
class LatencyMonitor(Monitor):
    """Judge the criteria on latency by the answers' own, and how many requests failed.

    Findings named after a metric are criteria. ``error_share`` fails when surely more requests
    failed than `objective` allows, ``error_burn_rate`` when for an hour, or six, the budget of
    failures burned so fast that it will not last: an outage in a window that is well on average.

    Attributes
    ----------
    objective : float
        Share of requests that must be answered, in (0, 1).
    min_errors : int
        Failures in the longer span below which burn rates stay silent: one failure among five
        requests at night is no outage.

    Notes
    -----
    Latencies of answers only: a failure is quick, and says so elsewhere. Burn rates are those
    of `burn_rate_alarms`, at every five minutes of a window of at least an hour.
    """

    objective: float = 0.99
    min_errors: int = 5

    def __post_init__(self) -> None:
        if not 0 < self.objective < 1:
            raise ValueError(f"{self.objective=} is no objective; a share lies in (0, 1)")
        if self.min_errors < 1:
            raise ValueError(f"{self.min_errors=}: without a failure there is nothing to report")

    @override
    def _check(self, window: Window, reference: Reference) -> Iterator[Finding]:
        for criterion in window.problem.criteria:
            if criterion.metric.kind is MetricKind.LATENCY:
                yield from self._latency(window, criterion)
        yield self._errors(window)
        if window.end - window.start >= _SHORTEST and len(window):
            yield self._burn_rate(window)

    def _latency(self, window: Window, criterion: Criterion) -> Iterator[Finding]:
        columns = [c for c in criterion.used_columns if logged_name(c) in window.answers.columns]
        if len(columns) < len(criterion.used_columns) or "latency_s" not in window.answers.columns:
            missing = sorted({*criterion.used_columns} - {*columns}) or ["latency_s"]
            yield self._unknown(criterion, f"{', '.join(missing)} was not logged")
            return
        timed = window.answered.filter(pl.col("latency_s").is_not_null())
        nothing = np.zeros(timed.height)
        rows = ScoredRows(
            task=window.problem.task,
            y_true=nothing,
            y_pred=nothing,
            latency=timed["latency_s"].to_numpy(),
            columns={c: timed[logged_name(c)].to_numpy() for c in columns},
        )
        yield from Judge(check=type(self).__name__).judge(criterion, rows)

    def _unknown(self, criterion: Criterion, why: str) -> Finding:
        return Finding(
            check=type(self).__name__,
            name=criterion.metric.name,
            verdict=Verdict.INSUFFICIENT,
            severity=criterion.severity,
            summary=f"It cannot be told whether {criterion} holds: {why}.",
            criterion=criterion.digest,
            unit=criterion.metric.unit,
        )

    def _errors(self, window: Window) -> Finding:
        n = len(window)
        if not n:
            return Finding(
                check=type(self).__name__,
                name="error_share",
                verdict=Verdict.INSUFFICIENT,
                severity=Severity.WARNING,
                summary="There was no request in the window.",
                action="See whether requests still reach the deployment.",
                n=0,
            )
        n_errors = n - window.answered.height
        share, allowed = wilson(n_errors, n, confidence=0.99), 1 - self.objective
        many = share.interval.low > allowed
        return Finding(
            check=type(self).__name__,
            name="error_share",
            verdict=Verdict.FAIL if many else Verdict.PASS,
            severity=Severity.BLOCKER,
            summary=f"The model failed to answer {n_errors:,} of {n:,} requests.",
            action="Read the errors in the log; roll back if the version is new." if many else "",
            estimate=share.value,
            interval=share.interval,
            n=n,
            threshold=allowed,
            details={"method": share.method},
        )

    def _burn_rate(self, window: Window) -> Finding:
        worst = max(self._alarms(window), key=_speed, default=None)
        burned = worst is not None
        text = "Failures never burned the budget too fast."
        if worst is not None:
            long, factor = worst.rule.long, worst.long_burn_rate
            text = f"Within {long} the budget of failures burned {factor:.1f} times too fast."
        return Finding(
            check=type(self).__name__,
            name="error_burn_rate",
            verdict=Verdict.FAIL if burned else Verdict.PASS,
            severity=Severity.BLOCKER,
            summary=text,
            action="Find the outage in the log." if burned else "",
            estimate=None if worst is None else worst.long_burn_rate,
            threshold=None if worst is None else worst.rule.factor,
            n=len(window),
            details={"objective": self.objective},
        )

    def _alarms(self, window: Window) -> Iterator[BurnRateAlarm]:
        """Yield the burn-rate rules that alarm at any five minutes of the window."""
        failed = window.answers["error"].is_not_null().to_numpy()
        if int(failed.sum()) < self.min_errors:
            return
        step = _steps(window)
        n_steps = -(-(window.end - window.start) // _STEP)
        bad, total = _summed(step[failed], n_steps), _summed(step, n_steps)
        for end in np.unique(step[failed]).tolist():
            spans = {
                span: WindowCounts(bad=_last(bad, end, k), total=_last(total, end, k))
                for span, k in _SPANS.items()
            }
            for alarm in burn_rate_alarms(spans, objective=self.objective):
                if alarm.alarm and spans[alarm.rule.long].bad >= self.min_errors:
                    yield alarm


def _speed(alarm: BurnRateAlarm) -> float:
    return alarm.long_burn_rate / alarm.rule.factor


def _steps(window: Window) -> npt.NDArray[np.int64]:
    """Return which five minutes of the window each answer belongs to."""
    since = (window.answers["time"] - window.start).dt.total_microseconds().to_numpy()
    return np.asarray(since // (_STEP // timedelta(microseconds=1)), dtype=np.int64)


def _summed(step: npt.NDArray[np.int64], n_steps: int) -> npt.NDArray[Any]:
    """Return how many there were before each step, and in all at the end."""
    return np.concatenate([[0], np.cumsum(np.bincount(step, minlength=n_steps))])


def _last(summed: npt.NDArray[Any], end: int, n_steps: int) -> int:
    return int(summed[end + 1] - summed[max(end + 1 - n_steps, 0)])

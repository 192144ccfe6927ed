"""Does the model still hold what its criteria ask, on labels that have matured?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import final

from typing_extensions import override

from mldeploy.evidence import Finding, Severity, Verdict, figure
from mldeploy.monitoring._base import Monitor
from mldeploy.monitoring._decay import Decay, search_decay
from mldeploy.monitoring._summary import (
    MetricEstimate,
    WindowSummary,
    estimates_of,
    pooled,
    watched,
)
from mldeploy.monitoring._window import Reference, Window
from mldeploy.problem import Criterion, Judge, MetricKind, ScoredRows
from mldeploy.stats import Interval, ShiryaevRoberts

_OF_LABELS = (MetricKind.QUALITY, MetricKind.BUSINESS, MetricKind.FAIRNESS)
_YEAR = timedelta(days=365)


@final
@dataclass(frozen=True, kw_only=True)
class PerformanceMonitor(Monitor):
    """Judge the criteria on answers whose labels have matured, and look for a slow decay.

    Findings named after a metric are the criteria as alarms: the same judge holds the interval
    over the last windows against the same bounds, slices with their correction. FAIL is the
    alarm; INSUFFICIENT is none. Findings named ``"<metric> decay"`` come from a detector over
    all windows since the promotion, which finds that a model became worse than validated long
    before it falls below its bound. ``"labels"`` says why nothing could be judged.

    Rivals are not asked: nobody lets a baseline answer in production.

    Attributes
    ----------
    n_windows : int
        Windows, this one included, whose rows are pooled to judge the criteria: few answer
        fast, many narrow the interval.
    margin : float
        By how much a metric may be worse than when it was validated: in its own unit for
        metrics in [0, 1], as a share of the validated value for others. A criterion that
        compares with the champion brings its own margin, `Criterion.by`.
    false_alarms_per_year : float
        Budget of each detector, in (0, 1].
    random_state : int
        Seed of the bootstrap.

    Notes
    -----
    Shiryaev-Roberts e-detector over windows; see `ShiryaevRoberts`. The value held
    against is the validated one less the margin, or the lower end of its own interval where
    that is lower: what the validation could not tell apart is no decay.
    """

    n_windows: int = 7
    margin: float = 0.01
    false_alarms_per_year: float = 0.02
    random_state: int = 0

    def __post_init__(self) -> None:
        if self.n_windows < 1:
            raise ValueError(f"{self.n_windows=}: at least one window has to be judged")
        if not 0 <= self.margin < 1:
            raise ValueError(f"{self.margin=} must lie in [0, 1)")
        if not 0 < self.false_alarms_per_year <= 1:
            raise ValueError(f"{self.false_alarms_per_year=} must lie in (0, 1]")

    @override
    def _check(self, window: Window, reference: Reference) -> Iterator[Finding]:
        if why := self._why_not(window):
            yield why
            return
        yield from self._criteria(window, reference)
        yield from self._decays(window, reference)

    def _why_not(self, window: Window) -> Finding | None:
        """Return what keeps the window from being judged, if anything does."""
        due = window.end + window.problem.label_delay
        if not window.is_mature:
            return self._labels(
                f"Labels are due until {due:%Y-%m-%d %H:%M %Z}; judging those that came first "
                "would be biased.",
                severity=Severity.INFO,
                n=window.matured.height,
            )
        if not window.answered.height:
            return self._labels("There were no answers to judge.", severity=Severity.INFO, n=0)
        if not window.matured.height:
            return self._labels(
                f"None of {window.answered.height:,} answers has a label, which were due "
                f"{due:%Y-%m-%d %H:%M %Z}.",
                severity=Severity.WARNING,
                n=0,
                action="See whether the label feed has stopped.",
            )
        return None

    def _criteria(self, window: Window, reference: Reference) -> Iterator[Finding]:
        judge = Judge(check=type(self).__name__, random_state=self.random_state)
        last = reference.past[max(len(reference.past) - (self.n_windows - 1), 0) :]
        rows = pooled((*last, window.labelled))
        for criterion in window.problem.criteria:
            bounded = criterion.at_least is not None or criterion.at_most is not None
            if criterion.metric.kind in _OF_LABELS and bounded:
                for finding in _judged(judge, criterion, rows):
                    details = {**finding.details, "windows": len(last) + 1}
                    yield finding.model_copy(update={"details": details})

    def _decays(self, window: Window, reference: Reference) -> Iterator[Finding]:
        validated = {e.criterion: e for e in reference.validated_on(window.problem)}
        summaries = (*_summaries(window, reference), window.summary)
        detector = ShiryaevRoberts(
            blocks_per_year=max(_YEAR / (window.end - window.start), 1.0),
            false_alarms_per_year=self.false_alarms_per_year,
        )
        for criterion in watched(window.problem):
            start = validated.get(criterion.digest)
            found = [e for s in summaries if (e := s.estimate(criterion.digest)) is not None]
            if start is None or not found:
                yield self._no_decay(criterion)
                continue
            decay = search_decay(
                found,
                bound=self._bound(criterion, start),
                higher_is_better=criterion.metric.higher_is_better,
                detector=detector,
            )
            yield self._decay(criterion, found, start, decay)

    def _bound(self, criterion: Criterion, validated: MetricEstimate) -> float:
        """Return the worst value that is no decay, in the metric's unit."""
        metric, margin = criterion.metric, self.margin
        if not metric.is_share:
            margin *= abs(validated.value)
        if "champion" in (criterion.better_than, criterion.not_worse_than) and criterion.by:
            margin = criterion.by
        allowed = max(margin, 1.96 * validated.standard_error)
        return validated.value - allowed if metric.higher_is_better else validated.value + allowed

    def _decay(
        self,
        criterion: Criterion,
        found: list[MetricEstimate],
        validated: MetricEstimate,
        decay: Decay,
    ) -> Finding:
        last = found[-1]
        half = 1.96 * last.standard_error * decay.spread
        detector, unit = decay.detector, criterion.metric.unit
        alarm = detector.m >= detector.threshold
        if alarm:
            summary = (
                f"{criterion.metric.name} has become worse than the "
                f"{figure(validated.value, unit)} it was validated with."
            )
        else:
            summary = f"{criterion.metric.name} shows no decay over {len(found):,} windows."
        return Finding(
            check=type(self).__name__,
            name=f"{criterion.metric.name} decay",
            verdict=Verdict.FAIL if alarm else Verdict.PASS,
            severity=criterion.severity,
            summary=summary,
            action="Train anew, or find what changed." if alarm else "",
            estimate=last.value,
            interval=Interval(low=last.value - half, high=last.value + half, confidence=0.95),
            n=last.n,
            threshold=decay.bound,
            unit=unit,
            criterion=criterion.digest,
            details={
                "method": "Shiryaev-Roberts",
                "evidence": detector.m,
                "evidence_needed": detector.threshold,
                "validated": validated.value,
                "spread": decay.spread,
                "windows": len(found),
                "first_alarm_window": detector.alarm_block,
            },
        )

    def _no_decay(self, criterion: Criterion) -> Finding:
        return Finding(
            check=type(self).__name__,
            name=f"{criterion.metric.name} decay",
            verdict=Verdict.INSUFFICIENT,
            severity=Severity.INFO,
            summary=f"{criterion.metric.name} could not be measured, so no decay can be seen.",
            criterion=criterion.digest,
        )

    def _labels(self, summary: str, *, severity: Severity, n: int, action: str = "") -> Finding:
        return Finding(
            check=type(self).__name__,
            name="labels",
            verdict=Verdict.INSUFFICIENT,
            severity=severity,
            summary=summary,
            action=action,
            n=n,
        )


def _judged(judge: Judge, criterion: Criterion, rows: ScoredRows) -> Iterator[Finding]:
    """Judge the bounds of a criterion, its rivals left out; the findings keep its digest."""
    missing = [c for c in criterion.used_columns if c not in rows.columns]
    if missing:
        yield Finding(
            check=judge.check,
            name=criterion.metric.name,
            verdict=Verdict.INSUFFICIENT,
            severity=criterion.severity,
            summary=f"{criterion} cannot be judged: {', '.join(missing)} was not logged.",
            action="Log the column with the answers.",
            criterion=criterion.digest,
        )
        return
    bounds = criterion.model_copy(update={"better_than": None, "not_worse_than": None, "by": 0.0})
    for finding in judge.judge(bounds, rows):
        yield finding.model_copy(update={"criterion": criterion.digest})


def _summaries(window: Window, reference: Reference) -> tuple[WindowSummary, ...]:
    """Return the summaries of past windows, made from their rows if none were kept."""
    if reference.summaries or not reference.past:
        return reference.summaries
    return _made(reference.past, window)


def _made(past: tuple[ScoredRows, ...], window: Window) -> tuple[WindowSummary, ...]:
    length = window.end - window.start
    spans = [window.start - length * (len(past) - i) for i in range(len(past))]
    return tuple(
        WindowSummary(
            start=start, end=start + length, estimates=estimates_of(rows, window.problem)
        )
        for start, rows in zip(spans, past, strict=True)
    )

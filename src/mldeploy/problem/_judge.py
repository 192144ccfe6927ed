"""The one evaluator: a criterion and rows become findings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, final

import numpy as np

from mldeploy.errors import NotMeasurableError
from mldeploy.evidence import Finding, Severity, Verdict, figure
from mldeploy.problem._criterion import Criterion, Rival
from mldeploy.problem._fairness import group_gap
from mldeploy.problem._measure import compare, measure, point_value
from mldeploy.problem._metric import Metric, MetricKind
from mldeploy.problem._rows import ScoredRows
from mldeploy.stats import (
    Comparison,
    Estimate,
    Interval,
    holm_confidence,
    looks_confidence,
    rows_needed,
)

Rivals = Mapping[Rival, Mapping[str, ScoredRows]]
_MEASURED_ELSEWHERE = (MetricKind.DATA, MetricKind.RESOURCE)


@final
@dataclass(frozen=True, kw_only=True)
class Judge:
    """Judges criteria on rows. Validators, rollouts and monitors all ask the same judge.

    Attributes
    ----------
    check : str
        Who asks; every finding says so.
    rivals : mapping of {"baseline", "champion"} to mapping of str to ScoredRows
        The answers of rivals to the same rows in the same order, by kind and name. Of several
        the strongest counts.
    random_state : int
        Seed of the bootstrap.
    n_looks : int
        The how-manieth model it is that these rows judge: intervals allow for the ones before,
        see `mldeploy.stats.looks_confidence`. Latencies are measured anew, and do not.

    Examples
    --------
    >>> from mldeploy.problem import Criterion, Task
    >>> y = np.array([0, 1] * 500)
    >>> rows = ScoredRows(task=Task.BINARY, y_true=y, y_pred=y)
    >>> (finding,) = Judge(check="Demo").judge(Criterion("accuracy", at_least=0.9), rows)
    >>> str(finding.verdict), finding.estimate, finding.n
    ('PASS', 1.0, 1000)
    """

    check: str
    rivals: Rivals = field(default_factory=dict)
    random_state: int = 0
    n_looks: int = 1

    def judge(self, criterion: Criterion, rows: ScoredRows) -> Iterator[Finding]:
        """Yield one finding for each bound and part; none for metrics not measured on rows.

        Raises
        ------
        InvalidProblemError
            If `rows` lack a column that the criterion speaks of.
        """
        if criterion.metric.kind in _MEASURED_ELSEWHERE:
            return
        kept = None if criterion.where is None else criterion.where.mask(rows.columns)
        asked = rows if kept is None else rows.take(kept)
        rivals = {
            kind: {n: r if kept is None else r.take(kept) for n, r in named.items()}
            for kind, named in self.rivals.items()
        }
        if criterion.metric.kind is MetricKind.FAIRNESS:
            yield from self._judge_gaps(criterion, asked)
            return
        parts = _parts(criterion, asked)
        confidence = self._level(
            criterion, holm_confidence(max(len(parts), 1), criterion.confidence)
        )
        if criterion.slices and not parts:
            yield self._unknown(criterion, "no rows fall into any of its slices", None)
        for name, mask in parts.items():
            part = asked if mask is None else asked.take(mask)
            theirs = {
                kind: {n: r if mask is None else r.take(mask) for n, r in named.items()}
                for kind, named in rivals.items()
            }
            yield from self._judge_part(criterion, part, theirs, name or None, confidence)

    def judge_estimate(
        self,
        criterion: Criterion,
        estimate: Estimate,
        *,
        column: str | None = None,
        slice: str | None = None,  # noqa: A002 - the field's word
        n_rows: int | None = None,
    ) -> Finding:
        """Return what an estimate, however it was measured, says about the criterion's bounds."""
        verdict = _within(criterion, estimate.interval)
        bound = criterion.at_least if criterion.at_least is not None else criterion.at_most
        more = None
        if verdict is Verdict.INSUFFICIENT and bound is not None:
            rows = estimate.n if n_rows is None else n_rows
            total = rows_needed(estimate, threshold=bound, n=max(rows, 1))
            more = None if total is None else max(total - rows, 1)
        return Finding(
            check=self.check,
            name=criterion.metric.name,
            verdict=verdict,
            severity=criterion.severity,
            summary=_in_words(criterion, verdict, slice or column),
            action=_what_to_do(verdict, more, slice),
            estimate=estimate.value,
            interval=estimate.interval,
            n=estimate.n,
            threshold=bound,
            unit=criterion.metric.unit,
            column=column,
            slice=slice,
            rows_needed=more,
            criterion=criterion.digest,
            details={"method": estimate.method, **_margin(criterion, estimate.value)},
        )

    def _level(self, criterion: Criterion, confidence: float) -> float:
        timed = criterion.metric.kind is MetricKind.LATENCY
        return confidence if timed else looks_confidence(self.n_looks, confidence)

    def _judge_part(
        self,
        criterion: Criterion,
        rows: ScoredRows,
        rivals: Rivals,
        name: str | None,
        confidence: float,
    ) -> Iterator[Finding]:
        if criterion.at_least is not None or criterion.at_most is not None:
            try:
                estimate = measure(
                    criterion.metric, rows, confidence=confidence, random_state=self.random_state
                )
            except NotMeasurableError as error:
                yield self._unknown(criterion, str(error), name)
            else:
                yield self.judge_estimate(criterion, estimate, slice=name, n_rows=len(rows))
        rival: Rival | None = criterion.better_than or criterion.not_worse_than
        if rival is not None:
            yield self._judge_rival(
                criterion, rows, rival, rivals.get(rival, {}), name, confidence
            )

    def _judge_rival(
        self,
        criterion: Criterion,
        rows: ScoredRows,
        kind: Rival,
        rivals: Mapping[str, ScoredRows],
        name: str | None,
        confidence: float,
    ) -> Finding:
        label = f"{criterion.metric.name} vs {kind}"
        if not rivals and kind == "champion":
            return Finding(
                check=self.check,
                name=label,
                verdict=Verdict.PASS,
                severity=Severity.INFO,
                summary="There is no champion yet, so there is nothing to be compared with.",
                slice=name,
                criterion=criterion.digest,
            )
        if not rivals:
            return self._unknown(
                criterion, "no baseline was trained; pass baselines to the trainer", name, label
            )
        try:
            strongest = _strongest(criterion.metric, rivals)
            found = compare(
                criterion.metric,
                rows,
                rivals[strongest],
                confidence=confidence,
                random_state=self.random_state,
            )
        except NotMeasurableError as error:
            return self._unknown(criterion, str(error), name, label)
        who = f"the {kind} ({strongest})"
        return self._compared(criterion, found, who, label, name, len(rows))

    def _compared(
        self,
        criterion: Criterion,
        comparison: Comparison,
        who: str,
        label: str,
        name: str | None,
        n_rows: int,
    ) -> Finding:
        must_beat = criterion.better_than is not None
        bound = criterion.by if must_beat else -criterion.by
        low, high = comparison.interval.low, comparison.interval.high
        verdict = Verdict.INSUFFICIENT
        if low > bound or (not must_beat and low >= bound):
            verdict = Verdict.PASS
        elif high < bound or (must_beat and high <= bound):
            verdict = Verdict.FAIL
        more = None
        if verdict is Verdict.INSUFFICIENT:
            total = rows_needed(comparison, threshold=bound, n=max(n_rows, 1))
            more = None if total is None else max(total - n_rows, 1)
        unit = criterion.metric.unit
        asked = (
            f"better than {who} by more than {figure(criterion.by, unit)}"
            if must_beat
            else f"not worse than {who} by more than {figure(criterion.by, unit)}"
        )
        return Finding(
            check=self.check,
            name=label,
            verdict=verdict,
            severity=criterion.severity,
            summary=f"{_OUTCOME[verdict]}: {criterion.metric.name} should be {asked}.",
            action=_what_to_do(verdict, more, name),
            estimate=comparison.difference,
            interval=comparison.interval,
            n=comparison.n,
            threshold=bound,
            unit=unit,
            slice=name,
            rows_needed=more,
            criterion=criterion.digest,
            details={
                "method": comparison.method,
                "p_value": comparison.p_value,
                "rival": who,
                "margin": comparison.difference - bound,
            },
        )

    def _judge_gaps(self, criterion: Criterion, rows: ScoredRows) -> Iterator[Finding]:
        for cut in criterion.slices:
            groups = {name: rows.take(mask) for name, mask in cut.parts(rows.columns)}
            try:
                confidence = self._level(criterion, criterion.confidence)
                gap = group_gap(criterion.metric, groups, confidence=confidence)
            except NotMeasurableError as error:
                yield self._unknown(criterion, str(error), cut.column)
            else:
                yield self.judge_estimate(criterion, gap, slice=cut.column, n_rows=len(rows))

    def _unknown(
        self, criterion: Criterion, why: str, name: str | None, label: str | None = None
    ) -> Finding:
        return Finding(
            check=self.check,
            name=label or criterion.metric.name,
            verdict=Verdict.INSUFFICIENT,
            severity=criterion.severity,
            summary=f"It cannot be told whether {criterion} holds: {why}.",
            slice=name,
            criterion=criterion.digest,
            unit=criterion.metric.unit,
        )


_OUTCOME = {
    Verdict.PASS: "It holds",
    Verdict.FAIL: "It does not hold",
    Verdict.INSUFFICIENT: "It cannot be told yet",
}


def _strongest(metric: Metric, rivals: Mapping[str, ScoredRows]) -> str:
    """Return the rival that does best, so that only this one is compared at length."""
    if len(rivals) == 1:
        return next(iter(rivals))
    sign = 1 if metric.higher_is_better else -1
    return max(rivals, key=lambda who: sign * point_value(metric, rivals[who]))


def _parts(criterion: Criterion, rows: ScoredRows) -> dict[str, Any]:
    """Return the row mask of each part by its name; one part, all rows, without slices."""
    if not criterion.slices:
        return {"": None}
    return {
        name: mask
        for cut in criterion.slices
        for name, mask in cut.parts(rows.columns)
        if np.any(mask)
    }


def _margin(criterion: Criterion, value: float) -> dict[str, float]:
    """Return by how much a value is on the good side of the nearest bound."""
    sides = [] if criterion.at_least is None else [value - criterion.at_least]
    sides += [] if criterion.at_most is None else [criterion.at_most - value]
    return {"margin": float(min(sides))} if sides and np.isfinite(min(sides)) else {}


def _within(criterion: Criterion, interval: Interval) -> Verdict:
    verdicts = []
    if (low := criterion.at_least) is not None:
        verdicts.append(_beyond(interval.low >= low, interval.high < low))
    if (high := criterion.at_most) is not None:
        verdicts.append(_beyond(interval.high <= high, interval.low > high))
    return Verdict.combine(verdicts)


def _beyond(holds: bool, fails: bool) -> Verdict:  # noqa: FBT001 - two halves of one question
    return Verdict.PASS if holds else Verdict.FAIL if fails else Verdict.INSUFFICIENT


def _in_words(criterion: Criterion, verdict: Verdict, part: str | None) -> str:
    where = f" for {part}" if part else ""
    plain = criterion.model_copy(
        update={"slices": (), "columns": (), "better_than": None, "not_worse_than": None, "by": 0}
    )
    return f"{_OUTCOME[verdict]}: {plain}{where}."


def _what_to_do(verdict: Verdict, more: int | None, part: str | None) -> str:
    if verdict is Verdict.FAIL:
        return "Improve it, or have somebody waive it with a reason."
    if verdict is Verdict.INSUFFICIENT:
        where = f" of {part}" if part else ""
        return f"About {more:,} more rows{where} would settle it." if more else ""
    return ""

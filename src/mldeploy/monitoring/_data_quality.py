"""Is what the model is asked still fit to be answered?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import final

from typing_extensions import override

from mldeploy.data import COLUMN_RULES, comparable
from mldeploy.evidence import Finding, Severity, Verdict
from mldeploy.monitoring._base import Monitor
from mldeploy.monitoring._columns import few_rows, pairs
from mldeploy.monitoring._data_metrics import WINDOW_METRICS, judge_data_criteria
from mldeploy.monitoring._rules import Breach, breaches
from mldeploy.monitoring._window import Reference, Window
from mldeploy.serving import logged_name
from mldeploy.stats import wilson


@final
@dataclass(frozen=True, kw_only=True)
class DataQualityMonitor(Monitor):
    """Judge the criteria on data by the window, and find what criteria did not foresee.

    Findings named after a metric are criteria, with their severity. The others are warnings:
    ``null_share_jump``, ``new_values``, ``range_breach`` and ``stuck_values`` of a feature
    against the reference, ``unreadable_column`` for one that was not logged or changed its
    type, ``rejected_share`` for requests that the schema refused, ``dropped_rows`` for answers
    that the log lost.

    Attributes
    ----------
    metrics : tuple of str
        Metrics of data whose criteria are judged. ``"row_count"`` is left out by default: such
        a criterion usually speaks of the table to train on, and not of a day's traffic.
    alpha : float
        Chance that a report has any breach of a rule, where nothing changed and rows are
        independent; Holm's correction over rules and columns.
    max_rejected_share : float
        Share of refused requests from which on somebody should look, in [0, 1).
    n_sd : float
        How far beyond past windows' effects, in their standard deviations.
    min_history : int
        Past windows from which on a rule asks them too; at least 3.
    min_rows : int
        Rows below which the rules are silent.

    Notes
    -----
    A rule must find evidence and an effect of a size that matters; where there is a history,
    the effect must also be larger than those of past windows, since rows of real systems are
    not independent. See `null_share_jump`, `new_values` and `range_breach`.
    """

    metrics: tuple[str, ...] = ("missing_share", "invalid_share", "age", "label_coverage")
    alpha: float = 0.01
    max_rejected_share: float = 0.01
    n_sd: float = 4.0
    min_history: int = 6
    min_rows: int = 30

    def __post_init__(self) -> None:
        if unknown := sorted(set(self.metrics) - WINDOW_METRICS):
            raise ValueError(
                f"{', '.join(unknown)} cannot be measured on a window; choose from "
                f"{', '.join(sorted(WINDOW_METRICS))}"
            )
        if not 0 < self.alpha < 1:
            raise ValueError(f"{self.alpha=} is no chance; it lies in (0, 1)")
        if not 0 <= self.max_rejected_share < 1 or self.n_sd < 0:
            raise ValueError(f"{self.max_rejected_share=} is no share, or {self.n_sd=} negative")
        if self.min_history < 3 or self.min_rows < 1:
            raise ValueError(
                f"{self.min_history=} must be at least 3, {self.min_rows=} at least 1"
            )

    @override
    def _check(self, window: Window, reference: Reference) -> Iterator[Finding]:
        judged = list(judge_data_criteria(window, metrics=self.metrics, check=type(self).__name__))
        yield from judged
        yield from self._lost(window)
        if not any(f.name == "invalid_share" and f.column is None for f in judged):
            yield self._rejected(window)
        if len(window.answered):
            yield from self._unreadable(window, reference)
        if len(window.answered) < self.min_rows:
            yield few_rows(type(self).__name__, "rules", len(window.answered), self.min_rows)
            return
        failed = {f.column for f in judged if f.name == "missing_share" and f.alarms}
        yield from self._rules(window, reference, told=failed)

    def _rules(
        self, window: Window, reference: Reference, *, told: set[str | None]
    ) -> Iterator[Finding]:
        features = set(window.signature.features)
        found = list(
            breaches(
                [p for p in pairs(window, reference) if p.current.name in features],
                alpha=self.alpha,
                n_sd=self.n_sd,
                min_history=self.min_history,
            )
        )
        for rule in COLUMN_RULES:
            broken = [b for b in found if b.rule == rule]
            news = [b for b in broken if rule != "null_share_jump" or b.column not in told]
            yield from (self._breach(breach) for breach in news)
            if not broken:
                yield self._note(rule, f"No feature breaks the rule {rule!r}.")

    def _breach(self, breach: Breach) -> Finding:
        return Finding(
            check=type(self).__name__,
            name=breach.rule,
            verdict=Verdict.FAIL,
            severity=Severity.WARNING,
            summary=_SUMMARIES[breach.rule].format(column=breach.column, effect=breach.effect),
            action="Look at where the column comes from.",
            estimate=breach.effect,
            threshold=breach.limit,
            n=breach.n,
            column=breach.column,
            details={"p_value_adjusted": breach.p_value, "past_windows": breach.n_past},
        )

    def _lost(self, window: Window) -> Iterator[Finding]:
        if not window.dropped:
            yield self._note("dropped_rows", "Every answer was logged.", estimate=0.0)
            return
        yield self._note(
            "dropped_rows",
            f"The log lost {window.dropped:,} answers: what is judged here is not all.",
            action="Give the log a larger buffer, or a faster disk.",
            verdict=Verdict.FAIL,
            estimate=float(window.dropped),
        )

    def _rejected(self, window: Window) -> Finding:
        asked = window.rejected + len(window)
        if not asked:
            return self._note("rejected_share", "Nobody asked.", verdict=Verdict.INSUFFICIENT)
        share = wilson(window.rejected, asked, confidence=0.99)
        many = share.interval.low > self.max_rejected_share
        return Finding(
            check=type(self).__name__,
            name="rejected_share",
            verdict=Verdict.FAIL if many else Verdict.PASS,
            severity=Severity.WARNING,
            summary=f"The schema refused {window.rejected:,} of {asked:,} requests.",
            action="Tell those who ask, or edit the schema and train anew." if many else "",
            estimate=share.value,
            interval=share.interval,
            n=asked,
            threshold=self.max_rejected_share,
            details={"method": share.method},
        )

    def _unreadable(self, window: Window, reference: Reference) -> Iterator[Finding]:
        for name in window.signature.features:
            why = None
            if logged_name(name) not in window.answers.columns:
                why = "was not logged"
            elif name in reference.profile:
                before, now = reference.profile[name], window.profile[name]
                if not comparable(before, now):
                    why = f"holds values of kind {now.kind}, which were of kind {before.kind}"
            if why is not None:
                yield self._note(
                    "unreadable_column",
                    f"{name} {why}, so it cannot be watched.",
                    action="Log it as the model reads it.",
                    verdict=Verdict.FAIL,
                    column=name,
                )

    def _note(
        self,
        name: str,
        summary: str,
        *,
        action: str = "",
        verdict: Verdict = Verdict.PASS,
        estimate: float | None = None,
        column: str | None = None,
    ) -> Finding:
        return Finding(
            check=type(self).__name__,
            name=name,
            verdict=verdict,
            severity=Severity.WARNING if verdict is Verdict.FAIL else Severity.INFO,
            summary=summary,
            action=action,
            estimate=estimate,
            column=column,
        )


_SUMMARIES = {
    "null_share_jump": "The share of missing values of {column} changed by {effect:+.1%}.",
    "new_values": "{effect:.1%} of {column} are values that the reference never had.",
    "range_breach": "{effect:.2%} of {column} lie far outside of the reference's range.",
    "stuck_values": "{column} has the same value in every answer.",
}

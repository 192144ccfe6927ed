"""The story of a year as one self-contained HTML page."""

from __future__ import annotations

import resource
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path

import numpy as np

import mldeploy as md
from mldeploy.deployment import RolloutDecision
from mldeploy.errors import NotMeasurableError
from mldeploy.evidence import (
    Finding,
    LineChart,
    Mark,
    Report,
    Series,
    escape,
    html_page,
    html_table,
)
from mldeploy.problem import find_metric, measure
from mldeploy.project import Live
from mldeploy.store import Damage


@dataclass(frozen=True)
class Week:
    """How well the answers of one week turned out."""

    start: datetime
    auc: float
    low: float
    high: float
    late: float
    n: int


@dataclass
class Story:
    """What happened, as it is told afterwards."""

    leaks: Sequence[Finding] = ()
    assessment: Report | None = None
    first_verdict: Report | None = None
    marks: list[Mark] = field(default_factory=list)
    decisions: list[RolloutDecision] = field(default_factory=list)
    alarms: list[tuple[datetime, Finding]] = field(default_factory=list)
    drift: list[tuple[datetime, int]] = field(default_factory=list)
    weeks: list[Week] = field(default_factory=list)
    damages: Sequence[Damage] = ()
    served: str = ""
    drilled: bool = False
    n_answers: int = 0
    n_labels: int = 0

    def note(self, at: datetime, text: str, kind: str = "event") -> None:
        """Remember something that happened."""
        self.marks.append(Mark(time=at, label=text, kind=kind))

    def rolled_out(self, live: Live, decision: RolloutDecision) -> None:
        """Remember what a rollout decided."""
        self.decisions.append(decision)
        self.note(decision.at, f"{decision.action} → {live.version.label}: {decision.reason}")

    def watched(self, at: datetime, report: Report) -> None:
        """Remember what the monitors said of a day."""
        drifting = [f for f in report.alarms if f.name == "drift"]
        self.drift.append((at, len(drifting)))
        of_criteria = [f for f in report.alarms if f.criterion is not None]
        for finding in of_criteria:
            before = [t for t, f in self.alarms if f.name == finding.name]
            self.alarms.append((at, finding))
            is_news = not before or at - before[-1] > timedelta(days=7)
            if is_news and finding.severity == "blocker":
                self.note(at, f"alarm: {finding.summary}", "alarm")

    def finish(self, project: md.Project, live: Live, *, first: date, last: date) -> None:
        """Measure each week once all labels are there."""
        zone = project.clock().tzinfo
        start = datetime.combine(first, datetime.min.time(), zone)
        end = datetime.combine(last, datetime.min.time(), zone) + timedelta(days=1)
        while start < end:
            stop = min(start + timedelta(days=7), end)
            window = live.window(start, stop)
            self.n_answers += len(window)
            self.n_labels += window.answers["label"].count()
            rows = window.labelled
            try:
                auc = measure(find_metric("roc_auc"), rows)
            except NotMeasurableError:
                start = stop
                continue
            low, high = auc.interval.low, auc.interval.high
            late = float(np.mean(rows.y_true))
            self.weeks.append(Week(start, auc.value, low, high, late, len(rows)))
            start = stop
        self.served = live.version.label

    def summary(self, *, seconds: float) -> str:
        """Return the story in a few lines."""
        actions = Counter(str(d.action) for d in self.decisions)
        caught = ", ".join(str(f.column or f.name) for f in self.leaks) or "none"
        alarms = Counter(f.name for _, f in self.alarms)
        alarmed = ", ".join(f"{name} on {n} days" for name, n in alarms.items())
        lines = [
            "",
            f"Assessment        {self.assessment.verdict if self.assessment else '-'}",
            f"Planted leaks     {caught}",
            f"First validation  {self.first_verdict.verdict if self.first_verdict else '-'}",
            f"Answers, labels   {self.n_answers:,}, {self.n_labels:,}",
            f"Alarms            {alarmed or 'none'}",
            f"Rollouts          {', '.join(f'{a} {n}' for a, n in actions.items()) or 'none'}",
            f"Serving at last   {self.served}",
            f"Store verified    {'clean' if not self.damages else f'{len(self.damages)} damaged'}",
            f"Time, memory      {seconds:.0f} s, {peak_memory_mb():,.0f} MB",
        ]
        events = [f"  {m.time:%d %b}  {m.label}" for m in self.marks]
        return "\n".join([*lines, "", *events])


def peak_memory_mb() -> float:
    """Return the most memory that this process has held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def write_page(story: Story, project: md.Project, path: Path) -> Path:
    """Write the page; it runs no script and loads nothing."""
    weeks = story.weeks
    times = [w.start for w in weeks]
    quality = LineChart(
        title="Area under the ROC curve, week by week, with 95 % intervals",
        series=[
            Series(
                name="roc_auc",
                times=times,
                values=[w.auc for w in weeks],
                low=[w.low for w in weeks],
                high=[w.high for w in weeks],
            )
        ],
        threshold=next((c.at_least for c in project.problem.criteria if c.at_least), None),
        marks=story.marks,
    )
    late = LineChart(
        title="Share of flights that landed late",
        series=[Series(name="late", times=times, values=[w.late for w in weeks])],
    )
    drift = LineChart(
        title="Columns that drifted, day by day",
        series=[
            Series(
                name="columns",
                times=[t for t, _ in story.drift],
                values=[float(n) for _, n in story.drift],
            )
        ],
    )
    sections = [
        f"<h1>{escape(project.problem.statement)}</h1>",
        project.problem._repr_html_(),
        "<h2>A year in service</h2>",
        quality.to_html(),
        late.to_html(),
        drift.to_html(),
        "<h2>The data</h2>",
        story.assessment.to_html() if story.assessment else "",
        "<h2>Two columns left in on purpose</h2>",
        html_table(("Column", "Why it is refused"), [(f.column, f.summary) for f in story.leaks]),
        "<h2>The first model</h2>",
        story.first_verdict.to_html() if story.first_verdict else "",
        "<h2>Rollouts</h2>",
        html_table(
            ("When", "What", "Why"),
            [(f"{d.at:%Y-%m-%d}", str(d.action), d.reason) for d in story.decisions],
        ),
        "<h2>Promotions</h2>",
        html_table(("What happened",), [(str(p),) for p in project.history()]),
        "<h2>Alarms about the criteria</h2>",
        html_table(
            ("Day", "Check", "Subject", "In words"),
            [(f"{t:%Y-%m-%d}", f.name, f.subject, f.summary) for t, f in story.alarms[:200]],
        ),
        "<h2>The record</h2>",
        project._repr_html_(),
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(html_page("Late arrivals, 2013", "".join(sections)), encoding="utf-8")
    return path

"""What the monitors have seen since a version came to serve."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import final

from mldeploy.deployment import Tally
from mldeploy.errors import NotFoundError
from mldeploy.evidence import Finding, Report
from mldeploy.model import Model
from mldeploy.monitoring import Reference, Window
from mldeploy.problem import MetricKind, Problem
from mldeploy.retraining import Situation


@final
@dataclass(frozen=True, kw_only=True)
class Watch:
    """What the monitors have seen since a version came to serve.

    Attributes
    ----------
    version : str
        The version.
    reference : Reference, optional
        What it was validated on, with the matured windows seen since.
    alarms : tuple of Finding
        What was alarmed about, the latest last.
    alarmed_at : tuple of datetime
        When each was raised: the end of its window.
    until : datetime, optional
        The end of the last window.
    new_rows : int
        Answers whose labels have matured in the windows seen.
    tally : Tally
        Requests up to the last check; what came since belongs to the next.
    last_decided_at : datetime, optional
        When training anew was last decided, by whatever version.
    """

    version: str = ""
    reference: Reference | None = None
    alarms: tuple[Finding, ...] = ()
    alarmed_at: tuple[datetime, ...] = ()
    until: datetime | None = None
    new_rows: int = 0
    tally: Tally = field(default_factory=Tally)
    last_decided_at: datetime | None = None

    def of_version(self, version: str, reference: Reference) -> Watch:
        """Return this watch, begun anew if another version serves now."""
        if version == self.version:
            return self
        return Watch(
            version=version,
            reference=reference,
            until=self.until,
            tally=self.tally,
            last_decided_at=self.last_decided_at,
        )

    def reference_now(self) -> Reference:
        """Return what the next window is judged by.

        Raises
        ------
        NotFoundError
            If nothing was watched yet.
        """
        if self.reference is None:
            raise NotFoundError("nothing was watched yet; call of_version first")
        return self.reference

    def after(self, window: Window, report: Report) -> Watch:
        """Return the watch once a window was judged; only matured ones are remembered."""
        reference = self.reference_now()
        seen = reference.summaries
        if window.is_mature and (not seen or window.start >= seen[-1].end):
            reference = reference.after(window)
        return replace(
            self,
            reference=reference,
            alarms=(*self.alarms, *report.alarms),
            alarmed_at=(*self.alarmed_at, *(window.end for _ in report.alarms)),
            until=window.end,
            new_rows=self.new_rows + window.matured.height,
        )

    def situation(self, model: Model, *, now: datetime) -> Situation:
        """Return what a retraining policy is asked about."""
        return Situation(
            now=now,
            trained_at=model.provenance.trained_at,
            alarms=self.alarms,
            alarmed_at=self.alarmed_at,
            rows_trained_on=model.provenance.n_rows,
            new_rows=self.new_rows,
            last_decided_at=self.last_decided_at,
        )


def alarm_names(problem: Problem) -> tuple[str, ...]:
    """Return the names under which alarms about the quality criteria are raised."""
    kinds = {MetricKind.QUALITY, MetricKind.BUSINESS}
    names = [c.metric.name for c in problem.criteria if c.metric.kind in kinds]
    return tuple(dict.fromkeys([*names, *(f"{name} decay" for name in names)]))

"""What is kept of a run."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import final

import pydantic

from mldeploy._record import Record
from mldeploy.evidence import html_fragment, html_table


@final
class RunStatus(StrEnum):
    """How far a run has come."""

    RUNNING = "running"
    FINISHED = "finished"
    FAILED = "failed"


@final
class RunRecord(Record):
    """One run as it is stored: what went in, how it went, what came out.

    `metrics` holds the last value of each; `Runs.history` has them all.
    """

    id: str
    name: str
    status: RunStatus
    started_at: datetime
    ended_at: datetime | None = None
    parent: str | None = None
    parameters: dict[str, pydantic.JsonValue] = pydantic.Field(default_factory=dict)
    metrics: dict[str, float] = pydantic.Field(default_factory=dict)
    artifacts: dict[str, str] = pydantic.Field(default_factory=dict)
    """Digests of artifacts, by the name that the run gave them."""

    @property
    def duration(self) -> timedelta | None:
        """How long the run took; None while it runs."""
        return None if self.ended_at is None else self.ended_at - self.started_at

    def _repr_html_(self) -> str:
        facts: dict[str, object] = {
            "run": f"{self.name} ({self.id})",
            "status": self.status.value,
            "started": self.started_at.isoformat(timespec="seconds"),
            "duration": "" if self.duration is None else f"{self.duration.total_seconds():.3g} s",
            **{f"parameter {name}": value for name, value in self.parameters.items()},
            **{f"metric {name}": f"{value:.6g}" for name, value in self.metrics.items()},
            **{f"artifact {name}": digest[:12] for name, digest in self.artifacts.items()},
        }
        return html_fragment(html_table(("", ""), facts.items()))

"""What a store, a registry and a ledger hold about one version, to be scored."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, TypeAlias

import sqlalchemy as sa

from mldeploy.evidence import Approval, Finding, Report, Verdict
from mldeploy.governance._kept_reports import ASSESSED, MONITORED, kept_reports
from mldeploy.model import Bundle
from mldeploy.registry import CHAMPION, ModelVersion, Promotion, Registry
from mldeploy.store import Event, Store, tables

Belongs: TypeAlias = Callable[[Finding], bool]
_MOST_WINDOWS: Final = 20
_WHOLE_WAY: Final = {"assess", "train", "validate", "register"}


@dataclass(frozen=True, kw_only=True)
class Point:
    """What one test earned: points, in words, and the evidence."""

    points: float
    summary: str
    evidence: str
    is_open: bool = False
    """Whether it was asked without an answer, so that somebody's word may count instead."""


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What is known of one version; read once."""

    version: ModelVersion
    bundle: Bundle
    evidence: Report
    assessments: tuple[Report, ...]
    windows: tuple[Report, ...]
    approvals: tuple[Approval, ...]
    moves: tuple[Promotion, ...]
    events: tuple[Event, ...]
    trials: tuple[str, int] | None
    """The run in which the model was trained, and how many settings it tried."""
    whole_ways: tuple[str, ...]
    now: datetime

    @classmethod
    def of(
        cls,
        store: Store,
        registry: Registry,
        version: ModelVersion,
        bundle: Bundle,
        *,
        at: datetime,
    ) -> Facts:
        """Read them."""
        return cls(
            version=version,
            bundle=bundle,
            evidence=registry.evidence(version, at=at),
            assessments=kept_reports(store, ASSESSED, subject=version.name, limit=1),
            windows=kept_reports(store, MONITORED, subject=version.label, limit=_MOST_WINDOWS),
            approvals=registry.sign_offs.approvals(version),
            moves=registry.history(version.name, CHAMPION),
            events=store.ledger.events(subject=version.label),
            trials=_trials(store, version.name, bundle.provenance.trained_at),
            whole_ways=_whole_ways(store, bundle.problem.digest),
            now=at,
        )

    def validated(self, belongs: Belongs) -> Point | None:
        """Return what the findings of the validation are worth."""
        return _judged([(self.version.report, self.evidence)], belongs)

    def assessed(self, belongs: Belongs) -> Point | None:
        """Return what the findings of the newest assessment are worth."""
        return _judged([(report.digest, report) for report in self.assessments], belongs)

    def monitored(self, belongs: Belongs) -> Point | None:
        """Return what the findings of the newest window that tells anything are worth."""
        return _judged([(report.digest, report) for report in self.windows], belongs)


def by_check(*checks: str, name: str = "") -> Belongs:
    """Return what tells the findings of some checks, perhaps of one name only."""
    return lambda finding: finding.check in checks and (not name or finding.name == name)


def pointed(finding: Finding, report: str, *, points: float) -> Point:
    """Return points for a finding, with the digest of the report in which it can be read."""
    return Point(
        points=points,
        summary=finding.summary,
        evidence=f"report {report}, finding {finding.check}/{finding.name}",
    )


def _judged(kept: Sequence[tuple[str, Report]], belongs: Belongs) -> Point | None:
    """Return what findings are worth: a failure that nobody waived nothing, a pass a point.

    The newest report that has a pass or a failure among them counts. Reports come with the
    digest under which they are kept, since waivers change a report's own.
    """
    unanswered = None
    for digest, report in reversed(kept):
        found = [f for f in report.findings if belongs(f)]
        told = [f for f in found if f.verdict is not Verdict.INSUFFICIENT]
        if told:
            failed = [f for f in told if f.verdict is Verdict.FAIL and f.waived_by is None]
            return pointed((failed or told)[0], digest, points=0.0 if failed else 1.0)
        if found and unanswered is None:
            unanswered = replace(pointed(found[0], digest, points=0.0), is_open=True)
    return unanswered


def _trials(store: Store, name: str, trained_at: datetime) -> tuple[str, int] | None:
    runs = tables.runs
    training = sa.select(runs.c.id).where(
        runs.c.name == f"{name}/train",
        runs.c.started_at <= trained_at,
        runs.c.ended_at >= trained_at,
    )
    with store.read() as connection:
        run = connection.scalar(training.order_by(runs.c.started_at.desc()))
        if run is None:
            return None
        count = sa.select(sa.func.count()).select_from(runs).where(runs.c.parent == run)
        return str(run), int(connection.scalar(count) or 0)


def _whole_ways(store: Store, problem: str) -> tuple[str, ...]:
    """Return the runs that went from data to a version of this problem."""
    steps = tables.steps
    query = sa.select(steps.c.run, steps.c.step, steps.c.details).where(steps.c.status == "done")
    done: dict[str, set[str]] = {}
    mine = set()
    with store.read() as connection:
        for run, step, details in connection.execute(query.order_by(steps.c.started_at)):
            done.setdefault(run, set()).add(step)
            if details.get("inputs", {}).get("problem") == problem:
                mine.add(run)
    return tuple(
        run for run, steps_done in done.items() if steps_done >= _WHOLE_WAY and run in mine
    )

"""Reports of assessments and of monitors, kept so that a scorecard and a card can name them."""

from __future__ import annotations

from mldeploy.evidence import Report
from mldeploy.store import Store

ASSESSED = "data.assessed"
MONITORED = "monitor.checked"


def keep_report(store: Store, kind: str, report: Report, *, subject: str, by: str) -> None:
    """Keep a report as an artifact, and an event that names it; the same one is kept once."""
    last = store.ledger.events(kind=kind, subject=subject, limit=1)
    if last and last[-1].details["report"] == report.digest:
        return
    artifact = store.artifacts.put_bytes(report.to_json().encode())
    with store.write() as tx:
        tx.record(
            kind,
            subject=subject,
            actor=by,
            details={
                "report": report.digest,
                "artifact": artifact,
                "verdict": str(report.verdict),
            },
        )


def kept_reports(store: Store, kind: str, *, subject: str, limit: int) -> tuple[Report, ...]:
    """Return the newest reports of a kind, oldest first.

    Raises
    ------
    IntegrityError
        If one is not what was kept.
    """
    events = store.ledger.events(kind=kind, subject=subject, limit=limit)
    artifacts = [store.artifacts.read_bytes(str(e.details["artifact"])) for e in events]
    return tuple(Report.model_validate_json(content) for content in artifacts)

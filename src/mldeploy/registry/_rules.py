"""What must be true before an alias moves."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from mldeploy.evidence import Approval, Report
from mldeploy.registry._records import ModelVersion

SELF_APPROVAL: Final = "self_approval"
"""What a waiver of the second person names."""


def evidence_complaint(report: Report, *, model: str, problem: str) -> str | None:
    """Say what keeps a report from being the evidence about a model; None if nothing does."""
    if report.step != "validate":
        return f"it is the report of the step {report.step!r}, not of a validation"
    for thing, digest in (("model", model), ("problem", problem)):
        named = report.about.get(thing)
        if named != digest:
            found = "none" if named is None else named[:12]
            return f"it is about another {thing} ({found}, not {digest[:12]}); validate this one"
    if not report.about.get("data"):
        return "it does not name the data that the model was validated on"
    return None


def approval_complaint(approval: Approval, version: ModelVersion, *, at: datetime) -> str | None:
    """Say what keeps an approval from counting for a version; None if nothing does."""
    if (approval.model_name, approval.number) != (version.name, version.number):
        return f"the approval is of {approval.model_name}:{approval.number}"
    if approval.version_digest != version.digest:
        return "the approval is of other bytes under the same number; approve this version"
    if approval.by != version.trained_by:
        return None
    return _self_approval_complaint(approval, at=at)


def _self_approval_complaint(approval: Approval, *, at: datetime) -> str | None:
    waiver = approval.self_approval_waiver
    if waiver is None:
        return (
            f"{approval.by} trained the model and cannot approve it; ask a second person, or "
            "give a waiver with a reason"
        )
    if not waiver.is_valid(at):
        return f"the waiver of the second person ended on {waiver.until:%Y-%m-%d}"
    if waiver.name != SELF_APPROVAL:
        return f"the waiver is not one of the second person (name={SELF_APPROVAL!r})"
    return None

"""What must be true before an alias moves."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from datetime import datetime
from typing import Final

from mldeploy.errors import ApprovalError, PromotionError
from mldeploy.evidence import Approval, Report, Waiver
from mldeploy.model import Provenance
from mldeploy.registry._records import ModelVersion

SELF_APPROVAL: Final = "self_approval"
"""What a waiver of the second person names."""

_ALIAS: Final = re.compile(r"[^\W\d][\w.-]*")


def require_person(by: str) -> str:
    """Return a name without white space around it; refuse an empty one."""
    if not by.strip():
        raise ApprovalError("by= is empty; say who does this, since the ledger keeps it")
    return by.strip()


def require_alias(alias: str) -> str:
    """Refuse an alias that could be taken for a number, or for a part of another name."""
    if not _ALIAS.fullmatch(alias):
        raise PromotionError(
            f"{alias!r} cannot be an alias; begin with a letter, and use letters, digits, "
            "'_', '.' and '-'"
        )
    return alias


def judged_at(report: Report, waivers: Iterable[Waiver], *, at: datetime) -> Report:
    """Return a report with exactly those findings waived that a waiver covers at a time.

    What the report itself says of waived findings is forgotten: only its waivers count, and only
    until they end.
    """
    bare = tuple(f.model_copy(update={"waived_by": None}) for f in report.findings)
    known = tuple(dict.fromkeys([*report.waivers, *waivers]))
    return report.model_copy(update={"findings": bare, "waivers": ()}).waive(known, at=at)


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


def provenance_complaint(report: Report, provenance: Provenance) -> str | None:
    """Say where a report tells of other rows or other code than a model comes from."""
    told = {"training_data": provenance.data, "code": provenance.code.digest}
    for thing, digest in told.items():
        if report.about.get(thing, digest) != digest:
            what = thing.replace("_", " ")
            return f"it tells of other {what} than the model was made from; validate this model"
    return None


def approval_complaint(approval: Approval, version: ModelVersion, *, at: datetime) -> str | None:
    """Say what keeps an approval from counting for a version; None if nothing does."""
    if (approval.model_name, approval.number) != (version.name, version.number):
        return f"the approval is of {approval.model_name}:{approval.number}"
    if approval.version_digest != version.digest:
        return "the approval is of other bytes under the same number; approve this version"
    if _same_person(approval.by, version.trained_by):
        return _self_approval_complaint(approval, at=at)
    return None


def _same_person(one: str, other: str) -> bool:
    a, b = (unicodedata.normalize("NFKC", name).casefold().split() for name in (one, other))
    return a == b


def _self_approval_complaint(approval: Approval, *, at: datetime) -> str | None:
    waiver = approval.self_approval_waiver
    if waiver is None:
        return (
            f"{approval.by} trained the model and cannot approve it; ask a second person, or "
            "give a waiver with a reason"
        )
    if waiver.name != SELF_APPROVAL:
        return f"the waiver is not one of the second person (name={SELF_APPROVAL!r})"
    if not waiver.is_valid(at):
        return f"the waiver of the second person ended on {waiver.until:%Y-%m-%d}"
    return None

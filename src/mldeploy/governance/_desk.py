"""Where people sign: approvals by a second person, and waivers with a reason and an end."""

from __future__ import annotations

from datetime import datetime
from typing import final

from mldeploy._record import Clock, utc_now
from mldeploy.errors import ApprovalError, NotFoundError
from mldeploy.evidence import Approval, Finding, Report, Severity, Verdict, Waiver
from mldeploy.registry import SELF_APPROVAL, ModelVersion, Registry


@final
class ApprovalDesk:
    """Where people sign: approvals by a second person, and waivers with a reason and an end.

    Parameters
    ----------
    registry : Registry
        Whose versions are signed.
    clock : Clock, default=utc_now
        Tells the time.
    """

    def __init__(self, registry: Registry, *, clock: Clock = utc_now) -> None:
        self._registry = registry
        self._clock = clock

    def approve(
        self, version: ModelVersion, *, by: str, reason: str, waiver: Waiver | None = None
    ) -> Approval:
        """Keep somebody's word that a version may serve.

        Parameters
        ----------
        version : ModelVersion
            Which; the approval is bound to its digest.
        by, reason : str
            Who approves, and what they looked at.
        waiver : Waiver, optional
            Why the person who trained the model may approve it, if it is the same:
            ``Waiver(name="self_approval", by=..., reason=..., until=...)``.

        Raises
        ------
        ApprovalError
            If the validation did not pass and its failures are not waived; or if `by` trained
            the model and gives no waiver that holds now.
        """
        now = self._clock()
        evidence = self._registry.evidence(version, at=now)
        if evidence.verdict is not Verdict.PASS:
            open_points = ", ".join(sorted({f.name for f in _in_the_way(evidence)}))
            raise ApprovalError(
                f"the validation of {version.label} says {evidence.verdict} ({open_points}); "
                "mend that, or waive it with a reason, before anybody approves"
            )
        approval = Approval(
            model_name=version.name,
            number=version.number,
            version_digest=version.digest,
            by=by,
            reason=reason,
            at=now,
            self_approval_waiver=waiver,
        )
        self._registry.sign_offs.approve(version, approval)
        return approval

    def waive(
        self,
        version: ModelVersion,
        *,
        by: str,
        reason: str,
        until: datetime,
        name: str,
        slice: str | None = None,  # noqa: A002 - the field's word
    ) -> Waiver:
        """Keep somebody's decision to go on although a check did not hold.

        Parameters
        ----------
        version : ModelVersion
            About which.
        by, reason : str
            Who decides, and why.
        until : datetime
            When the waiver ends, with a zone.
        name : str
            The metric or rule of the findings that are waived.
        slice : str, optional
            Only the findings of this slice.

        Raises
        ------
        NotFoundError
            If no finding that does not hold is meant: a waiver of nothing hides a mistake.
        ApprovalError
            If `until` is past, or has no zone.
        """
        self._require_future(until)
        waiver = Waiver(by=by, reason=reason, until=until, name=name, slice=slice)
        report = self._registry.report(version)
        open_points = [f for f in report.findings if f.verdict is not Verdict.PASS]
        if not any(waiver.covers(f) for f in open_points):
            names = ", ".join(sorted({f.name for f in open_points})) or "none"
            raise NotFoundError(
                f"no finding about {version.label} that does not hold is called {name!r}"
                f"{f' for {slice}' if slice else ''}; those that do not hold are: {names}"
            )
        self._registry.sign_offs.waive(version, waiver)
        return waiver

    def self_approval(self, *, by: str, reason: str, until: datetime) -> Waiver:
        """Return the waiver with which the person who trained a model may approve it.

        Raises
        ------
        ApprovalError
            If `until` is past, or has no zone.
        """
        self._require_future(until)
        return Waiver(by=by, reason=reason, until=until, name=SELF_APPROVAL)

    def _require_future(self, until: datetime) -> None:
        if until.tzinfo is None:
            raise ApprovalError(f"{until} has no zone; use for example datetime(..., tzinfo=UTC)")
        if until <= self._clock():
            raise ApprovalError(f"the waiver would have ended already, on {until:%Y-%m-%d}")


def _in_the_way(report: Report) -> list[Finding]:
    return [
        f
        for f in report.findings
        if f.severity is Severity.BLOCKER and f.verdict is not Verdict.PASS and not f.waived_by
    ]

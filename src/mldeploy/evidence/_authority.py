"""Who takes responsibility: approvals of what passed, waivers of what did not."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, final

import pydantic

from mldeploy._record import Record
from mldeploy.evidence._finding import Finding

Person = Annotated[str, pydantic.StringConstraints(strip_whitespace=True, min_length=1)]
Reason = Annotated[str, pydantic.StringConstraints(strip_whitespace=True, min_length=1)]


@final
class Waiver(Record):
    """Somebody's decision to go on although a check did not hold, until a date.

    Attributes
    ----------
    by : str
        Who decides.
    reason : str
        Why; it is shown on the model card.
    until : datetime
        When the waiver ends, with a zone.
    check, name : str, optional
        Which findings are waived: those whose `check` and `name` are equal, where given.
    slice : str, optional
        Only the findings of this slice.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> waiver = Waiver(by="ana", reason="known", until=datetime(2030, 1, 1, tzinfo=UTC),
    ...                 name="f1")
    >>> waiver.covers(Finding(check="A", name="f1", verdict="FAIL", summary="Too low."))
    True
    """

    by: Person
    reason: Reason
    until: pydantic.AwareDatetime
    check: str | None = None
    name: str | None = None
    slice: str | None = None

    @pydantic.model_validator(mode="after")
    def _names_something(self) -> Waiver:
        if self.check is None and self.name is None:
            raise ValueError("a waiver must name the check or the metric that it waives")
        return self

    def covers(self, finding: Finding) -> bool:
        """Tell whether `finding` is one of those that this waiver names."""
        wanted = {"check": self.check, "name": self.name, "slice": self.slice}
        return all(getattr(finding, k) == v for k, v in wanted.items() if v is not None)

    def is_valid(self, at: datetime) -> bool:
        """Tell whether the waiver still holds at a time."""
        return at < self.until


@final
class Approval(Record):
    """A person's word that one version, known by its digest, may serve.

    Attributes
    ----------
    model_name : str
        The registered name.
    number : int
        The version's number.
    version_digest : str
        What was approved, to the byte: it includes the bundle and the evidence.
    by : str
        Who approved.
    reason : str
        What they looked at.
    at : datetime
        When, with a zone.
    self_approval_waiver : Waiver, optional
        Why the person who trained the model was allowed to approve it.
    """

    model_name: str
    number: int
    version_digest: str
    by: Person
    reason: Reason
    at: pydantic.AwareDatetime
    self_approval_waiver: Waiver | None = None

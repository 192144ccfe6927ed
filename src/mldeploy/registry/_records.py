"""What the registry keeps: versions, and how aliases moved among them."""

from __future__ import annotations

from datetime import datetime
from typing import final

import pydantic

from mldeploy._record import Record
from mldeploy.evidence import Verdict, escape, html_fragment, html_table, verdict_tag


@final
class ModelVersion(Record):
    """A bundle under a name and a number, with the evidence it was registered with.

    Its `digest` covers every field: who approves it approves these bytes and this evidence.

    Attributes
    ----------
    name : str
        The registered name, the problem's.
    number : int
        Counts up from 1 without gaps.
    bundle, model, problem, report : str
        Digests of the bundle's directory, the model, the problem and the validation report.
    data, evaluation : str
        Fingerprints of the data it was trained on and of the data it was validated on.
    verdict : Verdict
        What the validation came to when the version was registered.
    trained_by, created_by : str
        Who trained the model, and who registered it.
    created_at : datetime
        When it was registered, in UTC.
    """

    name: str
    number: int = pydantic.Field(ge=1)
    bundle: str
    model: str
    problem: str
    report: str
    data: str
    evaluation: str
    verdict: Verdict
    trained_by: str
    created_by: str
    created_at: datetime

    @property
    def label(self) -> str:
        """Name and number, e.g. ``"late-arrivals:3"``."""
        return f"{self.name}:{self.number}"

    def _repr_html_(self) -> str:
        facts = [(name, value) for name, value in self.to_jsonable().items() if name != "verdict"]
        head = f"<p><b>{escape(self.label)}</b> {verdict_tag(self.verdict)}</p>"
        return html_fragment(head + html_table(("", ""), facts))


@final
class Promotion(Record):
    """One move of an alias, and on whose word.

    Attributes
    ----------
    name, alias : str
        What moved.
    number : int
        The version that it names since.
    previous : int, optional
        The version that it named before; None for the first.
    at : datetime
        When, in UTC.
    by, reason : str
        Who moved it, and why.
    approval : str, optional
        Digest of the approval; None for a rollback, which returns to what was approved before.
    report : str
        Digest of the validation report of the version.
    is_rollback : bool
        Whether it went back to what served before.
    """

    name: str
    alias: str
    number: int
    previous: int | None
    at: datetime
    by: str
    reason: str
    approval: str | None
    report: str
    is_rollback: bool = False

    def __str__(self) -> str:
        came_from = "" if self.previous is None else f" (was {self.previous})"
        verb = "rolled back to" if self.is_rollback else "is"
        return (
            f"{self.at:%Y-%m-%d %H:%M} {self.alias} {verb} {self.name}:{self.number}{came_from}, "
            f"by {self.by}: {self.reason or 'no reason given'}"
        )

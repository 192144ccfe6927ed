"""Whether to train anew: a value, on which a project or a person acts."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol, final, runtime_checkable

import pydantic

from mldeploy._record import Record
from mldeploy.evidence import Finding


@final
class Situation(Record):
    """What is known when one asks whether to train anew.

    Attributes
    ----------
    now : datetime
        With a zone.
    trained_at : datetime
        When the model that serves was trained.
    alarms : tuple of Finding
        What the monitors alarmed about since the model was promoted, the latest last.
    alarmed_at : tuple of datetime
        When each of `alarms` was raised.
    rows_trained_on : int
        Rows that the model was trained on.
    new_rows : int
        Labelled rows that have matured since it was trained.
    last_decided_at : datetime, optional
        When training anew was last decided.
    """

    now: pydantic.AwareDatetime
    trained_at: pydantic.AwareDatetime
    alarms: tuple[Finding, ...] = ()
    alarmed_at: tuple[pydantic.AwareDatetime, ...] = ()
    rows_trained_on: int = pydantic.Field(default=0, ge=0)
    new_rows: int = pydantic.Field(default=0, ge=0)
    last_decided_at: pydantic.AwareDatetime | None = None

    @pydantic.model_validator(mode="after")
    def _every_alarm_has_a_time(self) -> Situation:
        if len(self.alarms) != len(self.alarmed_at):
            raise ValueError(
                f"{len(self.alarms)} alarms and {len(self.alarmed_at)} times; give one for each"
            )
        return self


@final
class RetrainingDecision(Record):
    """Whether to train anew, and why.

    Attributes
    ----------
    retrain : bool
        Whether to.
    trigger : str
        The policy that spoke.
    reason : str
        In one sentence.
    at : datetime
        When it was decided.
    not_before : datetime, optional
        When asking again could change the answer, where that is known.
    """

    retrain: bool
    trigger: str
    reason: str
    at: pydantic.AwareDatetime
    not_before: datetime | None = None

    def __str__(self) -> str:
        return f"{'retrain' if self.retrain else 'keep'} ({self.trigger}): {self.reason}"


@runtime_checkable
class RetrainingPolicy(Protocol):
    """Decides whether to train anew; it acts on nothing."""

    def decide(self, situation: Situation) -> RetrainingDecision:
        """Return the decision for a situation."""
        ...

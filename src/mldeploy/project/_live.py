"""A deployment with its memory: log, labels, registry."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TypeAlias, final

import numpy as np
import numpy.typing as npt
import pandas as pd
import polars as pl
import sqlalchemy as sa

from mldeploy._record import Clock
from mldeploy.deployment import (
    SHADOW,
    Action,
    Deployment,
    DeploymentStatus,
    Release,
    Rollout,
    RolloutDecision,
)
from mldeploy.errors import PromotionError
from mldeploy.evidence import Approval, Report, Waiver
from mldeploy.feedback import LabelLedger
from mldeploy.governance import MONITORED, keep_report
from mldeploy.monitoring import Monitor, Reference, Window
from mldeploy.project._watch import Watch
from mldeploy.registry import CHAMPION, ModelVersion, Registry
from mldeploy.retraining import RetrainingDecision
from mldeploy.serving import Answer, Answers, Label
from mldeploy.store import Store, tables

Frame: TypeAlias = pd.DataFrame | pl.DataFrame | Sequence[Mapping[str, object]]
Load: TypeAlias = Callable[[ModelVersion], Release]


@final
class Live:
    """A deployment with its memory: what it answered, what was true, and how it came to serve.

    Made by `Project.deploy`.
    """

    def __init__(
        self,
        deployment: Deployment,
        *,
        store: Store,
        registry: Registry,
        labels: LabelLedger,
        load: Load,
        version: ModelVersion,
        by: str,
        clock: Clock,
    ) -> None:
        self.deployment = deployment
        self.labels = labels
        self._store = store
        self._registry = registry
        self._load = load
        self._by = by
        self._clock = clock
        self._candidate: ModelVersion | None = version
        self._served: ModelVersion | None = registry.alias(version.name, CHAMPION)
        self._begun_at = clock()
        self._watch = Watch()
        deployment.take_labels(self._take_labels)
        self._record("deployment.started", version)
        if self.deployment.status().champion is None:
            self.advance()

    # --- answering ------------------------------------------------------------------------

    @property
    def id(self) -> str:
        """Identifier of the deployment."""
        return self.deployment.id

    @property
    def version(self) -> ModelVersion:
        """The version that serves; the candidate while there is no other."""
        version = self._served or self._candidate
        assert version is not None, "a deployment always has a version"
        return version

    def predict(
        self, row: Mapping[str, object], *, key: str | None = None, time: datetime | None = None
    ) -> Answer:
        """Answer one row; it is logged without being waited for.

        Parameters
        ----------
        row : mapping of str to object
            A value for each column that the model reads.
        key : str, optional
            What the row is about; rows of one key meet the same version during a rollout, and
            labels can be given by key and time.
        time : datetime, optional
            When the answer was asked for, with a zone; now when None.

        Raises
        ------
        InvalidRowsError
            If the schema refuses a value; it names each field.
        """
        return self.deployment.predict(row, key=key, time=time)

    def predict_frame(
        self,
        frame: Frame,
        *,
        keys: Sequence[str] | None = None,
        times: Sequence[datetime] | npt.NDArray[np.datetime64] | None = None,
    ) -> Answers:
        """Answer many rows; the answers are in the order of the rows."""
        return self.deployment.predict_frame(frame, keys=keys, times=times)

    # --- truth ----------------------------------------------------------------------------

    def label(
        self,
        prediction_id: str,
        value: bool | int | float | str,  # noqa: FBT001 - the truth, not a switch
        *,
        at: datetime | None = None,
    ) -> None:
        """Say what was true of one prediction; a later label revises an earlier one.

        Parameters
        ----------
        prediction_id : str
            `Answer.id`.
        value : scalar
            The truth, coded as in training.
        at : datetime, optional
            When it became known, with a zone; now when None.
        """
        when = at or self._clock()
        self.add_labels(
            pl.DataFrame(
                {
                    "prediction_id": [prediction_id],
                    "value": [value],
                    "observed_at": [when],
                    "received_at": [when],
                }
            )
        )

    def add_labels(self, labels: pl.DataFrame | pd.DataFrame) -> None:
        """Say what was true of many predictions; see `LabelLedger.record`."""
        self.labels.record(labels, by=self._by)

    def _take_labels(self, labels: Sequence[Label]) -> None:
        """Keep labels that reached the deployment, as by HTTP."""
        self.labels.record(
            [
                {name: value for name, value in vars(label).items() if value is not None}
                for label in labels
            ],
            by=f"deployment {self.id}",
            progress=False,
        )

    def window(self, start: datetime, end: datetime, *, as_of: datetime | None = None) -> Window:
        """Return what was answered from `start` to `end`, with the labels known at `as_of`.

        Answers of a shadow were never given and are left out.
        """
        now = as_of or self._clock()
        release = self._load(self.version)
        answers = self._outcomes(start, end, as_of=now)
        return Window(
            answers=answers.filter(pl.col("arm") != SHADOW),
            start=start,
            end=end,
            as_of=now,
            problem=release.model.problem,
            signature=release.model.signature,
        )

    # --- health ---------------------------------------------------------------------------

    @property
    def watch(self) -> Watch:
        """What the monitors have seen since the present version came to serve."""
        return self._watch

    def check(
        self,
        monitor: Monitor,
        *,
        start: datetime,
        end: datetime,
        as_of: datetime,
        reference: Reference,
    ) -> Report:
        """Judge a slice of time, and remember what was seen.

        Parameters
        ----------
        monitor : Monitor
            What judges.
        start, end : datetime
            The slice of time, with zone.
        as_of : datetime
            Now.
        reference : Reference
            What the version was validated on; windows seen since are added to it.
        """
        tally, before = self.deployment.tally(), self._watch.tally
        window = replace(
            self.window(start, end, as_of=as_of),
            rejected=tally.rejected - before.rejected,
            dropped=tally.dropped - before.dropped,
        )
        self._watch = replace(self._watch.of_version(self.version.label, reference), tally=tally)
        report = monitor.check(window, self._watch.reference_now(), clock=self._clock)
        self._watch = self._watch.after(window, report)
        keep_report(self._store, MONITORED, report, subject=self.version.label, by=self._by)
        if report.alarms:
            with self._store.write() as tx:
                tx.record(
                    "monitor.alarmed",
                    subject=self.version.label,
                    actor=self._by,
                    details={"alarms": [f.to_jsonable() for f in report.alarms]},
                )
        return report

    def note_retraining(self, decision: RetrainingDecision) -> None:
        """Keep in the ledger that training anew was decided, so that a cool-down can count."""
        self._watch = replace(self._watch, last_decided_at=decision.at)
        with self._store.write() as tx:
            tx.record(
                "retraining.decided",
                subject=self.version.label,
                actor=self._by,
                details={"decision": decision.to_jsonable()},
            )

    # --- the rollout ----------------------------------------------------------------------

    def roll_out(self, version: ModelVersion, rollout: Rollout) -> DeploymentStatus:
        """Begin to replace the version that serves.

        Raises
        ------
        PromotionError
            If the version was not approved, or its validation did not pass.
        DeploymentError
            If another version is on its way.
        """
        must_be_approved(self._registry, version, at=self._clock())
        self.deployment.roll_out(self._load(version), rollout)
        self._candidate, self._begun_at = version, self._clock()
        self._record("rollout.begun", version)
        return self.status()

    def decide(self, *, at: datetime | None = None) -> RolloutDecision:
        """Decide what the rollout does next; nothing changes before `advance`."""
        now = at or self._clock()
        return self.deployment.decide(self._outcomes(self._begun_at, None, as_of=now), at=now)

    def advance(self, *, at: datetime | None = None) -> RolloutDecision:
        """Decide what the rollout does next, and do it: in service, registry and ledger.

        Raises
        ------
        DeploymentError
            If nothing is rolled out.
        """
        decision = self.decide(at=at)
        candidate = self._candidate
        assert candidate is not None, "decide raises when nothing is rolled out"
        if decision.action is Action.COMPLETE and self._served != candidate:
            approval = must_be_approved(self._registry, candidate, at=self._clock())
            self._registry.promote(
                candidate, CHAMPION, approval=approval, by=self._by, reason=decision.reason
            )
        self.deployment.apply(decision)
        if decision.action is Action.COMPLETE:
            self._served, self._candidate = candidate, None
        elif decision.action is Action.ROLL_BACK:
            self._candidate = None
        if decision.action is not Action.HOLD:
            self._record(f"rollout.{decision.action}", candidate, decision=decision)
        return decision

    @property
    def is_rolling_out(self) -> bool:
        """Whether a candidate is on its way."""
        return self._candidate is not None

    def roll_back(self, *, by: str, reason: str) -> ModelVersion:
        """Return to the version that served before, at once.

        While a candidate is on its way, it is dropped and the champion goes on to serve.

        Raises
        ------
        NotFoundError
            If none served before.
        """
        if self._candidate is not None and self._served is not None:
            dropped, self._candidate = self._candidate, None
            self.deployment.serve(self._load(self._served))
            self._record("rollout.roll_back", dropped, by=by, reason=reason)
            return self._served
        before = self._registry.rollback(self.version.name, CHAMPION, by=by, reason=reason)
        self.deployment.serve(self._load(before))
        self._served = before
        self._record("rollout.roll_back", before, by=by, reason=reason)
        return before

    def status(self) -> DeploymentStatus:
        """Return what serves now."""
        return self.deployment.status()

    def stop(self) -> None:
        """Answer no more; everything that was logged is safe when this returns."""
        if not self.status().is_stopped:
            self.deployment.stop()
            self._record("deployment.stopped", self.version)

    def __enter__(self) -> Live:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _outcomes(
        self, start: datetime | None, end: datetime | None, *, as_of: datetime
    ) -> pl.DataFrame:
        return self.labels.join(self.deployment.answers(start=start, end=end), as_of=as_of)

    def _record(
        self,
        kind: str,
        version: ModelVersion,
        *,
        decision: RolloutDecision | None = None,
        by: str | None = None,
        reason: str = "",
    ) -> None:
        """Keep the state of the deployment and its event together."""
        status, table = self.status(), tables.deployments
        with self._store.write() as tx:
            row = {
                "id": self.id,
                "name": version.name,
                "number": version.number,
                "started_at": self._begun_at,
                "stopped_at": tx.now if status.is_stopped else None,
                "state": status.to_jsonable(),
            }
            tx.connection.execute(sa.delete(table).where(table.c.id == self.id))
            tx.connection.execute(sa.insert(table), row)
            tx.record(
                kind,
                subject=version.label,
                actor=by or self._by,
                details={
                    "deployment": self.id,
                    "share": status.share,
                    "reason": decision.reason if decision else reason,
                    "decision": decision.to_jsonable() if decision else None,
                },
            )

    def _repr_html_(self) -> str:
        return self.deployment._repr_html_()


def must_be_approved(registry: Registry, version: ModelVersion, *, at: datetime) -> Approval:
    """Return the newest approval of a version whose evidence passes; refuse any other version.

    Raises
    ------
    PromotionError
        If nobody approved it, or its validation did not pass and is not waived.
    """
    evidence = registry.evidence(version, at=at)
    if not evidence.passed:
        raise PromotionError(
            f"{version.label} cannot serve: its validation says {evidence.verdict}"
        )
    approvals = [
        a for a in registry.sign_offs.approvals(version) if _holds(a.self_approval_waiver, at=at)
    ]
    if not approvals:
        raise PromotionError(
            f"{version.label} cannot serve: nobody approved it, or only by a waiver that has "
            "ended; call project.approve"
        )
    return approvals[-1]


def _holds(waiver: Waiver | None, *, at: datetime) -> bool:
    return waiver is None or waiver.is_valid(at)

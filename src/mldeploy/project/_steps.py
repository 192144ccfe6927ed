"""Steps that are recorded, and not done twice."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Generic, TypeVar, final

import sqlalchemy as sa

from mldeploy._record import Record, digest_of
from mldeploy.errors import NotFoundError, StepFailedError
from mldeploy.store import JsonValue, Store, tables

T = TypeVar("T")
_DONE, _FAILED = "done", "failed"


@final
class StepRecord(Record):
    """One step of a run: what went in, what came out, and whether it was done or found done."""

    run: str
    step: str
    input_digest: str
    output: dict[str, JsonValue]
    status: str
    started_at: datetime
    duration: timedelta
    reused_from: str | None = None
    """The run that did the same step on the same inputs before; nothing was done again."""

    @property
    def seconds(self) -> float:
        """How long it took."""
        return self.duration.total_seconds()


@final
@dataclass(frozen=True, kw_only=True)
class Step(Generic[T]):
    """Something to do whose result can be stored and found again.

    Attributes
    ----------
    name : str
        What it is called within a run.
    inputs : mapping of str to JSON value
        All that the result depends on: digests of data, problem, code and settings.
    do : callable
        Does it; whatever it raises fails the step.
    save : callable
        Turns the result into JSON values, digests of stored artifacts among them.
    load : callable
        Turns what `save` returned back into the result.
    """

    name: str
    inputs: Mapping[str, JsonValue]
    do: Callable[[], T]
    save: Callable[[T], dict[str, JsonValue]]
    load: Callable[[dict[str, JsonValue]], T]

    @property
    def input_digest(self) -> str:
        """Digest of the name and of all inputs."""
        return digest_of({"step": self.name, "inputs": dict(self.inputs)})


@final
class StepRunner:
    """Does the steps of one run, records each, and does none twice.

    A step that was done before with the same inputs, in this run or in another, is loaded. One
    that raises is recorded as failed, and the run can be resumed: what was done is loaded.

    Parameters
    ----------
    store : Store
        Where steps are recorded.
    run : str, optional
        The run to go on with; a new one when None.
    actor : str
        Who is named in the ledger.

    Raises
    ------
    NotFoundError
        If there is no step of the run to go on with.
    """

    def __init__(self, store: Store, *, run: str | None = None, actor: str) -> None:
        self._store = store
        self._actor = actor
        self.run = run or uuid.uuid4().hex
        if run is not None and not self.records():
            raise NotFoundError(f"there is no run {run!r} to go on with; see project.steps()")

    def __call__(self, step: Step[T]) -> T:
        """Do a step, or load what it came to before.

        Raises
        ------
        StepFailedError
            If it raises; it names the run, so that it can be resumed.
        """
        before = self._find_done(step)
        if before is not None:
            output: dict[str, JsonValue] = before["details"]["output"]
            result = step.load(output)
            if before["run"] != self.run:
                self._record(step, output, started=self._store.clock(), reused=before["run"])
            return result
        started, tick = self._store.clock(), time.perf_counter()
        try:
            result = step.do()
            output = step.save(result)
            digest_of(output)  # what cannot be told as JSON could not be found again
        except Exception as error:
            self._record(step, {"error": repr(error)[:2000]}, started=started, status=_FAILED)
            raise StepFailedError(step.name, run=self.run, cause=error) from error
        took = time.perf_counter() - tick
        self._record(step, output, started=started, took=took)
        return result

    def records(self) -> tuple[StepRecord, ...]:
        """Return the steps of this run, in the order in which they were begun."""
        return read_steps(self._store, run=self.run)

    def _find_done(self, step: Step[T]) -> Mapping[str, Any] | None:
        table = tables.steps
        query = (
            sa.select(table)
            .where(
                table.c.step == step.name,
                table.c.input_digest == step.input_digest,
                table.c.status == _DONE,
            )
            .order_by((table.c.run == self.run).desc(), table.c.started_at.desc())
            .limit(1)
        )
        with self._store.read() as connection:
            row = connection.execute(query).mappings().first()
            return None if row is None else dict(row)

    def _record(
        self,
        step: Step[T],
        output: dict[str, JsonValue],
        *,
        started: datetime,
        took: float = 0.0,
        status: str = _DONE,
        reused: str | None = None,
    ) -> None:
        table = tables.steps
        details: dict[str, JsonValue] = {
            "output": output,
            "seconds": took,
            "reused_from": reused,
            "inputs": dict(step.inputs),
        }
        row = {
            "run": self.run,
            "step": step.name,
            "input_digest": step.input_digest,
            "output_digest": digest_of(output),
            "status": status,
            "started_at": started,
            "ended_at": started + timedelta(seconds=took),
            "details": details,
        }
        with self._store.write() as tx:
            same = sa.and_(table.c.run == self.run, table.c.step == step.name)
            tx.connection.execute(sa.delete(table).where(same))
            tx.connection.execute(sa.insert(table), row)
            tx.record(
                f"step.{status}",
                subject=f"{self.run}/{step.name}",
                actor=self._actor,
                details={"input": step.input_digest, "reused_from": reused},
            )


def read_steps(store: Store, *, run: str | None = None) -> tuple[StepRecord, ...]:
    """Return the recorded steps of one run or of all, oldest first."""
    table = tables.steps
    query = sa.select(table).order_by(table.c.started_at, table.c.ended_at)
    if run is not None:
        query = query.where(table.c.run == run)
    with store.read() as connection:
        rows = connection.execute(query).mappings().all()
    return tuple(
        StepRecord(
            run=row["run"],
            step=row["step"],
            input_digest=row["input_digest"],
            output=row["details"]["output"],
            status=row["status"],
            started_at=row["started_at"],
            duration=timedelta(seconds=row["details"]["seconds"]),
            reused_from=row["details"]["reused_from"],
        )
        for row in rows
    )

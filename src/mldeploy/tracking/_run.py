"""A run while it runs."""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, SupportsFloat, final

import sqlalchemy as sa

from mldeploy.errors import AlreadyExistsError
from mldeploy.store import JsonValue, Store, tables

from ._records import RunStatus

_MOST_BUFFERED: Final = 1000


@final
class Run:
    """Records one run; made by `Runs.start`.

    As a context manager it ends the run: finished, or failed if the block raises. Metrics are
    buffered, and written in one transaction when there are 1000 of them, when one is logged
    `flush_after` later than the last were written, by `flush`, and at the end. A killed
    process therefore loses at most the metrics of its last moments. Threads may share a run.
    """

    def __init__(
        self, store: Store, run_id: str, *, name: str, actor: str, flush_after: timedelta
    ) -> None:
        self.id = run_id
        self.name = name
        self.status = RunStatus.RUNNING
        self._store = store
        self._actor = actor
        self._flush_after = flush_after
        self._flushed_at = store.clock()
        self._buffer: list[dict[str, Any]] = []
        self._lock = threading.RLock()

    def log_metric(self, key: str, value: SupportsFloat, *, step: int | None = None) -> None:
        """Keep one value of a metric.

        Parameters
        ----------
        key : str
            Name of the metric.
        value : float
            Its value; NaN and the infinities are kept as such.
        step : int, optional
            Where in the run it was measured (an epoch, a fold).

        Raises
        ------
        AlreadyExistsError
            If the run has ended.
        """
        number, now = float(value), self._store.clock()
        stored = None if math.isnan(number) else number
        row = {"run": self.id, "key": key, "step": step, "value": stored, "at": now}
        with self._lock:
            self._require_running()
            self._buffer.append(row)
            if len(self._buffer) >= _MOST_BUFFERED or now - self._flushed_at >= self._flush_after:
                self._flush(now)

    def log_scores(self, key: str, scores: Sequence[float]) -> None:
        """Keep a metric's value on each fold, and their mean as its last value.

        Parameters
        ----------
        key : str
            Name of the metric.
        scores : sequence of float
            In the order of the folds that the run was started with.

        Raises
        ------
        AlreadyExistsError
            If the run has ended.
        """
        for step, score in enumerate(scores):
            self.log_metric(key, score, step=step)
        self.log_metric(key, math.fsum(scores) / len(scores))

    def log_artifact(self, name: str, content: bytes | Path) -> str:
        """Store bytes, a file or a directory under a name of this run; return its digest.

        Raises
        ------
        AlreadyExistsError
            If the run has an artifact of this name, or has ended.
        StoreFullError
            If the disk is full.
        """
        with self._lock:
            self._require_running()
        artifacts = self._store.artifacts
        if isinstance(content, bytes):
            digest = artifacts.put_bytes(content)
        elif content.is_dir():
            digest = artifacts.put_directory(content)
        else:
            digest = artifacts.put_file(content)
        table = tables.run_artifacts
        with self._store.write() as tx:
            taken = (table.c.run == self.id) & (table.c.name == name)
            if tx.connection.execute(sa.select(table.c.digest).where(taken)).first():
                raise AlreadyExistsError(f"run {self.id} has an artifact {name!r}; name it anew")
            row = {"run": self.id, "name": name, "digest": digest, "at": tx.now}
            tx.connection.execute(sa.insert(table), row)
        return digest

    def flush(self) -> None:
        """Write the buffered metrics; they are durable when this returns."""
        with self._lock:
            self._flush(self._store.clock())

    def end(self, status: RunStatus = RunStatus.FINISHED, *, reason: str = "") -> None:
        """Write what is buffered, and how the run ended; a second call is refused.

        Parameters
        ----------
        status : RunStatus, default=FINISHED
            How it ended.
        reason : str, default=""
            Why it failed; kept in the ledger.

        Raises
        ------
        AlreadyExistsError
            If the run has ended.
        """
        with self._lock:
            self._require_running()
            details: dict[str, JsonValue] = {"name": self.name, "status": status.value}
            if reason:
                details["reason"] = reason
            runs = tables.runs
            with self._store.write() as tx:
                self._insert_buffered(tx.connection)
                ended = {"status": status.value, "ended_at": tx.now}
                tx.connection.execute(sa.update(runs).where(runs.c.id == self.id).values(ended))
                tx.record("run.ended", subject=self.id, actor=self._actor, details=details)
            self._buffer, self.status = [], status

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self.status is not RunStatus.RUNNING:
            return
        if error is None:
            self.end()
        else:
            self.end(RunStatus.FAILED, reason=f"{type(error).__name__}: {error}")

    def __repr__(self) -> str:
        return f"Run({self.id!r}, name={self.name!r}, status={self.status.value!r})"

    def _flush(self, now: datetime) -> None:
        if self._buffer:
            with self._store.write() as tx:
                self._insert_buffered(tx.connection)
            self._buffer = []
        self._flushed_at = now

    def _insert_buffered(self, connection: sa.Connection) -> None:
        if self._buffer:
            connection.execute(sa.insert(tables.run_metrics), self._buffer)

    def _require_running(self) -> None:
        if self.status is not RunStatus.RUNNING:
            raise AlreadyExistsError(f"run {self.id} has {self.status.value}; start another one")

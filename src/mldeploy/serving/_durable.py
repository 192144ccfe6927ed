"""The durable writer: a record is on the disk before anybody is told that it was logged."""

from __future__ import annotations

import logging
import threading
import time
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import timedelta
from typing import final

from mldeploy.errors import PredictionLogError, PredictionLogFullError
from mldeploy.serving._batch import stack
from mldeploy.serving._durable_journal import Journal
from mldeploy.serving._durable_settle import pack
from mldeploy.serving._frame import Loggable, frame_of, pieces
from mldeploy.serving._on_full import Wait
from mldeploy.serving._segments import home_of
from mldeploy.serving._settings import Settings
from mldeploy.serving._upkeep import Upkeep

_logger = logging.getLogger(__name__)


@final
@dataclass
class _Group:
    """Records that share one call to the disk, and its outcome."""

    records: list[Loggable] = field(default_factory=list)
    n_rows: int = 0
    outcome: Future[None] = field(default_factory=Future)

    def __post_init__(self) -> None:
        self.outcome.set_running_or_notify_cancel()  # one caller cannot cancel it for the others


@final
class DurableWriter:
    """Commit records in groups: those that arrive during one sync share the next.

    Each group becomes one record of a journal. Journals that are long or old enough are handed to
    `Upkeep`, which turns them into Parquet.
    """

    def __init__(self, settings: Settings, upkeep: Upkeep) -> None:
        self.dropped = 0
        self.refused = 0
        self._settings = settings
        self._upkeep = upkeep
        self._changed = threading.Condition()
        self._group = _Group()
        self._underway = _Group()
        self._n_pending = 0
        self._journal: Journal | None = None
        self._opened = 0.0
        self._must_seal = False
        self._closing = False
        self._thread: threading.Thread | None = None

    def submit(self, batch: Loggable) -> Future[None]:
        """Take a batch as a whole; the future tells when it is on the disk."""
        with self._changed:
            if self._closing:
                raise PredictionLogError("this log is closed; make a new ParquetLog")
            self._start()
            n_rows = len(batch)
            if not self._fits(n_rows):
                self._wait_for_room(n_rows)
            self._group.records.append(batch)
            self._group.n_rows += n_rows
            self._n_pending += n_rows
            self._changed.notify_all()
            return self._group.outcome

    def put(self, batch: Loggable) -> None:
        """Return once the batch is on the disk."""
        most, n_rows = self._settings.capacity_rows, len(batch)
        if n_rows <= most:
            self.submit(batch).result()
            return
        for begin in range(0, n_rows, most):
            self.submit(batch.slice(begin, min(begin + most, n_rows))).result()

    put_row = put

    def flush(self, timeout: timedelta | None) -> None:
        """Return once everything taken is Parquet."""
        deadline = None if timeout is None else time.monotonic() + timeout.total_seconds()
        with self._changed:
            if self._thread is None:
                return
            self._must_seal = True
            self._changed.notify_all()
            done = self._changed.wait_for(
                lambda: not self._must_seal or self._closing,
                None if deadline is None else max(deadline - time.monotonic(), 0.0),
            )
        if not done:
            raise PredictionLogError(f"the disk did not take what was logged within {timeout}")
        self._upkeep.wait(deadline)

    def close(self) -> None:
        """Commit what is left, hand over the journal, and end the thread."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join()
        self._upkeep.close()

    def forget(self) -> None:
        """Let go of what a forked child has inherited; the parent goes on with it."""
        if self._journal is not None:
            self._journal.leave()

    # --- on the caller's side, under the lock -----------------------------------------------

    def _start(self) -> None:
        if self._thread is None:
            self._upkeep.start()
            self._thread = threading.Thread(target=self._run, name="mldeploy-log", daemon=True)
            self._thread.start()

    def _fits(self, n_rows: int) -> bool:
        """Tell whether there is room; a batch larger than the buffer has it for itself."""
        return not self._n_pending or self._n_pending + n_rows <= self._settings.capacity_rows

    def _wait_for_room(self, n_rows: int) -> None:
        on_full = self._settings.on_full
        if isinstance(on_full, Wait):
            self._changed.wait_for(
                lambda: self._fits(n_rows) or self._closing, on_full.timeout.total_seconds()
            )
        if self._closing or not self._fits(n_rows):
            self.refused += n_rows
            raise PredictionLogFullError(
                f"the prediction log has no room for {n_rows} rows: {self._n_pending} of "
                f"{self._settings.capacity_rows} wait for the disk; try again, or raise "
                "capacity_rows="
            )

    # --- in the thread ----------------------------------------------------------------------

    def _run(self) -> None:
        try:
            while self._step():
                pass
        except BaseException as error:
            self._die(error)
            raise
        finally:
            self._seal()

    def _die(self, error: BaseException) -> None:
        """Tell everybody who waits: nothing may hang because of a fault of ours."""
        with self._changed:
            self._closing = True
            groups = (self._group, self._underway)
            self._changed.notify_all()
        for group in groups:
            if not group.outcome.done():
                group.outcome.set_exception(PredictionLogError(f"the log has died: {error!r}"))

    def _step(self) -> bool:
        with self._changed:
            self._changed.wait_for(
                lambda: self._group.records or self._must_seal or self._closing, self._patience()
            )
            group, closing, must_seal = self._group, self._closing, self._must_seal
            if group.records:
                self._underway, self._group = group, _Group()
        failure = self._commit(group.records, group.n_rows) if group.records else None
        if must_seal or self._is_long_or_old():
            self._seal()
        with self._changed:
            self._n_pending -= group.n_rows if group.records else 0
            self._must_seal = self._must_seal and not must_seal
            self._changed.notify_all()
        if failure is not None:
            group.outcome.set_exception(failure)
        elif group.records:
            group.outcome.set_result(None)
        return not closing or bool(group.records)

    def _commit(self, records: list[Loggable], n_rows: int) -> PredictionLogError | None:
        try:
            frames = [self._settings.protect(frame_of(piece)) for piece in pieces(records)]
            self._open().append(pack(stack(frames)), n_rows)
        except OSError as error:
            return self._refusal(error)
        except Exception as error:
            _logger.exception("records that no table can hold were not logged")
            refusal = PredictionLogError(f"the records cannot be logged: {error!r}")
            refusal.__cause__ = error
            return refusal
        return None

    def _open(self) -> Journal:
        if self._journal is None:
            home = home_of(self._settings.root, self._settings.deployment)
            self._journal = Journal(home, self._settings.partition)
            self._opened = time.monotonic()
        return self._journal

    def _refusal(self, error: OSError) -> PredictionLogError:
        refusal = PredictionLogError(
            error.errno or 0,
            f"the prediction log under {self._settings.root} could not be written: "
            f"{error.strerror}; what was not acknowledged is not in it. See to the disk",
        )
        refusal.__cause__ = error
        return refusal

    def _is_long_or_old(self) -> bool:
        journal = self._journal
        if journal is None:
            return False
        return journal.n_rows >= self._settings.flush_rows or self._patience() == 0.0

    def _patience(self) -> float | None:
        if self._journal is None or not self._journal.n_rows:
            return None
        until = self._opened + self._settings.flush_interval.total_seconds()
        return max(until - time.monotonic(), 0.0)

    def _seal(self) -> None:
        if self._journal is not None:
            self._upkeep.settle(self._journal.seal())
            self._journal = None

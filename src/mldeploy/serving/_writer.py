"""The bounded buffer of a prediction log, and the thread that empties it."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final, TypeAlias, final

import polars as pl

from mldeploy.errors import PredictionLogError
from mldeploy.serving._batch import PredictionBatch, frame_of
from mldeploy.serving._segments import Partition, Segment, folder_of, new_name

_logger = logging.getLogger(__name__)

_RETRY: Final = timedelta(seconds=1)
"""How long to leave a disk that refused a file alone."""

_STRETCH: Final = "\0stretch"
"""A column that no feature can be called."""

DROPPED_SO_FAR: Final = "mldeploy.dropped"
"""Fact in a file's metadata: rows that its writer had dropped when the file was written."""


@final
@dataclass(frozen=True, kw_only=True)
class DropNewest:
    """Drop and count the rows that find no room: an answer never waits for the disk."""


@final
@dataclass(frozen=True, kw_only=True)
class Wait:
    """Let the caller wait for room, then drop and count: for replays and batch scoring.

    Parameters
    ----------
    timeout : timedelta
        Longest wait for one batch.
    """

    timeout: timedelta = timedelta(minutes=1)


OnFull: TypeAlias = DropNewest | Wait


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How a log is written."""

    root: Path
    deployment: str
    capacity_rows: int
    flush_rows: int
    flush_interval: timedelta
    on_full: OnFull
    partition: Partition


@final
class Writer:
    """A buffer of at most `capacity_rows` rows, counting those on their way to the disk."""

    def __init__(self, settings: Settings) -> None:
        self.dropped = 0
        self._settings = settings
        self._changed = threading.Condition()
        self._waiting: deque[PredictionBatch] = deque()
        self._n_waiting = 0
        self._n_pending = 0
        self._accepted = 0
        self._safe = 0
        """How many of the accepted rows are on the disk, counted in the order of acceptance."""
        self._segments: deque[Segment] = deque()
        self._number = 0
        self._asked = False
        self._closing = False
        self._failures = 0
        self._failed: OSError | None = None
        self._death: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="mldeploy-log", daemon=True)
        self._thread.start()

    def put(self, batch: PredictionBatch) -> None:
        """Take what fits."""
        settings, n_rows, begin = self._settings, len(batch), 0
        with self._changed:
            if self._closing:
                raise PredictionLogError("this log is closed; make a new ParquetLog")
            while begin < n_rows:
                if not self._has_room():
                    break
                taken = min(n_rows - begin, settings.capacity_rows - self._n_pending)
                whole = taken == n_rows
                self._waiting.append(batch if whole else batch.slice(begin, begin + taken))
                self._n_waiting += taken
                self._n_pending += taken
                self._accepted += taken
                begin += taken
                if self._n_waiting >= settings.flush_rows:
                    self._changed.notify_all()
            self._drop(n_rows - begin)

    def flush(self, timeout: timedelta | None) -> None:
        """Wait until everything accepted is on the disk."""
        with self._changed:
            target, failures = self._accepted, self._failures
            if self._safe >= target and self._death is None:
                return
            self._asked = True
            self._changed.notify_all()
            done = self._changed.wait_for(
                lambda: self._safe >= target or self._failures > failures or bool(self._death),
                None if timeout is None else timeout.total_seconds(),
            )
            self._complain()
            if not done:
                raise PredictionLogError(
                    f"{target - self._safe} rows are not on the disk after {timeout}; the disk is "
                    "slow, or timeout= too short"
                )

    def close(self) -> None:
        """Write what is left, end the thread, and say if anything was lost at the end."""
        with self._changed:
            again, self._closing = self._closing, True
            self._changed.notify_all()
        self._thread.join()
        if not again:
            with self._changed:
                self._complain()

    # --- on the caller's side, under the lock -----------------------------------------------

    def _has_room(self) -> bool:
        if self._death is not None:
            return False
        capacity, on_full = self._settings.capacity_rows, self._settings.on_full
        if self._n_pending < capacity:
            return True
        if isinstance(on_full, DropNewest):
            return False
        self._changed.notify_all()
        room = self._changed.wait_for(
            lambda: self._n_pending < capacity or self._closing or bool(self._death),
            on_full.timeout.total_seconds(),
        )
        return room and not self._closing and self._death is None

    def _drop(self, n_rows: int) -> None:
        if n_rows and not self.dropped:
            _logger.warning(
                "the prediction log of %r has begun to drop rows; see its `dropped`",
                self._settings.deployment,
            )
        self.dropped += n_rows

    def _complain(self) -> None:
        cause = self._death or self._failed
        if cause is not None:
            detail = cause.strerror if isinstance(cause, OSError) else repr(cause)
            code = (cause.errno or 0) if isinstance(cause, OSError) else 0
            what = "can no longer be written" if self._death else "could not be written"
            raise PredictionLogError(
                code,
                f"the prediction log under {self._settings.root} {what}: {detail}; "
                f"{self._n_pending} rows wait, {self.dropped} were dropped. See to the disk; "
                "what was acknowledged is safe",
            ) from cause

    # --- in the thread ----------------------------------------------------------------------

    def _run(self) -> None:
        try:
            while self._step():
                pass
        except Exception as error:
            _logger.exception("the writer of a prediction log has died")
            with self._changed:
                self._death = error
                self._give_up()

    def _step(self) -> bool:
        """Wait until there is something to do, do it, and tell whether to go on."""
        interval = self._settings.flush_interval
        patience = interval if self._failed is None else min(interval, _RETRY)
        with self._changed:
            self._changed.wait_for(self._is_due, patience.total_seconds())
            self._asked = False
            batches, upto = tuple(self._waiting), self._accepted
            closing = self._closing
            if not self._segments:
                self._waiting.clear()
                self._n_waiting = 0
            else:
                batches, upto = (), upto - self._n_waiting
        if batches:
            self._segments.extend(self._cut(frame_of(batches)))
        self._write(upto)
        with self._changed:
            if not closing or (self._n_pending and self._failed is None):
                return True
            self._give_up()
            return False

    def _is_due(self) -> bool:
        full = self._n_waiting >= self._settings.flush_rows or self._is_crowded()
        return self._closing or self._asked or (self._failed is None and full)

    def _is_crowded(self) -> bool:
        return self._n_pending >= self._settings.capacity_rows

    def _cut(self, rows: pl.DataFrame) -> list[Segment]:
        settings, partition = self._settings, self._settings.partition
        length = "1h" if partition is Partition.HOUR else "1d"
        stretch = pl.col("time").dt.truncate(length).alias(_STRETCH)
        parts = rows.with_columns(stretch).partition_by(_STRETCH, maintain_order=True)
        segments = []
        for part in parts:
            self._number += 1
            folder = folder_of(settings.root, settings.deployment, partition, part[_STRETCH][0])
            path = folder / new_name("part", self._number)
            segments.append(Segment(path=path, rows=part.drop(_STRETCH)))
        return segments

    def _write(self, upto: int) -> None:
        """Write the segments in turn; after a failure they are kept, to be tried again."""
        while self._segments:
            segment = self._segments[0]
            try:
                segment.write({DROPPED_SO_FAR: str(self.dropped)})
            except OSError as error:
                self._note(lambda error=error: self._fail(error))  # type: ignore[misc]
                return
            self._segments.popleft()
            self._note(lambda n=segment.rows.height: self._written(n))  # type: ignore[misc]
        self._note(lambda: self._acknowledge(upto))

    def _note(self, change: Callable[[], None]) -> None:
        with self._changed:
            change()
            self._changed.notify_all()

    def _fail(self, error: OSError) -> None:
        if self._failed is None:
            _logger.warning("a prediction log could not be written, retrying: %s", error)
        self._failed = error
        self._failures += 1

    def _written(self, n_rows: int) -> None:
        self._failed = None
        self._n_pending -= n_rows

    def _acknowledge(self, upto: int) -> None:
        self._safe = upto

    def _give_up(self) -> None:
        self._drop(self._n_pending)
        self._waiting.clear()
        self._segments.clear()
        self._n_waiting = self._n_pending = 0
        self._changed.notify_all()

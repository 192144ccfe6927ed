"""The bounded buffer of a prediction log, and the thread that empties it."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from dataclasses import dataclass
from datetime import timedelta
from itertools import count
from typing import Final, final

import polars as pl

from mldeploy.errors import PredictionLogError, PredictionLogFullError
from mldeploy.serving._batch import stack
from mldeploy.serving._frame import PIECE, Loggable, effort, frame_of
from mldeploy.serving._on_full import DropNewest, Refuse
from mldeploy.serving._one_row import LoggedRow
from mldeploy.serving._segments import DROPPED_SO_FAR, Segment, cut, new_name
from mldeploy.serving._settings import Settings
from mldeploy.serving._upkeep import Upkeep

_logger = logging.getLogger(__name__)

_RETRY: Final = timedelta(seconds=1)
"""How long to leave a disk that refused a file alone."""

_ALWAYS: Final = -1


@final
@dataclass(frozen=True)
class _Mark:
    """A place in the queue: everything before it was taken before a `flush` was called."""

    number: int


@final
class Writer:
    """A buffer of at most `capacity_rows` rows, counting those on their way to the disk.

    A single row takes the short way: it draws a ticket, and one comparison tells whether there is
    room and the thread need not be woken. Everything else happens under the lock, and sets
    `_alarm`, the first ticket that has to come there too. Tickets below `_limit` have room.
    """

    def __init__(self, settings: Settings, upkeep: Upkeep) -> None:
        self.dropped = 0
        self.refused = 0
        self._settings = settings
        self._upkeep = upkeep
        self._changed = threading.Condition()
        self._waiting: deque[Loggable | _Mark] = deque()
        self._tickets = count()
        self._limit = settings.capacity_rows
        self._alarm = _ALWAYS
        self._frames: list[pl.DataFrame] = []
        self._n_framed = 0
        self._n_in_hand = 0
        self._segments: deque[Segment] = deque()
        self._numbers = count(1)
        self._new_rows = False
        self._asked = 0
        self._reached = 0
        self._flushed = 0
        """Numbers of the last mark that was put into the queue, taken out, and satisfied."""
        self._closing = False
        self._ended = False
        self._failures = 0
        self._failed: OSError | None = None
        self._death: Exception | None = None
        self._due = 0.0
        self._thread: threading.Thread | None = None

    def put_row(self, row: LoggedRow) -> None:
        """Take a single row, if it fits."""
        if next(self._tickets) < self._alarm:
            self._waiting.append(row)
            if self._ended:
                self._count_latecomers()
        else:
            with self._changed:
                self._limit += 1  # the ticket is handed back
                self._put(row)

    def put(self, batch: Loggable) -> None:
        """Take what fits."""
        with self._changed:
            self._put(batch)

    def flush(self, timeout: timedelta | None) -> None:
        """Wait until everything taken so far is on the disk."""
        with self._changed:
            if self._thread is None:
                return
            self._asked += 1
            target = self._asked
            self._waiting.append(_Mark(target))
            self._changed.notify_all()
            deadline = None if timeout is None else time.monotonic() + timeout.total_seconds()
            while self._flushed < target and not self._ended:
                self._wait_for_news(target, deadline)
            if self._flushed < target:
                self._complain()

    def close(self) -> None:
        """Write what is left, end the thread, and say if anything was lost at the end."""
        with self._changed:
            again, self._closing = self._closing, True
            self._alarm = _ALWAYS
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join()
        self._upkeep.close()
        if not again:
            with self._changed:
                self._complain()

    def forget(self) -> None:
        """Let go of what a forked child has inherited: nothing."""

    # --- on the caller's side, under the lock -----------------------------------------------

    def _wait_for_news(self, target: int, deadline: float | None) -> None:
        failures = self._failures
        done = self._changed.wait_for(
            lambda: self._flushed >= target or self._failures > failures or self._ended,
            None if deadline is None else max(deadline - time.monotonic(), 0.0),
        )
        if self._flushed < target:
            self._complain()
        if not done:
            raise PredictionLogError(
                f"{self._n_pending()} rows are not on the disk in time; the disk is slow, or "
                "timeout= too short"
            )

    def _put(self, record: Loggable) -> None:
        if self._closing:
            raise PredictionLogError("this log is closed; make a new ParquetLog")
        self._start()
        n_rows, begin = len(record), 0
        self._refuse_if_full(n_rows)
        while begin < n_rows and (taken := min(n_rows - begin, self._find_room())):
            whole = taken == n_rows
            self._limit -= taken
            self._waiting.append(record if whole else record.slice(begin, begin + taken))
            begin += taken
        self._drop(n_rows - begin)
        self._arm()

    def _start(self) -> None:
        """Start the thread with the first row: a forked child that logs nothing has none."""
        if self._thread is None:
            self._upkeep.start()
            self._due = self._next_due()
            self._thread = threading.Thread(target=self._run, name="mldeploy-log", daemon=True)
            self._thread.start()

    def _room(self) -> int:
        """Return how many rows fit, after sending every other caller to wait for the lock."""
        self._alarm = _ALWAYS
        ticket = next(self._tickets)
        self._limit += 1
        return max(self._limit - ticket - 1, 0)

    def _n_pending(self) -> int:
        return self._settings.capacity_rows - self._room()

    def _arm(self) -> None:
        """Let single rows take the short way, until there is no room or enough for the thread."""
        if self._closing or self._death is not None:
            return
        flush_rows, room = self._settings.flush_rows, self._room()
        pending = self._settings.capacity_rows - room
        if pending - self._n_framed >= PIECE or pending >= flush_rows:
            self._wake()
        upcoming, gap = self._limit - room, min(PIECE, max(flush_rows - pending, 1))
        self._alarm = self._limit if self._new_rows else min(self._limit, upcoming + gap)

    def _wake(self) -> None:
        if not self._new_rows:
            self._new_rows = True
            self._changed.notify_all()

    def _refuse_if_full(self, n_rows: int) -> None:
        if not isinstance(self._settings.on_full, Refuse):
            return
        if self._death is None and self._room() >= n_rows:
            return
        self.refused += n_rows
        self._arm()
        self._complain()
        raise PredictionLogFullError(
            f"the prediction log has no room for {n_rows} rows: {self._n_pending()} of "
            f"{self._settings.capacity_rows} wait for the disk; try again, or raise capacity_rows="
        )

    def _find_room(self) -> int:
        """Return how many rows fit, after waiting if that is the policy."""
        if self._death is not None:
            return 0
        on_full, room = self._settings.on_full, self._room()
        if room or isinstance(on_full, DropNewest | Refuse):
            return room
        self._wake()
        self._changed.wait_for(
            lambda: self._room() > 0 or self._closing or self._death is not None,
            on_full.timeout.total_seconds(),
        )
        return 0 if self._closing or self._death is not None else self._room()

    def _drop(self, n_rows: int) -> None:
        if n_rows and not self.dropped:
            _logger.warning(
                "the prediction log of %r has begun to drop rows; see its `dropped`",
                self._settings.deployment,
            )
        self.dropped += n_rows

    def _count_latecomers(self) -> None:
        """Count rows that came while the log was being closed: the thread has ended."""
        with self._changed:
            while self._waiting:
                record = self._waiting.popleft()
                self._drop(0 if isinstance(record, _Mark) else len(record))

    def _complain(self) -> None:
        cause = self._death or self._failed
        if cause is not None:
            detail = cause.strerror if isinstance(cause, OSError) else repr(cause)
            code = (cause.errno or 0) if isinstance(cause, OSError) else 0
            what = "can no longer be written" if self._death else "could not be written"
            raise PredictionLogError(
                code,
                f"the prediction log under {self._settings.root} {what}: {detail}; "
                f"{self._n_pending()} rows wait, {self.dropped} were dropped. See to the disk; "
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
        with self._changed:
            self._give_up()

    def _step(self) -> bool:
        """Wait until there is something to do, do it, and tell whether to go on."""
        with self._changed:
            self._changed.wait_for(self._has_work, self._patience())
            self._new_rows = False
            closing = self._closing
        self._take_rows()
        with self._changed:
            crowded = self._room() == 0
            self._arm()
        enough = crowded or self._n_framed >= self._settings.flush_rows
        asked = closing or self._reached > self._flushed or self._failed is not None
        if enough or asked or time.monotonic() >= self._due:
            self._write()
        return not closing or (self._failed is None and bool(self._waiting))

    def _has_work(self) -> bool:
        if self._closing or self._asked > max(self._flushed, self._reached):
            return True
        return self._failed is None and self._new_rows

    def _patience(self) -> float:
        if self._failed is not None:
            return min(self._settings.flush_interval, _RETRY).total_seconds()
        return max(self._due - time.monotonic(), 0.0)

    def _next_due(self) -> float:
        return time.monotonic() + self._settings.flush_interval.total_seconds()

    def _take_rows(self) -> None:
        """Turn what waits into columns, and let other threads in after each piece."""
        upto = len(self._waiting)
        while upto:
            piece: list[Loggable] = []
            work = 0
            while upto and work < PIECE:
                upto -= 1
                record = self._waiting.popleft()
                if isinstance(record, _Mark):
                    self._reached = record.number
                    continue
                piece.append(record)
                self._n_in_hand += len(record)
                work += effort(record)
            if piece:
                self._frame(piece)
            time.sleep(0)

    def _frame(self, piece: list[Loggable]) -> None:
        rows = self._settings.protect(frame_of(piece))
        self._frames.append(rows)
        self._n_framed += rows.height
        self._n_in_hand = 0

    def _write(self) -> None:
        """Write what was taken; after a failure it is kept, to be tried again."""
        reached = self._reached
        while self._segments or self._frames:
            if not self._segments:
                self._segments.extend(self._cut())
            segment = self._segments[0]
            try:
                segment.write({DROPPED_SO_FAR: str(self.dropped)})
            except OSError as error:
                self._fail(error)
                return
            self._segments.popleft()
            self._written(segment.rows.height)
            self._settings.observers(segment.rows)
        self._due = self._next_due()
        with self._changed:
            self._failed = None
            self._flushed = reached
            self._changed.notify_all()

    def _cut(self) -> list[Segment]:
        rows, self._frames = stack(self._frames), []
        settings = self._settings
        return cut(
            rows,
            root=settings.root,
            deployment=settings.deployment,
            partition=settings.partition,
            name=lambda: new_name("part", next(self._numbers)),
        )

    def _fail(self, error: OSError) -> None:
        if self._failed is None:
            _logger.warning("a prediction log could not be written, retrying: %s", error)
        with self._changed:
            self._failed = error
            self._failures += 1
            self._changed.notify_all()

    def _written(self, n_rows: int) -> None:
        with self._changed:
            self._failed = None
            self._limit += n_rows
            self._n_framed -= n_rows
            self._arm()
            self._changed.notify_all()

    def _give_up(self) -> None:
        """Count what could not be written; what comes from now on is counted by who brings it."""
        self._ended = True
        self._alarm = _ALWAYS
        self._drop(self._n_framed + self._n_in_hand)
        self._count_latecomers()
        self._frames, self._n_framed, self._n_in_hand = [], 0, 0
        self._segments.clear()
        self._changed.notify_all()

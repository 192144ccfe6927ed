"""What a log does in the background: settle journals, merge small files, remove old ones."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from datetime import timedelta
from typing import TYPE_CHECKING, Final, final

from mldeploy.errors import PredictionLogError
from mldeploy.serving._durable_journal import Sealed, journals
from mldeploy.serving._settings import Settings

if TYPE_CHECKING:
    from mldeploy.serving._upkeep_round import Upkept

_logger = logging.getLogger(__name__)

_RETRY: Final = 1.0
"""Seconds to leave a disk that refused a file alone."""

_FIRST: Final = timedelta(minutes=1)
"""Time from the first row to the first round: a script that ends before has no round."""


@final
class Upkeep:
    """A thread that does for a log what need not be done at once."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._changed = threading.Condition()
        self._sealed: deque[Sealed] = deque()
        self._failed: OSError | None = None
        self._failures = 0
        self._closing = False
        self._thread: threading.Thread | None = None
        self._due = 0.0

    def start(self) -> None:
        """Start the thread, unless it runs: a forked child that logs nothing has none."""
        with self._changed:
            if self._thread is not None or self._closing:
                return
            settings = self._settings
            late = bool(journals(settings.root, settings.deployment))
            wait = timedelta(0) if late else min(_FIRST, settings.upkeep_interval)
            self._due = time.monotonic() + wait.total_seconds()
            self._thread = threading.Thread(
                target=self._run, name="mldeploy-log-upkeep", daemon=True
            )
            self._thread.start()

    def settle(self, journal: Sealed) -> None:
        """Take a journal that is to become Parquet."""
        self.start()
        with self._changed:
            self._sealed.append(journal)
            self._changed.notify_all()

    def wait(self, deadline: float | None) -> None:
        """Return once every journal taken is Parquet.

        Raises
        ------
        PredictionLogError
            If the disk refuses, or the moment has passed; the rows are safe in their journals.
        """
        with self._changed:
            failures = self._failures
            done = self._changed.wait_for(
                lambda: not self._sealed or self._failures > failures,
                None if deadline is None else max(deadline - time.monotonic(), 0.0),
            )
            if not self._sealed:
                return
            cause = self._failed if done else None
            detail = cause.strerror if cause is not None else "it takes too long"
            raise PredictionLogError(
                (cause.errno or 0) if cause is not None else 0,
                f"{len(self._sealed)} journals under {self._settings.root} could not be turned "
                f"into Parquet: {detail}. Their rows are safe, and are turned once the disk "
                "allows it",
            ) from cause

    def round(self) -> Upkept:
        """Recover, merge and remove once, unless another process is at it."""
        from mldeploy.serving._upkeep_round import one_round  # noqa: PLC0415 - not at the start

        return one_round(self._settings)

    def close(self) -> None:
        """Settle what there is and end the thread; what the disk refuses stays a journal."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join()

    def forget(self) -> None:
        """Let go of what a forked child has inherited; the parent goes on with it."""
        for journal in self._sealed:
            journal.leave()

    # --- in the thread ----------------------------------------------------------------------

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(self._has_work, self._patience())
                closing, journal = self._closing, self._sealed[0] if self._sealed else None
            if journal is not None:
                self._settle(journal)
            elif not closing and time.monotonic() >= self._due:
                self._one_round()
            if closing and (self._failed is not None or not self._sealed):
                break
        for journal in self._sealed:
            journal.leave()

    def _has_work(self) -> bool:
        return self._closing or (self._failed is None and bool(self._sealed))

    def _patience(self) -> float:
        if self._failed is not None:
            return _RETRY
        return max(self._due - time.monotonic(), 0.0)

    def _settle(self, journal: Sealed) -> None:
        from mldeploy.serving._durable_settle import settle  # noqa: PLC0415 - durable logs only

        settings = self._settings
        failed: OSError | None = None
        try:
            settle(
                journal,
                root=settings.root,
                deployment=settings.deployment,
                observers=settings.observers,
            )
        except OSError as error:
            _logger.warning("a journal could not be turned into Parquet, retrying: %s", error)
            failed = error
        except Exception:
            _logger.exception("the journal %s could not be read, and is kept", journal.path)
            journal.leave()
        with self._changed:
            self._failed = failed
            self._failures += failed is not None
            if failed is None:
                self._sealed.popleft()
            self._changed.notify_all()

    def _one_round(self) -> None:
        self._due = time.monotonic() + self._settings.upkeep_interval.total_seconds()
        try:
            done = self.round()
        except Exception:
            _logger.exception("the upkeep of a prediction log failed; it is tried again later")
            return
        if done.did_something:
            _logger.info("upkeep of the prediction log of %r: %s", self._settings.deployment, done)

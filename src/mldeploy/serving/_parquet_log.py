"""A prediction log as Parquet files, written behind the answers."""

from __future__ import annotations

import os
import weakref
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Self, final

import polars as pl

from mldeploy._record import Clock, utc_now
from mldeploy.errors import PredictionLogError
from mldeploy.serving._durable_journal import journals
from mldeploy.serving._frame import Loggable
from mldeploy.serving._observers import Observer, Observers
from mldeploy.serving._on_full import DropNewest, OnFull, Refuse
from mldeploy.serving._one_row import LoggedRow
from mldeploy.serving._privacy import ColumnRule, Protection
from mldeploy.serving._segments import Partition
from mldeploy.serving._settings import Settings
from mldeploy.serving._upkeep import Upkeep
from mldeploy.serving._writer import Writer

if TYPE_CHECKING:
    from mldeploy.serving._durable import DurableWriter
    from mldeploy.serving._retention import Retention
    from mldeploy.serving._upkeep_round import Upkept


@final
class ParquetLog:
    """Write predictions to Parquet without letting an answer wait for the disk.

    ::

        root/deployment=late-arrivals/day=2013-04-01/part-00000001-6f0c….parquet

    A thread empties a bounded buffer. Each file is written under a temporary name, synced and
    renamed: whatever kills the process, every file is whole, and what `flush` acknowledged is
    there exactly once. Rows that find no room are dropped and counted, in `dropped` and in the
    metadata of the next file. While the disk is full the buffer fills and drops; when space
    returns, writing goes on by itself.

    A *durable* log acknowledges every row: `write` returns, and the future of `write_durably` is
    done, only after the row is on the disk. Rows that arrive together share one sync of a
    journal, from which the Parquet files are made; what a killed process leaves is recovered by
    the next log of the deployment, and `read_log` finds it before that.

    Parameters
    ----------
    root : str or Path
        Folder of the log, which many deployments and processes may share.
    deployment : str
        Whose predictions these are.
    durable : bool, default=False
        Acknowledge rows only when they are on the disk. What cannot be written is refused.
    capacity_rows : int, default=100_000
        Rows to hold at most, those on their way to the disk included.
    flush_rows : int, default=10_000
        Rows that start a write.
    flush_interval : timedelta, default=30 s
        Longest time that a row waits before a write is tried.
    on_full : DropNewest, Wait or Refuse, optional
        What becomes of rows that find no room. By default they are dropped and counted, or
        refused if the log is durable.
    partition : Partition, default=Partition.DAY
        Time that a folder spans; a flush writes one file into each folder that it touches.
    columns : mapping of str to HashColumn or DropColumn, optional
        Sensitive columns, by the names that they have in the log: ``"key"`` is what rows are
        about. Rules apply before anything touches the disk.
    observers : sequence of callable, optional
        Called in a background thread with rows that were just written, as they were written: a
        polars frame with the columns of `read_log`. One that raises is left out from then on.
    retention : Retention, optional
        How long to keep predictions; by default for ever.
    compact_after : timedelta or None, default=1 hour
        Merge the files of a folder when its time has passed for so long; None for never.
    upkeep_interval : timedelta, default=1 hour
        How often to look for what is to be merged or removed. Of many processes one does it.
    clock : Clock, default=utc_now
        Tells the age of folders.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with ParquetLog(folder, "late-arrivals") as log:
    ...         log.flush()
    ...     log.dropped
    0
    """

    def __init__(
        self,
        root: str | Path,
        deployment: str,
        *,
        durable: bool = False,
        capacity_rows: int = 100_000,
        flush_rows: int = 10_000,
        flush_interval: timedelta = timedelta(seconds=30),
        on_full: OnFull | None = None,
        partition: Partition = Partition.DAY,
        columns: Mapping[str, ColumnRule] = MappingProxyType({}),
        observers: Sequence[Observer] = (),
        retention: Retention | None = None,
        compact_after: timedelta | None = timedelta(hours=1),
        upkeep_interval: timedelta = timedelta(hours=1),
        clock: Clock = utc_now,
    ) -> None:
        if not deployment:
            raise ValueError("a log belongs to a deployment; pass its name")
        if not 0 < flush_rows <= capacity_rows:
            raise ValueError(f"{flush_rows=} must lie between 1 and {capacity_rows=}")
        if flush_interval <= timedelta(0):
            raise ValueError(f"{flush_interval=} must be positive")
        if upkeep_interval <= timedelta(0):
            raise ValueError(f"{upkeep_interval=} must be positive")
        if durable and isinstance(on_full, DropNewest):
            raise ValueError("a durable log drops nothing; pass on_full=Refuse() or Wait()")
        self.root = Path(root)
        self.deployment = deployment
        self.durable = durable
        self._settings = Settings(
            root=self.root,
            deployment=deployment,
            capacity_rows=capacity_rows,
            flush_rows=flush_rows,
            flush_interval=flush_interval,
            on_full=on_full or (Refuse() if durable else DropNewest()),
            partition=Partition(partition),
            protect=Protection(columns),
            observers=Observers(observers),
            retention=retention,
            compact_after=compact_after,
            upkeep_interval=upkeep_interval,
            clock=clock,
        )
        self._open()
        _opened.add(self)
        if journals(self.root, deployment):
            self._upkeep.start()

    @property
    def dropped(self) -> int:
        """Number of rows that were taken and not written, since the log was opened."""
        return self._writer.dropped

    @property
    def refused(self) -> int:
        """Number of rows that were not taken, and whose callers were told so."""
        return self._writer.refused

    @property
    def failed_observers(self) -> int:
        """Number of observers that raised and are left out."""
        return self._settings.observers.failed

    def write(self, batch: Loggable) -> None:
        """Take a batch, or as much of it as there is room for; a durable log takes all or raises.

        Raises
        ------
        PredictionLogError
            If the log is closed, the batch is another deployment's, or a durable log could not
            write it.
        PredictionLogFullError
            If there is no room, and the policy is to refuse.
        """
        if batch.deployment != self.deployment:
            self._refuse_stranger(batch)
        if type(batch) is LoggedRow:
            self._writer.put_row(batch)
        else:
            self._writer.put(batch)

    def write_durably(self, batch: Loggable) -> Future[None]:
        """Take a batch as a whole, and tell when it is on the disk.

        Returns
        -------
        Future
            Done without a result once the rows are safe, or with a `PredictionLogError`. Rows
            that are committed together share it; it cannot be cancelled. In a coroutine, await
            ``asyncio.wrap_future(future)``.

        Raises
        ------
        PredictionLogError
            If the log is not durable or closed, or the batch is another deployment's.
        PredictionLogFullError
            If there is no room.
        """
        if batch.deployment != self.deployment:
            self._refuse_stranger(batch)
        if isinstance(self._writer, Writer):
            raise PredictionLogError("this log is not durable; open it with durable=True")
        return self._writer.submit(batch)

    def flush(self, timeout: timedelta | None = None) -> None:
        """Return once every row taken before the call is in a Parquet file.

        Raises
        ------
        PredictionLogError
            If the disk refuses (the rows are kept, and tried again), if `timeout` has passed, or
            if the writer has died.
        """
        self._writer.flush(timeout)

    def upkeep(self) -> Upkept:
        """Recover, merge and remove now what the background thread would in its next round.

        Does nothing but recover while another process is at it.
        """
        return self._upkeep.round()

    def frame(self, *, start: datetime | None = None, end: datetime | None = None) -> pl.DataFrame:
        """Flush, and return the predictions with start ≤ time < end, as `read_log` does.

        Raises
        ------
        PredictionLogError
            If what was taken could not be written.
        """
        from mldeploy.serving._read import read_log  # noqa: PLC0415 - a server writes only

        self.flush()
        return read_log(self.root, deployment=self.deployment, start=start, end=end)

    def close(self) -> None:
        """Write what is left and end the thread; a second call does nothing.

        Raises
        ------
        PredictionLogError
            If what was left could not be written; it is then counted in `dropped`.
        """
        self._finalizer.detach()
        self._writer.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"ParquetLog({str(self.root)!r}, {self.deployment!r})"

    def _open(self) -> None:
        self._upkeep = Upkeep(self._settings)
        self._writer = self._new_writer()
        self._finalizer = weakref.finalize(self, _close_at_exit, self._writer)

    def _new_writer(self) -> Writer | DurableWriter:
        if not self.durable:
            return Writer(self._settings, self._upkeep)
        from mldeploy.serving._durable import DurableWriter  # noqa: PLC0415 - seldom asked for

        return DurableWriter(self._settings, self._upkeep)

    def _open_again(self) -> None:
        """Begin anew in a forked child: threads stay behind, and rows are the parent's."""
        self._finalizer.detach()
        self._writer.forget()
        self._upkeep.forget()
        self._open()

    def _refuse_stranger(self, batch: Loggable) -> None:
        raise PredictionLogError(
            f"this is the log of {self.deployment!r}, and the batch is of "
            f"{batch.deployment!r}; open a ParquetLog for it"
        )


def _close_at_exit(writer: Writer | DurableWriter) -> None:
    with suppress(PredictionLogError):
        writer.close()


def _open_all_again() -> None:
    for log in tuple(_opened):
        log._open_again()  # noqa: SLF001 (the class's own hook)


_opened: Final[weakref.WeakSet[ParquetLog]] = weakref.WeakSet()

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_open_all_again)

"""A prediction log as Parquet files, written behind the answers."""

from __future__ import annotations

import os
import weakref
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Self, final

import polars as pl

from mldeploy.errors import PredictionLogError
from mldeploy.serving._batch import PredictionBatch
from mldeploy.serving._read import read_log
from mldeploy.serving._segments import Partition
from mldeploy.serving._writer import DropNewest, OnFull, Settings, Writer


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

    Parameters
    ----------
    root : str or Path
        Folder of the log, which many deployments and processes may share.
    deployment : str
        Whose predictions these are.
    capacity_rows : int, default=100_000
        Rows to hold at most, those on their way to the disk included.
    flush_rows : int, default=10_000
        Rows that start a write.
    flush_interval : timedelta, default=30 s
        Longest time that a row waits before a write is tried.
    on_full : DropNewest or Wait, default=DropNewest()
        What becomes of rows that find no room.
    partition : Partition, default=Partition.DAY
        Time that a folder spans; a flush writes one file into each folder that it touches.

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
        capacity_rows: int = 100_000,
        flush_rows: int = 10_000,
        flush_interval: timedelta = timedelta(seconds=30),
        on_full: OnFull | None = None,
        partition: Partition = Partition.DAY,
    ) -> None:
        if not deployment:
            raise ValueError("a log belongs to a deployment; pass its name")
        if not 0 < flush_rows <= capacity_rows:
            raise ValueError(f"{flush_rows=} must lie between 1 and {capacity_rows=}")
        if flush_interval <= timedelta(0):
            raise ValueError(f"{flush_interval=} must be positive")
        self.root = Path(root)
        self.deployment = deployment
        self._settings = Settings(
            root=self.root,
            deployment=deployment,
            capacity_rows=capacity_rows,
            flush_rows=flush_rows,
            flush_interval=flush_interval,
            on_full=DropNewest() if on_full is None else on_full,
            partition=Partition(partition),
        )
        self._start()

    @property
    def dropped(self) -> int:
        """Number of rows that were not written, since the log was opened."""
        return self._mine().dropped

    def write(self, batch: PredictionBatch) -> None:
        """Take a batch, or as much of it as there is room for.

        Raises
        ------
        PredictionLogError
            If the log is closed, or the batch is another deployment's.
        """
        if batch.deployment != self.deployment:
            raise PredictionLogError(
                f"this is the log of {self.deployment!r}, and the batch is of "
                f"{batch.deployment!r}; open a ParquetLog for it"
            )
        self._mine().put(batch)

    def flush(self, timeout: timedelta | None = None) -> None:
        """Return once every row taken before the call is on the disk.

        Raises
        ------
        PredictionLogError
            If the disk refuses (the rows are kept, and tried again), if `timeout` has passed, or
            if the writer has died.
        """
        self._mine().flush(timeout)

    def frame(self, *, start: datetime | None = None, end: datetime | None = None) -> pl.DataFrame:
        """Flush, and return the predictions with start ≤ time < end, as `read_log` does.

        Raises
        ------
        PredictionLogError
            If what was taken could not be written.
        """
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
        self._mine().close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"ParquetLog({str(self.root)!r}, {self.deployment!r})"

    def _start(self) -> None:
        self._pid = os.getpid()
        self._writer = Writer(self._settings)
        self._finalizer = weakref.finalize(self, _close_at_exit, self._writer, self._pid)

    def _mine(self) -> Writer:
        """Return the writer of this process: a forked child has no thread, and gets its own."""
        if self._pid != os.getpid():
            self._finalizer.detach()
            self._start()
        return self._writer


def _close_at_exit(writer: Writer, pid: int) -> None:
    if pid == os.getpid():
        with suppress(PredictionLogError):
            writer.close()

"""A prediction log whose batches, written again, replace themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Final, final

import numpy as np
import numpy.typing as npt
import polars as pl

from mldeploy.errors import PredictionLogError
from mldeploy.serving._bulk_files import full_disk_as_error
from mldeploy.serving._frame import Loggable, frame_of
from mldeploy.serving._observers import Observer, Observers
from mldeploy.serving._privacy import ColumnRule, Protection
from mldeploy.serving._read import read_log
from mldeploy.serving._segments import Partition, cut


@final
class BulkLog:
    """Write each batch at once, as one file named after its first prediction.

    It is read like a `ParquetLog`, and may share its folder. Where that answers requests without
    waiting for the disk, this one is for jobs: a batch is on the disk when `write` returns, and
    the batches of a job that was killed and resumed are in the log exactly once, since a piece
    that is scored again has the identifiers that it had.

    Parameters
    ----------
    root : str or Path
        Folder of the log.
    deployment : str
        Whose predictions these are.
    partition : Partition, default=Partition.DAY
        Time that a folder spans.
    columns : mapping of str to HashColumn or DropColumn, optional
        What becomes of sensitive columns, as in a `ParquetLog`.
    observers : sequence of callable
        Are told the rows of each batch, once it is on the disk.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     BulkLog(folder, "nightly").frame().height
    0
    """

    def __init__(
        self,
        root: str | Path,
        deployment: str,
        *,
        partition: Partition = Partition.DAY,
        columns: Mapping[str, ColumnRule] = MappingProxyType({}),
        observers: Sequence[Observer] = (),
    ) -> None:
        if not deployment:
            raise ValueError("a log belongs to a deployment; pass its name")
        self.root = Path(root)
        self.deployment = deployment
        self._partition = Partition(partition)
        self._protection = Protection(columns)
        self._observers = Observers(observers)
        self._closed = False

    @property
    def dropped(self) -> int:
        """Nothing is ever dropped: who writes, waits."""
        return 0

    def write(self, batch: Loggable) -> None:
        """Write a batch down to the disk.

        Raises
        ------
        PredictionLogError
            If the log is closed, or the batch is another deployment's.
        StoreFullError
            If the disk takes no more.
        """
        if self._closed:
            raise PredictionLogError("this log is closed; make a new one")
        if batch.deployment != self.deployment:
            raise PredictionLogError(
                f"this is the log of {self.deployment!r}, and the batch is of "
                f"{batch.deployment!r}; open a BulkLog for it"
            )
        rows = frame_of([batch])
        name = f"bulk-{rows['prediction_id'][0]}.parquet"
        segments = cut(
            self._protection(rows),
            root=self.root,
            deployment=self.deployment,
            partition=self._partition,
            name=lambda: name,
        )
        for segment in segments:
            with full_disk_as_error(self.root):
                segment.write({})
            self._observers(segment.rows)

    def flush(self, timeout: timedelta | None = None) -> None:
        """Return at once: what was taken is written."""

    def close(self) -> None:
        """Take no more."""
        self._closed = True

    def frame(self, *, start: datetime | None = None, end: datetime | None = None) -> pl.DataFrame:
        """Return the predictions with start ≤ time < end, as `read_log` does."""
        return read_log(self.root, deployment=self.deployment, start=start, end=end)


def job_ids(job: str, started_at: datetime, rows: npt.NDArray[np.int64]) -> pl.Series:
    """Return the identifiers of a job's predictions, the same whenever a row is scored again.

    Parameters
    ----------
    job : str
        Eight hexadecimal digits.
    started_at : datetime
        When the job began; identifiers sort by it, and then by row.
    rows : ndarray of shape (n_rows,)
        Numbers of the rows in the table.

    Returns
    -------
    polars.Series of length n_rows
        A UUID of version 7 without hyphens for each, whose last 40 bits count the rows [1]_.

    References
    ----------
    .. [1] K. Davis et al., "Universally Unique IDentifiers", RFC 9562, 2024, section 6.2,
       method 1.

    Examples
    --------
    >>> when = datetime(2013, 1, 1, 5, 15, tzinfo=UTC)
    >>> job_ids("01234567", when, np.array([0, 255])).to_list()
    ['013bf488bc2070128345670000000000', '013bf488bc20701283456700000000ff']
    """
    stamp = (started_at - _EPOCH) // timedelta(milliseconds=1) & (2**48 - 1)
    prefix = f"{stamp:012x}7{job[:3]}8{job[3:]}"
    high, middle, low = (rows >> 32).astype(np.uint32), rows >> 16 & 0xFFFF, rows & 0xFFFF
    parts = pl.DataFrame(
        {
            "high": _HEX.gather(high).str.slice(2),
            "middle": _HEX.gather(middle.astype(np.uint32)),
            "low": _HEX.gather(low.astype(np.uint32)),
        }
    )
    joined = parts.select(pl.concat_str(pl.lit(prefix), "high", "middle", "low"))
    return joined.to_series().alias("prediction_id")


_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_HEX: Final = pl.Series([f"{number:04x}" for number in range(1 << 16)])

"""Where predictions are written down."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta
from typing import Protocol, final, runtime_checkable

import polars as pl

from mldeploy.errors import PredictionLogError
from mldeploy.serving._batch import log_schema
from mldeploy.serving._frame import Loggable, frame_of


class PredictionSink(Protocol):
    """What a `Predictor` hands its predictions to.

    `write` is called between the prediction and the answer: it must return at once. A sink that
    cannot keep up leaves rows out and counts them in `dropped`; nothing is lost silently.
    """

    @property
    def dropped(self) -> int:
        """Number of rows that were not kept, since the sink was made."""
        ...

    def write(self, batch: Loggable) -> None:
        """Take a `PredictionBatch` or a `LoggedRow`; called from any thread."""
        ...

    def flush(self, timeout: timedelta | None = None) -> None:
        """Return once every row taken so far is safe, or raise `PredictionLogError`."""
        ...

    def close(self) -> None:
        """Make everything safe and take no more; may be called again."""
        ...


@runtime_checkable
class SupportsReading(Protocol):
    """A sink whose predictions can be read back: what rollouts and monitors need."""

    def frame(self, *, start: datetime | None = None, end: datetime | None = None) -> pl.DataFrame:
        """Return the predictions with start ≤ time < end, as `read_log` does."""
        ...


@final
class MemoryLog:
    """Keep predictions in memory: for notebooks and for what need not outlive the process.

    Parameters
    ----------
    capacity_rows : int, optional
        Rows to keep; further ones are dropped and counted. By default without a limit.

    Examples
    --------
    >>> log = MemoryLog()
    >>> log.frame().columns[:3], log.dropped
    (['prediction_id', 'key', 'time'], 0)
    """

    def __init__(self, *, capacity_rows: int | None = None) -> None:
        if capacity_rows is not None and capacity_rows < 1:
            raise ValueError(f"{capacity_rows=} keeps nothing; pass at least 1, or None")
        self._capacity = capacity_rows
        self._batches: list[Loggable] = []
        self._lock = threading.Lock()
        self._n_rows = 0
        self._dropped = 0
        self._closed = False

    @property
    def dropped(self) -> int:
        """Number of rows that found no room."""
        return self._dropped

    def write(self, batch: Loggable) -> None:
        """Take a batch, or as much of it as there is room for."""
        with self._lock:
            if self._closed:
                raise PredictionLogError("this log is closed; make a new one")
            room = len(batch) if self._capacity is None else self._capacity - self._n_rows
            taken = min(len(batch), room)
            self._dropped += len(batch) - taken
            self._n_rows += taken
            if taken:
                self._batches.append(batch if taken == len(batch) else batch.slice(0, taken))

    def flush(self, timeout: timedelta | None = None) -> None:
        """Return at once: nothing is under way."""

    def close(self) -> None:
        """Take no more; what was taken can still be read."""
        self._closed = True

    def frame(self, *, start: datetime | None = None, end: datetime | None = None) -> pl.DataFrame:
        """Return the predictions with start ≤ time < end, as `read_log` does."""
        with self._lock:
            batches = tuple(self._batches)
        if not batches:
            return pl.DataFrame(schema=log_schema())
        rows = frame_of(batches)
        if start is not None:
            rows = rows.filter(pl.col("time") >= start)
        if end is not None:
            rows = rows.filter(pl.col("time") < end)
        return rows.sort("time", "prediction_id")

    def __len__(self) -> int:
        return self._n_rows

"""One prediction on its way into the log."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import numpy as np
import polars as pl

from mldeploy.data import Schema
from mldeploy.serving._batch import PredictionBatch, frame_of
from mldeploy.serving._row import PlainRows


@final
@dataclass(slots=True, kw_only=True, eq=False)
class LoggedRow:
    """One prediction, as plain values: what a busy server hands to its log.

    It reads like a `PredictionBatch` of one row.

    Attributes
    ----------
    deployment, version, arm : str
        Who answered.
    id, key : str
        Identifier of the prediction, and what the row is about.
    time : int
        When it was asked for, in microseconds since 1970, UTC.
    values : tuple
        The features in the order of `schema`.
    schema : Schema
        Their types.
    prediction, score, route, error : optional
        The answer, or what the model raised.
    latency_s : float
        Seconds.
    """

    deployment: str
    version: str
    arm: str
    id: str
    key: str | None
    time: int
    values: tuple[Any, ...]
    schema: Schema
    latency_s: float
    prediction: Any = None
    score: Any = None
    route: str | None = None
    error: str | None = None

    def __len__(self) -> int:
        return 1

    def slice(self, start: int, stop: int) -> LoggedRow:
        """Return itself: there is only one row."""
        assert (start, stop) == (0, 1), "a single row cannot be cut"
        return self

    def batch(self) -> PredictionBatch:
        """Return it as a batch."""
        row = dict(zip(self.schema.names, self.values, strict=True))
        return PredictionBatch(
            deployment=self.deployment,
            version=self.version,
            arm=self.arm,
            ids=[self.id],
            keys=None if self.key is None else [self.key],
            times=np.array([self.time], dtype="datetime64[us]"),
            features=PlainRows(rows=(row,), schema=self.schema),
            predictions=None if self.prediction is None else np.array([self.prediction]),
            scores=None if self.score is None else np.array([self.score]),
            routes=None if self.route is None else np.array([self.route]),
            latency_s=np.array([self.latency_s]),
            errors=None if self.error is None else [self.error],
        )

    def to_frame(self) -> pl.DataFrame:
        """Return it as a row of the prediction log; see `read_log`."""
        return frame_of([self.batch()])

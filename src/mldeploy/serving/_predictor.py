"""Answer rows with a model: validate, predict, route, log."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from time import perf_counter
from typing import Any, Final, final

import numpy as np
import numpy.typing as npt
import pandas as pd
from threadpoolctl import ThreadpoolController
from tqdm import tqdm

from mldeploy._record import Clock, utc_now
from mldeploy.data import Dataset, to_pandas
from mldeploy.errors import InvalidDataError, PredictionFailedError
from mldeploy.model import Model
from mldeploy.problem import Route, Routing
from mldeploy.serving._answers import Answer, Answers
from mldeploy.serving._batch import PredictionBatch
from mldeploy.serving._ids import new_ids
from mldeploy.serving._request import (
    Keys,
    Rows,
    Times,
    features_of,
    key_of,
    keys_of,
    moment,
    times_of,
)
from mldeploy.serving._row import Given, RowReader
from mldeploy.serving._scoring import Scorer
from mldeploy.serving._sink import PredictionSink

Array = npt.NDArray[Any]

_ROWS_AT_ONCE: Final = 20_000
"""Rows that the estimator is given at once, so that its work tables stay small."""

_ROWS_FOR_ONE_CORE: Final = 1_000
"""Rows that are too few to share among cores. On a busy machine OpenMP's threads wait for each
other: one row of boosted trees was seen to take 1.2 s at the 95th percentile, and 6 ms alone."""


@final
@dataclass(frozen=True, kw_only=True)
class Counts:
    """Rows that a predictor has seen."""

    accepted: int = 0
    """Answered."""
    rejected: int = 0
    """Refused, since they, or another row of their call, do not fit the schema."""
    failed: int = 0
    """Accepted by the schema, but the model raised."""


@final
class Predictor:
    """Answer rows with a model, whatever its estimator.

    A row is held against the model's schema, predicted, routed by the autonomy policy, logged
    without waiting for the disk, and answered. May be shared between threads.

    Parameters
    ----------
    model : Model
        The fitted model. Without a routing, every answer is advice.
    version : str
        Label of the version, such as ``"late-arrivals:3"``.
    deployment : str
        What this predictor is part of.
    sink : PredictionSink
        Where predictions are written down; whoever made it closes it.
    arm : str, default="champion"
        Which part of the traffic it answers.
    clock : Clock, default=utc_now
        Tells when a row was asked for, unless the caller says.
    """

    def __init__(
        self,
        model: Model,
        *,
        version: str,
        deployment: str,
        sink: PredictionSink,
        arm: str = "champion",
        clock: Clock = utc_now,
    ) -> None:
        self.model = model
        self.version = version
        self.deployment = deployment
        self.arm = arm
        self._sink = sink
        self._clock = clock
        self._routing = model.routing or _ADVICE
        self._schema = model.signature.inputs
        self._reader = RowReader(self._schema)
        self._openmp = ThreadpoolController().select(user_api="openmp")
        self._scorer = Scorer(model)
        self._counts = Counts()
        self._counting = threading.Lock()

    @property
    def counts(self) -> Counts:
        """Rows answered, refused and failed so far."""
        return self._counts

    def predict(
        self,
        row: Mapping[str, object],
        *,
        key: str | int | None = None,
        time: datetime | None = None,
    ) -> Answer:
        """Answer one row.

        Parameters
        ----------
        row : mapping of str to value
            The features as plain values; None or an absent key is a missing value.
        key : str or int, optional
            What the row is about, by which a label may be recorded later.
        time : datetime, optional
            When it was asked, with a zone; by default now.

        Returns
        -------
        Answer
            The decision, its score, who decides, and the identifier of the prediction.

        Raises
        ------
        InvalidRowsError
            If the schema refuses a value: missing, of another type, an unknown column, and, where
            the schema says so, an unseen category or a value out of range. Nothing is logged.
        InvalidDataError
            If `time` has no zone, or `key` is neither text nor a whole number.
        PredictionFailedError
            If the model raised; that is logged.
        """
        begin = perf_counter()
        try:
            frame, given = self._reader.read(row)
            keys = None if key is None else [key_of(key)]
            times = np.array([moment(self._clock() if time is None else time)])
        except InvalidDataError:
            self._count(rejected=1)
            raise
        return self._answer(frame, given, keys=keys, times=times, begin=begin)[0]

    def predict_frame(
        self, rows: Rows, *, keys: Keys | None = None, times: Times | None = None
    ) -> Answers:
        """Answer many rows.

        Parameters
        ----------
        rows : pandas.DataFrame, polars.DataFrame, Dataset or sequence of mapping
            Columns of a frame that are no features are ignored; keys of a mapping are not.
        keys : sequence of length n_rows, optional
            What each row is about: text or whole numbers.
        times : datetime or sequence of length n_rows, optional
            When each row was asked; by default the time of a `Dataset` that declares one, else
            now.

        Returns
        -------
        Answers
            In the order of the rows.

        Raises
        ------
        InvalidRowsError
            If the schema refuses a value; `errors` lists them by row. Then no row is answered,
            and nothing is logged.
        InvalidDataError
            If there is no row, a column is missing, or keys or times do not fit the rows.
        PredictionFailedError
            If the model raised; that is logged for every row.
        """
        begin = perf_counter()
        try:
            given = features_of(rows, self._schema)
            if times is None:
                times = _declared_times(rows)
            if times is None:
                times = self._clock()
            moments = times_of(times, given.height)
            texts = keys_of(keys, given.height)
        except InvalidDataError:
            self._count(rejected=len(rows))
            raise
        frame = to_pandas(given)
        return self._answer(frame, given, keys=texts, times=moments, begin=begin)

    def _answer(
        self,
        frame: pd.DataFrame,
        given: Given,
        *,
        keys: Sequence[str | None] | None,
        times: npt.NDArray[np.datetime64],
        begin: float,
    ) -> Answers:
        n_rows, ids = len(frame), new_ids(times)
        log = partial(
            PredictionBatch,
            deployment=self.deployment,
            version=self.version,
            arm=self.arm,
            ids=ids,
            keys=keys,
            times=times,
            features=given,
        )
        try:
            predictions, scores = self._predict(frame)
        except Exception as error:
            self._count(failed=n_rows)
            told = f"{type(error).__name__}: {error}"
            self._sink.write(log(latency_s=_shared(begin, n_rows), errors=[told] * n_rows))
            raise PredictionFailedError(
                f"version {self.version} accepted {n_rows} rows and then raised {told}; they are "
                "in the prediction log with this error"
            ) from error
        certainty = scores if self.model.signature.probabilistic else None
        routes = self._routing.route(certainty, n_rows=n_rows)
        latency = _shared(begin, n_rows)
        self._sink.write(
            log(predictions=predictions, scores=scores, routes=routes, latency_s=latency)
        )
        self._count(accepted=n_rows)
        return Answers(
            versions=[self.version] * n_rows,
            ids=ids,
            keys=keys,
            times=times,
            predictions=predictions,
            scores=scores,
            routes=routes,
            latency_s=latency,
        )

    def _predict(self, frame: pd.DataFrame) -> tuple[Array, Array | None]:
        if len(frame) <= _ROWS_FOR_ONE_CORE:
            with self._openmp.limit(limits=1):
                return self._scorer(frame)
        if len(frame) <= _ROWS_AT_ONCE:
            return self._scorer(frame)
        begins = range(0, len(frame), _ROWS_AT_ONCE)
        parts = [
            self._scorer(frame.iloc[begin : begin + _ROWS_AT_ONCE])
            for begin in tqdm(begins, desc="predict", unit_scale=_ROWS_AT_ONCE, delay=1)
        ]
        scores = [part for _, part in parts if part is not None]
        return np.concatenate([p for p, _ in parts]), np.concatenate(scores) if scores else None

    def _count(self, *, accepted: int = 0, rejected: int = 0, failed: int = 0) -> None:
        with self._counting:
            so_far = self._counts
            self._counts = Counts(
                accepted=so_far.accepted + accepted,
                rejected=so_far.rejected + rejected,
                failed=so_far.failed + failed,
            )


def _declared_times(rows: Rows) -> Times | None:
    if isinstance(rows, Dataset) and rows.roles.time is not None:
        return rows.times()
    return None


def _shared(begin: float, n_rows: int) -> Array:
    """Return the time since `begin` in equal shares, in seconds."""
    return np.full(n_rows, (perf_counter() - begin) / n_rows)


_ADVICE: Final = Routing(certain=Route.ADVICE, uncertain=Route.ADVICE)

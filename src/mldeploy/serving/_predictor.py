"""Answer rows with a model: validate, predict, route, log."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import groupby
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final, final

import numpy as np
import numpy.typing as npt
import polars as pl

from mldeploy._record import Clock, utc_now
from mldeploy.errors import (
    InvalidDataError,
    InvalidRowsError,
    MLDeployError,
    PredictionFailedError,
)
from mldeploy.model import CompiledModel, Signature
from mldeploy.problem import Route, Routing
from mldeploy.serving._answers import Answer, Answered, Answers
from mldeploy.serving._backend import Array, backend_of
from mldeploy.serving._batch import PredictionBatch
from mldeploy.serving._counts import Counter, Counts
from mldeploy.serving._ids import new_id, new_ids
from mldeploy.serving._one_row import LoggedRow
from mldeploy.serving._reader import Doubt, RowReader, Values
from mldeploy.serving._request import (
    Asked,
    Keys,
    Rows,
    Times,
    features_of,
    key_of,
    keys_of,
    microseconds,
    moment,
    times_of,
)
from mldeploy.serving._sink import PredictionSink
from mldeploy.serving._uncertain import uncertain

if TYPE_CHECKING:
    from mldeploy.model import Model


@final
class Predictor:
    """Answer rows with a model, whatever its estimator.

    A row is held against the model's schema, predicted, routed by the autonomy policy, logged
    without waiting for the disk, and answered. May be shared between threads.

    Parameters
    ----------
    model : Model or CompiledModel
        What answers. Without a routing, every answer is advice.
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
        model: Model | CompiledModel,
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
        self._is_probabilistic = model.signature.probabilistic
        self._schema = model.signature.inputs
        self._order = self._schema.names
        self._reader = RowReader(self._schema)
        self._backend = backend_of(model)
        self.counter = Counter()

    @property
    def counts(self) -> Counts:
        """Rows answered, refused and failed so far."""
        return self.counter.counts

    @property
    def signature(self) -> Signature:
        """What goes in and what comes out."""
        return self.model.signature

    @property
    def is_compiled(self) -> bool:
        """Whether a compiled model answers, and no scikit-learn is needed."""
        return isinstance(self.model, CompiledModel)

    def predict(
        self,
        row: Mapping[str, object],
        *,
        key: str | int | None = None,
        time: datetime | None = None,
        with_uncertainty: bool = False,
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
        with_uncertainty : bool, default=False
            Whether to say which labels, or numbers, cannot be ruled out.

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
        NotFoundError
            If uncertainty is asked for, and the model came without.
        """
        answer = self.answered(row, key=key, time=time).answer()
        return self.uncertain(answer) if with_uncertainty else answer

    def uncertain(self, answer: Answer) -> Answer:
        """Return an answer of this predictor with what cannot be ruled out beside it."""
        return uncertain(answer, self.model)

    def answered(
        self,
        row: Mapping[str, object],
        *,
        key: str | int | None = None,
        time: datetime | None = None,
    ) -> Answered:
        """Answer one row in plain attributes; see `predict`."""
        begin = perf_counter()
        try:
            values = self._reader.values(row)
        except Doubt:
            return self._at_length(row, key=key, time=time, begin=begin).answered(0)
        return self._answer_one(values, key=key, time=time, begin=begin)

    def predict_values(
        self,
        values: Sequence[object],
        *,
        key: str | int | None = None,
        time: datetime | None = None,
        order: tuple[str, ...] | None = None,
    ) -> Answered:
        """Answer one row whose values stand in the order of the features.

        Parameters
        ----------
        values : sequence of length n_features
            Plain values in the order of ``model.signature.features``; None where missing.
        key, time : optional
            As for `predict`.
        order : tuple of str, optional
            The columns that the values stand for, where another version may answer than the one
            that the caller knew.

        Returns
        -------
        Answered
            What `predict` returns, in plain attributes: for callers who answer thousands of
            requests in a second.

        Raises
        ------
        InvalidRowsError, InvalidDataError, PredictionFailedError
            As `predict`.
        """
        if order is not None and order != self._order:
            row = dict(zip(order, values, strict=True))
            return self.answered(row, key=key, time=time)
        begin = perf_counter()
        try:
            accepted = self._reader.accepted(values)
        except Doubt:
            row = dict(zip(self._order, values, strict=True))
            return self._at_length(row, key=key, time=time, begin=begin).answered(0)
        return self._answer_one(accepted, key=key, time=time, begin=begin)

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
            self.counter.add(rejected=len(rows))
            raise
        return self._answer(given, keys=texts, times=moments, begin=begin)

    # --- one row --------------------------------------------------------------------------

    def _answer_one(
        self, values: Values, *, key: object, time: datetime | None, begin: float
    ) -> Answered:
        try:
            text = None if key is None else key_of(key)
            asked = microseconds(self._clock() if time is None else time)
        except InvalidDataError:
            self.counter.add(rejected=1)
            raise
        identifier = new_id(asked)
        try:
            prediction, score = self._backend.one(values)
        except Exception as error:
            told = f"{type(error).__name__}: {error}"
            self._log_one(identifier, text, asked, values, begin, error=told)
            self.counter.add(failed=1)
            raise self._told(1, told) from error
        route = self._routing.route_one(score if self._is_probabilistic else None)
        self._log_one(identifier, text, asked, values, begin, prediction, score, route)
        self.counter.add(accepted=1)
        return Answered(identifier, self.version, prediction, score, route, text, asked)

    def _log_one(
        self,
        identifier: str,
        key: str | None,
        asked: int,
        values: Values,
        begin: float,
        prediction: Any = None,
        score: Any = None,
        route: str | None = None,
        error: str | None = None,
    ) -> None:
        self._sink.write(
            LoggedRow(
                *(self.deployment, self.version, self.arm, identifier, key, asked, values),
                *(self._schema, perf_counter() - begin, prediction, score, route, error),
            )
        )

    def _at_length(
        self, row: Mapping[str, object], *, key: object, time: datetime | None, begin: float
    ) -> Answers:
        """Let the schema judge a row that is not plainly what it says."""
        try:
            frame, errors = self._schema.parse_rows([row])
            if errors:
                raise InvalidRowsError(errors)
            keys = None if key is None else [key_of(key)]
            times = times_of(self._clock() if time is None else time, 1)
        except InvalidDataError:
            self.counter.add(rejected=1)
            raise
        return self._answer(frame, keys=keys, times=times, begin=begin)

    # --- many rows ------------------------------------------------------------------------

    def predict_each(self, asked: Sequence[Asked]) -> list[Answered | MLDeployError]:
        """Answer rows that were asked for by different callers, all at the cost of one call.

        Parameters
        ----------
        asked : sequence of Asked
            The rows, each with its own key and time.

        Returns
        -------
        list of Answered or MLDeployError
            For each what `predict` would have returned, or raised: what is wrong with one row
            does not touch the others.
        """
        begin = perf_counter()
        rows, errors = self._schema.parse_rows([one.row for one in asked])
        outcomes: list[Answered | MLDeployError | None] = [None] * len(asked)
        for number, of_row in groupby(errors, key=lambda error: error.row):
            outcomes[number] = InvalidRowsError([replace(error, row=0) for error in of_row])
        keys, times = [], np.zeros(len(asked), dtype="datetime64[us]")
        for number, one in enumerate(asked):
            key = None
            try:
                key = None if one.key is None else key_of(one.key)
                times[number] = moment(self._clock() if one.time is None else one.time)
            except InvalidDataError as error:
                outcomes[number] = error
            keys.append(key)
        good = [number for number, outcome in enumerate(outcomes) if outcome is None]
        self.counter.add(rejected=len(asked) - len(good))
        if good:
            answers = self._each_of(rows[good], [keys[i] for i in good], times[good], begin)
            for number, answer in zip(good, answers, strict=True):
                outcomes[number] = answer
        return [outcome for outcome in outcomes if outcome is not None]

    def _each_of(
        self,
        rows: pl.DataFrame,
        keys: Sequence[str | None],
        times: npt.NDArray[np.datetime64],
        begin: float,
    ) -> Iterator[Answered | MLDeployError]:
        try:
            scored = self._backend.many(rows)
        except Exception as error:  # noqa: BLE001 - whose row it was shows one by one
            if rows.height == 1:
                yield self._failed(error, rows, keys=keys, times=times, begin=begin)
                return
            for i in range(rows.height):
                part = slice(i, i + 1)
                yield from self._each_of(rows[part], keys[part], times[part], perf_counter())
            return
        answers = self._written(scored, rows, keys=keys, times=times, begin=begin)
        yield from (answers.answered(i) for i in range(rows.height))

    def _answer(
        self,
        given: pl.DataFrame,
        *,
        keys: Sequence[str | None] | None,
        times: npt.NDArray[np.datetime64],
        begin: float,
    ) -> Answers:
        try:
            scored = self._backend.many(given)
        except Exception as error:
            raise self._failed(error, given, keys=keys, times=times, begin=begin) from error
        return self._written(scored, given, keys=keys, times=times, begin=begin)

    def _written(
        self,
        scored: tuple[Array, Array | None],
        given: pl.DataFrame,
        *,
        keys: Sequence[str | None] | None,
        times: npt.NDArray[np.datetime64],
        begin: float,
    ) -> Answers:
        predictions, scores = scored
        n_rows, ids = given.height, new_ids(times)
        routes = self._routing.route(scores if self._is_probabilistic else None, n_rows=n_rows)
        latency = _shared(begin, n_rows)
        self._sink.write(
            PredictionBatch(
                deployment=self.deployment,
                version=self.version,
                arm=self.arm,
                ids=ids,
                keys=keys,
                times=times,
                features=given,
                predictions=predictions,
                scores=scores,
                routes=routes,
                latency_s=latency,
            )
        )
        self.counter.add(accepted=n_rows)
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

    def _failed(
        self,
        error: Exception,
        given: pl.DataFrame,
        *,
        keys: Sequence[str | None] | None,
        times: npt.NDArray[np.datetime64],
        begin: float,
    ) -> PredictionFailedError:
        """Write down that the model raised, and return what the caller is told."""
        n_rows, told = given.height, f"{type(error).__name__}: {error}"
        self._sink.write(
            PredictionBatch(
                deployment=self.deployment,
                version=self.version,
                arm=self.arm,
                ids=new_ids(times),
                keys=keys,
                times=times,
                features=given,
                latency_s=_shared(begin, n_rows),
                errors=[told] * n_rows,
            )
        )
        self.counter.add(failed=n_rows)
        return self._told(n_rows, told)

    def _told(self, n_rows: int, told: str) -> PredictionFailedError:
        return PredictionFailedError(
            f"version {self.version} accepted {n_rows} rows and then raised {told}; they are "
            "in the prediction log with this error"
        )


def _declared_times(rows: Any) -> Times | None:
    roles = getattr(rows, "roles", None)
    if roles is None or roles.time is None:
        return None
    times: Times = rows.times()
    return times


def _shared(begin: float, n_rows: int) -> Array:
    """Return the time since `begin` in equal shares, in seconds."""
    return np.full(n_rows, (perf_counter() - begin) / n_rows)


_ADVICE: Final = Routing(certain=Route.ADVICE, uncertain=Route.ADVICE)

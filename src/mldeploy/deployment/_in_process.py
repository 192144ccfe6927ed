"""Serve in the caller's own process."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, TypeAlias, final

import numpy as np
import numpy.typing as npt
import pandas as pd
import polars as pl
from typing_extensions import override

from mldeploy._record import Clock
from mldeploy.data import to_polars
from mldeploy.deployment._base import Deployer, Deployment, Release, Tally
from mldeploy.deployment._blocks import CANDIDATE, CHAMPION, SHADOW
from mldeploy.deployment._rollout import Rollout, Shadow
from mldeploy.errors import DeploymentError, InvalidDataError, InvalidRowsError
from mldeploy.serving import (
    Answer,
    Answers,
    MemoryLog,
    PredictionSink,
    Predictor,
    SupportsReading,
)

Frame: TypeAlias = pd.DataFrame | pl.DataFrame | Sequence[Mapping[str, object]]


def _in_memory(_: str) -> PredictionSink:
    """Return a log in memory, whatever the deployment."""
    return MemoryLog()


@final
@dataclass(frozen=True)
class _Traffic:
    """Who answers: swapped as one reference, so that no request sees half a change."""

    champion: Predictor | None
    candidate: Predictor | None
    share: float
    is_shadow: bool = False


@final
class InProcessDeployment(Deployment):
    """Two versions at most, in this process; see `InProcessDeployer`.

    Requests with a key are assigned by its hash, so that one key always meets the same version
    and, as the share grows, keys only ever move from the champion to the candidate.
    """

    def __init__(
        self,
        candidate: Release,
        *,
        champion: Release | None,
        rollout: Rollout,
        sink: Callable[[str], PredictionSink],
        clock: Clock,
        random_state: int = 0,
    ) -> None:
        super().__init__(candidate, champion=champion, rollout=rollout, clock=clock)
        self.sink = sink(self.id)
        self._predictors: list[Predictor] = []
        self._refused, self._counting = 0, threading.Lock()
        self._rng = np.random.default_rng(random_state)
        self._traffic = _Traffic(
            champion=None if champion is None else self._predictor(champion, CHAMPION),
            candidate=self._predictor(candidate, _arm(rollout, champion)),
            share=self._state().share,
            is_shadow=_arm(rollout, champion) == SHADOW,
        )

    @override
    def predict(
        self, row: Mapping[str, object], *, key: str | None = None, time: datetime | None = None
    ) -> Answer:
        """Answer one row, by the version that the traffic gives it to."""
        self._must_run()
        traffic = self._traffic
        champion, candidate = traffic.champion, traffic.candidate
        if candidate is None or champion is None:
            return _only(traffic).predict(row, key=key, time=time)
        if traffic.is_shadow:
            answer = champion.predict(row, key=key, time=time)
            _quietly(lambda: candidate.predict(row, key=key, time=time))
            return answer
        chosen = candidate if self._position(key, candidate) < traffic.share else champion
        return chosen.predict(row, key=key, time=time)

    @override
    def predict_frame(
        self,
        frame: Frame,
        *,
        keys: Sequence[str] | None = None,
        times: Sequence[datetime] | npt.NDArray[np.datetime64] | None = None,
    ) -> Answers:
        """Answer many rows, each by the version that the traffic gives it to."""
        self._must_run()
        traffic = self._traffic
        champion, candidate = traffic.champion, traffic.candidate
        if candidate is None or champion is None:
            return _only(traffic).predict_frame(frame, keys=keys, times=times)
        if traffic.is_shadow:
            answers = champion.predict_frame(frame, keys=keys, times=times)
            _quietly(lambda: candidate.predict_frame(frame, keys=keys, times=times))
            return answers
        to_candidate = self._positions(candidate, frame, keys, times) < traffic.share
        if to_candidate.all() or not to_candidate.any():
            only = candidate if to_candidate.any() else champion
            return only.predict_frame(frame, keys=keys, times=times)
        arms = [
            (np.flatnonzero(~to_candidate), champion),
            (np.flatnonzero(to_candidate), candidate),
        ]
        try:
            for rows, predictor in arms:
                _refuse_misfits(_rows(frame, rows), rows, predictor)
        except InvalidDataError:
            self._note_refused(len(frame))
            raise
        parts = [
            (
                rows,
                predictor.predict_frame(
                    _rows(frame, rows), keys=_at(keys, rows), times=_at(times, rows)
                ),
            )
            for rows, predictor in arms
        ]
        return Answers.interleave(parts)

    @override
    def answers(
        self, *, start: datetime | None = None, end: datetime | None = None
    ) -> pl.DataFrame:
        """Return what was answered with start ≤ time < end, if the log can be read back."""
        if not isinstance(self.sink, SupportsReading):
            raise DeploymentError(
                f"{type(self.sink).__name__} cannot be read back; log to a ParquetLog, or read "
                "the answers where they went and pass them to decide and to a Window"
            )
        answers: pl.DataFrame = self.sink.frame(start=start, end=end)
        return answers

    @override
    def tally(self) -> Tally:
        """Return how many requests were answered, refused, failed and not logged so far."""
        counts = [predictor.counts for predictor in self._predictors]
        return Tally(
            accepted=sum(c.accepted for c in counts),
            rejected=self._refused + sum(c.rejected for c in counts),
            failed=sum(c.failed for c in counts),
            dropped=self.sink.dropped,
        )

    @override
    def _route(self, *, share: float) -> None:
        self._traffic = _Traffic(
            champion=self._traffic.champion,
            candidate=self._traffic.candidate,
            share=share,
            is_shadow=self._traffic.is_shadow and share < 1,
        )

    @override
    def _begin(self, candidate: Release) -> None:
        self._traffic = _Traffic(
            champion=self._traffic.champion,
            candidate=self._predictor(candidate, _arm(self._rollout, self._champion)),
            share=0.0,
            is_shadow=_arm(self._rollout, self._champion) == SHADOW,
        )

    @override
    def _serve(self, release: Release) -> None:
        self._traffic = _Traffic(
            champion=self._predictor(release, CHAMPION), candidate=None, share=0.0
        )

    @override
    def _stop(self) -> None:
        self.sink.flush()
        self.sink.close()

    def _predictor(self, release: Release, arm: str) -> Predictor:
        predictor = Predictor(
            release.model,
            version=release.version,
            deployment=self.id,
            arm=arm,
            sink=self.sink,
            clock=self._clock,
        )
        self._predictors.append(predictor)
        return predictor

    def _positions(
        self, candidate: Predictor, frame: Frame, keys: Any, times: Any
    ) -> npt.NDArray[np.float64]:
        n_rows = len(frame)
        for what, values in (("keys", keys), ("times", times)):
            if values is None or isinstance(values, datetime) or len(values) == n_rows:
                continue
            self._note_refused(n_rows)
            raise InvalidDataError(
                f"{what}= has {len(values)} values for {n_rows} rows; pass one for each"
            )
        given = keys if keys is not None else [None] * n_rows
        return np.array([self._position(key, candidate) for key in given], dtype=float)

    def _note_refused(self, n_rows: int) -> None:
        with self._counting:
            self._refused += n_rows

    def _position(self, key: str | None, candidate: Predictor) -> float:
        """Return where a key stands in [0, 1); without a key, anywhere.

        It depends on the key and the candidate alone, so it is the same after a restart.
        """
        if key is None:
            return float(self._rng.random())
        salted = f"{candidate.version}/{key}".encode()
        digest = hashlib.blake2b(salted, digest_size=8).digest()
        return int.from_bytes(digest, "big") / 2.0**64


@final
@dataclass(frozen=True, kw_only=True)
class InProcessDeployer(Deployer):
    """Serve in the caller's own process: in an application, a notebook, a job.

    Attributes
    ----------
    sink : callable, optional
        Called with the id of the deployment, returns where predictions are logged; in memory
        when None.
    random_state : int
        Seed of the assignment of requests without a key.
    """

    sink: Callable[[str], PredictionSink] = _in_memory
    random_state: int = 0

    @override
    def _deploy(
        self, candidate: Release, *, champion: Release | None, rollout: Rollout, clock: Clock
    ) -> Deployment:
        return InProcessDeployment(
            candidate,
            champion=champion,
            rollout=rollout,
            sink=self.sink,
            clock=clock,
            random_state=self.random_state,
        )


def _arm(rollout: Rollout, champion: Release | None) -> str:
    return SHADOW if isinstance(rollout, Shadow) and champion is not None else CANDIDATE


def _only(traffic: _Traffic) -> Predictor:
    predictor = traffic.candidate if traffic.champion is None else traffic.champion
    assert predictor is not None, "a deployment always has a version that serves"
    return predictor


def _quietly(answer: Callable[[], object]) -> None:
    """Let a shadow answer; whatever goes wrong there is logged, and nobody waits for it."""
    try:
        answer()
    except Exception:  # noqa: BLE001 - a shadow must not break what serves; the log counts it
        return


def _refuse_misfits(part: Frame, rows: npt.NDArray[np.int64], predictor: Predictor) -> None:
    """Refuse a call of which one arm cannot answer its rows before the other has answered."""
    schema = predictor.model.signature.inputs
    if isinstance(part, pd.DataFrame | pl.DataFrame):
        chosen = [name for name in schema.names if name in set(part.columns)]
        errors = schema.check(to_polars(part[chosen]))
    else:
        _, errors = schema.parse_rows(part)
    if errors:
        raise InvalidRowsError([replace(e, row=int(rows[e.row])) for e in errors])


def _rows(frame: Frame, rows: npt.NDArray[np.int64]) -> Frame:
    if isinstance(frame, pd.DataFrame):
        return frame.iloc[rows]
    if isinstance(frame, pl.DataFrame):
        return frame[rows]
    return [frame[i] for i in rows]


def _at(values: Any, rows: npt.NDArray[np.int64]) -> Any:
    if values is None or isinstance(values, datetime):
        return values
    if isinstance(values, pd.Series):
        return values.iloc[rows]
    return (
        values[rows] if isinstance(values, np.ndarray | pl.Series) else [values[i] for i in rows]
    )

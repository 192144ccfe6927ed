"""What deployments in the caller's own process have in common."""

from __future__ import annotations

import abc
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd
import polars as pl
from typing_extensions import override

from mldeploy._record import Clock
from mldeploy.deployment._base import Deployment, Release, Tally
from mldeploy.deployment._blocks import CANDIDATE, CHAMPION, SHADOW
from mldeploy.deployment._rollout import Rollout, Shadow
from mldeploy.errors import DeploymentError
from mldeploy.serving import (
    Answer,
    Answers,
    MemoryLog,
    PredictionSink,
    Predictor,
    SupportsReading,
    Traffic,
)

Frame: TypeAlias = pd.DataFrame | pl.DataFrame | Sequence[Mapping[str, object]]


def in_memory(_: str) -> PredictionSink:
    """Return a log in memory, whatever the deployment."""
    return MemoryLog()


class TrafficDeployment(Deployment):
    """Two versions at most, in this process, that share the rows as a `Traffic` says.

    Rows with a key are assigned by its hash, so that one key always meets the same version and,
    as the share grows, keys only ever move from the champion to the candidate. Implement
    `_open_sink`.
    """

    def __init__(
        self,
        candidate: Release,
        *,
        champion: Release | None,
        rollout: Rollout,
        clock: Clock,
        random_state: int = 0,
        deployment_id: str | None = None,
    ) -> None:
        super().__init__(
            candidate,
            champion=champion,
            rollout=rollout,
            clock=clock,
            deployment_id=deployment_id,
        )
        self.sink = self._open_sink(self.id)
        arriving = self._predictor(candidate, _arm(rollout, champion))
        if champion is None:
            self.traffic = Traffic(arriving, random_state=random_state)
            return
        serving = self._predictor(champion, CHAMPION)
        self.traffic = Traffic(serving, random_state=random_state)
        self._split(serving, arriving, share=self._state().share)

    @abc.abstractmethod
    def _open_sink(self, deployment: str) -> PredictionSink:
        """Return where the predictions of a deployment are logged."""

    @override
    def predict(
        self, row: Mapping[str, object], *, key: str | None = None, time: datetime | None = None
    ) -> Answer:
        """Answer one row, by the version that the traffic gives it to."""
        self._must_run()
        return self.traffic.predict(row, key=key, time=time)

    def uncertain(self, answer: Answer) -> Answer:
        """Return an answer of this deployment with the labels or numbers not ruled out.

        Raises
        ------
        NotFoundError
            If its version was registered without prediction sets or intervals.
        """
        return self.traffic.uncertain(answer)

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
        return self.traffic.predict_frame(frame, keys=keys, times=times)

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
        counts = self.traffic.counts
        return Tally(
            accepted=counts.accepted,
            rejected=counts.rejected,
            failed=counts.failed,
            dropped=self.sink.dropped,
        )

    @override
    def _route(self, *, share: float) -> None:
        champion, candidate = self.traffic.champion, self.traffic.candidate
        if candidate is not None:
            self._split(champion, candidate, share=share)

    @override
    def _begin(self, candidate: Release) -> None:
        arriving = self._predictor(candidate, _arm(self._rollout, self._champion))
        self._split(self.traffic.champion, arriving, share=0.0)

    @override
    def _serve(self, release: Release) -> None:
        self.traffic.serve(self._predictor(release, CHAMPION))

    @override
    def _stop(self) -> None:
        self.sink.flush()
        self.sink.close()

    def _split(self, champion: Predictor, candidate: Predictor, *, share: float) -> None:
        shadow = candidate.arm == SHADOW and share < 1
        self.traffic.split(champion, candidate, share=share, is_shadow=shadow)

    def _predictor(self, release: Release, arm: str) -> Predictor:
        return Predictor(
            release.answering,
            version=release.version,
            deployment=self.id,
            arm=arm,
            sink=self.sink,
            clock=self._clock,
        )


def _arm(rollout: Rollout, champion: Release | None) -> str:
    return SHADOW if isinstance(rollout, Shadow) and champion is not None else CANDIDATE

"""Serve in the caller's own process."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

from typing_extensions import override

from mldeploy._record import Clock
from mldeploy.deployment._base import Deployer, Deployment, Release
from mldeploy.deployment._by_traffic import TrafficDeployment, in_memory
from mldeploy.deployment._rollout import Rollout
from mldeploy.serving import PredictionSink


@final
class InProcessDeployment(TrafficDeployment):
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
        self._sink_of = sink
        super().__init__(
            candidate, champion=champion, rollout=rollout, clock=clock, random_state=random_state
        )

    @override
    def _open_sink(self, deployment: str) -> PredictionSink:
        return self._sink_of(deployment)


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

    sink: Callable[[str], PredictionSink] = in_memory
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

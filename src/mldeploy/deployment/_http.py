"""Serve over HTTP from a thread of the caller's own process."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import final

from typing_extensions import override

from mldeploy._record import Clock
from mldeploy.deployment._base import Deployer, Deployment, Release
from mldeploy.deployment._by_traffic import TrafficDeployment, in_memory
from mldeploy.deployment._rollout import Rollout
from mldeploy.errors import DeploymentError
from mldeploy.serving import Batcher, Label, PredictionSink
from mldeploy.serving.http import (
    About,
    ApiKeys,
    Limits,
    Served,
    TakesLabels,
    assembly_of,
    facts_of,
    require_guard,
    serve_in_thread,
)


@final
class HttpDeployment(TrafficDeployment):
    """Two versions at most, over HTTP; see `HttpDeployer`.

    Attributes
    ----------
    server : RunningServer
        The server; `server.url` says where it answers.
    """

    def __init__(
        self,
        candidate: Release,
        *,
        champion: Release | None,
        rollout: Rollout,
        clock: Clock,
        settings: HttpDeployer,
    ) -> None:
        self._settings = settings
        super().__init__(
            candidate,
            champion=champion,
            rollout=rollout,
            clock=clock,
            random_state=settings.random_state,
        )
        self._labels: TakesLabels | None = None
        self._batcher = Batcher(self.traffic)
        problem = candidate.model.problem
        served = Served(
            name=problem.name,
            answering=self.traffic,
            batcher=self._batcher,
            about=lambda: About(
                why_not_compiled="" if self.traffic.is_compiled else "it was deployed as it is",
                facts=facts_of(problem),
            ),
        )
        assembly = assembly_of(
            [served], sink=self.sink, limits=settings.limits, permits=settings.keys,
            labels=self._take,
        )  # fmt: skip
        self.server = serve_in_thread(
            assembly.server(lame_duck=0.0), host=settings.host, port=settings.port
        )

    @property
    def url(self) -> str:
        """Where it answers, such as ``"http://127.0.0.1:8080"``."""
        return self.server.url

    @override
    def take_labels(self, labels: TakesLabels) -> None:
        """Hand labels that are sent over HTTP to somebody who keeps them."""
        self._labels = labels

    def _take(self, labels: Sequence[Label]) -> None:
        if self._labels is None:
            raise DeploymentError("this deployment keeps no labels; call take_labels")
        self._labels(labels)

    @override
    def _open_sink(self, deployment: str) -> PredictionSink:
        return self._settings.sink(deployment)

    @override
    def _stop(self) -> None:
        self.server.stop()
        self._batcher.close()
        super()._stop()

    def _repr_html_(self) -> str:
        return self.server._repr_html_() + super()._repr_html_()


@final
@dataclass(frozen=True, kw_only=True)
class HttpDeployer(Deployer):
    """Serve over HTTP from a thread of this process: in an application, or from a notebook.

    Rollouts, roll-backs and the log are those of a deployment in process; requests come in plain
    JSON, by the Open Inference Protocol, and as MLflow, SageMaker and Vertex AI send them.

    Attributes
    ----------
    host, port : str, int
        Where to listen; port 0 takes one that is free.
    sink : callable, optional
        Called with the id of the deployment, returns where predictions are logged; in memory
        when None.
    keys : ApiKeys, optional
        Who may ask; without keys only this machine may.
    limits : Limits, optional
        What a client may ask.
    random_state : int
        Seed of the assignment of requests without a key.
    """

    host: str = "127.0.0.1"
    port: int = 0
    sink: Callable[[str], PredictionSink] = in_memory
    keys: ApiKeys | None = None
    limits: Limits | None = None
    random_state: int = 0

    def __post_init__(self) -> None:
        require_guard(self.host, self.keys)

    @override
    def _deploy(
        self, candidate: Release, *, champion: Release | None, rollout: Rollout, clock: Clock
    ) -> Deployment:
        return HttpDeployment(
            candidate, champion=champion, rollout=rollout, clock=clock, settings=self
        )

"""The interfaces of deployers and of what they start."""

from __future__ import annotations

import abc
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, final

import numpy as np
import numpy.typing as npt
import polars as pl

from mldeploy._record import Clock, Record, utc_now
from mldeploy.deployment._decision import Action, RolloutDecision, RolloutState, decide
from mldeploy.deployment._rollout import AllAtOnce, Rollout
from mldeploy.errors import DeploymentError
from mldeploy.evidence import escape, html_fragment, html_table
from mldeploy.serving import Answer, Answers

if TYPE_CHECKING:
    import pandas as pd

    from mldeploy.model import CompiledModel, Model


@final
@dataclass(frozen=True, kw_only=True)
class Release:
    """A model and the label of the version it is registered as, e.g. ``"late-arrivals:3"``.

    Attributes
    ----------
    model : Model
        The model.
    version : str
        Its label.
    compiled : CompiledModel, optional
        The same, compiled: it answers instead.
    """

    model: Model
    version: str
    compiled: CompiledModel | None = None

    @property
    def answering(self) -> Model | CompiledModel:
        """What answers requests."""
        return self.model if self.compiled is None else self.compiled


@final
class DeploymentStatus(Record):
    """What serves now.

    Attributes
    ----------
    id : str
        The deployment.
    champion, candidate : str, optional
        Labels of the versions; no candidate when nothing is rolled out.
    share : float
        Share of the traffic that the candidate has, in [0, 1].
    rollout : Rollout
        The plan of the last rollout.
    step : int
        Its step.
    since : datetime
        Since when that step holds.
    is_stopped : bool
        Whether it answers no more.
    """

    id: str
    champion: str | None
    candidate: str | None
    share: float
    rollout: Rollout
    step: int
    since: datetime
    is_stopped: bool = False

    def _repr_html_(self) -> str:
        facts = [(escape(k), v) for k, v in self.to_jsonable().items() if k != "rollout"]
        return html_fragment(html_table(("Deployment", ""), facts))


@final
class Tally(Record):
    """Requests since a deployment began, by what became of them.

    Attributes
    ----------
    accepted, rejected, failed : int
        Answered; refused by the schema; accepted, but the model raised.
    dropped : int
        Answered, but not logged for want of room.
    """

    accepted: int = 0
    rejected: int = 0
    failed: int = 0
    dropped: int = 0


class Deployment(abc.ABC):
    """A version in service, and perhaps a second one on its way.

    Implement `predict`, `predict_frame`, `answers`, `tally`, `_route`, `_begin`, `_serve` and
    `_stop`; the rollout is final: it holds everywhere that a candidate is compared with the
    champion before it takes over.
    """

    def __init__(
        self,
        candidate: Release,
        *,
        champion: Release | None,
        rollout: Rollout,
        clock: Clock = utc_now,
        deployment_id: str | None = None,
    ) -> None:
        self.id = deployment_id or uuid.uuid4().hex[:12]
        self._clock = clock
        self._champion = champion
        self._candidate: Release | None = candidate
        self._rollout: Rollout = rollout
        self._step, self._since = 0, clock()
        self._started_at = self._since
        self._stopped = False

    # --- what implementers write ----------------------------------------------------------

    @abc.abstractmethod
    def predict(
        self, row: Mapping[str, object], *, key: str | None = None, time: datetime | None = None
    ) -> Answer:
        """Answer one row."""

    @abc.abstractmethod
    def predict_frame(
        self,
        frame: pd.DataFrame | pl.DataFrame | Sequence[Mapping[str, object]],
        *,
        keys: Sequence[str] | None = None,
        times: Sequence[datetime] | npt.NDArray[np.datetime64] | None = None,
    ) -> Answers:
        """Answer many rows; the answers are in the order of the rows."""

    @abc.abstractmethod
    def answers(
        self, *, start: datetime | None = None, end: datetime | None = None
    ) -> pl.DataFrame:
        """Return what was answered with start ≤ time < end, as `read_log` does.

        Raises
        ------
        DeploymentError
            If the log cannot be read back.
        """

    @abc.abstractmethod
    def tally(self) -> Tally:
        """Return how many requests were answered, refused, failed and not logged so far."""

    def take_labels(self, labels: Callable[[Sequence[Any]], None]) -> None:
        """Hand labels that reach the deployment to somebody who keeps them.

        Most deployments are never told a label; this does nothing for them.
        """
        del labels

    @abc.abstractmethod
    def _route(self, *, share: float) -> None:
        """Let the candidate have this share of the traffic from now on."""

    @abc.abstractmethod
    def _serve(self, release: Release) -> None:
        """Let one version have all the traffic from now on; nothing is rolled out any more."""

    @abc.abstractmethod
    def _begin(self, candidate: Release) -> None:
        """Make a candidate ready beside the version that serves."""

    @abc.abstractmethod
    def _stop(self) -> None:
        """Make everything safe that was logged, and let go of what is held."""

    # --- the rollout ----------------------------------------------------------------------

    @final
    def status(self) -> DeploymentStatus:
        """Return what serves now."""
        return DeploymentStatus(
            id=self.id,
            champion=self._champion.version if self._champion else None,
            candidate=self._candidate.version if self._candidate else None,
            share=self._state().share if self._candidate else 0.0,
            rollout=self._rollout,
            step=self._step,
            since=self._since,
            is_stopped=self._stopped,
        )

    @final
    def roll_out(self, candidate: Release, rollout: Rollout) -> None:
        """Begin to replace the version that serves.

        Raises
        ------
        DeploymentError
            If another candidate is on its way, the deployment was stopped, or the two versions
            answer different problems.
        """
        self._must_run()
        if self._candidate is not None:
            raise DeploymentError(
                f"{self._candidate.version} is being rolled out; decide on it before the next"
            )
        _must_share_a_target(candidate, self._champion)
        self._candidate, self._rollout = candidate, rollout
        self._step, self._since = 0, self._clock()
        self._started_at = self._since
        self._begin(candidate)
        self._route(share=self._state().share)

    @final
    def decide(self, outcomes: pl.DataFrame, *, at: datetime | None = None) -> RolloutDecision:
        """Decide what the rollout does next; nothing changes before `apply`.

        Parameters
        ----------
        outcomes : polars.DataFrame
            Every answer since the rollout began, with the labels that are known by now.
        at : datetime, optional
            Now, by default by the deployment's clock.

        Raises
        ------
        DeploymentError
            If nothing is rolled out.
        """
        if self._candidate is None:
            raise DeploymentError("nothing is being rolled out; call roll_out first")
        since_begin = outcomes.filter(pl.col("time") >= self._started_at)
        model = self._candidate.model
        return decide(
            self._state(),
            since_begin,
            problem=model.problem,
            signature=model.signature,
            at=at or self._clock(),
        )

    @final
    def apply(self, decision: RolloutDecision) -> DeploymentStatus:
        """Do what was decided.

        Raises
        ------
        DeploymentError
            If nothing is rolled out, the deployment was stopped, or the decision was made at
            another step of the rollout.
        """
        self._must_run()
        if self._candidate is None:
            raise DeploymentError("nothing is being rolled out; there is nothing to decide on")
        if decision.action is Action.ADVANCE:
            if decision.share not in self._rollout.steps[self._step + 1 : self._step + 2]:
                raise DeploymentError(
                    f"the decision to give {decision.share:.0%} to the candidate was made at "
                    "another step of the rollout; decide anew"
                )
            self._step, self._since = self._step + 1, decision.at
            self._route(share=self._state().share)
        elif decision.action is Action.COMPLETE:
            self._champion, self._candidate = self._candidate, None
            self._serve(self._champion)
        elif decision.action is Action.ROLL_BACK:
            self._candidate = None
            if self._champion is not None:
                self._serve(self._champion)
        return self.status()

    @final
    def serve(self, release: Release) -> DeploymentStatus:
        """Let one version have all the traffic at once: how a rollback by hand is done.

        Raises
        ------
        DeploymentError
            If the deployment was stopped, or the version answers another problem than the one
            that serves.
        """
        self._must_run()
        _must_share_a_target(release, self._champion)
        self._champion, self._candidate = release, None
        self._serve(release)
        return self.status()

    @final
    def stop(self) -> None:
        """Answer no more; everything that was logged is safe when this returns."""
        if not self._stopped:
            self._stopped = True
            self._stop()

    def __enter__(self) -> Deployment:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _state(self) -> RolloutState:
        return RolloutState(
            rollout=self._rollout,
            step=self._step,
            since=self._since,
            has_champion=self._champion is not None,
        )

    def _must_run(self) -> None:
        if self._stopped:
            raise DeploymentError(f"deployment {self.id} was stopped; deploy the version again")

    def _repr_html_(self) -> str:
        return self.status()._repr_html_()


class Deployer(abc.ABC):
    """Put a version into service.

    Implement `_deploy`; the rest is final.
    """

    @final
    def deploy(
        self,
        candidate: Release,
        *,
        champion: Release | None = None,
        rollout: Rollout | None = None,
        clock: Clock = utc_now,
    ) -> Deployment:
        """Start to serve a version.

        Parameters
        ----------
        candidate : Release
            What shall serve.
        champion : Release, optional
            What serves now, and is compared with; without one the candidate has all the traffic.
        rollout : Rollout, default=AllAtOnce()
            How the traffic moves.
        clock : Clock, default=utc_now
            Tells the time.

        Raises
        ------
        DeploymentError
            If the two versions answer different problems.
        """
        _must_share_a_target(candidate, champion)
        deployment = self._deploy(
            candidate, champion=champion, rollout=rollout or AllAtOnce(), clock=clock
        )
        if not isinstance(deployment, Deployment):
            raise TypeError(f"{type(self).__qualname__} must return a Deployment")
        return deployment

    @abc.abstractmethod
    def _deploy(
        self, candidate: Release, *, champion: Release | None, rollout: Rollout, clock: Clock
    ) -> Deployment:
        """Return a running deployment."""


def _must_share_a_target(candidate: Release, champion: Release | None) -> None:
    if champion is None:
        return
    theirs, ours = champion.model.signature.target, candidate.model.signature.target
    if theirs != ours:
        raise DeploymentError(
            f"{candidate.version} predicts {ours!r} and {champion.version} {theirs!r}; "
            "they cannot share traffic, so deploy them apart"
        )

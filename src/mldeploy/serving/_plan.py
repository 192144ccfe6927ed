"""Which bundles answer, and how: what a server is told, and how it does it."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Self, final

import pydantic

from mldeploy._record import Clock, Record, utc_now
from mldeploy.errors import DeploymentError
from mldeploy.evidence import Verdict
from mldeploy.model import Bundle, CompiledModel
from mldeploy.serving._predictor import Predictor
from mldeploy.serving._sink import PredictionSink
from mldeploy.serving._traffic import Later, Traffic

if TYPE_CHECKING:
    from mldeploy.model import Model

_Share = Annotated[float, pydantic.Field(ge=0, le=1)]


@final
class Arm(Record):
    """A bundle that answers.

    Attributes
    ----------
    bundle : Path
        Its directory.
    version : str
        Label of the version, such as ``"late-arrivals:3"``.
    seal : str, optional
        The digest that the bundle must have.
    name : str
        Which part of the traffic it is: champion, candidate or shadow.
    """

    bundle: Path
    version: str
    seal: str | None = None
    name: str = "champion"


@final
class Plan(Record):
    """Which bundles answer, and how they share the requests.

    Attributes
    ----------
    champion : Arm
        What answers.
    candidate : Arm, optional
        What answers its share, or in the shadow of the champion.
    share : float
        Share of the candidate, in [0, 1].
    is_shadow : bool
        Whether what the candidate says is only written down.
    """

    champion: Arm
    candidate: Arm | None = None
    share: _Share = 0.0
    is_shadow: bool = False

    @pydantic.model_validator(mode="after")
    def _check(self) -> Self:
        if self.candidate is None and (self.share or self.is_shadow):
            raise ValueError("a share needs a candidate; name one")
        return self


@final
class Switchboard:
    """Make the bundles of a plan ready, and then let the traffic go by it.

    A bundle is opened against its digest, loaded, and must answer its golden rows as it did when
    it was written; only then does a request reach it. While that happens, what served before goes
    on to serve. Whatever goes wrong leaves the traffic as it was.

    Parameters
    ----------
    plan : Plan
        What answers first.
    deployment : str
        What the predictors are part of.
    sink : PredictionSink
        Where predictions are written down.
    trusted : sequence of str
        Full names of further types that may come to life in bundles that did not compile.
    clock : Clock, default=utc_now
        Tells when a row was asked for.
    later : callable, optional
        As in `Traffic`.

    Raises
    ------
    DeploymentError
        If a bundle answers its golden rows otherwise.
    NotFoundError, IntegrityError, UntrustedTypesError
        If it cannot be loaded; see `Bundle`.
    """

    def __init__(
        self,
        plan: Plan,
        *,
        deployment: str,
        sink: PredictionSink,
        trusted: Sequence[str] = (),
        clock: Clock = utc_now,
        later: Later | None = None,
    ) -> None:
        self._deployment = deployment
        self._sink = sink
        self._trusted = tuple(trusted)
        self._clock = clock
        self._changing = threading.Lock()
        self._loaded: dict[tuple[Path, str | None], _Loaded] = {}
        self._ready: dict[Arm, Predictor] = {}
        champion = self._predictor(plan.champion)
        self.traffic = Traffic(champion) if later is None else Traffic(champion, later=later)
        self._plan = Plan(champion=plan.champion)
        self.apply(plan)

    @property
    def plan(self) -> Plan:
        """What is in force."""
        return self._plan

    def bundle(self, arm: Arm) -> Bundle:
        """Return the bundle of an arm of the plan in force."""
        return self._loaded[arm.bundle, arm.seal].bundle

    def champion_bundle(self) -> Bundle:
        """Return the bundle of the champion of the plan in force."""
        loaded = self._loaded  # before the plan: what is swapped out is let go of after it
        champion = self._plan.champion
        return loaded[champion.bundle, champion.seal].bundle

    def apply(self, plan: Plan) -> None:
        """Let the traffic go by another plan, once its bundles are ready.

        Takes as long as the bundles take to load: call it beside the requests, not between them.
        """
        with self._changing:
            champion = self._predictor(plan.champion)
            if plan.candidate is None:
                self.traffic.serve(champion)
            else:
                candidate = self._predictor(plan.candidate)
                self.traffic.split(champion, candidate, share=plan.share, is_shadow=plan.is_shadow)
            self._plan = plan
            arms = {arm for arm in (plan.champion, plan.candidate) if arm is not None}
            sources = {(arm.bundle, arm.seal) for arm in arms}
            self._ready = {arm: ready for arm, ready in self._ready.items() if arm in arms}
            self._loaded = {k: loaded for k, loaded in self._loaded.items() if k in sources}

    def _predictor(self, arm: Arm) -> Predictor:
        """Return what answers for an arm; its bundle is loaded once, and warm."""
        if arm not in self._ready:
            source = (arm.bundle, arm.seal)
            if source not in self._loaded:
                self._loaded[source] = _load(arm, trusted=self._trusted)
            self._ready[arm] = Predictor(
                self._loaded[source].model,
                version=arm.version,
                deployment=self._deployment,
                sink=self._sink,
                arm=arm.name,
                clock=self._clock,
            )
        return self._ready[arm]


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class _Loaded:
    bundle: Bundle
    model: Model | CompiledModel


def _load(arm: Arm, *, trusted: Sequence[str]) -> _Loaded:
    bundle = Bundle.open(arm.bundle, digest=arm.seal)
    model = bundle.load_compiled() or bundle.load_model(trusted=trusted)
    if bundle.has_golden:
        finding = bundle.check_golden(model)
        if finding.verdict is not Verdict.PASS:
            raise DeploymentError(
                f"{arm.version} does not answer as when its bundle was written: "
                f"{finding.summary} {finding.action}"
            )
    return _Loaded(bundle=bundle, model=model)

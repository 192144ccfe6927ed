"""Serve in process, and write to the application's own log what begins to serve."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeAlias, final

from typing_extensions import override

from mldeploy.deployment import Deployer, Deployment, InProcessDeployer, Release, Rollout

Clock: TypeAlias = Callable[[], datetime]
_log = logging.getLogger(__name__)


@final
@dataclass(frozen=True, kw_only=True)
class AnnouncingDeployer(Deployer):
    """Wrap any deployer; what it starts is left as it is."""

    inner: Deployer = field(default_factory=InProcessDeployer)

    @override
    def _deploy(
        self, candidate: Release, *, champion: Release | None, rollout: Rollout, clock: Clock
    ) -> Deployment:
        live = self.inner.deploy(candidate, champion=champion, rollout=rollout, clock=clock)
        before = "nothing" if champion is None else champion.version
        plan = type(rollout).__name__
        _log.info("%s: %s after %s (%s)", live.id, candidate.version, before, plan)
        return live

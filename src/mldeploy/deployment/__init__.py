"""Putting versions into service, and deciding whether they stay."""

from mldeploy.deployment._base import Deployer, Deployment, DeploymentStatus, Release, Tally
from mldeploy.deployment._blocks import SHADOW
from mldeploy.deployment._decision import Action, RolloutDecision, RolloutState, decide
from mldeploy.deployment._in_process import InProcessDeployer, InProcessDeployment
from mldeploy.deployment._rollout import AllAtOnce, Canary, Rollout, Shadow

__all__ = [
    "Action",
    "AllAtOnce",
    "Canary",
    "Deployer",
    "Deployment",
    "DeploymentStatus",
    "InProcessDeployer",
    "InProcessDeployment",
    "Release",
    "Rollout",
    "RolloutDecision",
    "RolloutState",
    "SHADOW",
    "Shadow",
    "Tally",
    "decide",
]

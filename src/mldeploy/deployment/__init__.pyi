from ._base import Deployer, Deployment, DeploymentStatus, Release, Tally
from ._blocks import SHADOW
from ._decision import Action, RolloutDecision, RolloutState, decide
from ._in_process import InProcessDeployer, InProcessDeployment
from ._rollout import ABTest, AllAtOnce, BlueGreen, Canary, Rollout, Shadow

__all__ = [
    "ABTest",
    "Action",
    "AllAtOnce",
    "BlueGreen",
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

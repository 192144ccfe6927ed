from ._base import Deployer, Deployment, DeploymentStatus, Release, Tally
from ._batch import BatchDeployer, BatchDeployment
from ._blocks import SHADOW
from ._by_traffic import TrafficDeployment
from ._decision import Action, RolloutDecision, RolloutState, decide
from ._hosting import Hosting, HostingComparison
from ._hosting_compare import compare_hosting
from ._http import HttpDeployer, HttpDeployment
from ._in_process import InProcessDeployer, InProcessDeployment
from ._rollout import ABTest, AllAtOnce, BlueGreen, Canary, Rollout, Shadow

__all__ = [
    "ABTest",
    "Action",
    "AllAtOnce",
    "BatchDeployer",
    "BatchDeployment",
    "BlueGreen",
    "Canary",
    "Deployer",
    "Deployment",
    "DeploymentStatus",
    "Hosting",
    "HostingComparison",
    "HttpDeployer",
    "HttpDeployment",
    "InProcessDeployer",
    "InProcessDeployment",
    "Release",
    "Rollout",
    "RolloutDecision",
    "RolloutState",
    "SHADOW",
    "Shadow",
    "Tally",
    "TrafficDeployment",
    "compare_hosting",
    "decide",
]

"""From a problem statement to a monitored model: one criterion gates every step.

The names below are imported when they are first used, so that importing the library costs
little and loads neither pandas nor scikit-learn.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mldeploy._record import Clock
    from mldeploy.data import (
        Dataset,
        GroupSplit,
        RandomSplit,
        Schema,
        TimeSplit,
    )
    from mldeploy.deployment import AllAtOnce, Canary, InProcessDeployer, Shadow
    from mldeploy.evidence import Finding, Report, Severity, Verdict, Waiver
    from mldeploy.problem import (
        Advise,
        Automatic,
        Criterion,
        Metric,
        Problem,
        ReviewUncertain,
        Slice,
        Task,
    )
    from mldeploy.project import Project
    from mldeploy.retraining import AnyOf, CoolDown, OnAlarm, OnNewData, OnSchedule
    from mldeploy.store import Store
    from mldeploy.training import CalibratedTrainer, EstimatorTrainer, SearchTrainer

__all__ = [
    "Advise",
    "AllAtOnce",
    "AnyOf",
    "Automatic",
    "CalibratedTrainer",
    "Canary",
    "Clock",
    "CoolDown",
    "Criterion",
    "Dataset",
    "EstimatorTrainer",
    "Finding",
    "GroupSplit",
    "InProcessDeployer",
    "Metric",
    "OnAlarm",
    "OnNewData",
    "OnSchedule",
    "Problem",
    "Project",
    "RandomSplit",
    "Report",
    "ReviewUncertain",
    "Schema",
    "SearchTrainer",
    "Severity",
    "Shadow",
    "Slice",
    "Store",
    "Task",
    "TimeSplit",
    "Verdict",
    "Waiver",
]

_HOMES = {
    "_record": ("Clock",),
    "data": ("Dataset", "GroupSplit", "RandomSplit", "Schema", "TimeSplit"),
    "deployment": ("AllAtOnce", "Canary", "InProcessDeployer", "Shadow"),
    "evidence": ("Finding", "Report", "Severity", "Verdict", "Waiver"),
    "problem": (
        *("Advise", "Automatic", "Criterion", "Metric", "Problem", "ReviewUncertain"),
        *("Slice", "Task"),
    ),
    "project": ("Project",),
    "retraining": ("AnyOf", "CoolDown", "OnAlarm", "OnNewData", "OnSchedule"),
    "store": ("Store",),
    "training": ("CalibratedTrainer", "EstimatorTrainer", "SearchTrainer"),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> object:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(f"{__name__}.{_HOME_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

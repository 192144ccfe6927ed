from ._record import Clock
from .data import Dataset, GroupSplit, RandomSplit, Schema, TimeSplit
from .deployment import ABTest, AllAtOnce, BlueGreen, Canary, InProcessDeployer, Shadow
from .evidence import Finding, Report, Severity, Verdict, Waiver
from .problem import Advise, Automatic, Criterion, Metric, Problem, ReviewUncertain, Slice, Task
from .project import Project
from .retraining import AnyOf, CoolDown, OnAlarm, OnNewData, OnSchedule
from .store import Store
from .training import CalibratedTrainer, EstimatorTrainer, SearchTrainer

__all__ = [
    "ABTest",
    "Advise",
    "AllAtOnce",
    "AnyOf",
    "Automatic",
    "BlueGreen",
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

"""The problem statement: what is decided, what "good" means, and who may decide."""

from mldeploy.problem._autonomy import (
    Advise,
    Automatic,
    Autonomy,
    ReviewUncertain,
    Route,
    Routing,
    confidence_of,
)
from mldeploy.problem._builtin import builtin_metrics, find_metric
from mldeploy.problem._criterion import Criterion, Rival
from mldeploy.problem._judge import Judge, Rivals
from mldeploy.problem._measure import compare, measure, point_value
from mldeploy.problem._metric import Direction, Metric, MetricKind, Needs, Statistic
from mldeploy.problem._problem import Problem
from mldeploy.problem._rows import ScoredRows
from mldeploy.problem._scorer import from_scorer
from mldeploy.problem._slice import Slice
from mldeploy.problem._task import Task

__all__ = [
    "Advise",
    "Automatic",
    "Autonomy",
    "Criterion",
    "Direction",
    "Judge",
    "Metric",
    "MetricKind",
    "Needs",
    "Problem",
    "ReviewUncertain",
    "Rival",
    "Rivals",
    "Route",
    "Routing",
    "ScoredRows",
    "Slice",
    "Statistic",
    "Task",
    "builtin_metrics",
    "compare",
    "confidence_of",
    "find_metric",
    "from_scorer",
    "measure",
    "point_value",
]

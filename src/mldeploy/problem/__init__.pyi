from ._autonomy import Advise, Automatic, Autonomy, ReviewUncertain
from ._builtin import builtin_metrics, find_metric
from ._conformal import Conformal
from ._costs import cost_matrix, cost_of_errors, pinball_loss
from ._criterion import Criterion, Rival
from ._judge import Judge, Rivals
from ._measure import compare, measure, point_value
from ._metric import Direction, Metric, MetricKind, Needs, Statistic
from ._problem import Problem
from ._routing import Route, Routing, confidence_of
from ._rows import ScoredRows
from ._scorer import from_scorer
from ._slice import Slice
from ._task import Task

__all__ = [
    "Advise",
    "Automatic",
    "Autonomy",
    "Conformal",
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
    "cost_matrix",
    "cost_of_errors",
    "find_metric",
    "from_scorer",
    "measure",
    "pinball_loss",
    "point_value",
]

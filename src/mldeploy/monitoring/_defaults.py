"""The monitors that suit most deployments."""

from __future__ import annotations

from mldeploy.monitoring._base import Monitor, MonitorSuite
from mldeploy.monitoring._data_quality import DataQualityMonitor
from mldeploy.monitoring._drift import DriftMonitor
from mldeploy.monitoring._latency import LatencyMonitor
from mldeploy.monitoring._performance import PerformanceMonitor
from mldeploy.problem import MetricKind, Problem

_OF_LABELS = (MetricKind.QUALITY, MetricKind.BUSINESS, MetricKind.FAIRNESS)


def default_monitors(problem: Problem) -> MonitorSuite:
    """Return the monitors for a problem: of data, drift, latency, and of its criteria.

    Parameters
    ----------
    problem : Problem
        What the model is for; without a criterion on labels nothing asks for them.

    Examples
    --------
    >>> from mldeploy.problem import Criterion
    >>> problem = Problem(name="late", statement="Late?", target="late", positive=True,
    ...                   criteria=[Criterion("roc_auc", at_least=0.7)])
    >>> [type(monitor).__name__ for monitor in default_monitors(problem).monitors]
    ['DataQualityMonitor', 'DriftMonitor', 'LatencyMonitor', 'PerformanceMonitor']
    """
    monitors: list[Monitor] = [DataQualityMonitor(), DriftMonitor(), LatencyMonitor()]
    if any(criterion.metric.kind in _OF_LABELS for criterion in problem.criteria):
        monitors.append(PerformanceMonitor())
    return MonitorSuite(tuple(monitors))

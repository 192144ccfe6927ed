"""Is the model still fit for its problem? Monitors judge windows of answers by a reference."""

from mldeploy.monitoring._base import Monitor, MonitorSuite
from mldeploy.monitoring._data_quality import DataQualityMonitor
from mldeploy.monitoring._defaults import default_monitors
from mldeploy.monitoring._drift import DriftMonitor
from mldeploy.monitoring._latency import LatencyMonitor
from mldeploy.monitoring._performance import PerformanceMonitor
from mldeploy.monitoring._summary import MetricEstimate, WindowSummary
from mldeploy.monitoring._window import Reference, Window, profile_of

__all__ = [
    "DataQualityMonitor",
    "DriftMonitor",
    "LatencyMonitor",
    "MetricEstimate",
    "Monitor",
    "MonitorSuite",
    "PerformanceMonitor",
    "Reference",
    "Window",
    "WindowSummary",
    "default_monitors",
    "profile_of",
]

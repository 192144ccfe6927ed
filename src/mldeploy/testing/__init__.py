"""Conformance kits for parts of your own, small problems and data, and Hypothesis strategies.

The extra ``testing`` installs what it needs. Derive a test class from a kit, define its
fixture, and pytest holds your part to what every part promises::

    from mldeploy.testing import MonitorConformance

    class TestMyMonitor(MonitorConformance):
        @pytest.fixture
        def monitor(self):
            return MyMonitor()
"""

from mldeploy.testing import _extra  # noqa: F401 (first: it names what is missing)
from mldeploy.testing._assessors import DataAssessorConformance
from mldeploy.testing._conformance import Conformance
from mldeploy.testing._deployers import DeployerConformance
from mldeploy.testing._engines import EngineConformance
from mldeploy.testing._monitors import MonitorConformance
from mldeploy.testing._policies import RetrainingPolicyConformance
from mldeploy.testing._probes import ProbeConformance
from mldeploy.testing._samples import (
    Sample,
    degenerate_samples,
    hostile_sample,
    mixed_sample,
    numeric_sample,
    sample_frame,
    sample_problem,
)
from mldeploy.testing._sinks import PredictionSinkConformance
from mldeploy.testing._sources import DataSourceConformance
from mldeploy.testing._splits import SplitConformance
from mldeploy.testing._stores import StoreConformance
from mldeploy.testing._strategies import (
    datasets,
    findings,
    frames,
    problems,
    reports,
    scored_rows,
)
from mldeploy.testing._trained import (
    WatchedSample,
    quiet_window,
    sample_batch,
    sample_estimator,
    sample_model,
)
from mldeploy.testing._trainers import TrainerConformance
from mldeploy.testing._validators import ValidatorConformance

__all__ = [
    "Conformance",
    "DataAssessorConformance",
    "DataSourceConformance",
    "DeployerConformance",
    "EngineConformance",
    "MonitorConformance",
    "PredictionSinkConformance",
    "ProbeConformance",
    "RetrainingPolicyConformance",
    "Sample",
    "SplitConformance",
    "StoreConformance",
    "TrainerConformance",
    "ValidatorConformance",
    "WatchedSample",
    "datasets",
    "degenerate_samples",
    "findings",
    "frames",
    "hostile_sample",
    "mixed_sample",
    "numeric_sample",
    "problems",
    "quiet_window",
    "reports",
    "sample_batch",
    "sample_estimator",
    "sample_frame",
    "sample_model",
    "sample_problem",
    "scored_rows",
]

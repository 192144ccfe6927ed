"""May this model ship? Criteria, baselines, slices, fit and autonomy, judged on held-out rows."""

from mldeploy.validation._ageing import AgeQuality
from mldeploy.validation._autonomy import AutonomyValidator, risk_coverage_from, routing_from
from mldeploy.validation._base import Validator
from mldeploy.validation._calibration import (
    CalibrationValidator,
    reliability_diagram,
    reliability_from,
)
from mldeploy.validation._criteria import CriteriaValidator
from mldeploy.validation._defaults import default_validators
from mldeploy.validation._explanation import ExplanationValidator, partial_dependences_from
from mldeploy.validation._fairness import FairnessValidator
from mldeploy.validation._fairness_terms import Fairness
from mldeploy.validation._fit import FitValidator
from mldeploy.validation._fuzz import BehaviourValidator
from mldeploy.validation._latencies import Latencies, latency_chart_from
from mldeploy.validation._leakage import LeakageValidator
from mldeploy.validation._looks import SupportsLooks
from mldeploy.validation._partial import PartialDependence, partial_dependence
from mldeploy.validation._probe import Expects, Probe
from mldeploy.validation._probes import (
    DirectionProbe,
    InvarianceProbe,
    MissingProbe,
    NoiseProbe,
    UnitProbe,
    UnseenProbe,
)
from mldeploy.validation._rehearsal import RehearsalValidator
from mldeploy.validation._risk_coverage import RiskCoverage, risk_coverage
from mldeploy.validation._rivals import BaselineValidator
from mldeploy.validation._robustness import Example, RobustnessValidator, default_probes
from mldeploy.validation._slice_finder import SliceFinder
from mldeploy.validation._slices import SliceValidator
from mldeploy.validation._stability import StabilityValidator
from mldeploy.validation._staleness import StalenessValidator, age_quality_from
from mldeploy.validation._suite import ValidatorSuite
from mldeploy.validation._uncertainty import UncertaintyValidator, conformal_from
from mldeploy.validation._value import Guess, ValueValidator

__all__ = [
    "AgeQuality",
    "AutonomyValidator",
    "BaselineValidator",
    "BehaviourValidator",
    "CalibrationValidator",
    "CriteriaValidator",
    "DirectionProbe",
    "Example",
    "Expects",
    "ExplanationValidator",
    "Fairness",
    "FairnessValidator",
    "FitValidator",
    "Guess",
    "InvarianceProbe",
    "Latencies",
    "LeakageValidator",
    "MissingProbe",
    "NoiseProbe",
    "PartialDependence",
    "Probe",
    "RehearsalValidator",
    "RiskCoverage",
    "RobustnessValidator",
    "SliceFinder",
    "SliceValidator",
    "StabilityValidator",
    "StalenessValidator",
    "SupportsLooks",
    "UncertaintyValidator",
    "UnitProbe",
    "UnseenProbe",
    "Validator",
    "ValidatorSuite",
    "ValueValidator",
    "age_quality_from",
    "conformal_from",
    "default_probes",
    "default_validators",
    "latency_chart_from",
    "partial_dependence",
    "partial_dependences_from",
    "reliability_diagram",
    "reliability_from",
    "risk_coverage",
    "risk_coverage_from",
    "routing_from",
]

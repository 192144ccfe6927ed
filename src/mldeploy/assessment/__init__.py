"""Are the data enough, clean, fresh and honest? Asked before anything is learnt from them."""

from mldeploy.assessment._adequacy import AdequacyAssessor
from mldeploy.assessment._balance import BalanceAssessor
from mldeploy.assessment._base import DataAssessor
from mldeploy.assessment._change import ChangeAssessor
from mldeploy.assessment._collinear import CollinearityAssessor
from mldeploy.assessment._cost import FeatureCost, FeatureCostAssessor
from mldeploy.assessment._duplicates import DuplicatesAssessor, overlap
from mldeploy.assessment._expectations import ExpectationAssessor
from mldeploy.assessment._label_quality import LabelQualityAssessor, suspect_rows
from mldeploy.assessment._leakage import LeakageAssessor
from mldeploy.assessment._missing import MissingAssessor
from mldeploy.assessment._representative import RepresentativenessAssessor
from mldeploy.assessment._schema import SchemaAssessor
from mldeploy.assessment._sensitive import SensitiveAssessor
from mldeploy.assessment._suite import AssessorSuite, default_assessors
from mldeploy.assessment._timeliness import TimelinessAssessor
from mldeploy.assessment._values import ValuesAssessor
from mldeploy.assessment._weighting import raking_weights

__all__ = [
    "AdequacyAssessor",
    "AssessorSuite",
    "BalanceAssessor",
    "ChangeAssessor",
    "CollinearityAssessor",
    "DataAssessor",
    "DuplicatesAssessor",
    "ExpectationAssessor",
    "FeatureCost",
    "FeatureCostAssessor",
    "LabelQualityAssessor",
    "LeakageAssessor",
    "MissingAssessor",
    "RepresentativenessAssessor",
    "SchemaAssessor",
    "SensitiveAssessor",
    "TimelinessAssessor",
    "ValuesAssessor",
    "default_assessors",
    "overlap",
    "raking_weights",
    "suspect_rows",
]

"""What turned out to be true: labels that are late, partial and revised, joined to predictions."""

from mldeploy.feedback._coverage import Coverage, CoverageByAge, DelayQuantile, Delays
from mldeploy.feedback._ledger import LabelLedger, Recorded

__all__ = [
    "Coverage",
    "CoverageByAge",
    "DelayQuantile",
    "Delays",
    "LabelLedger",
    "Recorded",
]

from ._coverage import Coverage, CoverageByAge, DelayQuantile, Delays
from ._ledger import LabelLedger, Recorded

__all__ = ["Coverage", "CoverageByAge", "DelayQuantile", "Delays", "LabelLedger", "Recorded"]

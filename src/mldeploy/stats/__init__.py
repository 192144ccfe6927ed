"""Statistics that decide, as pure functions on arrays, each with its source."""

from mldeploy.stats._auc import roc_auc
from mldeploy.stats._bootstrap import bootstrap, bootstrap_auc, bootstrap_ratio, paired_bootstrap
from mldeploy.stats._calibration import (
    CalibrationResult,
    ReliabilityBin,
    ReliabilityCurve,
    brier,
    cox_calibration,
    debiased_ece,
    null_ece,
    reliability_curve,
)
from mldeploy.stats._delong import delong, delong_difference
from mldeploy.stats._intervals import (
    Comparison,
    Estimate,
    Interval,
    mean_interval,
    quantile_interval,
    rule_of_three,
    wilson,
)
from mldeploy.stats._multiplicity import holm, holm_confidence
from mldeploy.stats._paired import (
    bonett_price,
    mcnemar_midp,
    paired_bootstrap_ratio,
    paired_proportions,
)
from mldeploy.stats._power import (
    hanley_mcneil_variance,
    n_for_auc,
    n_for_mean,
    n_for_proportion,
    rows_needed,
)
from mldeploy.stats._resampled import corrected_resampled_t

__all__ = [
    "CalibrationResult",
    "Comparison",
    "Estimate",
    "Interval",
    "ReliabilityBin",
    "ReliabilityCurve",
    "bonett_price",
    "bootstrap",
    "bootstrap_auc",
    "bootstrap_ratio",
    "brier",
    "corrected_resampled_t",
    "cox_calibration",
    "debiased_ece",
    "delong",
    "delong_difference",
    "hanley_mcneil_variance",
    "holm",
    "holm_confidence",
    "mcnemar_midp",
    "mean_interval",
    "n_for_auc",
    "n_for_mean",
    "n_for_proportion",
    "null_ece",
    "paired_bootstrap",
    "paired_bootstrap_ratio",
    "paired_proportions",
    "quantile_interval",
    "reliability_curve",
    "roc_auc",
    "rows_needed",
    "rule_of_three",
    "wilson",
]

"""Statistics that decide, as pure functions on arrays, each with its source."""

from __future__ import annotations

from mldeploy.stats._auc import delong, delong_difference, hanley_mcneil_variance, roc_auc
from mldeploy.stats._bootstrap import bootstrap, bootstrap_ratio, paired_bootstrap
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
from mldeploy.stats._resampled import corrected_resampled_t

__all__ = [
    "Comparison",
    "Estimate",
    "Interval",
    "bonett_price",
    "bootstrap",
    "bootstrap_ratio",
    "corrected_resampled_t",
    "delong",
    "delong_difference",
    "hanley_mcneil_variance",
    "holm",
    "holm_confidence",
    "mcnemar_midp",
    "mean_interval",
    "paired_bootstrap",
    "paired_bootstrap_ratio",
    "paired_proportions",
    "quantile_interval",
    "roc_auc",
    "rule_of_three",
    "wilson",
]

from ._alignment import AlignedCounts, align_categories, align_numbers
from ._auc import roc_auc
from ._bootstrap import bootstrap, bootstrap_auc, bootstrap_ratio, paired_bootstrap
from ._bounded import BoundedMeanEProcess
from ._burn_rate import BurnRateAlarm, BurnRateRule, WindowCounts, burn_rate, burn_rate_alarms
from ._calibration import (
    CalibrationResult,
    ReliabilityBin,
    ReliabilityCurve,
    brier,
    cox_calibration,
    debiased_ece,
    null_ece,
    reliability_curve,
)
from ._canary import OutageGuard, sample_ratio_p_value
from ._cells import bootstrap_cells, paired_bootstrap_cells
from ._conformal import conformal_p_values, conformal_quantile, mondrian_quantiles
from ._counts import ValueCounts, bin_counts, kept_levels, level_counts, quantile_edges
from ._delong import delong, delong_difference
from ._detector import ShiryaevRoberts
from ._divergence import jensen_shannon, ks_statistic, psi, total_variation, wasserstein_1d
from ._domain import DomainTest, domain_classifier
from ._drift import DriftTest, psi_test
from ._estimate import Comparison, Estimate, Interval
from ._exchangeability import conformal_martingale, online_p_values
from ._explain import Cause, Explanation, explain_change
from ._group_sequential import GroupSequential, crossing_probabilities, obrien_fleming, pocock
from ._history import (
    HistoryDecision,
    history_limit,
    judge_against_history,
    leave_one_out_distances,
)
from ._intervals import mean_interval, quantile_interval, rule_of_three, wilson
from ._label_noise import ChanceOfFlags, Suspects, flags_by_chance, suspect_labels
from ._label_shift import LabelShift, label_shift
from ._late_labels import ReportingDelay, matured, reporting_delay, reporting_weights
from ._learning_curve import Band, LearningCurveFit, MoreDataDecision, fit_learning_curve
from ._many_looks import looks_alpha, looks_confidence, looks_p_values, worth_after_looks
from ._multiplicity import holm, holm_confidence, hommel, true_discoveries
from ._paired import bonett_price, mcnemar_midp, paired_bootstrap_ratio, paired_proportions
from ._power import (
    hanley_mcneil_variance,
    n_for_auc,
    n_for_difference,
    n_for_mean,
    n_for_proportion,
)
from ._rank_by_folds import Ranked, rank_by_folds
from ._ranking import Ranking
from ._recalibration import Recalibration, adjust_prior, recalibrate
from ._representation import Raked, kish_n, rake, standardised_difference
from ._resampled import corrected_resampled_t
from ._risk_control import SafeThreshold, learn_then_test, risk_p_value, safe_threshold
from ._rows_needed import rows_needed
from ._rules import (
    RuleOutcome,
    judge_rule_against_history,
    new_values,
    null_share_jump,
    range_breach,
)
from ._sequential import TEProcess
from ._tails import IsolatedTail, isolated_tail
from ._two_by_two import SafeTwoByTwo, safe_two_by_two
from ._two_shares import ratio_of_proportions, two_proportions
from ._weighted import WeightedMean, weighted_mean
from ._without_labels import WithoutLabels, cbpe

__all__ = [
    "AlignedCounts",
    "Band",
    "BoundedMeanEProcess",
    "BurnRateAlarm",
    "BurnRateRule",
    "CalibrationResult",
    "Cause",
    "ChanceOfFlags",
    "Comparison",
    "DomainTest",
    "DriftTest",
    "Estimate",
    "Explanation",
    "GroupSequential",
    "HistoryDecision",
    "Interval",
    "IsolatedTail",
    "LabelShift",
    "LearningCurveFit",
    "MoreDataDecision",
    "OutageGuard",
    "Raked",
    "Ranked",
    "Ranking",
    "Recalibration",
    "ReliabilityBin",
    "ReliabilityCurve",
    "ReportingDelay",
    "RuleOutcome",
    "SafeThreshold",
    "SafeTwoByTwo",
    "ShiryaevRoberts",
    "Suspects",
    "TEProcess",
    "ValueCounts",
    "WeightedMean",
    "WindowCounts",
    "WithoutLabels",
    "adjust_prior",
    "align_categories",
    "align_numbers",
    "bin_counts",
    "bonett_price",
    "bootstrap",
    "bootstrap_auc",
    "bootstrap_cells",
    "bootstrap_ratio",
    "brier",
    "burn_rate",
    "burn_rate_alarms",
    "cbpe",
    "conformal_martingale",
    "conformal_p_values",
    "conformal_quantile",
    "corrected_resampled_t",
    "cox_calibration",
    "crossing_probabilities",
    "debiased_ece",
    "delong",
    "delong_difference",
    "domain_classifier",
    "explain_change",
    "fit_learning_curve",
    "flags_by_chance",
    "hanley_mcneil_variance",
    "history_limit",
    "holm",
    "holm_confidence",
    "hommel",
    "isolated_tail",
    "jensen_shannon",
    "judge_against_history",
    "judge_rule_against_history",
    "kept_levels",
    "kish_n",
    "ks_statistic",
    "label_shift",
    "learn_then_test",
    "leave_one_out_distances",
    "level_counts",
    "looks_alpha",
    "looks_confidence",
    "looks_p_values",
    "matured",
    "mcnemar_midp",
    "mean_interval",
    "mondrian_quantiles",
    "n_for_auc",
    "n_for_difference",
    "n_for_mean",
    "n_for_proportion",
    "new_values",
    "null_ece",
    "null_share_jump",
    "obrien_fleming",
    "online_p_values",
    "paired_bootstrap",
    "paired_bootstrap_cells",
    "paired_bootstrap_ratio",
    "paired_proportions",
    "pocock",
    "psi",
    "psi_test",
    "quantile_edges",
    "quantile_interval",
    "rake",
    "range_breach",
    "rank_by_folds",
    "ratio_of_proportions",
    "recalibrate",
    "reliability_curve",
    "reporting_delay",
    "reporting_weights",
    "risk_p_value",
    "roc_auc",
    "rows_needed",
    "rule_of_three",
    "safe_threshold",
    "safe_two_by_two",
    "sample_ratio_p_value",
    "standardised_difference",
    "suspect_labels",
    "total_variation",
    "true_discoveries",
    "two_proportions",
    "wasserstein_1d",
    "weighted_mean",
    "wilson",
    "worth_after_looks",
]

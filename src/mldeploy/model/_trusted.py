"""The types that a loader trusts without being asked, beyond those that skops itself trusts.

Every one is part of scikit-learn's, numpy's or scipy's own estimators. Classes hold data only;
functions compute numbers from arrays, and reach neither files, nor the network, nor other code.
Those whose content could crash the process (trees, splines) are inspected after loading; those
that nobody inspects (`KDTree`, `BallTree`) are left out.
"""

from __future__ import annotations


def _under(module: str, names: str) -> tuple[str, ...]:
    return tuple(f"{module}.{name}" for name in names.split())


_CLASSES = (
    "functools.partial",  # of a function that is trusted itself, or the file is refused
    "numpy.dtype",
    "numpy.number",
    "scipy.interpolate._bsplines.BSpline",
    "sklearn.compose._column_transformer._RemainderColsList",
    "sklearn.compose._column_transformer.make_column_selector",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.gaussian_process._gpc._BinaryGaussianProcessClassifierLaplace",
    "sklearn.tree._tree.Tree",
    "sklearn.utils._bunch.Bunch",
    *_under(
        "sklearn.calibration", "_CalibratedClassifier _SigmoidCalibration _TemperatureScaling"
    ),
    *_under("sklearn._loss.loss", "HalfTweedieLoss HalfTweedieLossIdentity"),
    *_under(
        "sklearn.gaussian_process.kernels",
        "CompoundKernel ConstantKernel DotProduct ExpSineSquared Exponentiation Matern Product "
        "RBF RationalQuadratic Sum WhiteKernel",
    ),
    *_under("sklearn.metrics._scorer", "_CurveScorer _PassthroughScorer _Scorer"),
    *_under(
        "sklearn.model_selection._split",
        "GroupKFold GroupShuffleSplit KFold LeaveOneGroupOut RepeatedKFold "
        "RepeatedStratifiedKFold ShuffleSplit StratifiedGroupKFold StratifiedKFold "
        "StratifiedShuffleSplit TimeSeriesSplit",
    ),
    *_under("sklearn.neural_network._stochastic_optimizers", "AdamOptimizer SGDOptimizer"),
    *_under("sklearn.utils._metadata_requests", "MetadataRequest MethodMetadataRequest"),
)

_FUNCTIONS = (
    "scipy._lib.array_api_compat.numpy._aliases.asarray",
    "sklearn.utils.validation.check_array",
    *_under(
        "sklearn.feature_selection._univariate_selection",
        "chi2 f_classif f_oneway f_regression r_regression",
    ),
    *_under(
        "sklearn.feature_selection._mutual_info", "mutual_info_classif mutual_info_regression"
    ),
    *_under(
        "sklearn.metrics._classification",
        "accuracy_score balanced_accuracy_score brier_score_loss cohen_kappa_score d2_brier_score "
        "d2_log_loss_score f1_score fbeta_score jaccard_score log_loss matthews_corrcoef "
        "precision_score recall_score",
    ),
    *_under(
        "sklearn.metrics._ranking",
        "average_precision_score roc_auc_score top_k_accuracy_score",
    ),
    *_under(
        "sklearn.metrics._regression",
        "d2_absolute_error_score d2_pinball_score d2_tweedie_score explained_variance_score "
        "max_error mean_absolute_error mean_absolute_percentage_error mean_gamma_deviance "
        "mean_pinball_loss mean_poisson_deviance mean_squared_error mean_squared_log_error "
        "mean_tweedie_deviance median_absolute_error r2_score root_mean_squared_error "
        "root_mean_squared_log_error",
    ),
)

TRUSTED_FUNCTIONS = frozenset(_FUNCTIONS)

TRUSTED: tuple[str, ...] = tuple(sorted((*_CLASSES, *_FUNCTIONS)))
"""Full names of the types and functions that `SkopsFormat` trusts beyond skops' own list."""

"""Which estimators are trees, and the kernels that they become."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias, cast

from mldeploy.model.compiled._kernel import Kernel
from mldeploy.model.compiled._trees import TreeKernel
from mldeploy.model.compiling import (
    _catboost,
    _lightgbm,
    _trees_hgb,
    _trees_sklearn,
    _xgboost,
)

Transform: TypeAlias = Literal[
    "identity", "logistic", "logistic of twice", "softmax", "exp", "votes"
]


def tree_kernels(estimator: Any, n_inputs: int) -> list[Kernel] | None:
    """Return the kernels of a fitted estimator of trees; None if it is no such estimator.

    Parameters
    ----------
    estimator : estimator
        Fitted, alone: not a pipeline.
    n_inputs : int
        Number of columns that it was fitted on.

    Returns
    -------
    list of Kernel or None
        Kernels that return probabilities for trees and forests, the raw score for boosting.

    Raises
    ------
    NotCompilableError
        If it has trees, but not such as these kernels can follow; it says why.
    """
    kernel = _kernel_of(estimator, n_inputs)
    return None if kernel is None else [kernel]


def tree_transform(estimator: Any) -> Transform:
    """Return what turns a kernel's answer into what the estimator predicts.

    Parameters
    ----------
    estimator : estimator
        One for which `tree_kernels` returns kernels.

    Returns
    -------
    Transform
        "identity" for probabilities and means; "logistic" for one score of the second class,
        or of twice that score; "softmax" over one score for each class; "exp"; "votes" of
        `AdaBoostClassifier`, one column for each class, which decide by the largest.

    Raises
    ------
    NotCompilableError
        If the estimator has an objective that is not known here.
    """
    for knows, module in _LIBRARIES:
        if knows(estimator):
            return cast("Transform", module.transform_of(estimator))
    return _trees_hgb.transform_of(estimator) or _trees_sklearn.transform_of(estimator)


_LIBRARIES: Any = (
    (_lightgbm.is_lightgbm, _lightgbm),
    (_xgboost.is_xgboost, _xgboost),
    (_catboost.is_catboost, _catboost),
)


def _kernel_of(estimator: Any, n_inputs: int) -> TreeKernel | None:
    for knows, module in _LIBRARIES:
        if knows(estimator):
            return cast("TreeKernel", module.kernel_of(estimator, n_inputs))
    return _trees_hgb.kernel_of(estimator, n_inputs) or _trees_sklearn.kernel_of(
        estimator, n_inputs
    )

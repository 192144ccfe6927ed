"""Which estimators are trees, and the kernels that they become."""

from __future__ import annotations

from typing import Any

from mldeploy.model.compiled._kernel import Kernel
from mldeploy.model.compiled._trees import TreeKernel
from mldeploy.model.compiling import _trees_hgb, _trees_sklearn


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
        Kernels that return probabilities for trees and forests, and the raw score for boosting.

    Raises
    ------
    NotCompilableError
        If it has trees, but not such as these kernels can follow; it says why.
    """
    kernel = _kernel_of(estimator, n_inputs)
    return None if kernel is None else [kernel]


def _kernel_of(estimator: Any, n_inputs: int) -> TreeKernel | None:
    return _trees_sklearn.kernel_of(estimator, n_inputs) or _trees_hgb.kernel_of(
        estimator, n_inputs
    )

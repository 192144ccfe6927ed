"""How sample weights reach the estimator that learns, or why they cannot."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import has_fit_parameter

from mldeploy.errors import UnsupportedWeightsError


def fit_arguments(
    estimator: Any, sample_weight: npt.NDArray[np.float64] | None
) -> dict[str, npt.NDArray[np.float64]]:
    """Return the arguments of `fit` that carry the weights; none if there are no weights.

    A pipeline's weights go to its last step; those of a search to the estimator that it tries.

    Raises
    ------
    UnsupportedWeightsError
        If the estimator that learns takes no weights.
    """
    if sample_weight is None:
        return {}
    return {_argument(estimator): sample_weight}


def _argument(estimator: Any) -> str:
    if isinstance(estimator, Pipeline):
        name, last = estimator.steps[-1]
        return f"{name}__{_argument(last)}"
    if has_fit_parameter(estimator, "sample_weight"):
        inner = getattr(estimator, "estimator", None)
        return _argument(inner) if isinstance(inner, Pipeline) else "sample_weight"
    for part in ("estimator", "regressor"):
        inner = getattr(estimator, part, None)
        if inner is not None and hasattr(inner, "fit"):
            return _argument(inner)
    raise UnsupportedWeightsError(type(estimator).__name__)

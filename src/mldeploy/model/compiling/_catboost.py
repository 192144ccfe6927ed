"""Symmetric trees of CatBoost on numbers, read from its own JSON."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from mldeploy.model.compiled._trees import TreeKernel
from mldeploy.model.compiling._trees_build import Tree, last_below_as_float32, tree_kernel
from mldeploy.model.compiling._trees_unsupported import unsupported

_TRANSFORMS: Final = {
    "Logloss": "logistic",
    "CrossEntropy": "logistic",
    "MultiClass": "softmax",
    "RMSE": "identity",
    "MAE": "identity",
    "MAPE": "identity",
    "Quantile": "identity",
    "Huber": "identity",
    "Poisson": "exp",
    "Tweedie": "exp",
}


def is_catboost(estimator: Any) -> bool:
    """Return whether the estimator is a classifier or regressor of CatBoost."""
    kind = type(estimator)
    return kind.__module__.startswith("catboost.") and kind.__name__ in (
        "CatBoostClassifier",
        "CatBoostRegressor",
    )


def transform_of(estimator: Any) -> str:
    """Return what turns the sums into what the estimator predicts."""
    loss = str(estimator.get_all_params()["loss_function"]).partition(":")[0]
    if loss not in _TRANSFORMS:
        raise unsupported(estimator, f"loss {loss}")
    return _TRANSFORMS[loss]


def kernel_of(estimator: Any, n_inputs: int) -> TreeKernel:
    """Return the kernel of its raw scores."""
    transform_of(estimator)
    model = _json(estimator)
    if "oblivious_trees" not in model:
        raise unsupported(estimator, "its trees are not symmetric (grow_policy)")
    features = model["features_info"]
    for kind in ("categorical_features", "text_features", "embedding_features"):
        if features.get(kind):
            raise unsupported(estimator, f"it has {kind.replace('_', ' ')}")
    scale, bias = model["scale_and_bias"]
    if scale != 1:
        raise unsupported(estimator, f"its scores are scaled by {scale}")
    trees = [_tree(t, features["float_features"], len(bias)) for t in model["oblivious_trees"]]
    return tree_kernel(trees, n_inputs=n_inputs, base=bias)


def _json(estimator: Any) -> Mapping[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.json")
        estimator.save_model(str(path), format="json")
        content: Mapping[str, Any] = json.loads(path.read_bytes())
    return content


def _tree(tree: Mapping[str, Any], features: Sequence[Mapping[str, Any]], n_outputs: int) -> Tree:
    """Level by level, every node of a level asks the same; bit `i` of a leaf answers split `i`."""
    splits = tree["splits"] or []
    depth, numbers = len(splits), np.arange(2 ** (len(splits) + 1) - 1)
    levels = np.floor(np.log2(numbers + 1)).astype(int)
    is_leaf = levels == depth
    by_index = {feature["feature_index"]: feature for feature in features}
    asked = [by_index[split["float_feature_index"]] for split in splits]
    columns = np.array([*(feature["flat_feature_index"] for feature in asked), -1])
    borders = last_below_as_float32(np.array([*(s["border"] for s in splits), np.nan], np.float32))
    left = np.array([*(f["nan_value_treatment"] != "AsTrue" for f in asked), False])
    leaves = np.zeros(len(numbers), int)
    for node in numbers[1:].tolist():
        leaves[node] = leaves[(node - 1) // 2] | (node + 1 & 1) << levels[node] - 1
    values = np.array(tree["leaf_values"], float).reshape(-1, n_outputs)
    return Tree(
        columns=columns[levels],
        thresholds=borders[levels],
        missing_left=left[levels],
        left=2 * numbers + 1,
        right=2 * numbers + 2,
        values=values[np.where(is_leaf, leaves, 0)],
    )

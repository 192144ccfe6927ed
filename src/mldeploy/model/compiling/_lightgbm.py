"""Boosted trees of LightGBM, read from its own dump."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from mldeploy.model.compiled._trees import TreeKernel
from mldeploy.model.compiling._trees_build import (
    Interval,
    Tree,
    complement,
    merged,
    tree_kernel,
    truncated,
)
from mldeploy.model.compiling._trees_unsupported import unsupported

_ZERO: Final = float(np.float32(1e-35))
"""LightGBM takes numbers as close to zero as this for zero."""
_BELOW_ZERO: Final = math.nextafter(-_ZERO, -math.inf)
_WRITTEN_FOR_INFINITY: Final = 1e300
"""What a dump says where the booster that was trained compares with infinity."""
_TRANSFORMS: Final = {
    "binary": "logistic",
    "multiclass": "softmax",
    "regression": "identity",
    "regression_l1": "identity",
    "huber": "identity",
    "fair": "identity",
    "quantile": "identity",
    "mape": "identity",
    "poisson": "exp",
    "gamma": "exp",
    "tweedie": "exp",
}


def is_lightgbm(estimator: Any) -> bool:
    """Return whether the estimator is a classifier or regressor of LightGBM."""
    kind = type(estimator)
    return kind.__module__.startswith("lightgbm.") and kind.__name__ in (
        "LGBMClassifier",
        "LGBMRegressor",
    )


def transform_of(estimator: Any) -> str:
    """Return what turns the sums into what the estimator predicts."""
    objective, *settings = str(estimator.booster_.dump_model(num_iteration=1)["objective"]).split()
    if objective not in _TRANSFORMS or "sqrt" in settings:
        raise unsupported(estimator, f"objective {' '.join([objective, *settings])}")
    if objective == "binary" and settings != ["sigmoid:1"]:
        raise unsupported(estimator, f"objective binary with {settings[0]}")
    return _TRANSFORMS[objective]


def kernel_of(estimator: Any, n_inputs: int) -> TreeKernel:
    """Return the kernel of its raw scores."""
    transform_of(estimator)
    dump = estimator.booster_.dump_model()
    if dump["average_output"]:
        raise unsupported(estimator, "its trees are averaged (boosting_type rf)")
    if (estimator.booster_.params or {}).get("linear_tree"):
        raise unsupported(estimator, "its leaves hold linear models (linear_tree)")
    trees = [_tree(info["tree_structure"]) for info in dump["tree_info"]]
    base = np.zeros(dump["num_tree_per_iteration"])
    return tree_kernel(trees, n_inputs=n_inputs, base=base)


def _tree(root: Mapping[str, Any]) -> Tree:
    nodes: list[Mapping[str, Any]] = [root]
    left, right = [], []
    for node in nodes:
        is_leaf = "split_feature" not in node
        left.append(-1 if is_leaf else len(nodes))
        right.append(-1 if is_leaf else len(nodes) + 1)
        if not is_leaf:
            nodes += [node["left_child"], node["right_child"]]
    splits = [node if "split_feature" in node else None for node in nodes]
    goes_left = {
        number: intervals
        for number, split in enumerate(splits)
        if split is not None and (intervals := _intervals(split)) is not None
    }
    numeric = [s if s is not None and s["decision_type"] == "<=" else None for s in splits]
    return Tree(
        columns=np.array([-1 if s is None else s["split_feature"] for s in splits]),
        thresholds=np.array([math.nan if s is None else _threshold(s) for s in numeric]),
        missing_left=np.array([s is not None and _missing_left(s) for s in numeric]),
        left=np.array(left),
        right=np.array(right),
        values=np.array([[node.get("leaf_value", 0.0)] for node in nodes]),
        goes_left=goes_left,
    )


def _threshold(split: Mapping[str, Any]) -> float:
    """Return the threshold for numbers that were not taken for zero."""
    threshold = float(split["threshold"])
    if threshold >= _WRITTEN_FOR_INFINITY:
        return math.inf
    if 0 <= threshold < _ZERO:
        return _ZERO
    return _BELOW_ZERO if -_ZERO <= threshold < 0 else threshold


def _missing_left(split: Mapping[str, Any]) -> bool:
    if split["missing_type"] == "None":
        return bool(_threshold(split) >= 0)
    return bool(split["default_left"])


def _intervals(split: Mapping[str, Any]) -> Sequence[Interval] | None:
    """Return what goes left where that is not simply what is at most the threshold."""
    if split["decision_type"] == "==":
        return merged([truncated(int(code)) for code in str(split["threshold"]).split("||")])
    if split["missing_type"] != "Zero":
        return None
    lower, zero = (-math.inf, _threshold(split)), (_BELOW_ZERO, _ZERO)
    if split["default_left"]:
        return merged([lower, zero])
    return complement(merged([*complement([lower]), zero]))

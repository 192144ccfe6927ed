"""Boosted trees of XGBoost, read from its own JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from mldeploy.model.compiled._trees import TreeKernel
from mldeploy.model.compiling._trees_build import (
    Interval,
    Tree,
    complement,
    last_below_as_float32,
    tree_kernel,
)
from mldeploy.model.compiling._trees_unsupported import unsupported

_TRANSFORMS: Final = {
    "binary:logistic": "logistic",
    "reg:logistic": "logistic",
    "multi:softprob": "softmax",
    "multi:softmax": "softmax",
    "reg:squarederror": "identity",
    "reg:absoluteerror": "identity",
    "reg:pseudohubererror": "identity",
    "reg:quantileerror": "identity",
    "count:poisson": "exp",
    "reg:gamma": "exp",
    "reg:tweedie": "exp",
}
_NAMES: Final = ("XGBClassifier", "XGBRegressor", "XGBRFClassifier", "XGBRFRegressor")


def is_xgboost(estimator: Any) -> bool:
    """Return whether the estimator is a classifier or regressor of XGBoost."""
    kind = type(estimator)
    return kind.__module__.startswith("xgboost.") and kind.__name__ in _NAMES


def transform_of(estimator: Any) -> str:
    """Return what turns the sums into what the estimator predicts."""
    name = json.loads(estimator.get_booster().save_config())["learner"]["objective"]["name"]
    if name not in _TRANSFORMS:
        raise unsupported(estimator, f"objective {name}")
    return _TRANSFORMS[name]


def kernel_of(estimator: Any, n_inputs: int) -> TreeKernel:
    """Return the kernel of its margins, added up in float32 as it does."""
    transform = transform_of(estimator)
    learner = json.loads(estimator.get_booster().save_raw("json"))["learner"]
    booster = learner["gradient_booster"]
    if booster["name"] != "gbtree":
        raise unsupported(estimator, f"booster {booster['name']}")
    if not (isinstance(estimator.missing, float) and math.isnan(estimator.missing)):
        raise unsupported(estimator, f"missing values are {estimator.missing!r} and not NaN")
    model = booster["model"]
    if model.get("cats", {}).get("enc"):
        raise unsupported(estimator, "it was fitted on a frame with categories")
    n_outputs = max(1, int(learner["learner_model_param"]["num_class"]))
    if int(learner["learner_model_param"].get("num_target", 1)) > 1:
        raise unsupported(estimator, "it has several targets")
    if any(int(t["tree_param"]["size_leaf_vector"]) > 1 for t in model["trees"]):
        raise unsupported(estimator, "its leaves hold vectors (multi_strategy)")
    n_trees = _n_trees(estimator, model)
    by_output: list[list[Tree]] = [[] for _ in range(n_outputs)]
    for tree, output in zip(model["trees"][:n_trees], model["tree_info"], strict=False):
        by_output[output].append(_tree(tree))
    return tree_kernel(
        [tree for trees in zip(*by_output, strict=True) for tree in trees],
        n_inputs=n_inputs,
        base=_margins(learner["learner_model_param"]["base_score"], transform, n_outputs),
        dtype=np.float32,
    )


def _n_trees(estimator: Any, model: Mapping[str, Any]) -> int:
    """Return how many trees answer: those up to the best iteration, if it stopped early."""
    try:
        n_rounds = int(estimator.best_iteration) + 1
    except AttributeError:
        return len(model["trees"])
    return int(model["iteration_indptr"][n_rounds])


def _margins(base_score: str, transform: str, n_outputs: int) -> np.ndarray[Any, Any]:
    given = json.loads(base_score) if base_score.startswith("[") else [float(base_score)]
    scores = np.broadcast_to(np.array(given, np.float32), n_outputs)
    if transform == "logistic":
        return -np.log((np.float32(1) / scores - np.float32(1)).astype(np.float64))
    return np.log(scores.astype(np.float64)) if transform == "exp" else scores


def _tree(tree: Mapping[str, Any]) -> Tree:
    left = np.array(tree["left_children"])
    conditions = np.array(tree["split_conditions"], np.float32)
    below = np.nextafter(conditions, np.float32(-np.inf))
    return Tree(
        columns=np.where(left < 0, -1, np.array(tree["split_indices"])),
        thresholds=last_below_as_float32(below),
        missing_left=np.array(tree["default_left"], bool),
        left=left,
        right=np.array(tree["right_children"]),
        values=conditions[:, None],
        goes_left=_categories(tree),
    )


def _categories(tree: Mapping[str, Any]) -> dict[int, list[Interval]]:
    """The categories of a node go right, and all other numbers left."""
    starts, sizes = tree["categories_segments"], tree["categories_sizes"]
    sets = {}
    for node, start, size in zip(tree["categories_nodes"], starts, sizes, strict=True):
        codes = tree["categories"][start : start + size]
        sets[node] = complement([_rounded_and_truncated(code) for code in codes])
    return sets


def _rounded_and_truncated(code: int) -> Interval:
    """Return the numbers that become this category when rounded to float32 and cut off."""
    ends = np.array([code, code + 1], np.float32)
    low, high = last_below_as_float32(np.nextafter(ends, np.float32(-np.inf))).tolist()
    return low, high

"""Trees of scikit-learn, alone, in forests, boosted one after the other, and bagged."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from sklearn.ensemble import (
    AdaBoostClassifier,
    BaggingClassifier,
    BaggingRegressor,
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.tree import (
    DecisionTreeClassifier,
    DecisionTreeRegressor,
    ExtraTreeClassifier,
    ExtraTreeRegressor,
)

from mldeploy.model.compiled._trees import TreeKernel
from mldeploy.model.compiling._trees_build import Tree, last_below_as_float32, tree_kernel
from mldeploy.model.compiling._trees_unsupported import unsupported

_SINGLE = (
    DecisionTreeClassifier,
    DecisionTreeRegressor,
    ExtraTreeClassifier,
    ExtraTreeRegressor,
)
_FORESTS = (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
_BAGGED = (BaggingClassifier, BaggingRegressor)
_BOOSTED = (GradientBoostingClassifier, GradientBoostingRegressor)


def kernel_of(estimator: Any, n_inputs: int) -> TreeKernel | None:
    """Return the kernel of a fitted estimator of scikit-learn; None if it has no trees.

    It returns the probability of every class, or the mean; for boosting the raw score, and for
    `AdaBoostClassifier` the votes of the classes, between which the larger one decides.
    """
    if type(estimator) in _SINGLE:
        return _averaged(estimator, [estimator], n_inputs)
    if type(estimator) in _FORESTS:
        return _averaged(estimator, estimator.estimators_, n_inputs)
    if type(estimator) in _BAGGED:
        return _bagged(estimator, n_inputs)
    if type(estimator) in _BOOSTED:
        return _boosted(estimator, n_inputs)
    if type(estimator) is AdaBoostClassifier:
        return _adaptive(estimator, n_inputs)
    return None


def transform_of(
    estimator: Any,
) -> Literal["identity", "logistic", "logistic of twice", "softmax", "votes"]:
    """Return what turns the kernel's answer into what the estimator predicts."""
    if type(estimator) is AdaBoostClassifier:
        return "votes"
    if type(estimator) is not GradientBoostingClassifier:
        return "identity"
    if estimator.loss == "exponential":
        return "logistic of twice"
    return "logistic" if len(estimator.classes_) == 2 else "softmax"


def _averaged(estimator: Any, members: Sequence[Any], n_inputs: int) -> TreeKernel:
    if estimator.n_outputs_ != 1:
        raise unsupported(estimator, f"it has {estimator.n_outputs_} outputs")
    trees = [_tree(member.tree_) for member in members]
    base = np.zeros(trees[0].values.shape[1])
    return tree_kernel(trees, n_inputs=n_inputs, base=base, divisor=len(trees))


def _bagged(estimator: Any, n_inputs: int) -> TreeKernel:
    if other := {type(m).__name__ for m in estimator.estimators_ if type(m) not in _SINGLE}:
        raise unsupported(estimator, f"it bags {min(other)}, which is not a single tree")
    classes = range(getattr(estimator, "n_classes_", 0))
    for member in estimator.estimators_:
        if classes and list(member.classes_) != list(classes):
            raise unsupported(estimator, "some of its trees did not see every class")
    pairs = zip(estimator.estimators_, estimator.estimators_features_, strict=True)
    trees = [_tree(member.tree_, columns=np.asarray(columns)) for member, columns in pairs]
    base = np.zeros(trees[0].values.shape[1])
    return tree_kernel(trees, n_inputs=n_inputs, base=base, divisor=len(trees))


def _boosted(estimator: Any, n_inputs: int) -> TreeKernel:
    X = np.zeros((1, n_inputs))
    if estimator.init is not None and estimator.init != "zero":
        raise unsupported(estimator, f"it starts from a {type(estimator.init).__name__}")
    base = estimator._raw_predict_init(X)[0]  # noqa: SLF001 (no public way to it)
    rate = estimator.learning_rate
    trees = [
        _tree(member.tree_, value=lambda value: rate * value)
        for members in estimator.estimators_
        for member in members
    ]
    return tree_kernel(trees, n_inputs=n_inputs, base=base)


def _adaptive(estimator: Any, n_inputs: int) -> TreeKernel:
    """Every tree votes with its weight for one class and against the others."""
    n_classes = len(estimator.classes_)
    if other := {type(m).__name__ for m in estimator.estimators_ if type(m) not in _SINGLE}:
        raise unsupported(estimator, f"it boosts {min(other)}, which is not a single tree")
    weights = estimator.estimator_weights_[: len(estimator.estimators_)]
    trees = []
    for member, weight in zip(estimator.estimators_, weights.tolist(), strict=True):
        places = np.searchsorted(estimator.classes_, member.classes_)

        def votes(
            value: npt.NDArray[np.float64],
            weight: float = weight,
            places: npt.NDArray[np.intp] = places,
        ) -> npt.NDArray[np.float64]:
            chosen = places[value.argmax(axis=1)][:, None] == np.arange(n_classes)
            return np.where(chosen, weight, -1 / (n_classes - 1) * weight)

        trees.append(_tree(member.tree_, value=votes))
    total = float(estimator.estimator_weights_.sum())
    return tree_kernel(trees, n_inputs=n_inputs, base=np.zeros(n_classes), divisor=total)


def _tree(
    tree: Any,
    *,
    columns: npt.NDArray[np.integer[Any]] | None = None,
    value: Callable[[npt.NDArray[np.float64]], npt.NDArray[np.float64]] = lambda value: value,
) -> Tree:
    is_leaf = tree.children_left < 0
    asked = tree.feature if columns is None else columns[np.where(is_leaf, 0, tree.feature)]
    return Tree(
        columns=np.where(is_leaf, -1, asked),
        thresholds=last_below_as_float32(tree.threshold),
        missing_left=tree.missing_go_to_left.astype(bool),
        left=tree.children_left,
        right=tree.children_right,
        values=value(tree.value[:, 0, :]),
    )

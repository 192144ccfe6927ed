"""Histogram gradient boosting of scikit-learn."""

from __future__ import annotations

from typing import Any, Literal, final

import numpy as np
import numpy.typing as npt
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

from mldeploy.model.compiled._trees import TreeKernel
from mldeploy.model.compiling._trees_build import (
    Interval,
    Tree,
    category,
    complement,
    merged,
    tree_kernel,
)
from mldeploy.model.compiling._trees_unsupported import unsupported

_BITS = 32


def kernel_of(estimator: Any, n_inputs: int) -> TreeKernel | None:
    """Return the kernel of the raw scores of a fitted estimator; None if it is another."""
    if type(estimator) not in (HistGradientBoostingClassifier, HistGradientBoostingRegressor):
        return None
    source = _Source(estimator, n_inputs)
    rounds = estimator._predictors  # noqa: SLF001 (there is no public way to the trees)
    base = estimator._baseline_prediction.ravel()  # noqa: SLF001
    trees = [source.tree(predictor) for members in rounds for predictor in members]
    return tree_kernel(trees, n_inputs=n_inputs, base=base)


def transform_of(estimator: Any) -> Literal["identity", "logistic", "softmax", "exp"] | None:
    """Return what turns the raw score into what the estimator predicts; None if it is another."""
    if type(estimator) is HistGradientBoostingClassifier:
        return "logistic" if len(estimator.classes_) == 2 else "softmax"
    if type(estimator) is HistGradientBoostingRegressor:
        return "exp" if estimator.loss in ("poisson", "gamma") else "identity"
    return None


@final
class _Source:
    """The estimator's columns, which it reorders and recodes when some are categorical."""

    def __init__(self, estimator: Any, n_inputs: int) -> None:
        self._columns = np.arange(n_inputs)
        self._categories: dict[int, list[float]] = {}
        if estimator.is_categorical_ is None:
            return
        is_categorical = np.asarray(estimator.is_categorical_)
        numbers = np.arange(n_inputs)
        self._columns = np.concatenate([numbers[is_categorical], numbers[~is_categorical]])
        encoder = estimator._preprocessor.named_transformers_["encoder"]  # noqa: SLF001
        for column, categories in zip(
            numbers[is_categorical].tolist(), encoder.categories_, strict=True
        ):
            if categories.dtype.kind not in "fiu":
                raise unsupported(estimator, f"column {column} has categories other than numbers")
            self._categories[column] = [float(c) for c in categories.tolist()]

    def tree(self, predictor: Any) -> Tree:
        """Return one of the estimator's trees."""
        nodes = predictor.nodes
        is_leaf = nodes["is_leaf"].astype(bool)
        columns = self._columns[np.where(is_leaf, 0, nodes["feature_idx"])]
        goes_left = {
            int(node): self._left(
                int(columns[node]),
                predictor.raw_left_cat_bitsets[nodes["bitset_idx"][node]],
                missing_left=bool(nodes["missing_go_to_left"][node]),
            )
            for node in np.flatnonzero(nodes["is_categorical"].astype(bool) & ~is_leaf)
        }
        return Tree(
            columns=np.where(is_leaf, -1, columns),
            thresholds=nodes["num_threshold"].astype(np.float64),
            missing_left=nodes["missing_go_to_left"].astype(bool),
            left=nodes["left"].astype(np.int64),
            right=nodes["right"].astype(np.int64),
            values=nodes["value"].astype(np.float64)[:, None],
            goes_left=goes_left,
        )

    def _left(
        self, column: int, bits: npt.NDArray[np.uint32], *, missing_left: bool
    ) -> list[Interval]:
        """Unknown categories go where missing values go."""
        left: list[Interval] = []
        right: list[Interval] = []
        for code, value in enumerate(self._categories[column]):
            if np.isnan(value):
                continue
            is_left = bool(int(bits[code // _BITS]) >> (code % _BITS) & 1)
            (left if is_left else right).append(category(value))
        return complement(right) if missing_left else merged(left)

"""Fitted trees whose numbers stay inside their arrays: compiled code follows them unchecked."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.interpolate import BSpline
from sklearn.ensemble._hist_gradient_boosting.predictor import TreePredictor
from sklearn.tree._tree import Tree

from mldeploy.model._archive import refuse

Ints = npt.NDArray[np.int64]


def require_sound(estimator: object) -> None:
    """Refuse a loaded estimator whose trees or splines would read outside their arrays.

    A loader can check types, not contents; scikit-learn follows the indices in a tree without
    looking. Every child must lie behind its parent and inside the tree, every feature inside the
    rows that the estimator accepts.

    Raises
    ------
    IntegrityError
        Saying which part is unsound.
    """
    for part, width in _parts(estimator):
        if isinstance(part, Tree):
            _check_tree(part, width)
        elif isinstance(part, TreePredictor):
            _check_predictor(part, width)
        elif isinstance(part, BSpline):
            _check_spline(part)


def _parts(root: object) -> Iterator[tuple[Any, int | None]]:
    """Yield every object inside, with the number of columns that the estimator around it has."""
    waiting: list[tuple[object, int | None]] = [(root, None)]
    seen: set[int] = set()
    while waiting:
        item, width = waiting.pop()
        if id(item) in seen or isinstance(item, str | bytes | int | float | type | None):
            continue
        seen.add(id(item))
        yield item, width
        if isinstance(item, dict):
            waiting.extend((value, width) for value in item.values())
        elif isinstance(item, list | tuple | set):
            waiting.extend((value, width) for value in item)
        elif isinstance(item, np.ndarray):
            if item.dtype.hasobject:
                waiting.extend((value, width) for value in item.ravel())
        elif isinstance(state := getattr(item, "__dict__", None), dict):
            inner = _width(state)
            _check_members(state, inner)
            waiting.extend((value, inner) for value in state.values())


def _width(state: dict[str, Any]) -> int | None:
    width = state.get("n_features_in_")
    return int(width) if isinstance(width, int | np.integer) else None


def _check_members(state: dict[str, Any], width: int | None) -> None:
    """Refuse an ensemble of trees whose members expect other rows than it accepts."""
    members = state.get("estimators_")
    chosen = state.get("estimators_features_")
    if members is None or width is None or not isinstance(members, list | np.ndarray):
        return
    for position, member in enumerate(np.asarray(members, dtype=object).ravel()):
        own = getattr(member, "n_features_in_", None)
        if own is None or not hasattr(member, "tree_"):
            continue
        expected = width if chosen is None else len(chosen[position])
        if own != expected:
            raise refuse(f"a tree of the ensemble reads {own} columns of {expected}")
        if chosen is not None and len(chosen[position]):
            _require_inside(np.asarray(chosen[position]), width, "a column of the ensemble")


def _check_tree(tree: Any, width: int | None) -> None:
    state = tree.__getstate__()
    nodes, n_nodes = state["nodes"], state["node_count"]
    if n_nodes != len(nodes) or len(state["values"]) != n_nodes or not n_nodes:
        raise refuse(f"a tree says it has {n_nodes} nodes and holds {len(nodes)}")
    if width is None or tree.n_features != width:
        raise refuse(f"a tree reads {tree.n_features} columns, its estimator {width}")
    left, right = nodes["left_child"].astype(np.int64), nodes["right_child"].astype(np.int64)
    inner = left != -1
    _require_behind(left[inner], np.flatnonzero(inner), n_nodes)
    _require_behind(right[inner], np.flatnonzero(inner), n_nodes)
    _require_inside(nodes["feature"][inner], width, "a feature of a tree")


def _check_predictor(predictor: Any, width: int | None) -> None:
    nodes = predictor.nodes
    if not isinstance(nodes, np.ndarray) or nodes.ndim != 1 or not len(nodes) or width is None:
        raise refuse("a boosted tree has no nodes, or no estimator around it")
    if nodes.dtype.names is None or nodes.dtype != _node_dtype():
        raise refuse("a boosted tree has nodes of another type")
    inner = nodes["is_leaf"] == 0
    _require_behind(nodes["left"][inner], np.flatnonzero(inner), len(nodes))
    _require_behind(nodes["right"][inner], np.flatnonzero(inner), len(nodes))
    _require_inside(nodes["feature_idx"][inner], width, "a feature of a boosted tree")
    categorical = inner & (nodes["is_categorical"] != 0)
    for bitsets in (predictor.raw_left_cat_bitsets, predictor.binned_left_cat_bitsets):
        if bitsets.ndim != 2 or bitsets.shape[1] != 8 or bitsets.dtype != np.uint32:
            raise refuse("a boosted tree has sets of categories of another shape")
        _require_inside(nodes["bitset_idx"][categorical], len(bitsets), "a set of categories")


def _node_dtype() -> np.dtype[Any]:
    from sklearn.ensemble._hist_gradient_boosting.common import (  # noqa: PLC0415 (private, late)
        PREDICTOR_RECORD_DTYPE,
    )

    dtype: np.dtype[Any] = PREDICTOR_RECORD_DTYPE
    return dtype


def _check_spline(spline: Any) -> None:
    knots, coefficients, degree = spline.t, spline.c, spline.k
    whole = isinstance(degree, int | np.integer) and degree >= 0
    arrays = isinstance(knots, np.ndarray) and isinstance(coefficients, np.ndarray)
    if not (whole and arrays and knots.ndim == 1 and coefficients.ndim >= 1):
        raise refuse("a spline is malformed")
    if len(knots) != coefficients.shape[spline.axis] + degree + 1:
        raise refuse(f"a spline has {len(knots)} knots for {coefficients.shape} coefficients")
    if not (np.isfinite(knots).all() and (np.diff(knots) >= 0).all()):
        raise refuse("a spline has knots out of order")


def _require_behind(children: Ints, parents: Ints, n_nodes: int) -> None:
    if len(children) and (np.any(children <= parents) or np.any(children >= n_nodes)):
        raise refuse("a tree has a child outside of it, or before its parent")


def _require_inside(indices: Ints, size: int, what: str) -> None:
    if len(indices) and (np.min(indices) < 0 or np.max(indices) >= size):
        raise refuse(f"{what} lies outside of the {size} there are")

"""Trees of any library, said one way: rows at most a threshold, or in a set, go left."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias, final

import numpy as np
import numpy.typing as npt

from mldeploy.model.compiled._kernel import Floats
from mldeploy.model.compiled._trees import TreeKernel
from mldeploy.model.compiled._trees_forest import Forest

Numbers: TypeAlias = npt.NDArray[np.integer[Any]]
Interval: TypeAlias = tuple[float, float]
"""More than the first number, and at most the second; minus infinity is in those it begins."""

_BEYOND_FLOAT32: Final = 2.0**128


@final
@dataclass(frozen=True, kw_only=True)
class Tree:
    """One tree as its library has it: node 0 is the root, `columns` is -1 at leaves."""

    columns: Numbers
    thresholds: Floats
    missing_left: npt.NDArray[np.bool_]
    left: Numbers
    right: Numbers
    values: npt.NDArray[np.floating[Any]]
    """Shape (n_nodes, width); only the rows of leaves are read."""
    goes_left: Mapping[int, Sequence[Interval]] = field(default_factory=dict)
    """For nodes without a threshold: which values go left, as disjoint ascending intervals."""


def tree_kernel(
    trees: Sequence[Tree],
    *,
    n_inputs: int,
    base: npt.ArrayLike,
    divisor: float = 1.0,
    dtype: npt.DTypeLike = np.float64,
) -> TreeKernel:
    """Return the kernel that answers ``(base + leaf + leaf + …) / divisor``.

    Parameters
    ----------
    trees : sequence of Tree
        With leaves of one value, the trees add to the outputs in turn.
    n_inputs : int
        Number of columns.
    base : array-like of shape (n_outputs,)
        What the sums start from.
    divisor : float, default=1.0
        What they are divided by.
    dtype : dtype, default=float64
        Precision in which the original adds.
    """
    edges = [_edges(trees, column) for column in range(n_inputs)]
    numbered = _Numbering()
    for tree in trees:
        numbered.add(tree, edges)
    sizes = [len(e) for e in edges]
    members = numbered.members
    arrays: dict[str, npt.NDArray[Any]] = {
        "edges": np.concatenate([*edges, np.empty(0)]),
        "edge_starts": np.cumsum([0, *sizes]).astype(np.int32),
        "roots": np.array(numbered.roots, np.int32),
        "set_starts": np.cumsum([0, *map(len, members)]).astype(np.int32),
        "set_members": np.concatenate([*members, np.empty(0, bool)]).astype(bool),
        "missing_left": _joined(numbered.missing_left, np.bool_),
        "columns": _joined(numbered.columns, np.int32),
        "cuts": _joined(numbered.cuts, np.int32),
        "sets": _joined(numbered.sets, np.int32),
        "left": _joined(numbered.left, np.int32),
        "right": _joined(numbered.right, np.int32),
        "values": np.concatenate(numbered.values).astype(dtype),
        "base": np.atleast_1d(np.asarray(base)).astype(dtype),
        "divisor": np.array([divisor], dtype),
    }
    return TreeKernel(Forest.restore(arrays))


def last_below_as_float32(thresholds: npt.ArrayLike) -> Floats:
    """Return the largest float64 that is, rounded to float32, at most the threshold.

    Libraries that round their input to float32 compare thus; with these thresholds the float64
    input is compared as it is, and the same rows go left.
    """
    exact = np.asarray(thresholds, np.float64)
    with np.errstate(over="ignore"):
        lower = exact.astype(np.float32)
        too_high = lower.astype(np.float64) > exact
        lower[too_high] = np.nextafter(lower[too_high], np.float32(-np.inf))
        upper = np.nextafter(lower, np.float32(np.inf)).astype(np.float64)
        upper[np.isinf(upper)] = _BEYOND_FLOAT32
        middle = np.where(np.isinf(lower), exact, lower.astype(np.float64) / 2 + upper / 2)
        rounds_up = middle.astype(np.float32) > lower
    middle[rounds_up] = np.nextafter(middle[rounds_up], -np.inf)
    return middle


def category(code: float) -> Interval:
    """Return the interval that holds this number only."""
    return math.nextafter(code, -math.inf), code


def truncated(code: int) -> Interval:
    """Return the interval of the numbers that become this integer, from 0 up, when cut off."""
    below = -1.0 if code == 0 else math.nextafter(float(code), -math.inf)
    return below, math.nextafter(code + 1.0, -math.inf)


def merged(intervals: Sequence[Interval]) -> list[Interval]:
    """Return the union of intervals, disjoint and ascending."""
    union: list[Interval] = []
    for low, high in sorted(intervals):
        if union and low <= union[-1][1]:
            union[-1] = (union[-1][0], max(high, union[-1][1]))
        else:
            union.append((low, high))
    return union


def complement(intervals: Sequence[Interval]) -> list[Interval]:
    """Return all other numbers, as disjoint ascending intervals."""
    bounds = [-math.inf, *(b for interval in merged(intervals) for b in interval), math.inf]
    pairs = zip(bounds[::2], bounds[1::2], strict=True)
    return [(low, high) for low, high in pairs if low < high]


@final
class _Numbering:
    """Nodes and leaves of all trees, numbered from left to right and parents first."""

    def __init__(self) -> None:
        self.roots: list[int] = []
        self.columns: list[Numbers] = []
        self.cuts: list[Numbers] = []
        self.sets: list[Numbers] = []
        self.missing_left: list[npt.NDArray[np.bool_]] = []
        self.left: list[Numbers] = []
        self.right: list[Numbers] = []
        self.values: list[npt.NDArray[np.floating[Any]]] = []
        self.members: list[npt.NDArray[np.bool_]] = []
        self._n_nodes = self._n_leaves = 0
        self._known: dict[tuple[int, bytes], int] = {}

    def add(self, tree: Tree, edges: Sequence[Floats]) -> None:
        """Append one tree."""
        nodes, leaves = _preorder(tree)
        number = np.zeros(len(tree.columns), np.int64)
        number[nodes] = self._n_nodes + np.arange(len(nodes))
        number[leaves] = ~(self._n_leaves + np.arange(len(leaves)))
        columns = tree.columns[nodes]
        cuts, sets = np.zeros(len(nodes), np.int64), np.full(len(nodes), -1)
        for column in np.unique(columns).tolist():
            here = columns == column
            cuts[here] = np.searchsorted(edges[column], tree.thresholds[nodes[here]])
        for at, node in enumerate(nodes.tolist() if tree.goes_left else ()):
            if node in tree.goes_left:
                cuts[at], sets[at] = 0, self._set(tree, node, edges[tree.columns[node]])
        self.roots.append(int(number[0]))
        self.columns.append(columns)
        self.cuts.append(cuts)
        self.sets.append(sets)
        self.missing_left.append(tree.missing_left[nodes].astype(bool))
        self.left.append(number[tree.left[nodes]])
        self.right.append(number[tree.right[nodes]])
        self.values.append(tree.values[leaves])
        self._n_nodes += len(nodes)
        self._n_leaves += len(leaves)

    def _set(self, tree: Tree, node: int, edges: Floats) -> int:
        lows, highs = np.array(tree.goes_left[node]).reshape(-1, 2).T
        highest = np.maximum(np.append(edges, np.inf), -sys.float_info.max)
        at = np.searchsorted(lows, highest, side="left") - 1
        inside = np.append(at >= 0, tree.missing_left[node])
        inside[:-1] &= highest <= (highs[at] if len(highs) else -np.inf)
        key = int(tree.columns[node]), inside.tobytes()
        if key not in self._known:
            self._known[key] = len(self.members)
            self.members.append(inside)
        return self._known[key]


def _preorder(tree: Tree) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    inner, left, right = (tree.columns >= 0).tolist(), tree.left.tolist(), tree.right.tolist()
    nodes, leaves, stack = [], [], [0]
    while stack:
        node = stack.pop()
        if inner[node]:
            nodes.append(node)
            stack += (right[node], left[node])
        else:
            leaves.append(node)
    return np.array(nodes, np.intp), np.array(leaves, np.intp)


def _edges(trees: Sequence[Tree], column: int) -> Floats:
    found = [np.empty(0)]
    for tree in trees:
        nodes = np.flatnonzero(tree.columns == column)
        if tree.goes_left:
            by_set = [node for node in nodes.tolist() if node in tree.goes_left]
            bounds = [np.array(tree.goes_left[node], float).ravel() for node in by_set]
            found += [bound[np.isfinite(bound)] for bound in bounds]
            nodes = np.setdiff1d(nodes, by_set)
        found.append(tree.thresholds[nodes])
    return np.unique(np.concatenate(found)) + 0.0


def _joined(parts: Sequence[npt.NDArray[Any]], dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    return np.concatenate(parts).astype(dtype) if parts else np.empty(0, dtype)

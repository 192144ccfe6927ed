"""Trees of any depth, walked level by level with many rows at once."""

from __future__ import annotations

from copy import copy
from typing import Any, Final, Self, final

import numpy as np
import numpy.typing as npt

from mldeploy.model.compiled._kernel import Floats
from mldeploy.model.compiled._trees_codes import Coder
from mldeploy.model.compiled._trees_forest import Forest
from mldeploy.model.compiled._trees_sum import Sums

_LEVELS_BEFORE_CLEARING: Final = 6
_LEVELS_BETWEEN_CLEARING: Final = 3


@final
class Walk:
    """Find the leaves of a forest by going down one tree after the other."""

    def __init__(self, forest: Forest) -> None:
        self._sums = Sums(forest)
        self._expansion = Expansion(forest, missing=True)
        n_trees, n_nodes = forest.n_trees, len(forest.columns)
        n_slots = n_trees + 2 * n_nodes
        children = np.concatenate(
            [forest.roots, np.stack([forest.right, forest.left], axis=1).ravel()]
        )
        """Roots first, then the two children of each node, right before left."""
        inner = np.flatnonzero(children >= 0)
        nodes = children[inner]
        self._next = np.arange(n_slots)
        self._next[inner] = n_trees + 2 * nodes
        self._column = np.zeros(n_slots, np.intp)
        self._column[inner] = self._expansion.columns[nodes]
        self._threshold = np.full(n_slots, np.nan)
        self._threshold[inner] = self._expansion.thresholds[nodes]
        leaves = np.where(children < 0, ~children, 0)
        self._values = np.ascontiguousarray(forest.values[leaves].T)
        """Shape (width, n_slots)."""
        self._depths = np.zeros(n_trees, np.int64)
        for level in forest.levels():
            self._depths[forest.tree_of_node[level]] += 1
        self._base = forest.base

    def __call__(self, X: Floats) -> npt.NDArray[np.floating[Any]]:
        """Return the sums of the leaves that the rows reach."""
        X = self._expansion(X)
        n_rows = len(X)
        sums = np.repeat(self._base[:, None], n_rows, axis=1)
        n_outputs, width = len(self._base), len(self._values)
        flat, numbers = X.T.ravel(), np.arange(n_rows)
        columns, buffers = self._column * n_rows, _Buffers(n_rows)
        for tree, depth in enumerate(self._depths.tolist()):
            buffers.slots.fill(tree)
            ended = self._go_down(depth, columns, flat, numbers, buffers)
            first = 0 if width == n_outputs else tree % n_outputs
            for output, values in enumerate(self._values, start=first):
                sums[output] += values.take(ended)
        return self._sums.divided(np.ascontiguousarray(sums.T))

    def _go_down(
        self, depth: int, columns: _Places, flat: Floats, numbers: _Places, buffers: _Buffers
    ) -> _Places:
        """Return where each row ends; those in leaves, which lead to themselves, are left out."""
        slots, rows, ended = buffers.slots, numbers, buffers.ended
        for level in range(depth):
            n = len(rows)
            at, below, left = buffers.at[:n], buffers.below[:n], buffers.left[:n]
            columns.take(slots, out=at, mode="clip")
            at += rows
            flat.take(at, out=buffers.x[:n], mode="clip")
            self._threshold.take(slots, out=buffers.threshold[:n], mode="clip")
            np.less_equal(buffers.x[:n], buffers.threshold[:n], out=left)
            self._next.take(slots, out=below, mode="clip")
            clears = level >= _LEVELS_BEFORE_CLEARING and level % _LEVELS_BETWEEN_CLEARING == 0
            on = np.flatnonzero(below != slots) if clears else None
            np.add(below, left, out=slots)
            if on is not None:
                ended[rows] = slots
                slots, rows = slots.take(on), rows.take(on)
        ended[rows] = slots
        return ended


_Places = npt.NDArray[np.intp]


@final
class _Buffers:
    """Memory for one level, used again for the next: allocating it takes longer than a level."""

    def __init__(self, n_rows: int) -> None:
        self.slots, self.ended, self.at, self.below = np.empty((4, n_rows), np.intp)
        self.x, self.threshold = np.empty((2, n_rows))
        self.left = np.empty(n_rows, bool)


@final
class Expansion:
    """Columns made such that every node asks only whether a number is at most its threshold.

    A node that sends missing values left asks a copy of its column in which they are the lowest
    number; a node with a set asks a column of its own, 0 for codes in the set and 1 for others.
    """

    def __init__(self, forest: Forest, *, missing: bool) -> None:
        n_inputs = forest.n_inputs
        self.columns = forest.columns.astype(np.intp)
        self.thresholds = forest.thresholds.copy()
        numeric = forest.sets < 0
        left = numeric & forest.missing_left & missing
        self._copied = np.unique(forest.columns[left])
        copy_of = np.zeros(n_inputs, np.intp)
        copy_of[self._copied] = n_inputs + np.arange(len(self._copied))
        self.columns[left] = copy_of[forest.columns[left]]
        asked, numbers = np.unique(forest.sets[~numeric], return_inverse=True)
        self.columns[~numeric] = n_inputs + len(self._copied) + numbers
        self.thresholds[~numeric] = 0.5
        self._sets: list[tuple[int, npt.NDArray[np.float64]]] = []
        column_of = dict(zip(forest.sets.tolist(), forest.columns.tolist(), strict=True))
        for number in asked.tolist():
            outside = (~forest.set_of(number)).astype(np.float64)
            self._sets.append((column_of[number], outside))
        self._coders = {c: Coder(forest.edges_of(c)) for c in sorted({c for c, _ in self._sets})}
        self.n_columns = n_inputs + len(self._copied) + len(self._sets)

    def __call__(self, X: Floats) -> Floats:
        """Return the columns that the nodes ask, contiguous; `X` itself if these are all."""
        if self.n_columns == X.shape[1]:
            return X
        out = np.empty((len(X), self.n_columns))
        n_inputs = X.shape[1]
        out[:, :n_inputs] = X
        for at, column in enumerate(self._copied, start=n_inputs):
            out[:, at] = np.where(np.isnan(X[:, column]), -np.inf, X[:, column])
        codes = {c: coder(np.ascontiguousarray(X[:, c])) for c, coder in self._coders.items()}
        for at, (column, outside) in enumerate(self._sets, start=n_inputs + len(self._copied)):
            out[:, at] = outside.take(codes[column])
        return out

    def of_nodes(self, nodes: npt.NDArray[np.intp]) -> Self:
        """Return the same columns, for some of the nodes."""
        part = copy(self)
        part.columns, part.thresholds = self.columns[nodes], self.thresholds[nodes]
        return part

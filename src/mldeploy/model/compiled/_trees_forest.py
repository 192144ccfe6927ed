"""Trees as arrays: what a tree kernel stores, checked before anything walks through it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any, Self, final

import numpy as np
import numpy.typing as npt

from mldeploy.model.compiled._kernel import Arrays, Floats
from mldeploy.model.compiled._refuse import refuse

Ints = npt.NDArray[np.int32]
_NUMBER = (np.dtype(np.float64), np.dtype(np.float32))
_DTYPES: Mapping[str, tuple[np.dtype[Any], ...]] = {
    "edges": (np.dtype(np.float64),),
    "edge_starts": (np.dtype(np.int32),),
    "roots": (np.dtype(np.int32),),
    "columns": (np.dtype(np.int32),),
    "cuts": (np.dtype(np.int32),),
    "missing_left": (np.dtype(np.bool_),),
    "sets": (np.dtype(np.int32),),
    "left": (np.dtype(np.int32),),
    "right": (np.dtype(np.int32),),
    "set_starts": (np.dtype(np.int32),),
    "set_members": (np.dtype(np.bool_),),
    "values": _NUMBER,
    "base": _NUMBER,
    "divisor": _NUMBER,
}


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Forest:
    """Trees over coded columns, whose leaves add up to the answer.

    The *code* of a number is how many edges of its column are smaller. A node sends a row left
    if the code is at most its cut or, for nodes with a set, if the set has the code. Children
    are node numbers, or ``~leaf``; a child has a larger number than its parent.
    """

    edges: Floats
    """Values at which codes change, ascending within each column."""
    edge_starts: Ints
    """Where the edges of each column begin; one more entry says where the last ones end."""
    roots: Ints
    columns: Ints
    cuts: Ints
    missing_left: npt.NDArray[np.bool_]
    sets: Ints
    """Number of the node's set, or -1 where its cut decides."""
    left: Ints
    right: Ints
    set_starts: Ints
    set_members: npt.NDArray[np.bool_]
    """One entry for each code of the column, then one for missing values."""
    values: npt.NDArray[np.floating[Any]]
    """Shape (n_leaves, width): one output a tree in turn (width 1), or all outputs."""
    base: npt.NDArray[np.floating[Any]]
    """What the leaves are added to, in tree order, in the precision of the values."""
    divisor: npt.NDArray[np.floating[Any]]
    """Shape (1,): the number that the sums are divided by."""

    @classmethod
    def restore(cls, arrays: Arrays) -> Self:
        """Read the arrays back, if they are those of a forest.

        Raises
        ------
        IntegrityError
            If a shape, a type or an index is wrong, or the nodes do not form trees.
        """
        if set(arrays) != set(_DTYPES):
            raise refuse(f"its arrays are called {sorted(arrays)}")
        for name, array in arrays.items():
            if array.dtype not in _DTYPES[name] or array.ndim != (2 if name == "values" else 1):
                raise refuse(f"{name} is {array.dtype} in {array.ndim} dimensions")
        forest = cls(**{name: np.ascontiguousarray(array) for name, array in arrays.items()})
        forest._require_sound_values()
        forest._require_sound_edges()
        forest._require_sound_nodes()
        forest._require_trees()
        return forest

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return what `restore` reads."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @property
    def n_inputs(self) -> int:
        """Number of columns."""
        return len(self.edge_starts) - 1

    @property
    def n_outputs(self) -> int:
        """Number of sums."""
        return len(self.base)

    @property
    def n_trees(self) -> int:
        """Number of trees."""
        return len(self.roots)

    @property
    def width(self) -> int:
        """Number of outputs that one leaf adds to."""
        return int(self.values.shape[1])

    @cached_property
    def thresholds(self) -> Floats:
        """Largest value that each node sends left; NaN for nodes with a set."""
        thresholds = np.full(len(self.columns), np.nan)
        numeric = self.sets < 0
        thresholds[numeric] = self.edges[(self.edge_starts[self.columns] + self.cuts)[numeric]]
        return thresholds

    @cached_property
    def used_columns(self) -> list[int]:
        """Columns that some node asks for."""
        return [int(column) for column in np.unique(self.columns)]

    @cached_property
    def tree_of_node(self) -> Ints:
        """Number of the tree that each node belongs to."""
        trees = np.zeros(len(self.columns), np.int32)
        trees[self.roots[self.roots >= 0]] = np.flatnonzero(self.roots >= 0)
        for nodes in self.levels():
            for children in (self.left[nodes], self.right[nodes]):
                inner = children >= 0
                trees[children[inner]] = trees[nodes[inner]]
        return trees

    @cached_property
    def n_leaves(self) -> npt.NDArray[np.intp]:
        """Number of leaves of each tree: one more than it has nodes."""
        return np.bincount(self.tree_of_node, minlength=self.n_trees) + 1

    def levels(self) -> Iterator[npt.NDArray[np.int32]]:
        """Yield the nodes of all trees, by their distance from the root."""
        nodes = self.roots[self.roots >= 0]
        while len(nodes):
            yield nodes
            children = np.stack([self.left[nodes], self.right[nodes]], axis=1).ravel()
            nodes = children[children >= 0]

    def numbered_leaves(self, tree: int) -> tuple[Self, npt.NDArray[np.intp], Ints]:
        """Return one tree that answers with its leaves' order, its nodes and its leaves here."""
        nodes = np.flatnonzero(self.tree_of_node == tree)
        number = np.zeros(len(self.columns), np.int32)
        number[nodes] = np.arange(len(nodes))
        children = np.stack([self.left[nodes], self.right[nodes]])
        is_leaf = children < 0
        leaves = ~children[is_leaf] if len(nodes) else ~self.roots[tree : tree + 1]
        own = number[np.where(is_leaf, 0, children)]
        own[is_leaf] = ~np.arange(is_leaf.sum(), dtype=np.int32)
        alone = replace(
            self,
            roots=np.array([0 if len(nodes) else -1], np.int32),
            columns=self.columns[nodes],
            cuts=self.cuts[nodes],
            missing_left=self.missing_left[nodes],
            sets=self.sets[nodes],
            left=own[0].astype(np.int32),
            right=own[1].astype(np.int32),
            values=np.arange(len(leaves), dtype=np.float64)[:, None],
            base=np.zeros(1),
            divisor=np.ones(1),
        )
        return alone, nodes, leaves

    def set_of(self, number: int) -> npt.NDArray[np.bool_]:
        """Return which codes a set sends left; the last entry stands for missing values."""
        return self.set_members[self.set_starts[number] : self.set_starts[number + 1]]

    def edges_of(self, column: int) -> Floats:
        """Return the values at which the codes of a column change."""
        return self.edges[self.edge_starts[column] : self.edge_starts[column + 1]]

    def _require_sound_values(self) -> None:
        n_outputs, width = self.n_outputs, self.width
        if not self.values.dtype == self.base.dtype == self.divisor.dtype:
            raise refuse("values, base and divisor differ in precision")
        if n_outputs < 1 or width not in (1, n_outputs) or len(self.divisor) != 1:
            raise refuse(f"leaves of {width} values for {n_outputs} outputs")
        if self.n_trees < 1 or self.n_trees % (n_outputs // width):
            raise refuse(f"{self.n_trees} trees for {n_outputs} outputs")
        if not all(np.isfinite(a).all() for a in (self.values, self.base, self.divisor)):
            raise refuse("a value is not finite")
        if not self.divisor[0] > 0:
            raise refuse(f"its divisor is {self.divisor[0]}")

    def _require_sound_edges(self) -> None:
        _require_starts("edge_starts", self.edge_starts, end=len(self.edges))
        if len(self.edge_starts) < 2 or np.isnan(self.edges).any():
            raise refuse("an edge is not a number")
        ascending = self.edges[1:] > self.edges[:-1]
        firsts = self.edge_starts[(self.edge_starts > 0) & (self.edge_starts < len(self.edges))]
        ascending[firsts - 1] = True
        if not ascending.all():
            raise refuse("the edges of a column do not ascend")

    def _require_sound_nodes(self) -> None:
        n_nodes = len(self.columns)
        if any(len(getattr(self, name)) != n_nodes for name in _NODE_ARRAYS):
            raise refuse("its arrays of nodes differ in length")
        _require_starts("set_starts", self.set_starts, end=len(self.set_members))
        _require_within("columns", self.columns, 0, self.n_inputs)
        _require_within("sets", self.sets, -1, len(self.set_starts) - 1)
        n_edges = np.diff(self.edge_starts)[self.columns]
        numeric = self.sets < 0
        _require_within("cuts", self.cuts, 0, np.where(numeric, n_edges, 1))
        sizes = np.diff(self.set_starts)[self.sets[~numeric]]
        if not np.array_equal(sizes, n_edges[~numeric] + 2):
            raise refuse("a set does not fit the codes of its column")

    def _require_trees(self) -> None:
        """Each node and leaf hangs on one parent that comes before it: no cycle, no sharing."""
        n_nodes, n_leaves = len(self.columns), len(self.values)
        references = np.concatenate([self.roots, self.left, self.right])
        _require_within("children", references, -n_leaves, n_nodes)
        numbers = np.arange(n_nodes)
        if any((child[child >= 0] <= numbers[child >= 0]).any() for child in _children(self)):
            raise refuse("a node comes before its parent")
        nodes, leaves = references[references >= 0], ~references[references < 0]
        if not (np.bincount(nodes, minlength=n_nodes) == 1).all():
            raise refuse("a node has no parent, or several")
        if not (np.bincount(leaves, minlength=n_leaves) == 1).all():
            raise refuse("a leaf has no parent, or several")


_NODE_ARRAYS = ("cuts", "missing_left", "sets", "left", "right")


def _children(forest: Forest) -> tuple[Ints, Ints]:
    return forest.left, forest.right


def _require_starts(name: str, starts: Ints, *, end: int) -> None:
    if len(starts) < 1 or starts[0] != 0 or starts[-1] != end or (starts[1:] < starts[:-1]).any():
        raise refuse(f"{name} do not run from 0 to {end}")


def _require_within(
    name: str, numbers: Ints, lowest: int, end: int | npt.NDArray[np.integer[Any]]
) -> None:
    if ((numbers < lowest) | (numbers >= end)).any():
        raise refuse(f"{name} point outside")

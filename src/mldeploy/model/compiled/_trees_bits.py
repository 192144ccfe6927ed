"""Trees of up to 64 leaves, answered by looking up one bit pattern for each column.

Every leaf is a bit. For each column and code a table holds, for every tree, the leaves that
remain possible; the leaf that is reached is the lowest bit which remains after all columns. This
is QuickScorer [1]_ with its scan over nodes replaced by a table.

References
----------
.. [1] C. Lucchese et al., "QuickScorer: a fast algorithm to rank documents with additive
   ensembles of regression trees", SIGIR 2015, doi:10.1145/2766462.2767733.
"""

from __future__ import annotations

from bisect import bisect_left
from math import isnan
from typing import Any, Final, final

import numpy as np
import numpy.typing as npt

from mldeploy.model.compiled._kernel import Floats
from mldeploy.model.compiled._trees_codes import Coder, Codes
from mldeploy.model.compiled._trees_forest import Forest
from mldeploy.model.compiled._trees_sum import Sums

MAX_LEAVES: Final = 64
_TREES_AT_ONCE: Final = 256
_ROWS_AT_ONCE: Final = 512
_MAX_BYTES: Final = 1 << 28
_FEW_ROWS: Final = 16
_Bits = npt.NDArray[Any]


@final
class BitTables:
    """Find the leaves of a forest whose trees have at most `MAX_LEAVES` leaves."""

    @staticmethod
    def fit(forest: Forest) -> bool:
        """Return whether the trees are small enough, and their tables would be, too."""
        if forest.n_leaves.max() > MAX_LEAVES:
            return False
        chunks = forest.tree_of_node // _TREES_AT_ONCE
        asked = np.stack([chunks, forest.columns, np.where(forest.sets < 0, forest.cuts, -1)])
        _, columns, cuts = np.unique(asked, axis=1)
        n_edges = np.diff(forest.edge_starts)[columns]
        n_rows = int(np.where(cuts < 0, n_edges, 1).sum())
        return n_rows * min(_TREES_AT_ONCE, forest.n_trees) * 8 <= _MAX_BYTES

    def __init__(self, forest: Forest) -> None:
        self._sums = Sums(forest)
        self._columns = forest.used_columns
        self._coders = [Coder(forest.edges_of(column)) for column in self._columns]
        starts = np.cumsum([0] + [len(forest.edges_of(c)) + 2 for c in self._columns])
        self._starts = dict(zip(self._columns, starts.tolist(), strict=False))
        self._lists = [
            (column, self._starts[column], forest.edges_of(column).tolist())
            for column in self._columns
        ]
        positions = _Positions(forest)
        self._chunks = [
            _Chunk(forest, positions, self._starts, n_rows=int(starts[-1]), first=first)
            for first in range(0, forest.n_trees, _TREES_AT_ONCE)
        ]

    def __call__(self, X: Floats) -> npt.NDArray[np.floating[Any]]:
        """Return the sums of the leaves that the rows reach."""
        if len(X) <= _FEW_ROWS:
            return self._few(X)
        out = self._sums.empty(len(X))
        codes = [coder(np.ascontiguousarray(X[:, c])) for c, coder in self._coded()]
        for start in range(0, len(X), _ROWS_AT_ONCE):
            block = slice(start, start + _ROWS_AT_ONCE)
            n_rows = len(X[block])
            parts = [c[block] for c in codes]
            leaves = [chunk.leaves(parts, n_rows=n_rows) for chunk in self._chunks]
            out[block] = self._sums(leaves[0] if len(leaves) == 1 else np.hstack(leaves))
        return out

    def _coded(self) -> list[tuple[int, Coder]]:
        return list(zip(self._columns, self._coders, strict=True))

    def _few(self, X: Floats) -> npt.NDArray[np.floating[Any]]:
        """Look up all columns at once; the codes by bisection, which for few is faster."""
        if len(X) == 1:
            codes = np.array(self._table_rows(X[0].tolist()), np.intp)
            found = [chunk.leaves_of_few(codes) for chunk in self._chunks]
            return self._sums.of_one(found[0] if len(found) == 1 else np.concatenate(found))
        rows = np.array([self._table_rows(row) for row in X.tolist()], np.intp)
        leaves = [chunk.leaves_of_few(rows) for chunk in self._chunks]
        return self._sums(leaves[0] if len(leaves) == 1 else np.hstack(leaves))

    def _table_rows(self, row: list[float]) -> list[int]:
        if isnan(sum(row)):
            return [
                start + (bisect_left(edges, x) if (x := row[column]) == x else len(edges) + 1)
                for column, start, edges in self._lists
            ]
        return [start + bisect_left(edges, row[column]) for column, start, edges in self._lists]


@final
class _Positions:
    """Order of the leaves of every tree from left to right, and what each node splits."""

    def __init__(self, forest: Forest) -> None:
        levels = list(forest.levels())
        n_nodes, n_leaves = len(forest.columns), len(forest.values)
        sizes = np.ones(n_nodes + n_leaves, np.int64)
        for nodes in reversed(levels):
            sizes[nodes] = sizes[forest.left[nodes]] + sizes[forest.right[nodes]]
        lows = np.zeros(n_nodes + n_leaves, np.int64)
        trees = np.zeros(n_nodes + n_leaves, np.int64)
        trees[forest.roots] = np.arange(forest.n_trees)
        for nodes in levels:
            left, right = forest.left[nodes], forest.right[nodes]
            lows[left], lows[right] = lows[nodes], lows[nodes] + sizes[left]
            trees[left] = trees[right] = trees[nodes]
        self.trees = trees[:n_nodes]
        ones = (np.uint64(1) << sizes[forest.left].astype(np.uint64)) - np.uint64(1)
        self.left_leaves = ones << lows[:n_nodes].astype(np.uint64)
        firsts = np.cumsum(forest.n_leaves) - forest.n_leaves
        numbers = np.arange(n_leaves)
        self.leaf_at = np.empty(n_leaves, np.intp)
        self.leaf_at[firsts[trees[~numbers]] + lows[~numbers]] = numbers
        self.firsts = firsts


@final
class _Chunk:
    """Tables of so many trees as one pass over the columns takes."""

    def __init__(
        self,
        forest: Forest,
        positions: _Positions,
        starts: dict[int, int],
        *,
        n_rows: int,
        first: int,
    ) -> None:
        n_trees = min(_TREES_AT_ONCE, forest.n_trees - first)
        self._type = _word(int(forest.n_leaves[first : first + n_trees].max()))
        self._one = self._type(1)
        self._firsts = positions.firsts[first : first + n_trees] - 1
        in_order = np.array_equal(positions.leaf_at, np.arange(len(positions.leaf_at)))
        self._leaf_at = None if in_order else positions.leaf_at
        inside = (positions.trees >= first) & (positions.trees < first + n_trees)
        nodes = np.flatnonzero(inside)
        of_code = np.zeros(n_rows, np.intp)
        """Row of the table for each code of each column; row 0 excludes nothing."""
        self._used: list[tuple[int, Codes]] = []
        tables = [np.full((1, n_trees), ~self._type(0), self._type)]
        n_tabled = 1
        for number, (column, start) in enumerate(starts.items()):
            asking = nodes[forest.columns[nodes] == column]
            if not len(asking):
                continue
            table, rows = self._column(forest, positions, column, asking, first, n_trees)
            rows += n_tabled
            of_code[start : start + len(rows)] = rows
            self._used.append((number, rows))
            tables.append(table)
            n_tabled += len(table)
        self._table = np.concatenate(tables)
        if one_to_one := np.array_equal(of_code, np.arange(1, n_rows + 1)):
            self._table = self._table[1:].copy()
            self._used = [(number, rows - 1) for number, rows in self._used]
        self._rows = None if one_to_one else of_code

    def _column(
        self,
        forest: Forest,
        positions: _Positions,
        column: int,
        nodes: npt.NDArray[np.intp],
        first: int,
        n_trees: int,
    ) -> tuple[_Bits, Codes]:
        """Return the table of one column, and the row in it for each code."""
        n_codes = len(forest.edges_of(column)) + 1
        with_set = forest.sets[nodes] >= 0
        numeric, by_set = nodes[~with_set], nodes[with_set]
        cuts = np.arange(n_codes - 1) if len(by_set) else np.unique(forest.cuts[numeric])
        rows = np.append(np.searchsorted(cuts, np.arange(n_codes)), len(cuts) + 1)
        table = np.full((len(cuts) + 2, n_trees), ~self._type(0), self._type)
        trees = positions.trees - first
        right = (~positions.left_leaves).astype(self._type)
        at = np.searchsorted(cuts, forest.cuts[numeric]) + 1
        np.bitwise_and.at(table, (at, trees[numeric]), right[numeric])
        np.bitwise_and.accumulate(table[:-1], axis=0, out=table[:-1])
        missing = numeric[~forest.missing_left[numeric]]
        np.bitwise_and.at(table[-1], trees[missing], right[missing])
        for node in by_set:
            out = ~forest.set_of(int(forest.sets[node]))
            table[rows[out], trees[node]] &= right[node]
        return table, rows.astype(np.intp)

    def leaves_of_few(self, rows: Codes) -> Codes:
        """Return the leaf in each tree; the codes of all columns are along the last axis."""
        found = self._table.take(rows if self._rows is None else self._rows.take(rows), axis=0)
        remaining = np.bitwise_and.reduce(found, axis=-2)
        return self._lowest(remaining, remaining - self._one)

    def leaves(self, codes: list[Codes], *, n_rows: int) -> Codes:
        """Return the leaf that each row reaches in each tree; `codes` are by column."""
        remaining = np.full((n_rows, len(self._firsts)), ~self._type(0))
        scratch = np.empty_like(remaining)
        for number, rows in self._used:
            self._table.take(rows.take(codes[number]), axis=0, out=scratch, mode="clip")
            np.bitwise_and(remaining, scratch, out=remaining)
        np.subtract(remaining, self._one, out=scratch)
        return self._lowest(remaining, scratch)

    def _lowest(self, remaining: _Bits, less_one: _Bits) -> Codes:
        np.bitwise_xor(remaining, less_one, out=remaining)
        leaves: Codes = np.bitwise_count(remaining) + self._firsts
        return leaves if self._leaf_at is None else self._leaf_at.take(leaves)


def _word(n_leaves: int) -> type[np.unsignedinteger[Any]]:
    if n_leaves <= 8:
        return np.uint8
    if n_leaves <= 16:
        return np.uint16
    return np.uint32 if n_leaves <= 32 else np.uint64

"""Trees of any depth for a few rows at once, in ONNX Runtime (extra ``serve``).

The model for the runtime is written here, from a forest that was checked: bytes of a bundle do
not reach it. It answers with the number of the leaf in each tree, in float64 and therefore
exactly; the sums are the same as those of the other engines.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any, Final, final

import numpy as np
import numpy.typing as npt

from mldeploy.model.compiled._kernel import Floats
from mldeploy.model.compiled._onnx_session import OnnxSession
from mldeploy.model.compiled._trees_forest import Forest
from mldeploy.model.compiled._trees_sum import Sums
from mldeploy.model.compiled._trees_walk import Expansion

_DOUBLE, _UINT8 = 11, 2
_FLOAT_ATTRIBUTE, _INT_ATTRIBUTE, _TENSOR_ATTRIBUTE, _INTS_ATTRIBUTE = 1, 2, 4, 7
_SUM: Final = 1
_IR_VERSION, _OPSET, _ML_OPSET = 10, 20, 5


@final
class OnnxTrees:
    """Find the leaves of a forest with a TreeEnsemble operator over float64."""

    def __init__(self, forest: Forest) -> None:
        self._sums = Sums(forest)
        self._expansion = Expansion(forest, missing=False)
        self._session = OnnxSession(lambda: ensemble(forest, self._expansion))

    def __call__(self, X: Floats) -> npt.NDArray[np.floating[Any]]:
        """Return the sums of the leaves that the rows reach."""
        leaves = self._session(self._expansion(X)).astype(np.intp)
        return self._sums.of_one(leaves[0]) if len(leaves) == 1 else self._sums(leaves)


@final
class OnnxTreeByTree:
    """Find the leaves of many rows, one tree after the other: each alone fits into the cache."""

    def __init__(self, forest: Forest) -> None:
        self._sums = Sums(forest)
        self._expansion = Expansion(forest, missing=False)
        self._forest = forest

    def __call__(self, X: Floats) -> npt.NDArray[np.floating[Any]]:
        """Return the sums of the leaves that the rows reach."""
        X = self._expansion(X)
        sums = np.repeat(self._forest.base[:, None], len(X), axis=1)
        n_outputs = self._forest.n_outputs
        for tree, (session, by_output) in enumerate(self._trees):
            leaves = session(X)[:, 0].astype(np.intp)
            first = 0 if len(by_output) == n_outputs else tree % n_outputs
            for output, values in enumerate(by_output, start=first):
                sums[output] += values.take(leaves)
        return self._sums.divided(np.ascontiguousarray(sums.T))

    @cached_property
    def _trees(self) -> list[tuple[OnnxSession, npt.NDArray[np.floating[Any]]]]:
        """Sessions, and the values of the leaves by output; made when many rows come."""
        return [self._tree(tree) for tree in range(self._forest.n_trees)]

    def _tree(self, tree: int) -> tuple[OnnxSession, npt.NDArray[np.floating[Any]]]:
        alone, nodes, leaves = self._forest.numbered_leaves(tree)
        expansion = self._expansion.of_nodes(nodes)
        by_output = np.ascontiguousarray(self._forest.values[leaves].T)
        return OnnxSession(lambda: ensemble(alone, expansion)), by_output


def ensemble(forest: Forest, expansion: Expansion) -> bytes:
    """Return the ONNX model that answers which leaf a row reaches in each tree.

    A tree without a split gets a node whose children are leaves of the same number.
    """
    n_nodes, n_leaves = len(forest.columns), len(forest.values)
    bare = np.flatnonzero(forest.roots < 0)
    added = n_nodes + np.arange(len(bare))
    roots = forest.roots.copy()
    roots[bare] = added
    only = forest.roots[bare]
    left = np.concatenate([forest.left, only])
    right = np.concatenate([forest.right, ~(n_leaves + np.arange(len(bare), dtype=np.int32))])
    weights = np.concatenate([np.arange(n_leaves), ~only]).astype(np.float64)
    trees = np.zeros(n_leaves + len(bare), np.int64)
    for children in (forest.left, forest.right):
        trees[~children[children < 0]] = forest.tree_of_node[children < 0]
    trees[~only], trees[n_leaves:] = bare, bare
    zeros = np.zeros(len(bare))
    node = b"".join(
        [
            _text(1, b"X"),
            _text(2, b"Y"),
            _text(4, b"TreeEnsemble"),
            _text(7, b"ai.onnx.ml"),
            _int(b"n_targets", forest.n_trees),
            _int(b"aggregate_function", _SUM),
            _int(b"post_transform", 0),
            _ints(b"tree_roots", roots),
            _ints(b"nodes_featureids", np.concatenate([expansion.columns, zeros])),
            _tensor(b"nodes_splits", np.concatenate([expansion.thresholds, zeros])),
            _tensor(b"nodes_modes", np.zeros(n_nodes + len(bare), np.uint8)),
            _ints(b"nodes_truenodeids", np.where(left < 0, ~left, left)),
            _ints(b"nodes_falsenodeids", np.where(right < 0, ~right, right)),
            _ints(b"nodes_trueleafs", left < 0),
            _ints(b"nodes_falseleafs", right < 0),
            _ints(
                b"nodes_missing_value_tracks_true",
                np.concatenate([forest.missing_left & (forest.sets < 0), zeros]),
            ),
            _ints(b"leaf_targetids", trees),
            _tensor(b"leaf_weights", weights),
        ]
    )
    graph = b"".join(
        [
            _text(1, node),
            _text(2, b"trees"),
            _text(11, _value_info(b"X", expansion.n_columns)),
            _text(12, _value_info(b"Y", forest.n_trees)),
        ]
    )
    return b"".join(
        [
            _number(1, _IR_VERSION),
            _text(7, graph),
            _text(8, _text(1, b"") + _number(2, _OPSET)),
            _text(8, _text(1, b"ai.onnx.ml") + _number(2, _ML_OPSET)),
        ]
    )


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def _number(field: int, number: int) -> bytes:
    return _varint(field << 3) + _varint(number)


def _text(field: int, content: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(content)) + content


def _attribute(name: bytes, kind: int, content: bytes) -> bytes:
    return _text(5, _text(1, name) + content + _number(20, kind))


def _int(name: bytes, number: int) -> bytes:
    return _attribute(name, _INT_ATTRIBUTE, _number(3, number))


def _ints(name: bytes, numbers: npt.NDArray[Any]) -> bytes:
    return _attribute(name, _INTS_ATTRIBUTE, _text(8, _varints(numbers.astype(np.uint64))))


def _varints(numbers: npt.NDArray[np.uint64]) -> bytes:
    """Return what `_varint` returns for each number, one after the other."""
    bounds = np.array([1 << 7 * k for k in range(1, 10)], dtype=np.uint64)
    size = 1 + np.searchsorted(bounds, numbers, side="right")
    starts, packed = np.cumsum(size) - size, np.empty(int(size.sum()), np.uint8)
    for k in range(int(size.max(initial=0))):
        has = size > k
        bits = (numbers[has] >> np.uint64(7 * k)).astype(np.uint8) & 0x7F
        packed[starts[has] + k] = bits | np.where(size[has] > k + 1, 0x80, 0).astype(np.uint8)
    return packed.tobytes()


def _tensor(name: bytes, values: npt.NDArray[Any]) -> bytes:
    kind = _UINT8 if values.dtype == np.uint8 else _DOUBLE
    little = values.astype(values.dtype.newbyteorder("<"))
    content = _number(1, len(values)) + _number(2, kind) + _text(9, little.tobytes())
    return _attribute(name, _TENSOR_ATTRIBUTE, _text(5, content))


def _value_info(name: bytes, n_columns: int) -> bytes:
    rows = _text(1, _text(2, b"n"))
    columns = _text(1, _number(1, n_columns))
    shape = _text(2, rows + columns)
    return _text(1, name) + _text(2, _text(1, _number(1, _DOUBLE) + shape))

"""Tree kernels find the leaves that a person finds, whichever engine looks for them."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mldeploy.model.compiled._trees import TreeKernel
from mldeploy.model.compiled._trees_bits import BitTables
from mldeploy.model.compiled._trees_codes import Coder
from mldeploy.model.compiled._trees_onnx import OnnxTreeByTree, OnnxTrees
from mldeploy.model.compiled._trees_walk import Walk
from mldeploy.model.compiling._trees_build import (
    Tree,
    category,
    complement,
    last_below_as_float32,
    merged,
    tree_kernel,
    truncated,
)

Floats = npt.NDArray[np.float64]
ENGINES = (BitTables, Walk, OnnxTrees, OnnxTreeByTree)


def stump(column: int, threshold: float, *, left: float, right: float, missing: bool) -> Tree:
    return Tree(
        columns=np.array([column, -1, -1]),
        thresholds=np.array([threshold, np.nan, np.nan]),
        missing_left=np.array([missing, False, False]),
        left=np.array([1, -1, -1]),
        right=np.array([2, -1, -1]),
        values=np.array([[0.0], [left], [right]]),
    )


def leaf(value: float) -> Tree:
    nothing = np.array([-1])
    return Tree(
        columns=nothing,
        thresholds=np.array([np.nan]),
        missing_left=np.array([False]),
        left=nothing,
        right=nothing,
        values=np.array([[value]]),
    )


def random_tree(rng: np.random.Generator, *, n_columns: int, n_splits: int) -> Tree:
    """Split a random leaf at a quarter, again and again; some nodes ask for a set instead."""
    columns, left, right, values = [-1], [-1], [-1], [rng.normal()]
    for _ in range(n_splits):
        node = int(rng.choice(np.flatnonzero(np.array(columns) < 0)))
        columns[node], left[node], right[node] = (
            int(rng.integers(n_columns)),
            len(columns),
            len(columns) + 1,
        )
        columns += [-1, -1]
        left += [-1, -1]
        right += [-1, -1]
        values += [rng.normal(), rng.normal()]
    inner = np.flatnonzero(np.array(columns) >= 0).tolist()
    sets = [node for node in inner if rng.random() < 0.2]
    return Tree(
        columns=np.array(columns),
        thresholds=rng.integers(-8, 8, len(columns)) / 4,
        missing_left=rng.random(len(columns)) < 0.5,
        left=np.array(left),
        right=np.array(right),
        values=np.array(values)[:, None],
        goes_left={node: merged([category(float(c)) for c in rng.choice(5, 2)]) for node in sets},
    )


def walked(tree: Tree, row: list[float]) -> float:
    """Go down a tree as one would with a finger."""
    node = 0
    while tree.columns[node] >= 0:
        x = row[tree.columns[node]]
        if math.isnan(x):
            left = bool(tree.missing_left[node])
        elif node in tree.goes_left:
            left = any(low < x <= high for low, high in tree.goes_left[node])
        else:
            left = bool(x <= tree.thresholds[node])
        node = int((tree.left if left else tree.right)[node])
    return float(tree.values[node, 0])


def rows_near_thresholds(rng: np.random.Generator, n_rows: int, n_columns: int) -> Floats:
    X: Floats = rng.integers(-10, 10, (n_rows, n_columns)) / 4
    X = np.where(rng.random(X.shape) < 0.2, np.nextafter(X, np.inf), X)
    X = np.where(rng.random(X.shape) < 0.2, np.nextafter(X, -np.inf), X)
    X[rng.random(X.shape) < 0.1] = np.nan
    X[rng.random(X.shape) < 0.03] = np.inf
    X[rng.random(X.shape) < 0.03] = -np.inf
    return X


def test_sum_starts_at_the_base_and_ends_with_the_divisor() -> None:
    """(10 + 1 + 4) / 2 for 0.5 | (10 + 2 + 4) / 2 above it."""
    trees = [stump(0, 0.5, left=1, right=2, missing=True), leaf(4)]

    kernel = tree_kernel(trees, n_inputs=1, base=[10], divisor=2)

    assert kernel(np.array([[0.5]])).tolist() == [[7.5]]
    assert kernel(np.array([[np.nextafter(0.5, 1)]])).tolist() == [[8.0]]
    assert kernel(np.array([[np.nan]])).tolist() == [[7.5]]


@pytest.mark.parametrize("engine", ENGINES)
def test_trees_of_one_value_add_to_the_outputs_in_turn(engine: type) -> None:
    trees = [leaf(1), leaf(10), stump(1, 0, left=2, right=3, missing=False), leaf(20)]
    kernel = tree_kernel(trees, n_inputs=2, base=[0, 0])

    assert engine(kernel.forest)(np.array([[0.0, 0.0], [0.0, 1.0]])).tolist() == [
        [3, 30],
        [4, 30],
    ]


@pytest.mark.parametrize("engine", ENGINES)
@given(seed=st.integers(0, 2**32 - 1))
def test_every_engine_finds_the_leaves_that_a_finger_finds(engine: type, seed: int) -> None:
    rng = np.random.default_rng(seed)
    n_splits = int(rng.choice([0, 1, 6, 14, 30, 63]))
    trees = [random_tree(rng, n_columns=3, n_splits=n_splits) for _ in range(3)]
    kernel = tree_kernel(trees, n_inputs=4, base=[0.5])
    X = rows_near_thresholds(rng, int(rng.choice([1, 2, 16, 17, 90])), 4)

    found = engine(kernel.forest)(X)

    by_hand = [0.5 + sum_in_order(trees, row) for row in X.tolist()]
    assert found.shape == (len(X), 1)
    np.testing.assert_allclose(found[:, 0], by_hand, rtol=1e-14, atol=1e-14)


def sum_in_order(trees: list[Tree], row: list[float]) -> float:
    return math.fsum(walked(tree, row) for tree in trees)


@given(seed=st.integers(0, 2**32 - 1))
def test_engines_and_numbers_of_rows_agree_to_the_bit(seed: int) -> None:
    rng = np.random.default_rng(seed)
    trees = [random_tree(rng, n_columns=3, n_splits=20) for _ in range(12)]
    forest = tree_kernel(trees, n_inputs=3, base=[0.1, 0.2]).forest
    X = rows_near_thresholds(rng, 40, 3)

    at_once = BitTables(forest)(X)

    for ask in (engine(forest) for engine in ENGINES):
        assert np.array_equal(ask(X), at_once)
        one_by_one = np.concatenate([ask(X[i : i + 1]) for i in range(20)])
        assert np.array_equal(one_by_one, at_once[:20])


def test_more_trees_than_one_table_takes_are_all_counted() -> None:
    trees = [stump(0, i / 1000, left=0, right=1, missing=False) for i in range(600)]

    kernel = tree_kernel(trees, n_inputs=1, base=[0])

    assert kernel(np.array([[0.2505]])).tolist() == [[251]]
    assert kernel(np.full((600, 1), 0.2505)).tolist() == [[251]] * 600


@pytest.mark.parametrize("n_splits", [20, 100])
def test_threads_change_no_bit(n_splits: int) -> None:
    rng = np.random.default_rng(0)
    trees = [random_tree(rng, n_columns=3, n_splits=n_splits) for _ in range(4)]
    forest = tree_kernel(trees, n_inputs=3, base=[0]).forest
    X = rows_near_thresholds(rng, 40_000, 3)

    alone, together = (TreeKernel(forest, n_threads=n)(X) for n in (1, 4))

    assert np.array_equal(alone, together)
    assert np.array_equal(alone[:1000], TreeKernel(forest)(X[:1000]))


def test_no_rows_give_no_answers() -> None:
    assert tree_kernel([leaf(1)], n_inputs=2, base=[0])(np.empty((0, 2))).shape == (0, 1)


def test_breakpoints_are_the_thresholds_of_each_column() -> None:
    trees = [stump(2, 5, left=0, right=1, missing=False) for _ in range(2)]
    trees.append(stump(2, -5, left=0, right=1, missing=False))

    found = tree_kernel(trees, n_inputs=4, base=[0]).breakpoints()

    assert {column: values.tolist() for column, values in found.items()} == {2: [-5, 5]}


def test_stored_and_restored_kernel_answers_the_same() -> None:
    rng = np.random.default_rng(1)
    trees = [random_tree(rng, n_columns=3, n_splits=30) for _ in range(5)]
    kernel = tree_kernel(trees, n_inputs=3, base=[1], dtype=np.float32)
    X = rows_near_thresholds(rng, 100, 3)

    again = TreeKernel.restore(kernel.spec(), kernel.arrays())

    assert np.array_equal(again(X), kernel(X))
    assert (again.n_inputs, again.n_outputs) == (3, 1)


edges = st.lists(st.floats(allow_nan=False), max_size=300, unique=True).map(
    lambda values: np.unique(np.array(values, float)) + 0.0
)


@given(edges, st.integers(0, 2**32 - 1))
def test_codes_count_the_smaller_edges(edges: Floats, seed: int) -> None:
    rng = np.random.default_rng(seed)
    with np.errstate(over="ignore"):
        near = [edges, np.nextafter(edges, np.inf), np.nextafter(edges, -np.inf)]
    x = rng.choice(np.concatenate([*near, [0.0, -np.inf, np.inf, np.nan]]), 300)

    codes = Coder(edges)(x)

    missing = np.isnan(x)
    assert (codes[missing] == len(edges) + 1).all()
    assert codes[~missing].tolist() == [int((edges < value).sum()) for value in x[~missing]]


def test_codes_of_evenly_spread_edges_use_the_table() -> None:
    edges = np.random.default_rng(0).normal(size=255)
    edges.sort()
    x = np.random.default_rng(1).normal(size=5000) * 2

    assert np.array_equal(Coder(edges)(x), np.searchsorted(edges, x))


@given(st.floats(-3e38, 3e38), st.floats(-3e38, 3e38))
def test_threshold_for_float64_sends_the_same_rows_left(x: float, threshold: float) -> None:
    limit = float(last_below_as_float32([threshold])[0])

    for value in (x, threshold, limit, np.nextafter(limit, np.inf), np.nextafter(limit, -np.inf)):
        assert (value <= limit) == (float(np.float32(value)) <= threshold)


def test_threshold_for_float64_matches_the_value_worked_by_hand() -> None:
    """Between 1 and its neighbour 1 + 2**-23, ties round to the even 1."""
    assert last_below_as_float32([1.0])[0] == 1 + 2**-24
    assert last_below_as_float32([1 + 2**-23])[0] == np.nextafter(1 + 2**-23 + 2**-24, 0)


def test_intervals_merge_and_complement() -> None:
    assert merged([(3, 4), (0, 1), (1, 2)]) == [(0, 2), (3, 4)]
    assert complement([(0, 1), (2, math.inf)]) == [(-math.inf, 0), (1, 2)]
    assert complement(complement([(0, 1), (2, 3)])) == [(0, 1), (2, 3)]


@pytest.mark.parametrize(("x", "inside"), [(-0.9, True), (0.99, True), (-1, False), (1, False)])
def test_zero_is_what_is_cut_off_to_zero(x: float, inside: bool) -> None:
    low, high = truncated(0)
    assert (low < x <= high) == inside

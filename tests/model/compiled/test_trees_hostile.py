"""Damaged trees are refused when read: no endless walk, no index outside an array."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mldeploy.errors import IntegrityError
from mldeploy.model.compiled._trees import TreeKernel
from mldeploy.model.compiling._trees_build import Tree, category, tree_kernel

Arrays = dict[str, npt.NDArray[Any]]
SPEC = {"kind": "trees"}


def sound() -> Arrays:
    """Return two trees: one of three leaves with a set, and one of two."""
    first = Tree(
        columns=np.array([0, 1, -1, -1, -1]),
        thresholds=np.array([0.5, np.nan, np.nan, np.nan, np.nan]),
        missing_left=np.array([True, False, False, False, False]),
        left=np.array([1, 3, -1, -1, -1]),
        right=np.array([2, 4, -1, -1, -1]),
        values=np.arange(5.0)[:, None],
        goes_left={1: [category(2.0)]},
    )
    second = Tree(
        columns=np.array([1, -1, -1]),
        thresholds=np.array([2.5, np.nan, np.nan]),
        missing_left=np.array([False, False, False]),
        left=np.array([1, -1, -1]),
        right=np.array([2, -1, -1]),
        values=np.array([[0.0], [10.0], [20.0]]),
    )
    return {
        name: array.copy()
        for name, array in tree_kernel([first, second], n_inputs=2, base=[0]).arrays().items()
    }


def put(name: str, position: int, value: float) -> Callable[[Arrays], None]:
    def damage(arrays: Arrays) -> None:
        arrays[name][position] = value

    return damage


def cut(name: str) -> Callable[[Arrays], None]:
    def damage(arrays: Arrays) -> None:
        arrays[name] = arrays[name][:-1]

    return damage


def test_undamaged_arrays_are_read() -> None:
    kernel = TreeKernel.restore(SPEC, sound())
    assert kernel(np.array([[0.0, 2.0], [1.0, 3.0], [0.0, 3.0]])).tolist() == [[13], [22], [24]]


@pytest.mark.parametrize(
    "damage",
    [
        put("left", 0, 0),
        put("left", 1, 0),
        put("left", 0, 2),
        put("right", 0, 99),
        put("left", 0, -99),
        put("left", 0, -2),
        put("roots", 1, 0),
        put("roots", 1, -1),
        put("columns", 0, 2),
        put("columns", 0, -1),
        put("cuts", 0, 1),
        put("cuts", 0, -1),
        put("sets", 0, 7),
        put("sets", 0, 0),
        put("sets", 0, -2),
        put("edge_starts", 1, 99),
        put("edge_starts", 0, -1),
        put("set_starts", 1, 1),
        put("edges", 0, np.nan),
        put("edges", -1, -9.0),
        put("values", 0, np.inf),
        put("values", 0, np.nan),
        put("base", 0, np.nan),
        put("divisor", 0, 0),
        *map(cut, sorted(sound())),
    ],
)
def test_damage_is_refused(damage: Callable[[Arrays], None]) -> None:
    arrays = sound()
    damage(arrays)
    with pytest.raises(IntegrityError):
        TreeKernel.restore(SPEC, arrays)


def test_other_names_types_and_dimensions_are_refused() -> None:
    arrays = sound()
    for changed in (
        {**arrays, "more": np.zeros(1)},
        {name: array for name, array in arrays.items() if name != "cuts"},
        {**arrays, "left": arrays["left"].astype(np.int64)},
        {**arrays, "values": arrays["values"][:, 0]},
        {**arrays, "edges": arrays["edges"].astype(object)},
        {**arrays, "values": np.zeros((0, 1))},
        {**arrays, "base": np.zeros(0)},
    ):
        with pytest.raises(IntegrityError):
            TreeKernel.restore(SPEC, changed)
    with pytest.raises(IntegrityError):
        TreeKernel.restore({"kind": "trees", "n_threads": 10_000}, arrays)


@given(st.data())
def test_arrays_damaged_anywhere_are_refused_or_answer(data: st.DataObject) -> None:
    arrays = sound()
    for _ in range(data.draw(st.integers(1, 3))):
        name = data.draw(st.sampled_from(sorted(arrays)))
        array = arrays[name]
        if data.draw(st.booleans()) or not array.size:
            size = data.draw(st.integers(0, 12))
            arrays[name] = np.resize(array, (size, *array.shape[1:])) if array.size else array
            continue
        position = data.draw(st.integers(0, array.size - 1))
        value = data.draw(st.sampled_from([-(2**31), -3, -2, -1, 0, 1, 2, 3, 5, 2**31 - 1]))
        array.ravel()[position] = value
    try:
        kernel = TreeKernel.restore(SPEC, arrays)
    except IntegrityError:
        return

    for n_rows in (1, 20):
        X = np.zeros((n_rows, kernel.n_inputs))
        assert kernel(X).shape == (n_rows, kernel.n_outputs)


@given(st.binary(min_size=1, max_size=64), st.integers(0, 2**32 - 1))
def test_arrays_of_noise_are_refused_or_answer(noise: bytes, seed: int) -> None:
    rng = np.random.default_rng(seed)
    arrays = sound()
    for name in rng.choice(sorted(arrays), 2, replace=False):
        array = arrays[str(name)]
        raw = np.resize(np.frombuffer(noise, np.uint8), array.nbytes)
        if array.dtype == bool:
            raw &= np.uint8(1)
        arrays[str(name)] = np.frombuffer(raw.tobytes(), array.dtype).reshape(array.shape)
    try:
        kernel = TreeKernel.restore(SPEC, arrays)
    except IntegrityError:
        return
    with np.errstate(all="ignore"):
        kernel(np.zeros((3, kernel.n_inputs)))


def test_large_sets_do_not_become_larger_tables() -> None:
    """A million codes, every second one in the set: bit tables would take gigabytes."""
    n_edges = 1_000_000
    members = np.arange(n_edges + 2) % 2 == 0
    arrays: Arrays = {
        "edges": np.arange(n_edges, dtype=float),
        "edge_starts": np.array([0, n_edges], np.int32),
        "roots": np.arange(300, dtype=np.int32),
        "columns": np.zeros(300, np.int32),
        "cuts": np.zeros(300, np.int32),
        "missing_left": np.zeros(300, bool),
        "sets": np.zeros(300, np.int32),
        "left": ~np.arange(0, 600, 2, dtype=np.int32),
        "right": ~np.arange(1, 600, 2, dtype=np.int32),
        "set_starts": np.array([0, n_edges + 2], np.int32),
        "set_members": members,
        "values": np.tile([[1.0], [0.0]], (300, 1)),
        "base": np.zeros(1),
        "divisor": np.ones(1),
    }

    kernel = TreeKernel.restore(SPEC, arrays)

    assert kernel(np.array([[1.5], [2.5], [1e9]])).tolist() == [[300], [0], [300]]

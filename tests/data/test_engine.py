"""The same three functions over the parts of a table."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mldeploy.data import (
    Engine,
    FingerprintReduction,
    FrameSource,
    LocalEngine,
    fingerprint_of,
    fingerprint_source,
    profile_source,
    reduce_source,
)
from mldeploy.errors import InvalidDataError
from mldeploy.testing import EngineConformance

cells = st.tuples(
    st.none() | st.integers(-5, 5),
    st.none() | st.floats(),
    st.none() | st.text(st.characters(codec="utf-8"), max_size=2),
    st.none() | st.booleans(),
    st.none() | st.datetimes(),
)
TYPES = {"i": pl.Int64, "f": pl.Float64, "s": pl.String, "b": pl.Boolean, "t": pl.Datetime("us")}


class TestLocalEngine(EngineConformance):
    @pytest.fixture(params=[1, 4])
    def engine(self, request: pytest.FixtureRequest) -> Engine:
        return LocalEngine(n_threads=request.param)


@given(st.lists(cells, max_size=12), st.integers(1, 5), st.integers(1, 3))
def test_any_cut_of_a_table_has_the_fingerprint_and_the_profile_of_the_whole(
    rows: list[tuple[object, ...]], batch_rows: int, n_threads: int
) -> None:
    table = pl.DataFrame(rows, schema=TYPES, orient="row").with_columns(pl.col("f").fill_nan(None))
    source, engine = FrameSource.of(table, batch_rows=batch_rows), LocalEngine(n_threads=n_threads)

    assert fingerprint_source(source, engine=engine) == fingerprint_of(table)
    assert profile_source(source, engine=engine) == profile_source(table)


def test_results_are_merged_in_the_order_of_the_parts_and_held_no_longer() -> None:
    """Two threads with two parts begun for each: at most four results wait, and one is merged."""
    held, most, lock = 0, 0, threading.Lock()

    def read(part: int) -> list[int]:
        nonlocal held, most
        with lock:
            held += 1
            most = max(most, held)
        return [part]

    def merge(one: Sequence[int], other: Sequence[int]) -> list[int]:
        nonlocal held
        with lock:
            held -= 1
        return [*one, *other]

    assert LocalEngine(n_threads=2).map_merge(read, range(50), merge) == list(range(50))
    assert most <= 6


def test_what_was_not_begun_is_not_done_after_an_interruption() -> None:
    begun: list[int] = []

    def read(part: int) -> int:
        begun.append(part)
        time.sleep(0.001)
        if part == 1:
            raise KeyboardInterrupt
        return part

    with pytest.raises(KeyboardInterrupt):
        LocalEngine(n_threads=1).map_merge(read, range(1_000), lambda one, other: one + other)
    assert len(begun) < 10


def test_a_column_of_another_kind_in_one_part_is_refused() -> None:
    reduction = FingerprintReduction(kinds={"x": "number"})

    with pytest.raises(InvalidDataError, match="'x' holds text, and number elsewhere"):
        reduce_source(pl.DataFrame({"x": ["one"]}), reduction)
    with pytest.raises(InvalidDataError, match=r"\['y'\] are not in every part"):
        reduce_source(pl.DataFrame({"x": [1], "y": [1]}), reduction)


def test_no_thread_is_refused() -> None:
    with pytest.raises(InvalidDataError):
        LocalEngine(n_threads=0)

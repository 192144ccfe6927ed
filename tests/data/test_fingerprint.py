"""The fingerprint tells tables apart by their values, and by nothing else."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mldeploy.data import Dataset, fingerprint_of, to_pandas, to_polars

texts = st.text(st.characters(codec="utf-8", exclude_characters="\r\n\x00"), max_size=5)
cells = st.tuples(
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False) | st.none(),
    texts | st.none(),
    st.booleans() | st.none(),
    st.datetimes(timezones=st.just(None)) | st.none(),
)
TYPES = {"i": pl.Int64, "f": pl.Float64, "s": pl.String, "b": pl.Boolean, "t": pl.Datetime("us")}
tables = st.lists(cells, min_size=1, max_size=12).map(
    lambda rows: pl.DataFrame(rows, schema=TYPES, orient="row")
)


@given(tables, st.randoms(use_true_random=False))
def test_order_of_rows_and_columns_is_irrelevant(table: pl.DataFrame, random: object) -> None:
    rows = list(range(table.height))
    names = list(table.columns)
    random.shuffle(rows)  # type: ignore[attr-defined]
    random.shuffle(names)  # type: ignore[attr-defined]

    assert fingerprint_of(table[rows].select(names)) == fingerprint_of(table)


@given(tables)
@settings(max_examples=30, deadline=None)
def test_storage_in_parquet_is_irrelevant(table: pl.DataFrame) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "table.parquet"
        table.write_parquet(path)

        assert Dataset.of(path).fingerprint == fingerprint_of(table)


numbers = st.lists(
    st.tuples(st.integers(-(2**53), 2**53), st.floats(-1e9, 1e9), st.sampled_from("abc")),
    min_size=1,
    max_size=9,
)


@given(numbers)
@settings(max_examples=30, deadline=None)
def test_storage_in_csv_is_irrelevant(rows: list[tuple[int, float, str]]) -> None:
    table = pl.DataFrame(
        rows, schema={"i": pl.Int64, "f": pl.Float64, "s": pl.String}, orient="row"
    )
    with TemporaryDirectory() as folder:
        path = Path(folder) / "table.csv"
        table.write_csv(path)

        assert Dataset.of(path).fingerprint == fingerprint_of(table)


@given(tables)
def test_a_trip_through_pandas_is_irrelevant(table: pl.DataFrame) -> None:
    known = table.drop("b")

    assert fingerprint_of(to_polars(to_pandas(known))) == fingerprint_of(known)


@given(tables, st.data())
def test_a_change_of_one_cell_shows(table: pl.DataFrame, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(table.columns))
    row = data.draw(st.integers(0, table.height - 1))
    strategy = {"i": st.integers(-9, 9), "f": st.floats(-9, 9), "s": texts, "b": st.booleans()}
    new = data.draw(strategy.get(name, st.none()))
    changed = table.with_columns(
        pl.Series(name, [*table[name][:row], new, *table[name][row + 1 :]], dtype=TYPES[name])
    )

    same = table[name][row] == new or (table[name][row] is None and new is None)
    assert (fingerprint_of(changed) == fingerprint_of(table)) == same


@given(tables)
def test_equal_rows_count_as_often_as_they_occur(table: pl.DataFrame) -> None:
    assert fingerprint_of(pl.concat([table, table.head(1)])) != fingerprint_of(table)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ([3, 4], [3.0, 4.0], True),
        ([0.0], [-0.0], True),
        ([1.0, float("nan")], [1.0, None], True),
        ([1, 0], [True, False], False),
        (["1"], [1], False),
        (["a", ""], ["a", None], False),
        ([None, None], [float("nan"), None], True),
        ([2**63], [2.0**63], False),
    ],
)
def test_values_count_and_storage_does_not(
    one: list[object], other: list[object], same: bool
) -> None:
    """2**63 has no int64; as an unsigned integer it is exact, as a float it is rounded."""
    first, second = (to_polars(pl.DataFrame({"x": x}, strict=False)) for x in (one, other))

    assert (fingerprint_of(first) == fingerprint_of(second)) is same


def test_values_do_not_move_between_cells_unseen() -> None:
    base = pl.DataFrame({"a": ["x", "y"], "b": ["y", "x"]})
    crossed = pl.DataFrame({"a": ["x", "y"], "b": ["x", "y"]})
    renamed = base.rename({"a": "c"})

    assert len({fingerprint_of(t) for t in (base, crossed, renamed)}) == 3


def test_times_are_instants_whatever_their_unit_and_zone() -> None:
    utc = pl.Series("t", ["2013-07-01T12:00:00"]).str.to_datetime(time_zone="UTC").to_frame()
    local = utc.select(
        pl.col("t").dt.convert_time_zone("America/New_York").dt.cast_time_unit("ms")
    )
    naive = utc.select(pl.col("t").dt.replace_time_zone(None))

    assert fingerprint_of(utc) == fingerprint_of(local) != fingerprint_of(naive)


def test_categories_are_their_texts() -> None:
    text = pd.DataFrame({"s": ["a", "b", None]})

    assert Dataset.of(text).fingerprint == Dataset.of(text.astype("category")).fingerprint


def test_the_fingerprint_is_the_same_on_every_machine_and_in_every_version() -> None:
    """Pinned: stored fingerprints must keep their meaning. Chunks must not show either."""
    table = pl.DataFrame({"i": [1, None], "f": [0.5, -2.0], "s": ["é", None], "b": [True, None]})

    assert fingerprint_of(table) == PINNED


def test_a_table_of_many_chunks_is_fingerprinted_as_one(monkeypatch: pytest.MonkeyPatch) -> None:
    table = pl.DataFrame({"x": np.arange(100), "s": [f"k{i}" for i in range(100)]})
    whole = fingerprint_of(table)

    monkeypatch.setattr("mldeploy.data._fingerprint._CHUNK_BYTES", 100)

    assert fingerprint_of(table) == whole


PINNED = "4a23dc9b93f6a932d534ef47bb517344d025ce6e7fb90bb72325f98b2f7ff463"

"""Rows searched for trouble: every threshold, every gap, and nothing that the schema refuses."""

from __future__ import annotations

import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mldeploy.data import ColumnSchema, Schema
from mldeploy.errors import EmptyDataError
from mldeploy.model.compiling._adversarial import searched_rows

KNOWN = pl.DataFrame(
    {
        "wind": [3.0, 4.5, None, 9.25],
        "hour": [5, 6, 22, 23],
        "carrier": ["AA", "UA", None, "OO"],
        "late": [True, False, True, True],
    }
)


def single(value: float, way: float) -> float:
    return float(np.nextafter(np.float32(value), np.float32(way)))


def test_a_threshold_is_asked_at_itself_and_at_its_neighbours_in_both_precisions() -> None:
    rows = searched_rows(KNOWN, Schema.infer(KNOWN), {"wind": np.array([4.7])})

    asked = set(rows.frame["wind"].to_list())
    assert {4.7, math.nextafter(4.7, -math.inf), math.nextafter(4.7, math.inf)} <= asked
    nearest = float(np.float32(4.7))
    assert {nearest, single(nearest, -np.inf), single(nearest, np.inf)} <= asked
    assert (rows.n_covered, rows.n_thresholds) == (1, 1)


def test_a_threshold_between_whole_numbers_is_asked_at_those_around_it() -> None:
    rows = searched_rows(KNOWN, Schema.infer(KNOWN), {"hour": np.array([12.5])})

    planted = rows.frame.filter(pl.Series(rows.why) == "at a threshold")["hour"]
    assert planted.to_list() == [11, 12, 13, 14]


def test_each_column_is_missing_alone_and_all_are_missing_together() -> None:
    rows = searched_rows(KNOWN, Schema.infer(KNOWN), {})

    why = pl.Series(rows.why)
    alone = rows.frame.filter(why == "missing alone")
    assert alone["wind"].is_null().any()
    assert alone["carrier"].is_null().any()
    together = rows.frame.filter(why == "all missing")
    assert together.select("wind", "carrier").row(0) == (None, None)
    assert rows.frame["hour"].null_count() == rows.frame["late"].null_count() == 0


def test_odd_numbers_and_texts_are_asked() -> None:
    frame = searched_rows(KNOWN, Schema.infer(KNOWN), {}).frame

    assert {0.0, 1e308, -1e308, 5e-324, float(np.mean([3.0, 4.5, 9.25]))} <= set(frame["wind"])
    assert any(math.copysign(1, v) < 0 for v in frame["wind"].drop_nulls() if v == 0)
    assert {2**63 - 1, -(2**63), 2**53 + 1, 0} <= set(frame["hour"])
    assert {"", "a category never seen", "AA", "aa", "AA "} <= set(frame["carrier"])
    assert not frame["wind"].is_infinite().any()


def test_infinite_values_are_asked_where_the_range_allows_them() -> None:
    schema = Schema.infer(KNOWN).edit("wind", maximum=math.inf)

    assert searched_rows(KNOWN, schema, {}).frame["wind"].is_infinite().any()


@given(
    st.booleans(), st.booleans(), st.booleans(), st.lists(st.floats(-99, 99), max_size=20),
    st.integers(0, 5),
)  # fmt: skip
def test_no_row_is_made_that_the_schema_refuses(
    nullable: bool, strict: bool, closed: bool, thresholds: list[float], seed: int
) -> None:
    schema = Schema(
        columns=(
            ColumnSchema(
                name="wind", kind="number", nullable=True, minimum=0.0, maximum=45.0,
                strict_range=strict,
            ),
            ColumnSchema(
                name="hour", kind="integer", nullable=nullable, minimum=0, maximum=23,
                strict_range=strict,
            ),
            ColumnSchema(
                name="carrier", kind="string", nullable=True, categories=("AA", "OO", "UA"),
                closed=closed,
            ),
        )
    )  # fmt: skip
    breakpoints = {"wind": np.unique(thresholds), "hour": np.unique(thresholds)}

    rows = searched_rows(
        KNOWN.select(schema.names), schema, breakpoints, most_rows=200, random_state=seed
    )

    assert schema.check(rows.frame) == ()
    assert rows.frame.height == len(rows.why) <= 200
    assert list(rows.frame.schema.values()) == [c.dtype for c in schema.columns]


def test_of_too_many_thresholds_an_even_sample_is_covered_and_counted() -> None:
    real = pl.DataFrame({"a": [0.5], "b": [0.5]})
    thresholds = np.arange(5_000) + 0.25
    breakpoints = {"a": thresholds, "b": -thresholds[::-1]}

    rows = searched_rows(real, Schema.infer(real), breakpoints, most_rows=1_000)

    covered = {
        name: set(values.tolist()) & set(rows.frame[name].to_list())
        for name, values in breakpoints.items()
    }
    assert rows.n_thresholds == 10_000
    assert sum(map(len, covered.values())) <= rows.n_covered <= 1_000
    assert rows.n_covered >= 150
    quarters = np.histogram(sorted(covered["a"]), bins=4, range=(0, 5_000))[0]
    assert quarters.min() > 0.5 * quarters.max()


def test_the_same_arguments_make_the_same_rows_and_another_seed_makes_others() -> None:
    schema, breakpoints = Schema.infer(KNOWN), {"wind": np.arange(0.0, 900.0)}
    first, again, other = (
        searched_rows(KNOWN, schema, breakpoints, most_rows=300, random_state=seed).frame
        for seed in (0, 0, 1)
    )

    assert first.equals(again)
    assert not first.equals(other)


def test_the_rest_of_a_row_is_that_of_a_real_one() -> None:
    rows = searched_rows(KNOWN, Schema.infer(KNOWN), {"wind": np.array([4.7])})

    planted = rows.frame.filter(pl.Series(rows.why) == "at a threshold")
    rest = KNOWN.drop("wind").rows()
    assert all(row in rest for row in planted.drop("wind").rows())


def test_a_wide_table_gets_fewer_rows() -> None:
    wide = pl.DataFrame({f"c{i}": [0.0, None] for i in range(3_000)})

    assert searched_rows(wide, Schema.infer(wide), {}).frame.height <= 4_000_000 // 3_000


def test_without_a_real_row_nothing_is_searched() -> None:
    with pytest.raises(EmptyDataError):
        searched_rows(KNOWN.clear(), Schema.infer(KNOWN), {})

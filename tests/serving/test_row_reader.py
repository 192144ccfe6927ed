"""The short way of a row into a frame is the long way's equal."""

from __future__ import annotations

import math
from datetime import UTC, datetime

import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mldeploy.data import Schema, to_pandas
from mldeploy.serving._original import FrameMaker
from mldeploy.serving._reader import Doubt, RowReader

SCHEMA = (
    Schema.infer(
        pl.DataFrame(
            {
                "wind": [1.0, None],
                "hour": [5, 23],
                "late": [True, False],
                "carrier": ["AA", "UA"],
                "origin": pl.Series(["JFK", None], dtype=pl.Enum(["JFK", "LGA"])),
            }
        )
    )
    .edit("carrier", closed=True)
    .edit("origin", closed=False)
)
ROW = {"wind": 3.5, "hour": 7, "late": True, "carrier": "AA", "origin": "LGA"}

anything = st.one_of(
    st.none(), st.booleans(), st.integers(), st.integers(-9, 9), st.floats(),
    st.text(max_size=3), st.sampled_from(["AA", "JFK", "LGA"]), st.just([1]),
)  # fmt: skip
rows = st.fixed_dictionaries({}, optional=dict.fromkeys([*ROW, "unknown"], anything))
near_rows = st.builds(
    lambda name, value: ROW | {name: value}, st.sampled_from(list(ROW)), anything
)


@given(st.one_of(rows, near_rows, st.just(ROW)))
def test_what_is_accepted_at_once_is_what_the_schema_makes_of_it(row: dict[str, object]) -> None:
    expected, errors = SCHEMA.parse_rows([row])

    try:
        values = RowReader(SCHEMA).values(row)
    except Doubt:
        return
    assert not errors
    assert values == expected.row(0)
    pd.testing.assert_frame_equal(FrameMaker(SCHEMA).frame(values), to_pandas(expected))


def test_plain_rows_leave_no_doubt() -> None:
    assert RowReader(SCHEMA).values(ROW) == (3.5, 7, True, "AA", "LGA")


def test_a_category_that_nobody_knows_is_missing_unless_they_are_closed() -> None:
    closed = SCHEMA.edit("origin", closed=True)

    assert RowReader(SCHEMA).values(ROW | {"origin": "ZZZ"})[-1] is None
    with pytest.raises(Doubt):
        RowReader(closed).values(ROW | {"origin": "ZZZ"})


def test_times_and_strict_ranges_are_left_to_the_schema() -> None:
    times = Schema.infer(pl.DataFrame({"at": [datetime(2013, 1, 1, tzinfo=UTC)]}))
    strict = SCHEMA.edit("hour", strict_range=True)

    with pytest.raises(Doubt):
        RowReader(times).values({"at": "2013-01-01T05:00:00Z"})
    with pytest.raises(Doubt):
        RowReader(strict).values(ROW)


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("hour", 3.7, "type"),
        ("hour", True, "type"),
        ("hour", 2**63, "type"),
        ("hour", "7", "type"),
        ("hour", None, "missing"),
        ("wind", math.inf, "range"),
        ("wind", True, "type"),
        ("late", 1, "type"),
        ("carrier", "ZZ", "category"),
        ("carrier", 7, "type"),
        ("tail", "N1", "unknown"),
    ],
)
def test_a_value_that_does_not_fit_is_named_with_its_reason(
    name: str, value: object, code: str
) -> None:
    row = ROW | {name: value}

    with pytest.raises(Doubt):
        RowReader(SCHEMA).values(row)
    assert [(e.column, e.code) for e in SCHEMA.parse_rows([row])[1]] == [(name, code)]

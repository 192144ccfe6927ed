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
from mldeploy.errors import InvalidRowsError
from mldeploy.serving._row import PlainRows, RowReader

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
def test_a_row_is_read_or_refused_exactly_as_its_schema_says(row: dict[str, object]) -> None:
    expected, errors = SCHEMA.parse_rows([row])
    reader = RowReader(SCHEMA)

    if errors:
        with pytest.raises(InvalidRowsError) as refusal:
            reader.read(row)
        assert refusal.value.errors == errors
        return
    frame, logged = reader.read(row)

    pd.testing.assert_frame_equal(frame, to_pandas(expected))
    logged = logged.frame() if isinstance(logged, PlainRows) else logged
    assert logged.equals(expected)


def test_plain_rows_take_the_short_way() -> None:
    _, logged = RowReader(SCHEMA).read(ROW)

    assert isinstance(logged, PlainRows)


def test_a_schema_of_times_and_strict_ranges_takes_the_long_way() -> None:
    times = Schema.infer(pl.DataFrame({"at": [datetime(2013, 1, 1, tzinfo=UTC)]}))
    strict = SCHEMA.edit("hour", strict_range=True)

    frame, logged = RowReader(times).read({"at": "2013-01-01T05:00:00Z"})

    assert isinstance(logged, pl.DataFrame)
    assert str(frame["at"].dt.tz) == "UTC"
    with pytest.raises(InvalidRowsError, match="outside"):
        RowReader(strict).read(ROW | {"hour": 24})


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
    with pytest.raises(InvalidRowsError) as refusal:
        RowReader(SCHEMA).read(ROW | {name: value})

    assert [(e.column, e.code) for e in refusal.value.errors] == [(name, code)]


def test_the_callers_row_may_change_afterwards() -> None:
    row = dict(ROW)
    _, logged = RowReader(SCHEMA).read(row)
    row["hour"] = 99

    assert isinstance(logged, PlainRows)
    assert logged.frame()["hour"].to_list() == [7]

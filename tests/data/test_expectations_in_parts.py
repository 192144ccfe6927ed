"""Rules held against parts find what they find in the whole, to the row and the word."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mldeploy.data import FrameSource, LocalEngine, Profile
from mldeploy.data.expectations import (
    Expectation,
    Expectations,
    FigureInRange,
    ForeignKey,
    Fresh,
    Holds,
    InRange,
    InSet,
    LikeReference,
    Matches,
    Monotone,
    NotNull,
    Passes,
    RowCount,
    SumInRange,
    Unique,
    check_source,
)
from mldeploy.errors import InvalidDataError

NOW = datetime(2026, 1, 2, tzinfo=UTC)
TYPES = {"n": pl.Int64, "x": pl.Float64, "s": pl.String, "t": pl.Datetime("us", "UTC")}
rows = st.lists(
    st.tuples(
        st.none() | st.integers(-2, 9),
        st.none() | st.floats(-1e6, 1e6),
        st.none() | st.sampled_from(["a", "b", "é", "ab"]),
        st.none() | st.integers(0, 48).map(lambda h: NOW - timedelta(hours=h)),
    ),
    max_size=25,
)


def is_short(text: str) -> bool:
    return len(text) < 2


def rules() -> list[Expectation]:
    then = Profile.of(pl.DataFrame({"s": ["a", "b"] * 50}))
    return [
        NotNull("n", max_share=0.2),
        InRange("n", at_least=0, where=pl.col("x") > 0),
        InSet("s", ["a", "b"]),
        Matches("s", "[a-z]+"),
        ForeignKey("n", pl.DataFrame({"n": [1, 2, 3]})),
        Holds(pl.col("n") < pl.col("x"), label="n is below x"),
        Passes("s", is_short),
        Unique("n"),
        Unique(["s", "n"], where=pl.col("x") > 0, max_share=0.1),
        SumInRange("n", at_least=0),
        RowCount(at_least=3, where=pl.col("x") > 0),
        Fresh("t", max_age=timedelta(hours=6)),
        LikeReference(then["s"]),
        NotNull("nowhere"),
        InRange("s", at_least=0),
    ]


@given(rows, st.integers(1, 6), st.integers(1, 3))
def test_any_cut_of_a_table_has_the_findings_of_the_whole(
    values: list[tuple[Any, ...]], batch_rows: int, n_threads: int
) -> None:
    table = pl.DataFrame(values, schema=TYPES, orient="row")
    source = FrameSource.of(table, batch_rows=batch_rows)
    suite = Expectations(rules())

    in_parts = check_source(
        suite, source, engine=LocalEngine(n_threads=n_threads), clock=lambda: NOW,
        sensitive=["t"], n_examples=3,
    )  # fmt: skip
    whole = suite.check(table, clock=lambda: NOW, sensitive=["t"], n_examples=3)

    assert in_parts.findings == whole.findings


@pytest.mark.parametrize(
    "rule",
    [
        Monotone("n"),
        FigureInRange(pl.col("n").mean(), at_least=0),
        Holds(pl.col("n") > pl.col("n").mean(), label="above average"),
        NotNull("n", where=pl.col("n").is_duplicated()),
    ],
)
def test_a_rule_that_compares_rows_is_refused_and_not_answered_wrongly(rule: Expectation) -> None:
    table = pl.DataFrame({"n": [1, 2]})

    with pytest.raises(InvalidDataError, match="needs the whole table at once"):
        check_source(Expectations([rule]), table)


def test_a_function_that_raises_in_one_part_tells_nothing_of_the_whole() -> None:
    source = FrameSource.of(pl.DataFrame({"n": [1, 0, 2]}), batch_rows=1)

    finding = check_source(Expectations([Passes("n", lambda n: 1 / n > 0)]), source).findings[0]

    assert finding.verdict == "INSUFFICIENT"
    assert "raises" in finding.summary


def test_sums_of_floats_do_not_depend_on_the_cut() -> None:
    """1e16 + 1 - 1e16 is 1: in any order, since parts are added exactly."""
    rule = SumInRange("x", at_least=1, at_most=1)
    values = [1e16, 1.0, -1e16]

    for order in ([0, 1, 2], [0, 2, 1], [1, 0, 2]):
        source = FrameSource.of(pl.DataFrame({"x": [values[i] for i in order]}), batch_rows=1)
        assert check_source(Expectations([rule]), source).findings[0].verdict == "PASS"

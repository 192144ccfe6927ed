"""A table as people look at it."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mldeploy.data import DataReport, Dataset
from mldeploy.evidence import Finding, Report

NOW = datetime(2030, 1, 1, tzinfo=UTC)


def flights(n: int = 3000) -> pl.DataFrame:
    rng = np.random.default_rng(0)
    origin = rng.choice(["JFK", "LGA"], n)
    return pl.DataFrame(
        {
            "at": [NOW + timedelta(hours=i) for i in range(n)],
            "origin": origin,
            "wind": [None if i < n // 2 else float(i % 7) for i in range(n)],
            "gust": [None if i < n // 4 else 1.0 for i in range(n)],
            "pilot": [f"pilot {i % 900}" for i in range(n)],
            "late": rng.uniform(size=n) < np.where(origin == "JFK", 0.1, 0.4),
        }
    )


def report() -> DataReport:
    data = Dataset.of(flights(), target="late", time="at", sensitive=["pilot"], name="flights")
    return DataReport.of(data)


def test_what_is_missing_when_and_together_is_told() -> None:
    missing = report().missing

    assert missing.columns == ("wind", "gust")
    assert [len(shares) for shares in missing.shares] == [60, 60]
    assert missing.shares[0] == (1.0,) * 30 + (0.0,) * 30
    assert missing.shares[1] == (1.0,) * 15 + (0.0,) * 45
    found = {pattern.columns: pattern.n for pattern in missing.patterns}
    assert found == {("wind", "gust"): 750, ("wind",): 750}


def test_the_order_of_the_rows_does_not_change_when_things_are_missing() -> None:
    shuffled = flights().sample(fraction=1.0, shuffle=True, seed=1)

    again = DataReport.of(Dataset.of(shuffled, target="late", time="at"))

    assert again.missing == report().missing


def test_the_slice_in_which_the_target_differs_is_found_with_its_share() -> None:
    table = flights()
    there = table.filter(pl.col("origin") == "LGA")

    by_target = report().by_target

    assert by_target is not None
    found = {(s.column, s.label): s for s in by_target.slices}
    assert set(found) == {("origin", "JFK"), ("origin", "LGA")}
    assert found["origin", "LGA"].mean == pytest.approx(there["late"].mean())
    assert found["origin", "LGA"].n == there.height
    assert next(iter(by_target.columns)) == "origin"


def test_where_nothing_goes_with_the_target_nothing_is_claimed() -> None:
    """All intervals hold at once in 95 % of tables: more than 4 of 20 has probability 0.0026."""
    rng = np.random.default_rng(0)
    claimed = 0
    for _ in range(20):
        frame = pl.DataFrame({f"x{i}": rng.normal(size=1000) for i in range(5)})
        frame = frame.with_columns(y=pl.Series(rng.uniform(size=1000) < 0.3))
        by_target = DataReport.of(Dataset.of(frame, target="y")).by_target
        assert by_target is not None
        claimed += bool(by_target.slices)

    assert claimed <= 4


def test_one_row_of_each_unit_is_looked_at_where_rows_come_in_units() -> None:
    frame = flights().with_columns(day=pl.int_range(pl.len()) // 10)

    by_target = DataReport.of(Dataset.of(frame, target="late", unit="day")).by_target

    assert by_target is not None
    assert by_target.n == 300


def test_the_later_half_is_held_against_the_earlier() -> None:
    halves = report().halves

    assert halves is not None
    assert (halves.n_reference, halves.n_current) == (1500, 1500)
    assert {c.column for c in halves.drifted} == {"wind", "gust"}


def test_values_of_sensitive_columns_are_not_shown() -> None:
    shown = report().to_html() + report().to_text()

    assert "pilot" in shown
    assert "pilot 7" not in shown
    assert "•••" in shown


def test_findings_come_first() -> None:
    finding = Finding(check="A", name="late_leaks", verdict="FAIL", summary="It leaks.")
    found = Report(step="assess", made_by="A", findings=(finding,), started_at=NOW)

    shown = DataReport.of(flights(), findings=found).to_html()

    assert 0 < shown.index("It leaks.") < shown.index("Missing values")


NASTY = {
    "nothing": [None] * 4,
    "one value": [1.0] * 4,
    "infinite": [np.inf, -np.inf, None, 1.0],
    "only infinite": [np.inf, -np.inf, None, np.inf],
    "huge": [1.7e308, -1.7e308, 0.0, 1.0],
    "tiny": [5e-324, 0.0, 1e-323, 0.0],
    "text": ["", "\x00", "a" * 10_000, None],
    "control": ["\x1b[31m", "\n", "\t", "é"],
    "date": [date(1, 1, 1), date(9999, 12, 31), None, date(2030, 1, 1)],
    "clock": [time(0), time(23, 59, 59, 999_999), None, time(12)],
    "span": [timedelta(days=-999), timedelta(0), None, timedelta(microseconds=1)],
    "flag": [True, False, None, True],
}


@pytest.mark.parametrize("target", NASTY)
def test_any_column_may_be_the_target_and_any_be_shown(target: str) -> None:
    table = pl.DataFrame(NASTY).with_columns(
        at=pl.Series([NOW, NOW, NOW + timedelta(1), NOW], dtype=pl.Datetime("us", "UTC"))
    )
    made = DataReport.of(Dataset.of(table, target=target, time="at"))

    assert "nan" not in made.to_html().lower()
    assert "\x1b" not in made.to_text()


@given(st.lists(st.none() | st.floats(), min_size=1, max_size=40))
def test_bars_and_what_lies_beyond_are_all_known_values(values: list[float | None]) -> None:
    table = pl.DataFrame({"x": values}, schema={"x": pl.Float64})
    made = DataReport.of(table)
    histogram, known = made.histograms["x"], made.profile["x"].n_known

    if known:
        shown = sum(histogram.shares) * known + histogram.beyond
        assert shown == pytest.approx(known)


def test_a_wide_table_makes_a_page_of_moderate_size() -> None:
    table = pl.DataFrame({f"column {i}": range(50) for i in range(600)})
    made = DataReport.of(Dataset.of(table, target="column 3"))

    assert max(map(len, (made.to_html(), made._repr_html_(), made.to_text()))) < 2_000_000


@pytest.mark.slow
def test_the_page_of_all_flights_stays_below_two_megabytes() -> None:
    wide = flights(100_000)

    assert len(DataReport.of(Dataset.of(wide, target="late", time="at")).to_html()) < 500_000

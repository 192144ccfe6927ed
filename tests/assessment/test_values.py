"""Impossible values are named with their counts; ordinary columns are not."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from mldeploy.assessment import TimelinessAssessor, ValuesAssessor
from mldeploy.data import dataset_for
from mldeploy.evidence import Finding, Report, Severity
from mldeploy.problem import Criterion, Problem

N = 3_000


def problem(**fields: object) -> Problem:
    return Problem(
        name="p", statement="What is y?", target="y", positive=True,
        criteria=[Criterion("accuracy", at_least=0.7)], **fields,  # type: ignore[arg-type]
    )  # fmt: skip


def sensors(seed: int = 0) -> pd.DataFrame:
    """One reading a minute: a walk, a skewed one, a count, rain on few days."""
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "t": pd.date_range("2030-01-01", periods=N, freq="min", tz="UTC"),
            "walk": np.round(np.cumsum(rng.normal(size=N)), 1),
            "skewed": rng.lognormal(1, 1, N),
            "count": rng.integers(0, 400, N),
            "rain": np.where(rng.random(N) < 0.9, 0.0, np.round(rng.gamma(2, 3, N), 1)),
            "y": rng.random(N) < 0.5,
        }
    )


def assessed(frame: pd.DataFrame, **fields: object) -> Report:
    asked = problem(prediction_time="t", **fields)
    return ValuesAssessor().assess(dataset_for(frame, asked), asked)


def only(report: Report) -> Finding:
    (found,) = report.alarms
    assert found.severity is Severity.WARNING
    return found


def test_ordinary_sensors_raise_nothing() -> None:
    """At 0.01 a table for outliers, one or more false in 40 have a chance of 0.33, 4 of 0.0005."""
    alarms = [f for seed in range(40) for f in assessed(sensors(seed)).alarms]

    assert len(alarms) < 4


def test_a_code_for_missing_is_told_from_an_outlier() -> None:
    frame = sensors()
    frame.loc[[5, 500, 900], "skewed"] = -999.0
    far = sensors()
    far.loc[7, "rain"] = 9_831.3

    code, outlier = only(assessed(frame)), only(assessed(far))

    assert (code.name, code.column, code.details["count"]) == ("sentinel", "skewed", 3)
    assert (outlier.name, outlier.column, outlier.estimate) == ("outliers", "rain", 9_831.3)


def test_values_in_another_unit_are_told_with_the_factor() -> None:
    frame = sensors()
    frame["count"] = frame["count"].astype(float)
    frame.loc[:7, "count"] = 200_000.0 + np.arange(8)

    found = only(assessed(frame))

    assert "Divided by 1000 they would be in the middle" in found.summary


def test_counts_below_zero_are_told_and_temperatures_are_not() -> None:
    frame = sensors().assign(celsius=np.random.default_rng(1).normal(12, 6, N).round().astype(int))
    frame.loc[3:5, "count"] = [-1, -2, -1]

    found = only(assessed(frame))

    assert (found.name, found.column) == ("negative_values", "count")
    assert found.details == {"count": 3, "lowest": -2}


def test_a_stuck_sensor_is_told_with_the_time_it_stuck() -> None:
    frame = sensors()
    frame.loc[1_000:1_149, "walk"] = frame.loc[1_000, "walk"]

    found = only(assessed(frame))

    assert (found.name, found.column) == ("stuck_values", "walk")
    assert found.estimate == pytest.approx(150, abs=3)
    assert "2030-01-01 16:" in found.summary


def test_a_sensor_is_stuck_within_its_unit() -> None:
    frame = pd.concat([sensors(s).assign(who=f"s{s}") for s in range(3)], ignore_index=True)
    frame.loc[frame.index[3_500:3_600], "walk"] = 1.5

    found = only(assessed(frame.sort_values("t", kind="stable"), unit="who"))

    assert "of s1 are 1.5" in found.summary


def test_moments_that_repeat_in_a_series_are_counted() -> None:
    frame = sensors().drop(columns=["skewed", "rain"])
    twice = pd.concat([frame, frame.iloc[:120]], ignore_index=True)
    asked = problem(prediction_time="t")

    report = TimelinessAssessor().assess(dataset_for(twice, asked), asked)
    events = twice.assign(t=twice["t"].dt.floor("h"))

    (found,) = report.select(name="repeated_times")
    assert found.details["count"] == 120
    assert not [
        f
        for f in TimelinessAssessor().assess(dataset_for(events, asked), asked).alarms
        if f.name == "repeated_times"
    ]


def test_units_that_fell_silent_are_named_unless_a_budget_asks() -> None:
    frame = pd.concat([sensors(s).assign(who=f"s{s}") for s in range(4)], ignore_index=True)
    cut = frame[(frame["who"] != "s2") | (frame["t"] < "2030-01-02")]
    asked = problem(prediction_time="t", unit="who")

    (found,) = (
        TimelinessAssessor().assess(dataset_for(cut, asked), asked).select(name="silent_units")
    )

    assert (found.details["silent"], found.details["ended"]) == (1, 1)
    assert "s2 to the end" in found.summary


@pytest.mark.parametrize("settings", [{"alpha": 1.0}, {"stuck": 1.0}])
def test_settings_that_make_no_sense_are_refused(settings: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(settings))):
        ValuesAssessor(**settings)

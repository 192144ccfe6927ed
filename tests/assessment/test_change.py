"""Nothing is seen between halves of a month; what is done to one of them is named."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from mldeploy.assessment import ChangeAssessor
from mldeploy.data import Dataset, dataset_for
from mldeploy.evidence import Report, Severity, Verdict
from mldeploy.problem import Criterion, Problem

Halves = Callable[[int], tuple[pd.DataFrame, pd.DataFrame]]
Defect = Callable[[pd.DataFrame, np.random.Generator], pd.Series]

SMALL = Problem(
    name="p", statement="What is y?", target="y", positive=True,
    criteria=[Criterion("accuracy", at_least=0.7)],
)  # fmt: skip


def compared(
    reference: pd.DataFrame, current: pd.DataFrame, problem: Problem, **settings: object
) -> Report:
    assessor = ChangeAssessor(reference=dataset_for(reference, problem), **settings)  # type: ignore[arg-type]
    return assessor.assess(dataset_for(current, problem), problem)


def seen(report: Report) -> list[tuple[str | None, str]]:
    return [(f.column, f.name) for f in report.alarms]


def some_of(share: float, value: object) -> Defect:
    """Write a value, or what a function makes of the column, over a share of the rows."""

    def plant(frame: pd.DataFrame, column: str, rng: np.random.Generator) -> pd.Series:
        new = value(frame[column]) if callable(value) else value
        return frame[column].mask(rng.random(len(frame)) < share, new)

    return plant  # type: ignore[return-value]


def all_of(change: Callable[[pd.Series], pd.Series]) -> Defect:
    return lambda frame, column, rng: change(frame[column])  # type: ignore[misc, call-arg]


def wider(factor: float) -> Defect:
    return all_of(lambda x: x.mean() + factor * (x - x.mean()))


PLANTED = [
    ("units_changed", "distance", all_of(lambda x: x * 1.609344)),
    ("units_changed", "temp", all_of(lambda x: (x - 32) / 1.8)),
    ("units_changed", "pressure", all_of(lambda x: x / 33.863886)),
    ("shifted", "temp", all_of(lambda x: x + 0.3 * x.std())),
    ("shifted", "humid", all_of(lambda x: x + 5)),
    ("nulls_jumped", "wind_speed", some_of(0.1, None)),
    ("nulls_jumped", "carrier", some_of(0.1, None)),
    ("new_values", "carrier", some_of(0.01, "ZZ")),
    ("stuck_values", "temp", some_of(0.1, 39.02)),
    ("stuck_values", "dewp", some_of(1.0, 33.1)),
    ("outliers", "distance", some_of(0.001, 99_999)),
    ("outliers", "temp", some_of(0.001, -999.0)),
    ("outliers", "precip", some_of(0.001, 50.0)),
    ("case_changed", "carrier", some_of(0.2, lambda x: x.str.lower())),
    ("case_changed", "tailnum", all_of(lambda x: x.str.lower() + " ")),
    ("spread_changed", "temp", wider(1.5)),
    ("spread_changed", "humid", wider(0.6)),
]


@pytest.mark.parametrize(
    ("name", "column", "plant"), PLANTED, ids=[f"{n}-{c}" for n, c, _ in PLANTED]
)
def test_planted_defect_of_the_flights_is_named(
    name: str, column: str, plant: Defect, halves: Halves, late: Problem
) -> None:
    before, after = halves(1)
    planted = after.assign(**{column: plant(after, column, np.random.default_rng(2))})  # type: ignore[call-arg, arg-type]

    report = compared(before, planted, late)

    assert seen(report) == [(column, name)]
    assert report.alarms[0].severity is Severity.WARNING
    assert report.alarms[0].action


@pytest.mark.slow
def test_nothing_is_seen_between_random_halves_of_a_month(
    january: pd.DataFrame, late: Problem
) -> None:
    """At alpha 0.001 a report, one false alarm in 15 reports has a chance of at most 0.015."""
    month = dataset_for(january, late)
    for seed in range(15):
        first, second = np.array_split(np.random.default_rng(seed).permutation(len(month)), 2)
        report = ChangeAssessor(reference=month.take(first)).assess(month.take(second), late)
        assert seen(report) == []


def test_ordinary_weeks_are_judged_by_how_weeks_differed() -> None:
    """Each week has weather of its own: to rows taken as independent every week is news."""
    rng = np.random.default_rng(0)
    n_weeks, n = 13, 600
    week = np.repeat(np.arange(n_weeks), n)
    frame = pd.DataFrame(
        {
            "t": pd.Timestamp("2030-01-01", tz="UTC")
            + pd.to_timedelta(np.tile(np.arange(n), n_weeks) * 60, unit="s")
            + pd.to_timedelta(week * 7, unit="D"),
            "temp": rng.normal(size=week.size) + 0.5 * rng.normal(size=n_weeks)[week],
            "y": rng.random(week.size) < 0.5,
        }
    )
    problem = SMALL.model_copy(update={"prediction_time": "t"})
    past, now = frame[week < 12], frame[week == 12].reset_index(drop=True)
    hot = now.assign(temp=now["temp"] + 6)

    ordinary = compared(past, now, problem, every=timedelta(days=7))
    alone = compared(past, now, problem)
    heat = compared(past, hot, problem, every=timedelta(days=7))

    assert seen(ordinary) == []
    assert "12 past windows" in ordinary.select(name="changes")[0].summary
    assert [c for c, _ in seen(alone)] == ["temp"]
    assert [c for c, _ in seen(heat)] == ["temp"]


def test_a_column_that_is_read_as_text_or_is_gone_is_told() -> None:
    before = pd.DataFrame({"x": [1.0, 2.0] * 50, "z": 1.0, "y": [True, False] * 50})
    after = before.drop(columns="z").assign(x=["1,0", "2,0"] * 50, new=1)

    report = compared(before, after, SMALL)

    assert seen(report) == [("x", "type_changed"), ("new", "column_gone")]


def test_times_are_not_compared_and_it_says_so() -> None:
    times = pd.date_range("2030-01-01", periods=100, tz="UTC")
    before = pd.DataFrame({"when": times, "y": [True, False] * 50})

    report = compared(before, before.assign(when=times + pd.Timedelta(days=500)), SMALL)

    assert seen(report) == []
    assert report.select(name="change of times")[0].verdict is Verdict.INSUFFICIENT


def test_infinite_values_and_empty_columns_do_no_harm() -> None:
    before = pd.DataFrame({"x": [np.inf, 1.0] * 50, "e": np.nan, "y": [True, False] * 50})

    assert seen(compared(before, before, SMALL)) == []
    assert seen(compared(before, before.assign(x=-np.inf), SMALL))


@pytest.mark.parametrize(
    "settings", [{"alpha": 0.0}, {"n_sd": -1.0}, {"every": timedelta(days=1)}]
)
def test_settings_that_make_no_sense_are_refused(settings: dict[str, object]) -> None:
    data = Dataset.of(pd.DataFrame({"y": [True]}), target="y")
    with pytest.raises(ValueError, match=next(iter(settings))):
        ChangeAssessor(reference=data, **settings)  # type: ignore[arg-type]

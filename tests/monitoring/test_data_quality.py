"""Criteria on data as alarms, and the rules about single columns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from mldeploy.errors import InvalidDataError
from mldeploy.evidence import Severity, Verdict
from mldeploy.monitoring import DataQualityMonitor
from mldeploy.problem import Criterion

EVERY_TENTH = pl.int_range(pl.len()) % 10 == 0
FAULTS: dict[str, tuple[str, pl.Expr]] = {
    "null_share_jump": ("distance", pl.when(~EVERY_TENTH).then(pl.col("distance"))),
    "new_values": ("carrier", pl.when(EVERY_TENTH).then(pl.lit("XX")).otherwise("carrier")),
    "range_breach": ("wind", pl.when(EVERY_TENTH).then(pl.lit(1e6)).otherwise(pl.col("wind"))),
    "stuck_values": ("wind", pl.lit(10.0)),
}


def _faulty(day: Any, column: str, fault: pl.Expr) -> Any:
    return replace(day, answers=day.answers.with_columns(fault.alias(column)))


@pytest.mark.parametrize("history", [0, 10])
@pytest.mark.parametrize("rule", FAULTS)
def test_planted_faults_break_their_rule(world: Any, rule: str, history: int) -> None:
    rng = np.random.default_rng(0)
    column, fault = FAULTS[rule]
    day = _faulty(world.day(rng), column, fault)

    report = DataQualityMonitor().check(day, world.reference(rng, history=history))

    (alarm,) = report.select(name=rule)
    assert (alarm.column, alarm.verdict, alarm.severity) == (
        column, Verdict.FAIL, Severity.WARNING,
    )  # fmt: skip


def test_unchanged_days_seldom_break_a_rule(world: Any) -> None:
    """At 1 % a report, more than 3 of 40 reports alarm with probability .0007."""
    rng = np.random.default_rng(1)
    reference = world.reference(rng)

    reports = [DataQualityMonitor().check(world.day(rng, i), reference) for i in range(40)]

    assert sum(bool(r.alarms) for r in reports) <= 3


def test_criteria_are_judged_by_their_interval_and_digest(world: Any) -> None:
    """10 % of 900 missing against a bound of 5 %: the interval begins at .082."""
    rng = np.random.default_rng(0)
    day = _faulty(world.day(rng), "wind", pl.when(~EVERY_TENTH).then(10.0))

    report = DataQualityMonitor().check(day, world.reference(rng))

    (finding,) = report.select(name="missing_share")
    assert (finding.estimate, finding.verdict) == (0.1, Verdict.FAIL)
    assert finding.criterion == world.problem.criteria[3].digest


def test_what_a_criterion_told_is_not_told_again(world: Any) -> None:
    rng = np.random.default_rng(0)
    day = _faulty(world.day(rng), "wind", pl.when(~EVERY_TENTH).then(pl.col("wind")))

    report = DataQualityMonitor().check(day, world.reference(rng))

    assert [(a.name, a.column) for a in report.alarms] == [("missing_share", "wind")]


def test_a_column_that_is_constant_every_day_is_not_stuck(world: Any) -> None:
    rng = np.random.default_rng(0)
    reference = world.reference(rng)
    days = [_faulty(world.day(rng, i), "wind", pl.lit(float(i))) for i in range(9)]
    past = replace(reference, history=tuple(day.profile for day in days[:8]))

    assert (
        DataQualityMonitor().check(days[8], reference).select(name="stuck_values", column="wind")
    )
    assert not DataQualityMonitor().check(days[8], past).alarms


def test_lost_answers_and_refused_requests_are_counted(world: Any) -> None:
    rng = np.random.default_rng(0)
    day = replace(world.day(rng), dropped=7, rejected=100)

    report = DataQualityMonitor().check(day, world.reference(rng))

    told = {a.name: a.estimate for a in report.alarms}
    assert told == {"dropped_rows": 7.0, "rejected_share": 0.1}


def test_a_criterion_on_invalid_requests_replaces_the_rule(make_world: Callable[..., Any]) -> None:
    world = make_world(Criterion("invalid_share", at_most=0.05))
    rng = np.random.default_rng(0)
    day = replace(world.day(rng), rejected=100)

    report = DataQualityMonitor().check(day, world.reference(rng))

    assert [(a.name, a.estimate) for a in report.alarms] == [("invalid_share", 0.1)]
    assert not report.select(name="rejected_share")


def test_age_and_label_coverage_are_those_of_the_window(make_world: Callable[..., Any]) -> None:
    """The last answer stands 6 hours before the end; every second answer has its label."""
    world = make_world(
        Criterion("age", at_most=timedelta(hours=1)),
        Criterion("label_coverage", at_least=0.9),
        Criterion("row_count", at_least=50_000),
    )
    rng = np.random.default_rng(0)
    day = world.day(rng)
    last = day.start + timedelta(hours=18)
    times = [last - timedelta(seconds=i) for i in range(len(day))]
    known = pl.when(pl.int_range(pl.len()) % 2 == 0).then(pl.col("label"))
    day = replace(day, answers=day.answers.with_columns(time=pl.Series(times), label=known))

    report = DataQualityMonitor().check(day, world.reference(rng))

    assert {a.name: a.estimate for a in report.alarms} == {"age": 21_600.0, "label_coverage": 0.5}
    watched = DataQualityMonitor(metrics=("row_count",)).check(day, world.reference(rng))
    assert watched.select(name="row_count")[0].verdict is Verdict.FAIL


def test_columns_that_cannot_be_watched_are_told(world: Any) -> None:
    rng = np.random.default_rng(0)
    day, reference = world.day(rng), world.reference(rng)
    text = replace(day, answers=day.answers.with_columns(pl.col("wind").cast(pl.String)))
    gone = replace(day, answers=day.answers.drop("distance"))

    changed = DataQualityMonitor().check(text, reference).select(name="unreadable_column")
    unlogged = DataQualityMonitor().check(gone, reference).select(name="unreadable_column")

    assert [(f.column, f.verdict) for f in changed] == [("wind", Verdict.FAIL)]
    assert [f.column for f in unlogged] == ["distance"]


def test_a_column_without_any_value_is_a_jump_of_nulls(world: Any) -> None:
    rng = np.random.default_rng(0)
    day = _faulty(world.day(rng), "carrier", pl.lit(None))

    report = DataQualityMonitor().check(day, world.reference(rng))

    assert [(a.name, a.column, a.estimate) for a in report.alarms] == [
        ("null_share_jump", "carrier", 1.0)
    ]


def test_an_empty_window_proves_nothing(world: Any) -> None:
    rng = np.random.default_rng(0)
    day = world.day(rng)
    empty = replace(day, answers=day.answers.clear())

    report = DataQualityMonitor().check(empty, world.reference(rng))

    assert not report.alarms
    assert report.verdict is Verdict.INSUFFICIENT


def test_nonsense_is_refused(world: Any) -> None:
    with pytest.raises(ValueError, match="duplicate_share"):
        DataQualityMonitor(metrics=("duplicate_share",))
    for settings in ({"alpha": 1.0}, {"max_rejected_share": 1.0}, {"min_history": 1}):
        with pytest.raises(ValueError, match=r"must|no "):
            DataQualityMonitor(**settings)
    with pytest.raises(InvalidDataError, match="counts"):
        replace(world.day(np.random.default_rng(0)), dropped=-1)

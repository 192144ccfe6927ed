"""Latency criteria, failures, and outages within a window that is well on average."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from mldeploy.evidence import Verdict
from mldeploy.monitoring import LatencyMonitor, MonitorSuite, default_monitors
from mldeploy.problem import Criterion


def _failing(day: Any, which: pl.Expr) -> Any:
    return replace(
        day, answers=day.answers.with_columns(error=pl.when(which).then(pl.lit("boom")))
    )


def test_latency_is_judged_by_order_statistics(world: Any) -> None:
    """Exponential with mean 4 ms: p99 is 18 ms; ten times slower it is far above 40 ms."""
    rng = np.random.default_rng(0)
    day, reference = world.day(rng), world.reference(rng)
    slow = replace(day, answers=day.answers.with_columns(pl.col("latency_s") * 10))

    (well,) = LatencyMonitor().check(day, reference).select(name="latency_p99")
    (ill,) = LatencyMonitor().check(slow, reference).select(name="latency_p99")

    assert (well.verdict, ill.verdict) == (Verdict.PASS, Verdict.FAIL)
    assert ill.details["method"] == "order statistics"
    assert ill.criterion == world.problem.criteria[2].digest


def test_many_failures_are_an_alarm_and_few_are_none(world: Any) -> None:
    """With an objective of 99 %, 50 of 900 fail it surely and 9 of 900 do not."""
    rng = np.random.default_rng(0)
    day, reference = world.day(rng), world.reference(rng)
    row = pl.int_range(pl.len())

    few = LatencyMonitor().check(_failing(day, row % 100 == 0), reference)
    many = LatencyMonitor().check(_failing(day, row % 18 == 0), reference)

    assert not few.alarms
    assert many.alarms[0].name == "error_share"
    assert many.alarms[0].estimate == pytest.approx(50 / 900)


def test_a_short_outage_burns_the_budget_though_the_day_is_well(world: Any) -> None:
    """20,000 answers a day are 833 an hour; half an hour's 417 failures are 2 % of the day.

    They are half of an hour's requests: the budget of 2.5 % burns 20 times too fast.
    """
    rng = np.random.default_rng(0)
    day = world.day(rng, n_rows=20_000)
    begin = day.start + timedelta(hours=3)
    outage = pl.col("time").is_between(begin, begin + timedelta(minutes=30))

    report = LatencyMonitor(objective=0.975).check(_failing(day, outage), world.reference(rng))

    (alarm,) = report.alarms
    assert alarm.name == "error_burn_rate"
    assert alarm.estimate == pytest.approx(20, rel=0.15)


def test_silence_is_told(world: Any) -> None:
    rng = np.random.default_rng(0)
    day = world.day(rng)
    empty = replace(day, answers=day.answers.clear())

    report = LatencyMonitor().check(empty, world.reference(rng))

    (finding,) = report.select(name="error_share")
    assert finding.verdict is Verdict.INSUFFICIENT


def test_the_default_suite_is_silent_on_an_ordinary_day(world: Any) -> None:
    rng = np.random.default_rng(0)
    suite = default_monitors(world.problem)

    reference = world.reference(rng, history=8)
    for i in range(6):
        reference = reference.after(world.day(rng, i))

    report = suite.check(world.day(rng, 6), reference)

    assert not report.alarms
    assert report.passed
    assert {f.check for f in report.findings} == {type(m).__name__ for m in suite.monitors}


def test_without_criteria_on_labels_nothing_asks_for_them(make_world: Any) -> None:
    world = make_world(Criterion("missing_share", at_most=0.1))

    names = [type(m).__name__ for m in default_monitors(world.problem).monitors]

    assert "PerformanceMonitor" not in names


def test_nonsense_is_refused() -> None:
    for settings in ({"objective": 1.0}, {"min_errors": 0}):
        with pytest.raises(ValueError, match=r"lies|nothing"):
            LatencyMonitor(**settings)
    with pytest.raises(ValueError, match="at least one"):
        MonitorSuite(())

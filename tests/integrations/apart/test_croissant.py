"""Croissant exports are valid to the reference checker, which loads the rows by them."""

from __future__ import annotations

import json
import warnings
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from mldeploy.data import Catalogue, DataSheet
from mldeploy.store import Store

mlcroissant = pytest.importorskip("mlcroissant")
pytestmark = pytest.mark.filterwarnings("ignore")


def sheet_of(data: Any, folder: Path) -> DataSheet:
    with Store.open(folder / "mlstore") as store:
        catalogue = Catalogue(store)
        catalogue.describe(
            "flights",
            description="Departures, a row for each.",
            owner="Operations",
            licence="CC0-1.0",
            tags=["nyc"],
            by="ana",
        )
        return catalogue.sheet(catalogue.add(data, name="flights", by="ana"))


def table(start: int) -> pl.DataFrame:
    first = datetime(2026, 1, 1, tzinfo=UTC)
    numbers = range(start, start + 3)
    return pl.DataFrame(
        {
            "number": list(numbers),
            "delay": [n / 2 for n in numbers],
            "origin": ["JFK", "LGA", "EWR"],
            "late": [n % 2 == 0 for n in numbers],
            "at": [first + timedelta(hours=n) for n in numbers],
            "day": [(first + timedelta(days=n)).date() for n in numbers],
        }
    )


def checked(sheet: DataSheet, folder: Path) -> Any:
    """Return the data set as the checker reads it, from beside the files; it warns of nothing."""
    path = folder / "croissant.json"
    path.write_text(json.dumps(sheet.to_croissant(url="https://example.org/flights")))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = mlcroissant.Dataset(jsonld=str(path))
    assert not found.metadata.ctx.issues.errors
    assert not found.metadata.ctx.issues.warnings
    return found


@pytest.mark.parametrize("n_files", [1, 3])
@pytest.mark.parametrize("suffix", ["parquet", "csv"])
def test_the_checker_accepts_it_and_reads_every_row(
    tmp_path: Path, n_files: int, suffix: str
) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    tables = [table(3 * number) for number in range(n_files)]
    for number, part in enumerate(tables):
        getattr(part, f"write_{suffix}")(folder / f"{number}.{suffix}")

    rows = list(checked(sheet_of(folder, tmp_path), folder).records("rows"))

    assert sorted(row["rows/number"] for row in rows) == list(range(3 * n_files))
    assert sorted({row["rows/origin"] for row in rows}) == [b"EWR", b"JFK", b"LGA"]


def test_the_checker_accepts_data_of_which_no_file_is_known(tmp_path: Path) -> None:
    assert checked(sheet_of(table(0), tmp_path), tmp_path).metadata.name == "flights"

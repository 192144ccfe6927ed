"""Tables from files."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from mldeploy.data import Dataset


def read_table(path: Path) -> pl.DataFrame:
    """Read a Parquet or CSV file.

    Raises
    ------
    InvalidDataError
        If it is not there, or no table.
    """
    return Dataset.of(path).polars()

"""Tables from and to files."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import polars as pl

from mldeploy.data import Dataset
from mldeploy.errors import AlreadyExistsError, InvalidDataError

_STARTS: Final = "=+-@\t\r\n\uff1d\uff0b\uff0d\uff20"
"""What a formula may begin with; spreadsheets also read the full-width forms."""
_FORMULA: Final = f"^[{re.escape(_STARTS)}]"


def read_table(path: Path) -> pl.DataFrame:
    """Read a Parquet or CSV file.

    Raises
    ------
    InvalidDataError
        If it is not there, or no table.
    """
    return Dataset.of(path).polars()


def must_be_writable(path: Path) -> None:
    """Refuse a file that could not be written, before there is anything to write.

    Raises
    ------
    AlreadyExistsError
        If it exists.
    InvalidDataError
        If its name ends in neither ``.parquet`` nor ``.csv``, or its folder is not there.
    """
    if path.exists():
        raise AlreadyExistsError(f"{path} exists; name another file")
    if path.suffix not in {".parquet", ".csv"}:
        raise InvalidDataError(f"{path} should end in .parquet or .csv")
    if not path.parent.is_dir():
        raise InvalidDataError(f"there is no folder {path.parent}; make it, or name another")


def write_table(table: pl.DataFrame, path: Path) -> None:
    """Write a Parquet or CSV file, which appears whole or not at all.

    In CSV, text that a spreadsheet would run as a formula is kept from it by an apostrophe, and
    every text is quoted.

    Raises
    ------
    InvalidDataError
        If the name ends in neither ``.parquet`` nor ``.csv``.
    """
    unfinished = path.with_name(f".{path.name}.unfinished")
    try:
        if path.suffix == ".parquet":
            table.write_parquet(unfinished)
        elif path.suffix == ".csv":
            without_formulas(table).write_csv(unfinished, quote_style="non_numeric")
        else:
            raise InvalidDataError(f"{path} should end in .parquet or .csv")
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def without_formulas(table: pl.DataFrame) -> pl.DataFrame:
    """Return a table whose names and texts no spreadsheet takes for a formula.

    Examples
    --------
    >>> without_formulas(pl.DataFrame({"=a": ["=1+1", "plain", "-2"]})).to_dict(as_series=False)
    {"'=a": ["'=1+1", 'plain', "'-2"]}
    """
    nested = [n for n, dtype in table.schema.items() if dtype.is_nested()]
    flat = table.with_columns(
        pl.col(n).map_elements(lambda v: str(v.to_list()), return_dtype=pl.String) for n in nested
    )
    worded = [n for n, t in flat.schema.items() if isinstance(t, pl.Categorical | pl.Enum)]
    flat = flat.with_columns(pl.col(worded).cast(pl.String))
    safe = flat.with_columns(pl.col(pl.String).str.replace(_FORMULA, "'${0}"))
    return safe.rename({n: f"'{n}" for n in safe.columns if n and n[0] in _STARTS})

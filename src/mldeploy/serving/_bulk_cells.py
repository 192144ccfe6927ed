"""Cells of CSV files that no spreadsheet takes for a formula."""

from __future__ import annotations

import re
from typing import Final

import polars as pl

_STARTS: Final = "=+-@\t\r\n\uff1d\uff0b\uff0d\uff20"
"""What a formula may begin with; spreadsheets also read the full-width forms."""

_FORMULA: Final = f"^[{re.escape(_STARTS)}]"


def without_formulas(rows: pl.LazyFrame) -> pl.LazyFrame:
    """Return rows whose names and texts no spreadsheet takes for a formula.

    Text that would run is kept from it by an apostrophe; lists become text.

    Examples
    --------
    >>> rows = pl.LazyFrame({"=a": ["=1+1", "plain", "-2"]})
    >>> without_formulas(rows).collect().to_dict(as_series=False)
    {"'=a": ["'=1+1", 'plain', "'-2"]}
    """
    cells, names = [], {}
    for name, dtype in rows.collect_schema().items():
        if name and name[0] in _STARTS:
            names[name] = f"'{name}"
        if isinstance(dtype, pl.List | pl.Array):
            listed = pl.col(name).cast(pl.List(pl.String)).list.join(", ")
            cells.append(pl.concat_str(pl.lit("["), listed, pl.lit("]")).alias(name))
        elif isinstance(dtype, pl.String | pl.Categorical | pl.Enum):
            text = pl.col(name).cast(pl.String)
            cells.append(text.str.replace(_FORMULA, "'${0}"))
    return rows.with_columns(cells).rename(names)

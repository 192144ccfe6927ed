"""Which of the caller's own pandas columns are shown again, and which are converted."""

from __future__ import annotations

import pandas as pd
import polars as pl

from mldeploy.data._convert import to_pandas

_COPY_ON_WRITE = int(pd.__version__.partition(".")[0]) >= 3


def unchanged_columns(source: pd.DataFrame | None, table: pl.DataFrame) -> pd.DataFrame | None:
    """Return the caller's columns that a conversion would give back unchanged."""
    if source is None:
        return None
    expected = dict(to_pandas(table.head(0)).dtypes)
    gaps = {c.name for c in table.get_columns() if c.dtype.is_integer() and c.null_count()}
    same = [n for n, dtype in dict(source.dtypes).items() if dtype == expected.get(n)]
    return source[[n for n in same if n not in gaps]].reset_index(drop=True)


def shown(
    table: pl.DataFrame, source: pd.DataFrame | None, names: tuple[str, ...]
) -> pd.DataFrame:
    """Return columns of a table in pandas, the caller's own where there are some."""
    own = set() if source is None else set(source.columns)
    converted = to_pandas(table.select([n for n in names if n not in own]))
    if source is None or own.isdisjoint(names):
        return converted
    kept = source[[n for n in names if n in own]]
    joined = kept if converted.empty else pd.concat([kept, converted], axis=1)
    return isolated(joined[list(names)])


def isolated(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a frame whose changes do not reach the original; no data is copied if pandas can."""
    return frame.copy(deep=not _COPY_ON_WRITE)

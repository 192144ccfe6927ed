"""Any table that a user may hold, counted in one pass."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TypeAlias

import polars as pl

from mldeploy.data._column_counts import TableCounts
from mldeploy.data._scan import count
from mldeploy.data._scan_files import Opening, count_files
from mldeploy.data._scan_source import Frame, SqlResult, SupportsBatches, as_path, open_frames
from mldeploy.errors import InvalidDataError

Profilable: TypeAlias = (
    Frame | pl.LazyFrame | SqlResult | SupportsBatches | Iterable[Frame] | str | Path
)
"""What `Profile.of` reads."""


def count_table(
    source: Profilable,
    *,
    limit: int,
    weight: str | None,
    types: Mapping[str, pl.DataType | type[pl.DataType]] | None,
    storage_options: Mapping[str, str] | None,
    progress: bool,
) -> TableCounts:
    """Return the counts of a table; see `Profile.of`."""
    if limit < 1:
        raise InvalidDataError(f"{limit=} lists no value; pass at least 1")
    path = as_path(source)
    if path is not None:
        opening = Opening(types=types or {}, storage_options=storage_options or {})
        return count_files(path, opening, limit=limit, weight=weight, progress=progress)
    scan = open_frames(source)
    return count(scan.batches, limit=limit, weight=weight, n_rows=scan.n_rows, progress=progress)

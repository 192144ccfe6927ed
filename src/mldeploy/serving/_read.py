"""Read a prediction log back."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Final

import polars as pl

from mldeploy.errors import InvalidDataError
from mldeploy.serving._batch import LOG_SCHEMA, stack
from mldeploy.serving._compact import live_segments
from mldeploy.serving._segments import folders

_ATTEMPTS: Final = 5


def read_log(
    root: str | Path,
    *,
    deployment: str | None = None,
    start: datetime | None = None,
    end: datetime | None = None,
) -> pl.DataFrame:
    """Read the predictions with start ≤ time < end; only the folders of that time are opened.

    Parameters
    ----------
    root : str or Path
        Folder of a `ParquetLog`; one that is not there holds no predictions.
    deployment : str, optional
        Whose predictions; by default everybody's.
    start, end : datetime, optional
        Times with a zone; None leaves that side open.

    Returns
    -------
    polars.DataFrame
        Sorted by time. Columns ``prediction_id``, ``key``, ``time`` (UTC), ``deployment``,
        ``version``, ``arm``, ``prediction``, ``score``, ``route``, ``latency_s`` (seconds),
        ``error``, then the features under their `logged_name`. A column whose type differed
        between versions has their common type, or is text.

    Raises
    ------
    InvalidDataError
        If a bound has no zone.
    """
    for bound in (start, end):
        if bound is not None and bound.tzinfo is None:
            raise InvalidDataError(
                f"{bound} has no time zone; pass datetime(..., tzinfo=timezone.utc)"
            )
    inside = pl.lit(True)  # noqa: FBT003 (a literal of the query)
    if start is not None:
        inside = inside & (pl.col("time") >= start)
    if end is not None:
        inside = inside & (pl.col("time") < end)
    for attempt in range(_ATTEMPTS):
        paths = [
            path
            for folder in folders(Path(root), deployment=deployment, start=start, end=end)
            for path in live_segments(folder)
        ]
        if not paths:
            break
        try:
            return _scan(paths, inside).sort("time", "prediction_id")
        except FileNotFoundError:  # a compaction replaced files after they were listed
            if attempt + 1 == _ATTEMPTS:
                raise
    return pl.DataFrame(schema=LOG_SCHEMA)


def _scan(paths: list[Path], inside: pl.Expr) -> pl.DataFrame:
    try:
        return _query(paths, inside).collect()
    except (pl.exceptions.SchemaError, pl.exceptions.ColumnNotFoundError):
        return stack([_query([path], inside).collect() for path in paths])


def _query(paths: list[Path], inside: pl.Expr) -> pl.LazyFrame:
    return pl.scan_parquet(paths, hive_partitioning=False, glob=False).filter(inside)

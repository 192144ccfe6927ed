"""Read a prediction log back."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Final

import polars as pl

from mldeploy.errors import InvalidDataError
from mldeploy.serving._batch import log_schema, stack
from mldeploy.serving._compact import list_segments
from mldeploy.serving._durable_journal import journals
from mldeploy.serving._durable_settle import rows_of, segments_of
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

    Rows that a durable log has acknowledged are found at once, whether they are Parquet yet or
    not, and also after the process was killed.

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
        try:
            tables = _tables(Path(root), deployment, start, end, inside)
        except FileNotFoundError:  # files were replaced after they were listed
            if attempt + 1 == _ATTEMPTS:
                raise
        else:
            break
    if not tables:
        return pl.DataFrame(schema=log_schema())
    return stack(tables).sort("time", "prediction_id")


def _tables(
    root: Path,
    deployment: str | None,
    start: datetime | None,
    end: datetime | None,
    inside: pl.Expr,
) -> list[pl.DataFrame]:
    """Return rows from Parquet, and from journals whatever is not Parquet yet.

    Journals are listed first. If they are still there after the files were listed, then no file
    of theirs was merged and forgotten meanwhile, and the listing tells which of their rows count.
    """
    found = [
        (path, name, rows.filter(inside), owner)
        for owner, path, name in journals(root, deployment)
        if (rows := rows_of(path)) is not None
    ]
    listings = {
        folder.path: list_segments(folder)
        for folder in folders(root, deployment=deployment, start=start, end=end)
    }
    paths = [path for listing in listings.values() for path in listing.live]
    tables = [_scan(paths, inside)] if paths else []
    for path, name, rows, owner in found:
        if not path.exists():
            raise FileNotFoundError(path)
        for segment in segments_of(rows, root=root, deployment=owner, name=name):
            listing = listings.get(segment.path.parent)
            if listing is None or segment.path.name not in listing.names:
                tables.append(segment.rows)
    return tables


def _scan(paths: list[Path], inside: pl.Expr) -> pl.DataFrame:
    try:
        return _query(paths, inside).collect()
    except (pl.exceptions.SchemaError, pl.exceptions.ColumnNotFoundError):
        return stack([_query([path], inside).collect() for path in paths])


def _query(paths: list[Path], inside: pl.Expr) -> pl.LazyFrame:
    return pl.scan_parquet(paths, hive_partitioning=False, glob=False).filter(inside)

"""Make one file of many parts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import polars as pl

from mldeploy.serving._bulk_cells import without_formulas
from mldeploy.serving._bulk_files import COMPRESSION, full_disk_as_error, put_in_place
from mldeploy.serving._bulk_parquet import append_parquet
from mldeploy.serving._bulk_source import format_of, is_remote


def join_parts(
    parts: Sequence[Path], target: str, *, storage_options: Mapping[str, str] | None = None
) -> None:
    """Write parts, in order, as one file that appears whole or not at all.

    Parameters
    ----------
    parts : sequence of Path
        Parquet files, at least one; columns that are null throughout fit any type.
    target : str
        A file to be replaced if it is there, or an object such as ``s3://bucket/answers.parquet``.
    storage_options : mapping of str to str, optional
        What polars needs to reach the object store.

    Raises
    ------
    StoreFullError
        If the disk takes no more.
    """
    kind = format_of(target)
    if is_remote(target):
        _sink(_rows_of(parts), kind, target, dict(storage_options or {}))
        return
    path = Path(target)
    temporary = path.with_name(f".{path.name}.unfinished")
    try:
        with full_disk_as_error(path.parent):
            if kind != "parquet" or not _appended(parts, temporary):
                _sink(_rows_of(parts), kind, temporary, None)
            put_in_place(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _appended(parts: Sequence[Path], path: Path) -> bool:
    with path.open("wb") as file:
        return append_parquet(parts, file)


def _rows_of(parts: Sequence[Path]) -> pl.LazyFrame:
    schemas = [pl.read_parquet_schema(part) for part in parts]
    if all(schema == schemas[0] for schema in schemas):
        return pl.scan_parquet(list(parts), hive_partitioning=False, glob=False)
    frames = [pl.scan_parquet(part, hive_partitioning=False, glob=False) for part in parts]
    return pl.concat(frames, how="vertical_relaxed")


def _sink(
    rows: pl.LazyFrame, kind: str, place: str | Path, options: dict[str, str] | None
) -> None:
    if kind == "parquet":
        rows.sink_parquet(place, compression=COMPRESSION, storage_options=options)
    elif kind == "ipc":
        rows.sink_ipc(place, compression="uncompressed", storage_options=options)
    else:
        rows = without_formulas(rows)
        rows.sink_csv(place, quote_style="non_numeric", storage_options=options)

"""Merge the many small files of a folder's past into one."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Final

import polars as pl
from tqdm import tqdm

from mldeploy.errors import InvalidDataError
from mldeploy.serving._batch import stack
from mldeploy.serving._segments import Folder, Segment, folders, new_name, sync_folder
from mldeploy.serving._writer import DROPPED_SO_FAR

_REPLACES: Final = "mldeploy.replaces"
_MERGED: Final = "merged"


def live_segments(folder: Folder) -> list[Path]:
    """Return the files of a folder that no merged file replaces."""
    paths = folder.segments()
    replaced = {
        name for path in paths if path.name.startswith(_MERGED) for name in _replaced_by(path)
    }
    return [path for path in paths if path.name not in replaced] if replaced else paths


def compact(
    root: str | Path,
    *,
    before: datetime,
    deployment: str | None = None,
    progress: bool = True,
) -> int:
    """Merge the files of each folder whose time has passed into one.

    The merged file names those that it replaces. Its rename is the one moment of change: before
    it they count, after it they do not, wherever the process is killed; then they are removed.
    Readers may go on reading. Run it in one process at a time, and not on folders that a log may
    still write to: rows of the past that arrive later are merged the next time.

    Parameters
    ----------
    root : str or Path
        Folder of a `ParquetLog`.
    before : datetime
        Only folders that end at or before this time, which has a zone.
    deployment : str, optional
        Whose predictions; by default everybody's.
    progress : bool, default=True
        Show a progress bar if it takes longer than a second.

    Returns
    -------
    int
        Number of files removed.

    Raises
    ------
    InvalidDataError
        If `before` has no zone.
    """
    if before.tzinfo is None:
        raise InvalidDataError(f"{before} has no time zone; pass datetime(..., tzinfo=...)")
    found = folders(Path(root), deployment=deployment, start=None, end=before)
    ripe = [folder for folder in found if folder.end <= before]
    bar = tqdm(ripe, desc="compact", unit="folder", delay=1, disable=not progress)
    return sum(_compact(folder, number) for number, folder in enumerate(bar, start=1))


def _compact(folder: Folder, number: int) -> int:
    live = live_segments(folder)
    if len(live) > 1:
        rows = stack([pl.read_parquet(p, hive_partitioning=False) for p in live])
        facts = {
            _REPLACES: json.dumps([path.name for path in folder.segments()]),
            DROPPED_SO_FAR: str(max(map(_dropped, live))),
        }
        path = folder.path / new_name(_MERGED, number)
        Segment(path=path, rows=rows.sort("time", "prediction_id")).write(facts)
        live = [path]
    removed = 0
    for path in set(folder.segments()) - set(live):
        with suppress(FileNotFoundError):
            path.unlink()
            removed += 1
    if removed:
        sync_folder(folder.path)
    return removed


def _replaced_by(path: Path) -> list[str]:
    with suppress(FileNotFoundError):
        names: list[str] = json.loads(pl.read_parquet_metadata(path).get(_REPLACES, "[]"))
        return names
    return []


def _dropped(path: Path) -> int:
    return int(pl.read_parquet_metadata(path).get(DROPPED_SO_FAR, "0"))

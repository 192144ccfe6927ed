"""Merge the many small files of a folder's past into few."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, final

import polars as pl
from tqdm import tqdm

from mldeploy.errors import InvalidDataError
from mldeploy.serving._batch import stack
from mldeploy.serving._segments import (
    DROPPED_SO_FAR,
    Folder,
    Segment,
    folders,
    new_name,
    sync_folder,
)

_REPLACES: Final = "mldeploy.replaces"
_MERGED: Final = "merged"

_MERGE_BYTES: Final = 64 * 2**20
"""Compressed size of a merged file at most, unless one file is larger by itself: a merge holds
its rows in memory."""

_ABANDONED: Final = timedelta(hours=1)
"""Age of a temporary file that nobody can be writing any more."""


@final
@dataclass(frozen=True, kw_only=True)
class Listing:
    """The files of a folder at one moment.

    Attributes
    ----------
    live : tuple of Path
        Those that no merged file replaces.
    names : frozenset of str
        All names that count, the replaced ones included.
    replaced : tuple of Path
        Files that are still there although a merged file replaces them.
    """

    live: tuple[Path, ...]
    names: frozenset[str]
    replaced: tuple[Path, ...]


def list_segments(folder: Folder) -> Listing:
    """List a folder. Every name that was ever merged stays replaced, if the file reappears too."""
    paths = folder.segments()
    gone = frozenset(
        name for path in paths if path.name.startswith(_MERGED) for name in _replaced_by(path)
    )
    return Listing(
        live=tuple(path for path in paths if path.name not in gone),
        names=gone | {path.name for path in paths},
        replaced=tuple(path for path in paths if path.name in gone),
    )


def compact(
    root: str | Path,
    *,
    before: datetime,
    deployment: str | None = None,
    progress: bool = True,
) -> int:
    """Merge the files of each folder whose time has passed into few.

    A merged file names those that it replaces. Its rename is the one moment of change: before
    it they count, after it they do not, wherever the process is killed; then they are removed.
    Others may go on reading and writing: rows that arrive meanwhile are merged the next time.
    Run it in one process at a time.

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
    return sum(map(_compact, bar))


def _compact(folder: Folder) -> int:
    listing = list_segments(folder)
    old = list(listing.replaced)
    for number, group in enumerate(_groups(listing.live), start=1):
        _merge(folder, group, number)
        old += group
    old += _abandoned(folder)
    removed = 0
    for path in old:
        with suppress(FileNotFoundError):
            path.unlink()
            removed += 1
    if removed:
        sync_folder(folder.path)
    return removed


def _groups(paths: Sequence[Path]) -> Iterator[list[Path]]:
    """Yield files that together are small enough for one, two at least."""
    group: list[Path] = []
    n_bytes = 0
    for path in paths:
        size = path.stat().st_size
        if n_bytes + size > _MERGE_BYTES and group:
            if len(group) > 1:
                yield group
            group, n_bytes = [], 0
        group.append(path)
        n_bytes += size
    if len(group) > 1:
        yield group


def _merge(folder: Folder, group: Sequence[Path], number: int) -> None:
    rows = stack([pl.read_parquet(path, hive_partitioning=False) for path in group])
    names = {path.name for path in group} | {n for path in group for n in _replaced_by(path)}
    facts = {
        _REPLACES: json.dumps(sorted(names)),
        DROPPED_SO_FAR: str(max(map(_dropped, group))),
    }
    path = folder.path / new_name(_MERGED, number)
    Segment(path=path, rows=rows.sort("time", "prediction_id")).write(facts)


def _abandoned(folder: Folder) -> list[Path]:
    """Return temporary files that a killed process left."""
    limit = time.time() - _ABANDONED.total_seconds()
    return [path for path in folder.path.glob(".*.tmp") if _touched(path) < limit]


def _touched(path: Path) -> float:
    """Return when a file was last written; never, if its writer has just renamed it."""
    with suppress(FileNotFoundError):
        return path.stat().st_mtime
    return math.inf


def _replaced_by(path: Path) -> list[str]:
    with suppress(FileNotFoundError):
        names: list[str] = json.loads(pl.read_parquet_metadata(path).get(_REPLACES, "[]"))
        return names
    return []


def _dropped(path: Path) -> int:
    return int(pl.read_parquet_metadata(path).get(DROPPED_SO_FAR, "0"))

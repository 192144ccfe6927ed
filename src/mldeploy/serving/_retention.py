"""Remove predictions that are too old, or too many."""

from __future__ import annotations

import logging
import os
import secrets
import shutil
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, final

from mldeploy.errors import InvalidDataError
from mldeploy.serving._segments import Folder, folders, homes, sync_folder

_logger = logging.getLogger(__name__)

_EXPIRED: Final = ".expired-"
"""Begins the name of a folder that is being removed; no reader looks into it."""


@final
@dataclass(frozen=True, kw_only=True)
class Retention:
    """How long predictions are kept.

    Attributes
    ----------
    keep : timedelta
        A folder goes when its newest possible row is older than this.
    max_bytes : int, optional
        Further folders go, oldest first, until a deployment's log takes no more than this; the
        newest folder stays.
    """

    keep: timedelta
    max_bytes: int | None = None

    def __post_init__(self) -> None:
        if self.keep <= timedelta(0):
            raise ValueError(f"keep={self.keep} keeps nothing; pass a positive time")
        if self.max_bytes is not None and self.max_bytes < 1:
            raise ValueError(f"max_bytes={self.max_bytes} keeps nothing; pass None for no limit")


@final
@dataclass(frozen=True, kw_only=True)
class Expired:
    """What was removed.

    Attributes
    ----------
    n_folders, n_files, n_bytes : int
        Whole folders, and the Parquet files in them.
    """

    n_folders: int = 0
    n_files: int = 0
    n_bytes: int = 0


def expire(
    root: str | Path,
    *,
    before: datetime,
    deployment: str | None = None,
    max_bytes: int | None = None,
) -> Expired:
    """Remove the folders whose time ended at or before a moment.

    A folder is renamed first, which is the one moment of change: wherever the process is killed,
    a folder is there as a whole or gone, and the next call removes what is left of it. Readers
    may go on reading. Labels are kept elsewhere and are not touched.

    Parameters
    ----------
    root : str or Path
        Folder of a `ParquetLog`.
    before : datetime
        A time with a zone.
    deployment : str, optional
        Whose predictions; by default everybody's.
    max_bytes : int, optional
        Remove further folders of each deployment, oldest first, until it takes no more than this;
        its newest folder stays.

    Returns
    -------
    Expired
        How much was removed.

    Raises
    ------
    InvalidDataError
        If `before` has no zone.
    """
    if before.tzinfo is None:
        raise InvalidDataError(f"{before} has no time zone; pass datetime(..., tzinfo=...)")
    n_folders = n_files = n_bytes = 0
    for owner, home in homes(Path(root), deployment):
        _finish(home)
        found = sorted(
            folders(Path(root), deployment=owner, start=None, end=None), key=lambda f: f.start
        )
        for folder in _too_old_or_too_many(found, before, max_bytes):
            files = folder.segments()
            n_folders += 1
            n_files += len(files)
            n_bytes += sum(map(_size, files))
            _remove(folder.path)
    expired = Expired(n_folders=n_folders, n_files=n_files, n_bytes=n_bytes)
    if n_folders:
        _logger.info(
            "removed %d folders with %d files (%d bytes) from the prediction log under %s: they "
            "ended before %s, or were the oldest of too many",
            *(n_folders, n_files, n_bytes, root, before),
        )
    return expired


def _too_old_or_too_many(
    found: list[Folder], before: datetime, max_bytes: int | None
) -> Iterable[Folder]:
    old = [folder for folder in found if folder.end <= before]
    yield from old
    if max_bytes is None:
        return
    rest = [folder for folder in found if folder not in old]
    sizes = [sum(map(_size, folder.segments())) for folder in rest]
    excess = sum(sizes) - max_bytes
    for folder, size in zip(rest[:-1], sizes[:-1], strict=True):
        if excess <= 0:
            return
        yield folder
        excess -= size


def _remove(folder: Path) -> None:
    gone = folder.with_name(f"{_EXPIRED}{folder.name}-{secrets.token_hex(6)}")
    with suppress(FileNotFoundError):
        os.replace(folder, gone)  # noqa: PTH105 (the calls that change the disk)
        sync_folder(folder.parent)
        shutil.rmtree(gone)


def _finish(home: Path) -> None:
    """Remove what a killed process had begun to remove."""
    for path in home.glob(f"{_EXPIRED}*"):
        shutil.rmtree(path, ignore_errors=True)


def _size(path: Path) -> int:
    with suppress(FileNotFoundError):
        return path.stat().st_size
    return 0

"""Segments: Parquet files of a prediction log that are whole or absent."""

from __future__ import annotations

import enum
import io
import os
import secrets
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, final
from urllib.parse import quote, unquote

import polars as pl

_DEPLOYMENT: Final = "deployment="

DROPPED_SO_FAR: Final = "mldeploy.dropped"
"""Fact in a file's metadata: rows that its writer had dropped when the file was written."""

_STRETCH: Final = "\0stretch"
"""A column that no feature can be called."""


@final
class Partition(enum.StrEnum):
    """How much time the predictions of one folder span.

    An hour suits a steady service. A day suits a slow one and a replay of the past, since every
    folder that a flush touches costs a file and a sync.
    """

    HOUR = "hour"
    DAY = "day"

    @property
    def pattern(self) -> str:
        """How a folder is named after its time."""
        return "%Y-%m-%dT%H" if self is Partition.HOUR else "%Y-%m-%d"

    @property
    def length(self) -> timedelta:
        """Time that a folder spans."""
        return timedelta(hours=1) if self is Partition.HOUR else timedelta(days=1)


@final
@dataclass(frozen=True, kw_only=True)
class Folder:
    """The folder of one deployment and one stretch of time."""

    path: Path
    deployment: str
    start: datetime
    end: datetime

    def segments(self) -> list[Path]:
        """Return the whole files; temporary ones begin with a dot."""
        return sorted(p for p in self.path.glob("*.parquet") if not p.name.startswith("."))


def home_of(root: Path, deployment: str) -> Path:
    """Return the folder of a deployment."""
    return root / (_DEPLOYMENT + quote(deployment, safe=""))


def folder_of(root: Path, deployment: str, partition: Partition, start: datetime) -> Path:
    """Return the folder for predictions of a deployment at a time."""
    return home_of(root, deployment) / f"{partition}={start.strftime(partition.pattern)}"


def homes(root: Path, deployment: str | None) -> list[tuple[str, Path]]:
    """Return name and folder of one deployment, or of all."""
    if deployment is not None:
        path = home_of(root, deployment)
        return [(deployment, path)] if path.is_dir() else []
    found = [path for path in sorted(root.glob(f"{_DEPLOYMENT}*")) if path.is_dir()]
    return [(unquote(path.name.removeprefix(_DEPLOYMENT)), path) for path in found]


def folders(
    root: Path, *, deployment: str | None, start: datetime | None, end: datetime | None
) -> Iterator[Folder]:
    """Yield the folders that may hold predictions with start ≤ time < end, in order of name."""
    for name, home in homes(root, deployment):
        for path in sorted(home.iterdir()):
            folder = _folder(path, name)
            if folder is None or (end is not None and folder.start >= end):
                continue
            if start is None or folder.end > start:
                yield folder


def _folder(path: Path, deployment: str) -> Folder | None:
    kind, _, stamp = path.name.partition("=")
    with suppress(ValueError):
        partition = Partition(kind)
        start = datetime.fromisoformat(stamp).replace(tzinfo=UTC)
        return Folder(path=path, deployment=deployment, start=start, end=start + partition.length)
    return None


@final
@dataclass(frozen=True, kw_only=True)
class Segment:
    """Rows that are about to become one file; written again, they replace themselves."""

    path: Path
    rows: pl.DataFrame

    def write(self, facts: Mapping[str, str]) -> None:
        """Put the file on the disk: temporary name, sync, rename, sync of the folder."""
        content = io.BytesIO()
        self.rows.write_parquet(content, metadata=dict(facts))
        make_folder(self.path.parent)
        temporary = self.path.with_name(f".{self.path.name}.tmp")
        try:
            _write_synced(temporary, content.getbuffer())
            os.replace(temporary, self.path)  # noqa: PTH105 (the calls that change the disk)
            sync_folder(self.path.parent)
        except BaseException:
            with suppress(OSError):
                temporary.unlink()
            raise


def cut(
    rows: pl.DataFrame,
    *,
    root: Path,
    deployment: str,
    partition: Partition,
    name: Callable[[], str],
) -> list[Segment]:
    """Return rows as segments, one for each folder that they belong to, named in turn."""
    length = "1h" if partition is Partition.HOUR else "1d"
    stretch = pl.col("time").dt.truncate(length).alias(_STRETCH)
    parts = rows.with_columns(stretch).partition_by(_STRETCH, maintain_order=True)
    return [
        Segment(
            path=folder_of(root, deployment, partition, part[_STRETCH][0]) / name(),
            rows=part.drop(_STRETCH),
        )
        for part in parts
    ]


def new_name(kind: str, number: int) -> str:
    """Return a file name that no other process chooses."""
    return f"{kind}-{number:08d}-{secrets.token_hex(6)}.parquet"


def _write_synced(path: Path, content: memoryview) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_BINARY", 0)
    descriptor = os.open(path, flags, 0o666)
    try:
        while content:
            content = content[os.write(descriptor, content) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_folder(folder: Path) -> None:
    """Create a folder and its parents, each name synced."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    for path in reversed(missing):
        path.mkdir(exist_ok=True)
        sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder survive a power loss."""
    if sys.platform == "win32":  # folders cannot be opened there; NTFS journals its names
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

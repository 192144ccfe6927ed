"""Files of a job: whole or absent, whatever kills the process."""

from __future__ import annotations

import errno
import io
import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Final

import polars as pl

from mldeploy.errors import JobRunningError, StoreFullError
from mldeploy.serving._segments import make_folder, sync_folder

COMPRESSION: Final = "snappy"
"""Fast, and read by every reader of Parquet."""

_FULL: Final = {errno.ENOSPC, errno.EDQUOT}


@contextmanager
def full_disk_as_error(folder: Path) -> Iterator[None]:
    """Turn "no space left" into an error that says how to go on."""
    try:
        yield
    except (OSError, pl.exceptions.PolarsError) as error:
        if isinstance(error, StoreFullError):
            raise
        full = getattr(error, "errno", None) in _FULL or "os error 28" in str(error)
        if full or "No space left" in str(error):
            raise StoreFullError(
                errno.ENOSPC,
                f"the disk that holds {folder} takes no more; what was written so far is kept. "
                "Free some space, then repeat the call with resume=True",
            ) from error
        raise


def write_whole(path: Path, content: bytes | memoryview) -> None:
    """Put `content` at `path` down to the disk, replacing what is there, whole or not at all."""
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        with full_disk_as_error(path.parent):
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_BINARY", 0)
            descriptor = os.open(temporary, flags, 0o666)
            try:
                rest = memoryview(content)
                while rest:
                    rest = rest[os.write(descriptor, rest) :]
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            os.replace(temporary, path)  # noqa: PTH105 (the calls that change the disk)
            sync_folder(path.parent)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise


def parquet_bytes(frame: pl.DataFrame) -> memoryview:
    """Return a frame as the bytes of a Parquet file of one row group."""
    content = io.BytesIO()
    frame.write_parquet(content, compression=COMPRESSION, row_group_size=max(1, frame.height))
    return content.getbuffer()


def put_in_place(temporary: Path, path: Path) -> None:
    """Give a file that was written its name, once it is on the disk."""
    descriptor = os.open(temporary, os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    os.replace(temporary, path)  # noqa: PTH105 (as above)
    sync_folder(path.parent)


def remove_folder(folder: Path) -> None:
    """Remove a folder of files in one durable step; what is left of it has another name."""
    going = folder.with_name(f".{folder.name}.removed")
    shutil.rmtree(going, ignore_errors=True)
    if folder.is_dir():
        os.replace(folder, going)  # noqa: PTH105 (as above)
        sync_folder(folder.parent)
        shutil.rmtree(going)


def discard(paths: Sequence[Path]) -> None:
    """Remove files that may be gone already."""
    for path in paths:
        path.unlink(missing_ok=True)


@contextmanager
def only_process(folder: Path) -> Iterator[None]:
    """Hold a job's folder; the hold ends with the process, however it ends.

    Raises
    ------
    JobRunningError
        If another process holds it.
    """
    make_folder(folder)
    with (folder / ".lock").open("ab") as file:
        _lock(file, folder)
        yield


def _lock(file: IO[bytes], folder: Path) -> None:
    if sys.platform == "win32":  # where a file that a process has open cannot be replaced
        return
    import fcntl  # noqa: PLC0415

    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise JobRunningError(folder) from error

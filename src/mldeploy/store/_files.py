"""Files that are whole or absent: temporary name, fsync, rename, fsync of the folder."""

from __future__ import annotations

import errno
import hashlib
import os
import sys
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from mldeploy.errors import StoreFullError

_CHUNK_BYTES = 1 << 20
_FULL = {errno.ENOSPC, errno.EDQUOT}


@contextmanager
def full_disk_as_error(folder: Path) -> Iterator[None]:
    """Turn "no space left" into `StoreFullError`; other errors of the disk pass unchanged."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL and not isinstance(error, StoreFullError):
            raise store_full(folder) from error
        raise


def store_full(folder: Path) -> StoreFullError:
    """Return the error that says what to do about a full disk."""
    return StoreFullError(
        errno.ENOSPC,
        f"the disk that holds {folder} takes no more; nothing was half-written and reading goes "
        "on. Free some space, then repeat the call",
    )


def sync_folder(folder: Path) -> None:
    """Make the names in `folder` survive a power loss."""
    if sys.platform == "win32":  # folders cannot be opened there; NTFS journals its names
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_folder(folder: Path) -> None:
    """Create `folder` and its parents, each name durable before the next is relied upon."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    for path in reversed(missing):
        with suppress(FileExistsError):
            os.mkdir(path)  # noqa: PTH102 -- the calls that change the disk stay in sight
        sync_folder(path.parent)


def chunks_of(path: Path) -> Iterator[bytes]:
    """Yield the content of a file in pieces of a megabyte."""
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            yield chunk


def write_new(path: Path, chunks: Iterable[bytes]) -> tuple[str, int]:
    """Write a file that did not exist, down to the disk; return its SHA-256 and its size."""
    digest, size = hashlib.sha256(), 0
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    descriptor = os.open(path, flags, 0o666)
    try:
        for chunk in chunks:
            digest.update(chunk)
            size += len(chunk)
            rest = memoryview(chunk)
            while rest:
                rest = rest[os.write(descriptor, rest) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    return digest.hexdigest(), size


def write_atomically(path: Path, content: bytes) -> None:
    """Put `content` at `path`, replacing what is there, whole or not at all."""
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
    try:
        with full_disk_as_error(path.parent):
            write_new(temporary, [content])
            os.replace(temporary, path)  # noqa: PTH105 -- as above
            sync_folder(path.parent)
    finally:
        discard(temporary)


def discard(path: Path) -> None:
    """Remove a temporary file, if it is there and the disk lets us."""
    with suppress(OSError):
        os.unlink(path)  # noqa: PTH108 -- as above

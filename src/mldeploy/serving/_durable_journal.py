"""Journals: files that grow by whole records, each safe before anybody is told so."""

from __future__ import annotations

import os
import secrets
import struct
import sys
import zlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

from mldeploy.serving._file_lock import try_lock
from mldeploy.serving._segments import Partition, homes, make_folder, sync_folder

MAGIC: Final = b"mldeploy-journal-1\n"
_FRAME: Final = struct.Struct("<QI")
"""Length and CRC-32 of a record, which follows."""

_BINARY: Final = getattr(os, "O_BINARY", 0)


@final
@dataclass(frozen=True)
class JournalName:
    """What the name of a journal says: where its rows belong, and what their files are called.

    ::

        .journal-day-6f0c5d7e9a3b1c2d
    """

    partition: Partition
    token: str

    @classmethod
    def new(cls, partition: Partition) -> JournalName:
        """Return a name that no other process chooses."""
        return cls(partition, secrets.token_hex(8))

    @classmethod
    def of(cls, path: Path) -> JournalName | None:
        """Return what a path says, or None if it is no journal's."""
        with suppress(ValueError):
            kind, partition, token = path.name.split("-")
            if kind == ".journal":
                return cls(Partition(partition), token)
        return None

    def __str__(self) -> str:
        return f".journal-{self.partition}-{self.token}"

    @property
    def segment(self) -> str:
        """Name of the file that holds the rows in each folder, however often it is written."""
        return f"part-journal-{self.token}.parquet"


def journals(root: Path, deployment: str | None) -> list[tuple[str, Path, JournalName]]:
    """Return the journals of one deployment, or of all: deployment, path and name."""
    return [
        (owner, path, name)
        for owner, home in homes(root, deployment)
        for path in sorted(home.glob(".journal-*"))
        if (name := JournalName.of(path)) is not None
    ]


@final
class Held:
    """An open and locked file that is let go of once, whoever lets go first.

    A forked child lets go of everything that its parent knows of. What the parent had closed
    before has a number that may be another file's by then.
    """

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self._is_held = True

    def leave(self) -> None:
        """Close the file; the lock ends when the last process has."""
        if self._is_held:
            self._is_held = False
            os.close(self.descriptor)


@final
@dataclass(frozen=True, kw_only=True)
class Sealed:
    """A journal that nobody writes to, and the lock on it."""

    path: Path
    lock: Held

    def remove(self, *, aside: Path | None = None) -> None:
        """Remove the file, or move it aside, and let go of it."""
        if sys.platform == "win32":  # an open file cannot be removed there
            self.leave()
        if aside is None:
            self.path.unlink(missing_ok=True)
        else:
            os.replace(self.path, aside)  # noqa: PTH105 (the calls that change the disk)
        sync_folder(self.path.parent)
        if sys.platform != "win32":
            self.leave()

    def leave(self) -> None:
        """Let go of the file, and let somebody else settle it."""
        self.lock.leave()


@final
class Journal:
    """A journal that is being written: nobody else settles it while this process lives.

    Parameters
    ----------
    home : Path
        Folder of the deployment.
    partition : Partition
        Where its rows will belong.
    """

    def __init__(self, home: Path, partition: Partition) -> None:
        make_folder(home)
        self.name = JournalName.new(partition)
        self.path = home / str(self.name)
        self.n_rows = 0
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | _BINARY
        self._lock = Held(os.open(self.path, flags, 0o666))
        self._size = 0
        self._is_torn = False
        try:
            try_lock(self._descriptor)
            self._add(MAGIC)
            sync_folder(home)
        except BaseException:
            self._lock.leave()
            with suppress(OSError):
                self.path.unlink()
            raise

    def append(self, payload: bytes, n_rows: int) -> None:
        """Return once the record is on the disk; after an `OSError` it is not part of the file."""
        self._add(_FRAME.pack(len(payload), zlib.crc32(payload)) + payload)
        self.n_rows += n_rows

    def seal(self) -> Sealed:
        """Write no more, and hand the file to who settles it, still locked."""
        if self._is_torn:
            with suppress(OSError):
                self._mend()
        return Sealed(path=self.path, lock=self._lock)

    def leave(self) -> None:
        """Let go of the file."""
        self._lock.leave()

    @property
    def _descriptor(self) -> int:
        return self._lock.descriptor

    def _add(self, content: bytes) -> None:
        if self._is_torn:
            self._mend()
        self._is_torn = True
        rest = memoryview(content)
        os.lseek(self._descriptor, self._size, os.SEEK_SET)
        while rest:
            rest = rest[os.write(self._descriptor, rest) :]
        _sync(self._descriptor)
        self._size += len(content)
        self._is_torn = False

    def _mend(self) -> None:
        """Cut what a failed call may have left: it was never acknowledged."""
        os.ftruncate(self._descriptor, self._size)
        os.fsync(self._descriptor)


@final
@dataclass(frozen=True, kw_only=True)
class Content:
    """What a journal holds.

    Attributes
    ----------
    payloads : tuple of bytes
        The records, in the order in which they were written.
    n_cut : int
        Bytes behind them: a record that was being written when the process died.
    is_damaged : bool
        Whether something follows behind the first broken record, which no crash explains.
    """

    payloads: tuple[bytes, ...]
    n_cut: int
    is_damaged: bool


def read_journal(path: Path) -> Content:
    """Read a journal up to the first record that is not whole."""
    content = memoryview(path.read_bytes())
    if bytes(content[: len(MAGIC)]) != MAGIC:
        torn = MAGIC.startswith(bytes(content))
        return Content(payloads=(), n_cut=len(content), is_damaged=not torn)
    spans = list(_spans(content))
    end = spans[-1][1] if spans else len(MAGIC)
    return Content(
        payloads=tuple(bytes(content[start:stop]) for start, stop in spans),
        n_cut=len(content) - end,
        is_damaged=_goes_on(content[end:]),
    )


def _spans(content: memoryview) -> Iterator[tuple[int, int]]:
    start = len(MAGIC)
    while start + _FRAME.size <= len(content):
        length, checksum = _FRAME.unpack_from(content, start)
        start += _FRAME.size
        stop = start + length
        if not length or stop > len(content) or zlib.crc32(content[start:stop]) != checksum:
            return
        yield start, stop
        start = stop


def _goes_on(rest: memoryview) -> bool:
    """Tell whether a broken record is followed by more: a crash only breaks the last one."""
    if len(rest) < _FRAME.size:
        return False
    length, _ = _FRAME.unpack_from(rest)
    return bool(length) and _FRAME.size + length < len(rest)


def take_over(path: Path) -> Sealed | None:
    """Return a journal whose process has ended, or None if it lives or the file is gone."""
    with suppress(FileNotFoundError):
        descriptor = os.open(path, os.O_RDWR | _BINARY)
        if try_lock(descriptor) and _is_still(path, descriptor):
            return Sealed(path=path, lock=Held(descriptor))
        os.close(descriptor)
    return None


def _is_still(path: Path, descriptor: int) -> bool:
    """Tell whether the name still leads to the file: somebody may have settled it meanwhile."""
    if sys.platform == "win32":
        return path.exists()
    with suppress(FileNotFoundError):
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    return False


def _sync(descriptor: int) -> None:
    """Wait until the content of a file, and its length, are on the disk."""
    if sys.platform == "linux":
        os.fdatasync(descriptor)
    else:
        os.fsync(descriptor)

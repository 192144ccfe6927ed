"""Zip archives whose sizes are known before anything in them is read."""

from __future__ import annotations

import io
import math
import re
import struct
import zipfile
from collections import Counter
from typing import Any

import numpy as np
import numpy.typing as npt

from mldeploy.errors import IntegrityError

_MAGIC = b"PK\x03\x04"
_MEMBER = re.compile(r"[A-Za-z0-9_-]{1,64}\.(?:json|npy|npz|bin)")
_MAX_RATIO = 200
_EARLIEST = (1980, 1, 1, 0, 0, 0)
_DAMAGED = (zipfile.BadZipFile, OSError, ValueError, EOFError, NotImplementedError, RuntimeError)


def refuse(reason: str) -> IntegrityError:
    """Return the error for a model file that is not opened, with the reason."""
    return IntegrityError(f"the model file ({reason})")


def read_members(content: bytes, *, max_bytes: int, max_schema_bytes: int) -> dict[str, bytes]:
    """Read every member of a skops archive, after the sizes that it declares were judged.

    Raises
    ------
    IntegrityError
        If it is no plain zip archive, holds a name twice or one that points elsewhere, or would
        take more memory than allowed, nested archives and arrays included.
    """
    if not content.startswith(_MAGIC):
        raise refuse("it is no skops archive: its first bytes are not those of a zip file")
    members = _read(content, max_bytes=max_bytes, name="the archive")
    schema = members.get("schema.json")
    if schema is None:
        raise refuse("it holds no schema.json")
    if len(schema) > max_schema_bytes:
        raise refuse(f"its schema.json takes {len(schema)} bytes of {max_schema_bytes} allowed")
    left = max_bytes - sum(map(len, members.values()))
    for name, member in members.items():
        if not _MEMBER.fullmatch(name):
            raise refuse(f"it holds a member called {name[:80]!r}")
        if name.endswith(".npy"):
            _require_plain_array(member, name)
        elif name.endswith(".npz"):
            for inner, array in _read(member, max_bytes=left, name=name).items():
                left -= len(array)
                _require_plain_array(array, f"{name}/{inner}")
    return members


def read_arrays(content: bytes, *, max_bytes: int) -> dict[str, npt.NDArray[Any]]:
    """Read an archive of plain arrays by name, after the sizes that it declares were judged.

    Raises
    ------
    IntegrityError
        If it is no plain zip archive of arrays, or would take more memory than allowed.
    """
    if not content.startswith(_MAGIC):
        raise refuse("its arrays are in no zip file")
    arrays = {}
    for name, member in _read(content, max_bytes=max_bytes, name="the archive").items():
        if not _MEMBER.fullmatch(name) or not name.endswith(".npy"):
            raise refuse(f"it holds a member called {name[:80]!r}")
        _require_plain_array(member, name)
        try:
            array = np.load(io.BytesIO(member), allow_pickle=False)
        except (*_DAMAGED, TypeError, SyntaxError, MemoryError) as error:
            raise refuse(f"{name} is no array: {error}") from error
        arrays[name.removesuffix(".npy")] = array
    return arrays


def write_members(members: dict[str, bytes]) -> bytes:
    """Write an archive whose bytes depend on names and contents only."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(members):
            info = zipfile.ZipInfo(name, date_time=_EARLIEST)
            info.create_system, info.external_attr = 3, 0o600 << 16
            archive.writestr(info, members[name])
    return buffer.getvalue()


def without_padding(content: bytes) -> bytes:
    """Return an array's file with zeros between its fields, where memory may hold anything."""
    array = np.load(io.BytesIO(content), allow_pickle=False)
    fields = array.dtype.fields
    if not fields or sum(dtype.itemsize for dtype, *_ in fields.values()) == array.itemsize:
        return content
    clean = np.zeros(array.shape, array.dtype)
    for name in fields:
        clean[name] = array[name]
    buffer = io.BytesIO()
    np.save(buffer, clean, allow_pickle=False)
    return buffer.getvalue()


def _read(content: bytes, *, max_bytes: int, name: str) -> dict[str, bytes]:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            entries = archive.infolist()
            _require_modest(entries, compressed=len(content), max_bytes=max_bytes, name=name)
            return {entry.filename: _extract(archive, entry) for entry in entries}
    except IntegrityError:
        raise
    except (*_DAMAGED, struct.error, MemoryError) as error:
        raise refuse(f"{name} cannot be read: {error}") from error


def _require_modest(
    entries: list[zipfile.ZipInfo], *, compressed: int, max_bytes: int, name: str
) -> None:
    names = Counter(entry.filename for entry in entries)
    if repeated := [n for n, count in names.items() if count > 1]:
        raise refuse(f"{name} holds {repeated[0][:80]!r} twice")
    for entry in entries:
        if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise refuse(f"{name} uses a compression whose size nobody can foresee")
        if entry.flag_bits & 0x1:
            raise refuse(f"{name} is encrypted")
    total = sum(entry.file_size for entry in entries)
    if total > max_bytes:
        raise refuse(f"{name} would unpack to {total} bytes of {max_bytes} allowed")
    if total > _MAX_RATIO * compressed:
        raise refuse(f"{name} of {compressed} bytes would unpack to {total}")


def _extract(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    """Read one member, and never more of it than its entry declares."""
    with archive.open(entry) as member:
        content = member.read(entry.file_size + 1)
    if len(content) != entry.file_size:
        raise refuse(f"{entry.filename[:80]!r} is not as long as its entry says")
    return content


def _require_plain_array(content: bytes, name: str) -> None:
    """Refuse an array of Python objects, or one whose header promises other bytes than follow."""
    stream = io.BytesIO(content)
    try:
        version = np.lib.format.read_magic(stream)
        if version not in ((1, 0), (2, 0)):
            raise refuse(f"{name} has the unknown array format {version}")
        read: Any = (
            np.lib.format.read_array_header_1_0
            if version == (1, 0)
            else np.lib.format.read_array_header_2_0
        )
        shape, _, dtype = read(stream)
    except IntegrityError:
        raise
    except (*_DAMAGED, TypeError, SyntaxError, MemoryError, RecursionError) as error:
        raise refuse(f"{name} is no array: {error}") from error
    if dtype.hasobject:
        raise refuse(f"{name} holds Python objects, which only pickle can read")
    if any(n < 0 for n in shape):
        raise refuse(f"{name} has a negative shape")
    promised = math.prod(shape) * max(dtype.itemsize, 1)
    if promised != len(content) - stream.tell():
        follows = len(content) - stream.tell()
        if not (dtype.itemsize == 0 and follows == 0 and math.prod(shape) <= len(content)):
            raise refuse(f"{name} promises {promised} bytes and {follows} follow")

"""What a stored directory holds: its files by relative path, none of them outside of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Final, final

import pydantic

from mldeploy._record import Record
from mldeploy.errors import SerializationError

_FORMAT: Final = "mldeploy-directory-1"
_MANIFEST_PREFIX = b'{"files":{'
_MANIFEST_SUFFIX = b',"format":"mldeploy-directory-1"}'


@final
class ManifestEntry(Record):
    """One file of a stored directory: the digest and the size in bytes of its content."""

    sha256: str = pydantic.Field(pattern=r"^[0-9a-f]{64}$")
    size: int = pydantic.Field(ge=0)


@final
class Manifest(Record):
    """The files of a stored directory, by relative path with ``/`` between the parts."""

    format: str = pydantic.Field(default=_FORMAT, pattern=f"^{_FORMAT}$")
    files: dict[str, ManifestEntry]

    @pydantic.field_validator("files")
    @classmethod
    def _stay_inside(cls, files: dict[str, ManifestEntry]) -> dict[str, ManifestEntry]:
        for name in files:
            if not _is_contained(name):
                raise ValueError(f"path {name!r} leads out of the directory")
        return files


def _is_contained(name: str) -> bool:
    parts = name.split("/")
    return (
        not any(part in {"", ".", ".."} for part in parts)
        and not any(character in name for character in "\\:\0")
        and not PurePosixPath(name).is_absolute()
    )


def looks_like_manifest(content: bytes) -> bool:
    if not (content.startswith(_MANIFEST_PREFIX) and content.endswith(_MANIFEST_SUFFIX)):
        return False
    try:
        return isinstance(json.loads(content), dict)
    except ValueError:
        return False


def files_below(root: Path) -> Iterator[tuple[str, Path]]:
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root).as_posix()
        if path.is_symlink() or not (path.is_file() or path.is_dir()):
            raise SerializationError(f"{path} is neither a file nor a folder; store a copy of it")
        if not _is_contained(name):
            raise SerializationError(f"the name {name!r} cannot be restored everywhere; rename it")
        if path.is_file():
            yield name, path

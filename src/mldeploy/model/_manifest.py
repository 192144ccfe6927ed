"""What a bundle must hold, and the directory that holds it."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import final

import pydantic

from mldeploy._record import Record, canonical_json, digest_of, sha256_hex
from mldeploy.errors import AlreadyExistsError, IntegrityError, NotFoundError

MANIFEST = "manifest.json"
_FORMAT = 1
_NAME = re.compile(r"[a-z][a-z0-9_]{0,60}\.[a-z]{2,8}")
_LARGEST_MANIFEST = 1 << 20


@final
class FileEntry(Record):
    """Size in bytes and SHA-256 of one file."""

    size: int
    sha256: str


@final
class BundleManifest(Record):
    """Every file of a bundle with its hash, sealed by a hash over all of them.

    The seal finds damage; whoever rewrites the whole bundle can seal it anew, which is why a
    registry keeps the manifest's own digest elsewhere.
    """

    format: int
    made_with: str
    files: dict[str, FileEntry]
    seal: str

    @classmethod
    def of(cls, files: Mapping[str, bytes]) -> BundleManifest:
        """Describe files by name."""
        entries = {
            name: FileEntry(size=len(content), sha256=sha256_hex(content))
            for name, content in sorted(files.items())
        }
        made_with = f"mldeploy {metadata.version('mldeploy')}"
        unsealed = cls(format=_FORMAT, made_with=made_with, files=entries, seal="")
        return unsealed.model_copy(update={"seal": unsealed.own_seal()})

    @classmethod
    def parse(cls, content: bytes) -> BundleManifest:
        """Read a manifest, and refuse one that is not byte for byte as it was written.

        Raises
        ------
        IntegrityError
            If a byte was changed.
        """
        try:
            manifest = cls.model_validate(json.loads(content))
        except (ValueError, RecursionError, pydantic.ValidationError) as error:
            raise IntegrityError(f"the bundle's {MANIFEST} (it cannot be read)") from error
        if manifest.format != _FORMAT:
            raise IntegrityError(
                f"the bundle's format {manifest.format} (this mldeploy reads {_FORMAT})"
            )
        if manifest.seal != manifest.own_seal() or manifest.content() != content:
            raise IntegrityError(
                f"the bundle's {MANIFEST}", expected=manifest.seal, found=manifest.own_seal()
            )
        for name in manifest.files:
            if not _NAME.fullmatch(name):
                raise IntegrityError(f"the bundle's {MANIFEST} (it names {name[:80]!r})")
        return manifest

    def own_seal(self) -> str:
        """Return the hash over everything else."""
        return digest_of(self.model_copy(update={"seal": ""}).to_jsonable())

    def content(self) -> bytes:
        """Return the manifest as its file holds it."""
        return canonical_json(self.to_jsonable())


def read_manifest(directory: Path) -> bytes:
    """Return the bytes of a directory's manifest.

    Raises
    ------
    NotFoundError
        If there is no bundle.
    IntegrityError
        If it is no plain file of modest size.
    """
    path = directory / MANIFEST
    if not path.exists() and not path.is_symlink():
        raise NotFoundError(f"there is no bundle at {directory}; Bundle.write makes one")
    if path.is_symlink() or not path.is_file() or path.stat().st_size > _LARGEST_MANIFEST:
        raise IntegrityError(f"{path} (it is no plain file of modest size)")
    return path.read_bytes()


def read_file(directory: Path, name: str, entry: FileEntry) -> bytes:
    """Return a file's bytes after their hash was checked.

    Raises
    ------
    IntegrityError
        If the file is absent, no plain file, or not what was written.
    """
    path = directory / name
    if path.is_symlink() or not path.is_file():
        raise IntegrityError(f"{path} (it is absent, or no plain file)")
    if (size := path.stat().st_size) != entry.size:
        raise IntegrityError(str(path), expected=f"{entry.size} bytes", found=f"{size} bytes")
    content = path.read_bytes()
    if (found := sha256_hex(content)) != entry.sha256:
        raise IntegrityError(str(path), expected=entry.sha256, found=found)
    return content


def require_exactly(directory: Path, names: set[str]) -> None:
    """Refuse a directory that holds more or less than the manifest says."""
    found = {entry.name for entry in os.scandir(directory)}
    if strange := sorted(found - names):
        raise IntegrityError(f"{directory} (it holds {strange[:5]}, which nobody wrote there)")
    if missing := sorted(names - found):
        raise IntegrityError(f"{directory} (it lacks {missing[:5]})")


def write_directory(directory: Path, files: Mapping[str, bytes]) -> None:
    """Put files in a new directory that appears whole, on disk, or not at all.

    Raises
    ------
    AlreadyExistsError
        If something is there already.
    """
    if directory.exists() or directory.is_symlink():
        raise AlreadyExistsError(f"{directory} exists already; bundles are never overwritten")
    directory.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{directory.name}.", dir=directory.parent))
    try:
        temporary.chmod(0o755)
        for name, content in files.items():
            _write_durably(temporary / name, content)
        _sync(temporary)
        temporary.rename(directory)
        _sync(directory.parent)
    except BaseException as error:
        shutil.rmtree(temporary, ignore_errors=True)
        if isinstance(error, OSError) and directory.exists():
            raise AlreadyExistsError(f"{directory} was written meanwhile") from error
        raise


def _write_durably(path: Path, content: bytes) -> None:
    with path.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    if sys.platform == "win32":  # folders cannot be opened there; NTFS journals its names
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

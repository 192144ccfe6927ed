"""Content-addressed files: named by what they hold, verified before anybody reads them."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import uuid
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import ClassVar, final

import pydantic

from mldeploy._record import canonical_json, sha256_hex
from mldeploy.errors import AlreadyExistsError, IntegrityError, NotFoundError

from ._files import (
    chunks_of,
    discard,
    full_disk_as_error,
    make_folder,
    sync_folder,
    write_new,
)
from ._manifest import Manifest, ManifestEntry, files_below, looks_like_manifest
from ._records import Damage

_DIGEST = re.compile(r"[0-9a-f]{64}")


@final
class Artifacts:
    """Files and directories named by the SHA-256 of what they hold.

    Content is written to a temporary file, fsynced, and renamed to its digest, so that an
    artifact is whole or absent whatever stops the writer. Equal content is stored once. Every
    read re-hashes the content *before* the caller sees a byte of it.

    Parameters
    ----------
    root : Path
        The folder; it is created by the first write.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     artifacts = Artifacts(Path(folder))
    ...     digest = artifacts.put_bytes(b"hello")
    ...     digest[:8], artifacts.read_bytes(digest)
    ('2cf24dba', b'hello')
    """

    TEMPORARY: ClassVar[str] = "tmp"

    def __init__(self, root: Path) -> None:
        self.root = root

    def path_of(self, digest: str) -> Path:
        """Return where the content of `digest` lies; nothing is checked but the digest's form."""
        if not _DIGEST.fullmatch(digest):
            raise NotFoundError(f"{digest!r} is not an artifact: 64 hexadecimal digits are")
        return self.root / digest[:2] / digest[2:]

    def exists(self, digest: str) -> bool:
        """Tell whether an artifact of this digest is stored (its content is not re-hashed)."""
        return self.path_of(digest).is_file()

    def put_bytes(self, content: bytes) -> str:
        """Store `content` and return its digest; it is on the disk when this returns.

        Raises
        ------
        StoreFullError
            If the disk is full; nothing is left behind.
        """
        with full_disk_as_error(self.root):
            digest = self._put([content], sha256_hex(content))
            self._sync([digest])
        return digest

    def put_file(self, path: Path) -> str:
        """Store the content of a file, a megabyte at a time; otherwise as `put_bytes`."""
        with full_disk_as_error(self.root):
            digest = self._put_file(path).sha256
            self._sync([digest])
        return digest

    def put_directory(self, path: Path) -> str:
        """Store every file below `path` and return the digest of their manifest.

        The manifest maps relative paths to digest and size in one canonical form, so that
        equal directories have equal digests. Empty folders and file modes are not kept.

        Raises
        ------
        NotFoundError
            If there is no directory at `path`.
        SerializationError
            If it holds something else than files and folders (a link, a socket), or a name that
            no other system could restore.
        StoreFullError
            If the disk is full; nothing is left behind but files that nothing refers to.
        """
        if not path.is_dir():
            raise NotFoundError(f"there is no directory at {path}; pass the folder to store")
        with full_disk_as_error(self.root):
            entries = {name: self._put_file(file) for name, file in files_below(path)}
            content = canonical_json(Manifest(files=entries).to_jsonable())
            digest = self._put([content], sha256_hex(content))
            self._sync([digest, *(entry.sha256 for entry in entries.values())])
        return digest

    def read_bytes(self, digest: str) -> bytes:
        """Return the content of an artifact, verified before it is returned.

        Raises
        ------
        NotFoundError
            If no artifact has this digest.
        IntegrityError
            If the stored bytes are not those that were written.
        """
        try:
            content = self.path_of(digest).read_bytes()
        except FileNotFoundError:
            raise self._missing(digest) from None
        if (found := sha256_hex(content)) != digest:
            raise IntegrityError(f"artifact {digest}", expected=digest, found=found)
        return content

    def read_manifest(self, digest: str) -> Manifest:
        """Return the manifest of a stored directory, verified.

        Raises
        ------
        NotFoundError
            If no artifact has this digest, or the artifact is not a directory.
        IntegrityError
            If the manifest was changed, or names a path outside of its directory.
        """
        content = self.read_bytes(digest)
        if not looks_like_manifest(content):
            raise NotFoundError(f"artifact {digest} is a file, not a directory; use read_bytes")
        try:
            return Manifest.model_validate_json(content)
        except pydantic.ValidationError as error:
            problem = error.errors()[0]["msg"]
            raise IntegrityError(f"the manifest {digest} ({problem})") from error

    def restore_directory(self, digest: str, target: Path) -> Path:
        """Write a stored directory to `target`, which appears whole and verified, or not at all.

        Raises
        ------
        AlreadyExistsError
            If `target` exists.
        NotFoundError, IntegrityError
            If the directory or one of its files is missing, or not what was written.
        """
        manifest = self.read_manifest(digest)
        if target.exists():
            raise AlreadyExistsError(f"{target} exists; name a folder that does not")
        target.parent.mkdir(parents=True, exist_ok=True)
        staging = target.with_name(f".{target.name}.{uuid.uuid4().hex}.tmp")
        try:
            with full_disk_as_error(target.parent):
                staging.mkdir()
                for name, entry in manifest.files.items():
                    self._restore_file(entry, staging.joinpath(*name.split("/")))
                os.rename(staging, target)  # noqa: PTH104 -- fails if the target has content
                sync_folder(target.parent)
        finally:
            shutil.rmtree(staging, ignore_errors=True)
        return target

    def digests(self) -> Iterator[str]:
        """Yield the digest of every stored artifact, as its name has it, in order."""
        for folder in sorted(self.root.glob("[0-9a-f][0-9a-f]")):
            for path in sorted(folder.iterdir()):
                if _DIGEST.fullmatch(folder.name + path.name):
                    yield folder.name + path.name

    def check(self, digest: str) -> tuple[Damage, ...]:
        """Return what is wrong with one artifact, and with the files it names if a directory."""
        try:
            found = _hash_of(self.path_of(digest))
        except FileNotFoundError:
            return (Damage(kind="artifact", where=digest, problem="is missing"),)
        if found != digest:
            problem = f"holds other bytes than were written (their digest is {found})"
            return (Damage(kind="artifact", where=digest, problem=problem),)
        try:
            manifest = self.read_manifest(digest)
        except NotFoundError:
            return ()
        except IntegrityError as error:
            return (Damage(kind="artifact", where=digest, problem=str(error)),)
        return tuple(
            Damage(kind="artifact", where=entry.sha256, problem=f"is missing ({name!r})")
            for name, entry in manifest.files.items()
            if not self.exists(entry.sha256)
        )

    def _put_file(self, path: Path) -> ManifestEntry:
        digest = _hash_of(path)
        stored = self._put(chunks_of(path), digest)
        return ManifestEntry(sha256=stored, size=self.path_of(stored).stat().st_size)

    def _put(self, chunks: Iterable[bytes], expected: str) -> str:
        """Store content unless a sound copy is there; the names become durable by `_sync`."""
        if self._holds(expected):
            return expected
        make_folder(self.root / self.TEMPORARY)
        temporary = self.root / self.TEMPORARY / uuid.uuid4().hex
        try:
            digest, _ = write_new(temporary, chunks)
            target = self.path_of(digest)
            with suppress(FileExistsError):
                os.mkdir(target.parent)  # noqa: PTH102 -- the calls that change the disk
            os.replace(temporary, target)  # noqa: PTH105 -- stay in sight
        finally:
            discard(temporary)
        return digest

    def _holds(self, digest: str) -> bool:
        """Tell whether a sound copy is stored; a damaged one is written anew."""
        with suppress(FileNotFoundError):
            return _hash_of(self.path_of(digest)) == digest
        return False

    def _sync(self, digests: Iterable[str]) -> None:
        """Make names durable, also those that another process made and has not synced yet."""
        for folder in sorted({self.path_of(digest).parent for digest in digests}):
            sync_folder(folder)
        sync_folder(self.root)

    def _restore_file(self, entry: ManifestEntry, path: Path) -> None:
        source = self.path_of(entry.sha256)
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            found, size = write_new(path, chunks_of(source))
        except FileNotFoundError:
            raise self._missing(entry.sha256) from None
        if (found, size) != (entry.sha256, entry.size):
            raise IntegrityError(f"artifact {entry.sha256}", expected=entry.sha256, found=found)

    def _missing(self, digest: str) -> NotFoundError:
        return NotFoundError(
            f"the store holds no artifact {digest}; check the digest, and run `mldeploy verify` "
            "if a version refers to it"
        )


def _hash_of(path: Path) -> str:
    digest = hashlib.sha256()
    for chunk in chunks_of(path):
        digest.update(chunk)
    return digest.hexdigest()

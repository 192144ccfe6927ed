"""The state of the code: the commit, and whether the tree differs from it."""

from __future__ import annotations

import hashlib
import os
import subprocess
from pathlib import Path
from typing import final

from mldeploy._record import Record

_GIT = ("git", "-c", "core.fsmonitor=false", "-c", "core.quotepath=off")
_PATIENCE_S = 10.0
_READ_BYTES = 4 << 20
_UNKNOWN_ERRORS = (OSError, subprocess.SubprocessError)


@final
class CodeState(Record):
    """The commit that code was run from, and whether the tree differed from it.

    Attributes
    ----------
    commit : str or None
        Hash of the commit; None outside a git repository, or before its first commit.
    dirty : bool or None
        Whether tracked files were changed, or untracked ones were there; None if unknown.
    diff : str or None
        SHA-256 of the changes and of the untracked files, None if there are none. Two runs with
        the same commit and diff ran the same code.
    """

    commit: str | None = None
    dirty: bool | None = None
    diff: str | None = None

    @classmethod
    def of(cls, directory: str | Path | None = None) -> CodeState:
        """Ask git for the state of a working tree.

        Parameters
        ----------
        directory : path, optional
            A directory of the tree; by default the current one.

        Returns
        -------
        CodeState
            All None if there is no git or no repository.

        Examples
        --------
        >>> import tempfile
        >>> CodeState.of(tempfile.mkdtemp()).commit is None
        True
        """
        folder = Path.cwd() if directory is None else Path(directory)
        try:
            top = Path(os.fsdecode(_git(folder, "rev-parse", "--show-toplevel")).rstrip("\n"))
            commit = _git(top, "rev-parse", "HEAD").decode().strip()
            changes = _git(top, "diff", "HEAD", "--binary", "--no-ext-diff", "--no-textconv")
            listed = _git(top, "ls-files", "--others", "--exclude-standard", "-z")
        except _UNKNOWN_ERRORS:
            return cls()
        untracked = sorted(name for name in listed.split(b"\0") if name)
        if not changes and not untracked:
            return cls(commit=commit, dirty=False)
        return cls(commit=commit, dirty=True, diff=_digest(top, changes, untracked))


def _git(folder: Path, *arguments: str) -> bytes:
    return subprocess.run(  # noqa: S603 (a fixed command, no shell)
        [*_GIT, *arguments],
        cwd=folder,
        env={**os.environ, "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=True,
        timeout=_PATIENCE_S,
    ).stdout


def _digest(top: Path, changes: bytes, untracked: list[bytes]) -> str:
    digest = hashlib.sha256(changes)
    for name in untracked:
        digest.update(b"\0" + name + b"\0" + _content_key(top / os.fsdecode(name)))
    return digest.hexdigest()


def _content_key(path: Path) -> bytes:
    """Return the hash of a file, or of its size and time where reading it would take long."""
    try:
        status = path.lstat()
        if path.is_symlink() or not path.is_file():
            return b"-"
        if status.st_size > _READ_BYTES:
            return f"{status.st_size} {status.st_mtime_ns}".encode()
        return hashlib.sha256(path.read_bytes()).digest()
    except OSError:
        return b"?"

"""A job whose answers are files: numbered parts that become one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Final, final

import polars as pl
from typing_extensions import override

from mldeploy.errors import (
    AlreadyExistsError,
    IntegrityError,
    JobUnfinishedError,
    NotFoundError,
)
from mldeploy.serving._bulk_files import (
    discard,
    only_process,
    parquet_bytes,
    remove_folder,
    write_whole,
)
from mldeploy.serving._bulk_job import Job, Journal, Progress, Scored
from mldeploy.serving._bulk_join import join_parts
from mldeploy.serving._bulk_source import format_of, is_remote, scan

_JOB: Final = "job.json"
_PART: Final = re.compile(r"part-(\d{12})-(\d{12})-(\d{12})\.parquet", flags=re.ASCII)


@final
class FolderJournal(Journal):
    """Numbered part files in a folder beside the target.

    The name of a part says which rows it stands for, so its rename is the one step by which a
    piece is done. At the end the parts become one file, by another rename.

    Parameters
    ----------
    target : str
        The file, or the object in a store, to be written.
    folder : Path
        Where the parts are kept until then.
    storage_options : mapping of str to str, optional
        What polars needs to reach the object store.
    """

    def __init__(
        self, target: str, *, folder: Path, storage_options: Mapping[str, str] | None = None
    ) -> None:
        format_of(target)
        self.target = target
        self.folder = folder
        self._options = storage_options

    @override
    def held(self) -> AbstractContextManager[None]:
        return only_process(self.folder)

    @override
    def begin(self, asked: Job, *, resume: bool) -> tuple[Job, Progress]:
        path = self.folder / _JOB
        if not path.exists():
            self._must_be_free()
            write_whole(path, asked.to_json().encode())
            return asked, Progress()
        if not resume:
            raise JobUnfinishedError(self.target, place=self.folder)
        job = _read_job(path).resumed_by(asked, target=self.target)
        write_whole(path, job.to_json().encode())
        return job, self._recover()

    def _must_be_free(self) -> None:
        if self._is_there():
            remove_folder(self.folder)
            raise AlreadyExistsError(f"{self.target} exists; name another file")

    def _is_there(self) -> bool:
        if not is_remote(self.target):
            return Path(self.target).exists()
        options = None if self._options is None else dict(self._options)
        try:
            scan(format_of(self.target), self.target, options).collect_schema()
        except (pl.exceptions.PolarsError, OSError):
            return False
        return True

    def _recover(self) -> Progress:
        """Return what the parts stand for, and remove what stands for nothing."""
        done, kept = Progress(), set()
        for path, first, stop, answered in self._parts():
            if first == done.next_row:
                done = Progress(next_row=stop, answered=done.answered + answered)
                kept.add(path)
        others = [p for p in self.folder.iterdir() if p not in kept]
        discard([p for p in others if p.name not in {_JOB, ".lock"}])
        return done

    def _parts(self) -> list[tuple[Path, int, int, int]]:
        found = []
        for path in sorted(self.folder.iterdir()):
            if (match := _PART.fullmatch(path.name)) is not None:
                first, stop, answered = map(int, match.groups())
                found.append((path, first, stop, answered))
        return found

    @override
    def commit(self, piece: Scored) -> None:
        name = f"part-{piece.first:012d}-{piece.stop:012d}-{piece.answers.height:012d}.parquet"
        write_whole(self.folder / name, parquet_bytes(piece.answers))

    @override
    def finish(self) -> None:
        join_parts([p for p, *_ in self._parts()], self.target, storage_options=self._options)
        remove_folder(self.folder)

    @override
    def forget(self) -> None:
        if not self._parts():
            remove_folder(self.folder)


@final
class Quarantine:
    """Refused rows on their way to a file of their own.

    They are durable before the piece that they come from is; if it is done again, they replace
    themselves.

    Parameters
    ----------
    path : Path
        Where they shall stand; written only if there are any.
    """

    def __init__(self, path: Path) -> None:
        format_of(str(path))
        self.path = path
        self.folder = path.with_name(f"{path.name}.unfinished")

    def begin(self, progress: Progress) -> None:
        """Take rows from here on; those of pieces that are not done yet are put away.

        Raises
        ------
        AlreadyExistsError
            If the file is there.
        """
        if not progress.refused and self.path.exists():
            raise AlreadyExistsError(f"{self.path} exists; name another file for refused rows")
        late = [p for p in self._parts() if int(p.stem) >= progress.next_row]
        discard(late)

    def write(self, piece: Scored) -> None:
        """Make the refused rows of a piece durable."""
        if piece.refused is None:
            return
        self.folder.mkdir(exist_ok=True)
        write_whole(self.folder / f"{piece.first:012d}.parquet", parquet_bytes(piece.refused))

    def finish(self) -> None:
        """Let the file appear, whole."""
        if parts := self._parts():
            join_parts(parts, str(self.path))
        remove_folder(self.folder)

    def _parts(self) -> list[Path]:
        return sorted(self.folder.glob("[0-9]*.parquet")) if self.folder.is_dir() else []


def folder_for(target: str, work: Path | None) -> Path:
    """Return where the parts of a target are kept until it is whole.

    Raises
    ------
    NotFoundError
        If the folder that would hold them is not there.
    """
    if is_remote(target):
        parent, name = work or Path(), target.rpartition("/")[2]
    else:
        parent, name = work or Path(target).parent, Path(target).name
    if not parent.is_dir():
        raise NotFoundError(f"there is no folder {parent}; make it, or name another")
    return parent / f"{name}.unfinished"


def _read_job(path: Path) -> Job:
    try:
        return Job.model_validate_json(path.read_bytes())
    except ValueError as error:
        raise IntegrityError(f"the job at {path}") from error

"""What a job is, and what it has done."""

from __future__ import annotations

import abc
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Final, final

import polars as pl

from mldeploy._record import Record
from mldeploy.errors import JobChangedError
from mldeploy.serving._batch import PredictionBatch


@final
class Job(Record):
    """What a job was asked to do; a resumed one must have been asked the same.

    Attributes
    ----------
    id : str
        Eight hexadecimal digits, drawn when it first began.
    started_at : datetime
        When it first began; the time of all its predictions.
    source, model, columns : str
        Digests of the input, of what answers, and of what is written for each row.
    quarantine : str, optional
        Where refused rows go.
    piece_rows : int
        Rows that are scored, and become durable, together.
    """

    id: str
    started_at: datetime
    source: str
    model: str
    columns: str
    quarantine: str | None
    piece_rows: int

    def resumed_by(self, asked: Job, *, target: object) -> Job:
        """Return this job as it goes on.

        Raises
        ------
        JobChangedError
            If what is asked now is something else.
        """
        changed = [_WORDS[name] for name in _WORDS if getattr(self, name) != getattr(asked, name)]
        if self.quarantine not in (None, asked.quarantine):
            changed.append("place for refused rows")
        if changed:
            raise JobChangedError(target, changed=changed)
        return self.model_copy(update={"quarantine": asked.quarantine})


_WORDS: Final = {
    "source": "input",
    "model": "model or split of the traffic",
    "columns": "choice of key, columns or log",
}


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Scored:
    """One piece that was scored: rows `first` up to `stop` of the input."""

    first: int
    stop: int
    answers: pl.DataFrame
    refused: pl.DataFrame | None
    log: Sequence[PredictionBatch]


@final
@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far a job has come: every row before `next_row` is done, exactly once."""

    next_row: int = 0
    answered: int = 0

    @property
    def refused(self) -> int:
        """Rows that the schema refused."""
        return self.next_row - self.answered

    def after(self, piece: Scored) -> Progress:
        """Return how far the job is once a piece is done."""
        return Progress(next_row=piece.stop, answered=self.answered + piece.answers.height)


class Journal(abc.ABC):
    """Where a job writes its answers, and how it knows after a crash what it has written."""

    @abc.abstractmethod
    def held(self) -> AbstractContextManager[None]:
        """Keep other processes from working on the same target."""

    @abc.abstractmethod
    def begin(self, asked: Job, *, resume: bool) -> tuple[Job, Progress]:
        """Begin a job, or go on with the one that is there.

        Raises
        ------
        AlreadyExistsError
            If the target is there.
        JobUnfinishedError
            If a job is there, and it shall not be resumed.
        JobChangedError
            If it was asked something else.
        """

    @abc.abstractmethod
    def commit(self, piece: Scored) -> None:
        """Write the answers of a piece, and that they are written, in one durable step."""

    @abc.abstractmethod
    def finish(self) -> None:
        """Let the target appear, whole."""

    @abc.abstractmethod
    def forget(self) -> None:
        """Leave no trace of a job that has written nothing."""

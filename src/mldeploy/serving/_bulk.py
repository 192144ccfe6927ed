"""Score tables of any size, in bounded memory, and go on where a crash has stopped it."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Final, TypeAlias, final

import polars as pl
from tqdm import tqdm

from mldeploy._record import Clock, digest_of, utc_now
from mldeploy.errors import SchemaMismatchError
from mldeploy.serving._bulk_arms import Arms
from mldeploy.serving._bulk_flow import overlapped, written_behind
from mldeploy.serving._bulk_folder import FolderJournal, Quarantine, folder_for
from mldeploy.serving._bulk_job import Job, Journal, Progress, Scored
from mldeploy.serving._bulk_piece import refuse_clashes, refuse_unknown
from mldeploy.serving._bulk_score import Scoring
from mldeploy.serving._bulk_source import Source, files_source
from mldeploy.serving._bulk_sql import SqlTable, sql_source
from mldeploy.serving._bulk_sql_journal import sql_journal
from mldeploy.serving._bulk_summary import BulkSummary, peak_memory
from mldeploy.serving._sink import PredictionSink
from mldeploy.serving._traffic import Traffic

if TYPE_CHECKING:
    from mldeploy.model import CompiledModel, Model

Place: TypeAlias = str | Path | SqlTable
"""A file, a folder or pattern of files, an object such as ``s3://bucket/rows.parquet``, or a
table of a database."""

_PIECE_ROWS: Final = 131_072


def score_table(
    source: Place,
    target: Place,
    model: Model | CompiledModel | Traffic,
    *,
    version: str = "",
    key: str | None = None,
    keep: Sequence[str] = (),
    quarantine: str | Path | None = None,
    log: PredictionSink | None = None,
    deployment: str = "bulk",
    resume: bool = False,
    work: str | Path | None = None,
    storage_options: Mapping[str, str] | None = None,
    piece_rows: int = _PIECE_ROWS,
    n_threads: int = 2,
    progress: bool = True,
    clock: Clock = utc_now,
) -> BulkSummary:
    """Answer every row of a table, and write the answers as a table, in the order of the rows.

    The input is read, held against the schema, scored and written piece by piece, at the same
    time; memory does not grow with the table. Each piece becomes durable with the note that it
    is done, in one step: whatever kills the process, `resume` goes on behind the last piece, and
    no row is missing or there twice.

    Parameters
    ----------
    source, target : str, Path or SqlTable
        Parquet, CSV or Arrow IPC, by the end of the name. A source may be a folder, a pattern, an
        object such as ``s3://bucket/rows.parquet``, or a table of a database; a target one file,
        object or table that is not there yet. Columns of CSV are read as the schema says; those
        that it does not know stay text.
    model : Model, CompiledModel or Traffic
        What answers. Two versions that share a traffic divide the rows as they divide requests.
    version : str, optional
        Label of the version; by default the beginning of the model's digest.
    key : str, optional
        Column that says what each row is about; becomes the column ``key`` of the answers.
    keep : sequence of str
        Columns to hand on as they are.
    quarantine : path, optional
        File for the rows that the schema refuses, with a column ``refused_row`` (their number,
        from 0) and ``refused_errors`` (JSON: column, code and message). Without one, the first
        refused row ends the job: a batch that is quietly incomplete is worse than one that is
        late.
    log : PredictionSink, optional
        Where every prediction is written down with its features, for monitors and labels; the
        answers then have a ``prediction_id``. A `BulkLog` holds each prediction exactly once
        even if the job is killed and resumed; in any other sink the last piece before a crash
        may be there twice, under the same identifiers. Without a log the answers are the only
        record; with the columns of the input kept, they are as good as one.
    deployment : str, default="bulk"
        Name under which the predictions are logged.
    resume : bool, default=False
        Go on with the job that began this target, if there is one.
    work : path, optional
        Folder that holds the unfinished answers; by default the target's own, or the current
        one where the target is an object.
    storage_options : mapping of str to str, optional
        What polars needs to reach an object store.
    piece_rows : int, default=131_072
        Rows to score together. A resumed job keeps those that it began with.
    n_threads : int, default=2
        Pieces to score at the same time.
    progress : bool, default=True
        Show a progress bar if it takes longer than a second.
    clock : Clock, default=utc_now
        Tells the time of the predictions: when the job first began.

    Returns
    -------
    BulkSummary
        Rows, time and memory.

    Raises
    ------
    AlreadyExistsError
        If the target is there.
    JobUnfinishedError, JobChangedError, JobRunningError
        If an earlier job has begun this target: without `resume`, with another input, model or
        choice of columns, or while it is still at work.
    SchemaMismatchError, InvalidDataError
        If the input lacks a column, or is no table.
    InvalidRowsError
        If the schema refuses a row, and there is no quarantine; `errors` have the row's number.
    PredictionFailedError
        If the model raised. What was done before is kept, and can be resumed.
    StoreFullError
        If the disk takes no more; likewise.
    """
    if piece_rows < 1 or n_threads < 1:
        raise ValueError(f"{piece_rows=} and {n_threads=} must be at least 1")
    begin = perf_counter()
    rows = _open(source, storage_options)
    arms = Arms.of(model, version=version)
    columns = _columns(rows, arms, key, keep)
    asked = Job(
        id=secrets.token_hex(4),
        started_at=clock(),
        source=digest_of(rows.identity()),
        model=arms.digest,
        columns=digest_of([key, list(keep), log is not None, deployment]),
        quarantine=None if quarantine is None else str(quarantine),
        piece_rows=piece_rows,
    )
    side = None if quarantine is None else Quarantine(Path(quarantine))
    journal = _journal(target, work, storage_options)
    with journal.held():
        job, done = journal.begin(asked, resume=resume)
        scoring = Scoring(
            job=job,
            arms=arms,
            key=key,
            keep=tuple(keep),
            is_text=rows.is_text,
            deployment=None if log is None else deployment,
        )
        run = _Run(journal=journal, quarantine=side, log=log, arms=arms)
        now = run.all_rows(rows, columns, scoring, done, n_threads=n_threads, progress=progress)
        if side is not None:
            side.finish()
        journal.finish()
    return BulkSummary(
        target=str(target),
        version="+".join(arms.versions),
        rows=now.next_row,
        answered=now.answered,
        refused=now.refused,
        resumed_rows=done.next_row,
        seconds=perf_counter() - begin,
        peak_memory=peak_memory(),
        quarantine=None if side is None or not now.refused else str(side.path),
    )


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class _Run:
    """The places that a piece is written to, in the order that makes it durable only once."""

    journal: Journal
    quarantine: Quarantine | None
    log: PredictionSink | None
    arms: Arms

    def all_rows(
        self,
        rows: Source,
        columns: Sequence[str],
        scoring: Scoring,
        done: Progress,
        *,
        n_threads: int,
        progress: bool,
    ) -> Progress:
        """Score what is not done yet, and return how far that is."""
        start = done.next_row
        try:
            if self.quarantine is not None:
                self.quarantine.begin(done)
            pieces = _numbered(
                rows.pieces(columns, start=start, n_rows=scoring.job.piece_rows), start
            )
            bar = tqdm(
                desc="score", unit="row", unit_scale=True, delay=1, disable=not progress,
                total=rows.n_rows, initial=start,
            )  # fmt: skip
            with (
                bar,
                closing(
                    overlapped(pieces, lambda p: scoring.score(*p), n_threads=n_threads)
                ) as scored,
            ):
                for piece in written_behind(scored, self._write):
                    done = done.after(piece)
                    bar.update(piece.stop - piece.first)
            if not done.next_row:
                self._write(scoring.nothing(rows.nothing(columns)))
        except BaseException as error:
            self._explain(error, start=start, done=done)
            raise
        return done

    def _write(self, piece: Scored) -> None:
        if self.quarantine is not None:
            self.quarantine.write(piece)
        if self.log is not None and piece.log:
            for batch in piece.log:
                self.log.write(batch)
            self.log.flush()
        self.journal.commit(piece)
        refused = piece.stop - piece.first - piece.answers.height
        self.arms.count(piece.answers, refused=refused)

    def _explain(self, error: BaseException, *, start: int, done: Progress) -> None:
        if isinstance(error, Exception) and not done.next_row:
            self.journal.forget()
            return
        error.add_note(
            f"{done.next_row:,} rows are done and kept ({start:,} of them earlier); "
            "resume=True (--resume) goes on from there"
        )


def _open(source: Place, options: Mapping[str, str] | None) -> Source:
    if isinstance(source, SqlTable):
        return sql_source(source)
    return files_source(source, storage_options=options)


def _journal(target: Place, work: str | Path | None, options: Mapping[str, str] | None) -> Journal:
    if isinstance(target, SqlTable):
        return sql_journal(target)
    folder = folder_for(str(target), None if work is None else Path(work))
    return FolderJournal(str(target), folder=folder, storage_options=options)


def _columns(rows: Source, arms: Arms, key: str | None, keep: Sequence[str]) -> list[str]:
    """Return the columns to read, in their order."""
    others = [*keep] if key is None else [*keep, key]
    refuse_unknown(others, rows.columns, rows.name)
    refuse_clashes(keep)
    known = set(rows.columns)
    features = dict.fromkeys(name for schema in arms.schemas for name in schema.names)
    if missing := [name for name in features if name not in known]:
        raise SchemaMismatchError(missing=missing)
    return [name for name in rows.columns if name in {*features, *others}]


def _numbered(pieces: Iterator[pl.DataFrame], start: int) -> Iterator[tuple[int, pl.DataFrame]]:
    for piece in pieces:
        yield start, piece
        start += piece.height

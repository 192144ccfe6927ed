"""A job whose answers are a table of a database."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any, final

import polars as pl
import sqlalchemy as sa
from typing_extensions import override

from mldeploy.errors import (
    AlreadyExistsError,
    IntegrityError,
    InvalidDataError,
    JobUnfinishedError,
)
from mldeploy.serving._bulk_job import Job, Journal, Progress, Scored
from mldeploy.serving._bulk_sql import SqlTable, name_of


def sql_journal(table: SqlTable) -> Journal:
    """Return how answers get into a table that is not there yet."""
    if table.table is None:
        raise InvalidDataError(f"{table} is a query; name a table to write")
    return _SqlJournal(table, *name_of(table.table))


@final
class _SqlJournal(Journal):
    """Rows and the note that they are done, in one transaction; the table appears by a rename."""

    def __init__(self, table: SqlTable, name: str, schema: str | None) -> None:
        self._table = table
        self._name, self._schema = name, schema
        self._engine = table.engine
        self._notes = _notes(schema)
        self._staging: sa.Table | None = None

    @override
    def held(self) -> AbstractContextManager[None]:
        """Rely on the database: a piece that another process has done is refused by its note."""
        return nullcontext()

    @property
    def _unfinished(self) -> str:
        return f"{self._name}_unfinished"

    @override
    def begin(self, asked: Job, *, resume: bool) -> tuple[Job, Progress]:
        self._notes.create(self._engine, checkfirst=True)
        with self._engine.begin() as connection:
            found = connection.execute(
                sa.select(self._notes).where(self._notes.c.target == self._name)
            ).one_or_none()
            there = sa.inspect(connection).has_table(self._name, schema=self._schema)
            unfinished = found is not None and not found.finished
            if unfinished and not resume:
                raise JobUnfinishedError(self._table, place=f"{self._notes.name}")
            if there and not unfinished:
                raise AlreadyExistsError(f"{self._table} exists; name another table")
            if found is None or not unfinished:
                connection.execute(
                    sa.delete(self._notes).where(self._notes.c.target == self._name)
                )
                note = {"target": self._name, "job": asked.to_json(), "finished": False}
                connection.execute(sa.insert(self._notes).values(**note, next_row=0, answered=0))
                return asked, Progress()
            job = _job_of(found.job).resumed_by(asked, target=self._table)
            connection.execute(self._note(job=job.to_json()))
        return job, Progress(next_row=found.next_row, answered=found.answered)

    @override
    def commit(self, piece: Scored) -> None:
        staging = self._staged(piece.answers)
        rows = [dict(zip(piece.answers.columns, row, strict=True)) for row in _rows(piece.answers)]
        with self._engine.begin() as connection:
            noted = connection.execute(
                self._note(next_row=piece.stop, answered=self._notes.c.answered + len(rows)).where(
                    self._notes.c.next_row == piece.first
                )
            )
            if noted.rowcount != 1:
                raise IntegrityError(f"the note of {self._table}: another process wrote it")
            if rows:
                connection.execute(sa.insert(staging), rows)

    def _staged(self, answers: pl.DataFrame) -> sa.Table:
        """Return the table that holds rows until all are there; made with the first piece."""
        if self._staging is None:
            columns = [sa.Column(n, _type(t)) for n, t in answers.schema.items()]
            self._staging = sa.Table(
                self._unfinished, sa.MetaData(), *columns, schema=self._schema
            )
            self._staging.create(self._engine, checkfirst=True)
        return self._staging

    @override
    def finish(self) -> None:
        quote = self._engine.dialect.identifier_preparer.quote
        prefix = f"{quote(self._schema)}." if self._schema else ""
        rename = f"ALTER TABLE {prefix}{quote(self._unfinished)} RENAME TO {quote(self._name)}"
        with self._engine.begin() as connection:
            if sa.inspect(connection).has_table(self._unfinished, schema=self._schema):
                connection.execute(sa.text(rename))
            connection.execute(self._note(finished=True))

    @override
    def forget(self) -> None:
        with self._engine.begin() as connection:
            connection.execute(
                sa.delete(self._notes).where(
                    self._notes.c.target == self._name, self._notes.c.next_row == 0
                )
            )

    def _note(self, **changes: Any) -> sa.Update:
        return sa.update(self._notes).where(self._notes.c.target == self._name).values(**changes)


def _notes(schema: str | None) -> sa.Table:
    return sa.Table(
        "mldeploy_jobs",
        sa.MetaData(),
        sa.Column("target", sa.String(200), primary_key=True),
        sa.Column("job", sa.Text, nullable=False),
        sa.Column("next_row", sa.BigInteger, nullable=False),
        sa.Column("answered", sa.BigInteger, nullable=False),
        sa.Column("finished", sa.Boolean, nullable=False),
        schema=schema,
    )


def _job_of(text: str) -> Job:
    try:
        return Job.model_validate_json(text)
    except ValueError as error:
        raise IntegrityError("the note of a job") from error


def _rows(answers: pl.DataFrame) -> Iterator[tuple[Any, ...]]:
    lists = [name for name, dtype in answers.schema.items() if isinstance(dtype, pl.List)]
    texts = answers.with_columns(
        pl.Series(name, [None if v is None else json.dumps(v) for v in answers[name].to_list()])
        for name in lists
    )
    return texts.iter_rows()


def _type(dtype: pl.DataType) -> sa.types.TypeEngine[Any]:
    if dtype.is_integer():
        return sa.BigInteger()
    if dtype.is_float():
        return sa.Double()
    if isinstance(dtype, pl.Datetime):
        return sa.DateTime(timezone=dtype.time_zone is not None)
    kinds: dict[type[pl.DataType], sa.types.TypeEngine[Any]] = {
        pl.Boolean: sa.Boolean(),
        pl.Date: sa.Date(),
        pl.Time: sa.Time(),
        pl.Duration: sa.Interval(),
    }
    return kinds.get(dtype.base_type(), sa.Text())

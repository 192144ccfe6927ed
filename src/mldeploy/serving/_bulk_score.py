"""From a piece of a table to what is written about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any, Final, final

import numpy as np
import numpy.typing as npt
import polars as pl

from mldeploy.errors import FieldError, InvalidDataError, InvalidRowsError
from mldeploy.serving._batch import PredictionBatch
from mldeploy.serving._bulk_arms import Arm, Arms
from mldeploy.serving._bulk_job import Job, Scored
from mldeploy.serving._bulk_log import job_ids
from mldeploy.serving._bulk_piece import (
    at_rows_of_the_table,
    judge,
    prediction_column,
    prediction_type,
    refused_rows,
    score_column,
    score_type,
)
from mldeploy.serving._bulk_text import read_text

Array = npt.NDArray[Any]

_SHADOWS: Final = 1 << 39
"""More than the rows of any table: where a shadow begins to count."""


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class _Answered:
    """The answers of one arm to its rows of a piece."""

    rows: npt.NDArray[np.int64] | None
    """Numbers within the piece; None stands for all rows."""
    columns: pl.DataFrame
    errors: tuple[FieldError, ...]
    batch: PredictionBatch | None


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Scoring:
    """How the rows of a job become answers; shared between threads.

    Attributes
    ----------
    job : Job
        Names the predictions.
    arms : Arms
        Who answers.
    key : str, optional
        Column that says what each row is about.
    keep : sequence of str
        Columns to hand on.
    is_text : bool
        Whether the schema has yet to read the values.
    deployment : str, optional
        Name under which the predictions are logged, if they are.
    """

    job: Job
    arms: Arms
    key: str | None
    keep: Sequence[str]
    is_text: bool
    deployment: str | None

    def score(self, first: int, piece: pl.DataFrame) -> Scored:
        """Answer the rows of a piece, of which the first is row `first` of the table.

        Raises
        ------
        InvalidRowsError
            If the schema refuses a row, and the job has no place for those.
        """
        keys = None if self.key is None else _keys(piece[self.key])
        shares = self.arms.split(self._places(keys, first, piece.height))
        parts = [self._answer(arm, rows, piece, keys, first) for arm, rows in shares]
        errors = sorted((e for part in parts for e in part.errors), key=lambda e: e.row)
        if errors and self.job.quarantine is None:
            raise InvalidRowsError(at_rows_of_the_table(errors, first))
        rows, columns = _interleaved(parts, piece.height)
        log = [part.batch for part in parts if part.batch is not None]
        return Scored(
            first=first,
            stop=first + piece.height,
            answers=self._table(piece, keys, first, rows, columns),
            refused=refused_rows(piece, errors, first=first) if errors else None,
            log=log + self._shadow(piece, keys, first),
        )

    def nothing(self, piece: pl.DataFrame) -> Scored:
        """Return what is written about a table without rows."""
        keys = None if self.key is None else pl.Series([], dtype=pl.String)
        answers = self._table(piece, keys, 0, None, self._no_answers())
        return Scored(first=0, stop=0, answers=answers, refused=None, log=())

    def _no_answers(self) -> pl.DataFrame:
        signature = self.arms.champion.model.signature
        score = score_type(signature)
        scores = {} if score is None else {"score": score}
        texts = {"route": pl.String(), "version": pl.String()}
        return pl.DataFrame(schema={"prediction": prediction_type(signature), **scores, **texts})

    def _places(self, keys: pl.Series | None, first: int, n_rows: int) -> list[str]:
        """Return by what each row is given to a version: its key, or its number in the job."""
        if self.arms.candidate is None or self.arms.is_shadow:
            return []
        numbered = [f"{self.job.id}/{first + row}" for row in range(n_rows)]
        if keys is None:
            return numbered
        pairs = zip(keys.to_list(), numbered, strict=True)
        return [number if key is None else key for key, number in pairs]

    def _answer(
        self,
        arm: Arm,
        rows: npt.NDArray[np.int64] | None,
        piece: pl.DataFrame,
        keys: pl.Series | None,
        first: int,
    ) -> _Answered:
        begin = perf_counter()
        schema = arm.model.signature.inputs
        given = piece.select(schema.names)
        judged = judge(given if rows is None else given[rows], schema, is_text=self.is_text)
        errors = judged.errors
        if rows is not None:
            errors = tuple(_moved(error, int(rows[error.row])) for error in errors)
        if judged.rows is not None:
            rows = judged.rows if rows is None else rows[judged.rows]
        if not judged.accepted.height:
            return _Answered(rows=rows, columns=self._no_answers(), errors=errors, batch=None)
        predictions, scores, routes = arm.answer(judged.accepted)
        signature, n_rows = self.arms.champion.model.signature, judged.accepted.height
        score = score_column(scores, signature, n_rows=n_rows)
        columns = [
            prediction_column(predictions, signature),
            *(() if score is None else (score,)),
            _texts("route", routes),
            pl.repeat(arm.version, n_rows, dtype=pl.String, eager=True).alias("version"),
        ]
        batch = None
        if self.deployment is not None:
            numbers = np.arange(piece.height) if rows is None else rows
            batch = PredictionBatch(
                deployment=self.deployment,
                version=arm.version,
                arm=arm.name,
                ids=self._ids(first + numbers, arm).to_list(),
                keys=None if keys is None else keys[numbers].to_list(),
                times=np.full(n_rows, self._time),
                features=judged.accepted,
                predictions=predictions,
                scores=scores,
                routes=routes,
                latency_s=np.full(n_rows, (perf_counter() - begin) / n_rows),
            )
        return _Answered(rows=rows, columns=pl.DataFrame(columns), errors=errors, batch=batch)

    def _shadow(
        self, piece: pl.DataFrame, keys: pl.Series | None, first: int
    ) -> list[PredictionBatch]:
        """Let a shadow answer what can be logged; nobody waits for its refusals."""
        shadow = self.arms.candidate
        if shadow is None or not self.arms.is_shadow or self.deployment is None:
            return []
        batch = self._answer(shadow, None, piece, keys, first).batch
        return [] if batch is None else [batch]

    def _table(
        self,
        piece: pl.DataFrame,
        keys: pl.Series | None,
        first: int,
        rows: npt.NDArray[np.int64] | None,
        columns: pl.DataFrame,
    ) -> pl.DataFrame:
        kept = self._kept(piece)
        given = [kept[name] if rows is None else kept[name][rows] for name in self.keep]
        if keys is not None:
            given.append((keys if rows is None else keys[rows]).alias("key"))
        if self.deployment is not None:
            numbers = np.arange(piece.height) if rows is None else rows
            given.append(self._ids(first + numbers, self.arms.champion))
        return pl.DataFrame([*given, *columns.get_columns()])

    def _kept(self, piece: pl.DataFrame) -> pl.DataFrame:
        """Return the columns to hand on; of text, those that the schema knows in its types."""
        schema = self.arms.champion.model.signature.inputs
        known = [name for name in self.keep if name in schema.names]
        if not self.is_text or not known:
            return piece
        return piece.with_columns(read_text(piece, schema.select(known))[0])

    def _ids(self, rows: npt.NDArray[np.int64], arm: Arm) -> pl.Series:
        """Return identifiers by row; a shadow's are others than those of what it shadows."""
        if self.arms.is_shadow and arm is self.arms.candidate:
            rows = rows + _SHADOWS
        return job_ids(self.job.id, self.job.started_at, rows)

    @property
    def _time(self) -> np.datetime64:
        return np.datetime64(self.job.started_at.replace(tzinfo=None), "us")


def _interleaved(
    parts: Sequence[_Answered], height: int
) -> tuple[npt.NDArray[np.int64] | None, pl.DataFrame]:
    """Return the answers of all arms in the order of the rows, and which rows those are."""
    if len(parts) == 1:
        return parts[0].rows, parts[0].columns
    rows = np.concatenate([np.arange(height) if p.rows is None else p.rows for p in parts])
    order = np.argsort(rows, kind="stable")
    return rows[order], pl.concat([part.columns for part in parts])[order]


def _moved(error: FieldError, row: int) -> FieldError:
    return FieldError(row=row, column=error.column, code=error.code, message=error.message)


def _texts(name: str, values: Array) -> pl.Series:
    first = str(values[0])
    if (values == first).all():
        return pl.repeat(first, len(values), dtype=pl.String, eager=True).alias(name)
    return pl.Series(name, values.tolist(), dtype=pl.String)


def _keys(column: pl.Series) -> pl.Series:
    if column.dtype == pl.String or column.dtype.is_integer():
        return column.cast(pl.String)
    if isinstance(column.dtype, pl.Categorical | pl.Enum):
        return column.cast(pl.String)
    if column.dtype == pl.Null:
        return column.cast(pl.String)
    raise InvalidDataError(
        f"column {column.name!r} holds {column.dtype}; a key is text or a whole number"
    )

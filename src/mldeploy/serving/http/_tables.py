"""Tables as clients send them, brought before a model; answers as columns."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final

import numpy as np
import polars as pl

from mldeploy.data import Schema
from mldeploy.serving._answers import Answered, Answers
from mldeploy.serving.http._errors import BadRequest
from mldeploy.serving.http._messages import Response
from mldeploy.serving.http._service import Served, Service

_AT_ONCE: Final = 2_000
"""Rows that a compiled model may answer while the event loop waits: a millisecond or two."""


def rows_of(rows: object, what: str) -> list[Mapping[str, Any]]:
    """Return a list of objects, or refuse it."""
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise BadRequest(400, f"{what} is no list of objects")
    return rows


def rows_of_columns(columns: object, schema: Schema, what: str) -> list[dict[str, Any]]:
    """Return the rows of an object of columns, or refuse it."""
    if not isinstance(columns, dict) or not all(isinstance(c, list) for c in columns.values()):
        raise BadRequest(400, f"{what} is no object of lists")
    lengths = {name: len(column) for name, column in columns.items()}
    if len(set(lengths.values())) > 1:
        raise BadRequest(400, f"the columns of {what} differ in length: {_some(lengths)}")
    if unknown := sorted(set(columns) - set(schema.names)):
        raise BadRequest(400, f"the model has no column {_some(unknown)}")
    return [
        dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)
    ]


def quick_frame(columns: Mapping[str, Any], schema: Schema) -> pl.DataFrame | None:
    """Return columns of plain values as a frame at once; None if they take a closer look.

    A value that is not exactly of its column's type sends the whole table the long way, where
    each field that does not fit is named.
    """
    if set(columns) != set(schema.names):
        return None
    series = []
    for column in schema.columns:
        values = columns[column.name]
        wanted = _PLAIN.get(column.kind)
        if wanted is None or not isinstance(values, list):
            return None
        kinds = set(map(type, values))
        if column.kind == "number" and int in kinds and kinds <= wanted | {int}:
            values = [float(v) if type(v) is int and -_EXACT < v < _EXACT else v for v in values]
            kinds = set(map(type, values))
        if not kinds <= wanted:
            return None
        dtype = pl.String() if column.kind == "category" else column.dtype
        try:
            series.append(pl.Series(column.name, values, dtype=dtype, strict=True))
        except (TypeError, OverflowError, pl.exceptions.PolarsError):
            return None
    if len({len(one) for one in series}) != 1:
        return None
    return pl.DataFrame(series)


_EXACT: Final = 2**53
_MANY: Final = 32
"""Rows that are worth turning into columns."""
_NOTHING = type(None)
_PLAIN: dict[str, frozenset[type]] = {
    "integer": frozenset({int, _NOTHING}),
    "number": frozenset({float, _NOTHING}),
    "boolean": frozenset({bool, _NOTHING}),
    "string": frozenset({str, _NOTHING}),
    "category": frozenset({str, _NOTHING}),
}


def _turned(rows: list[Mapping[str, Any]], schema: Schema) -> pl.DataFrame | None:
    """Return rows of plain values as a frame at once; None if they take a closer look."""
    if set(map(len, rows)) != {len(schema.names)}:
        return None
    try:
        columns = {name: [row[name] for row in rows] for name in schema.names}
    except KeyError:
        return None
    return quick_frame(columns, schema)


def few_enough(n_rows: int, service: Service) -> None:
    """Refuse a table that is too long, or empty."""
    if n_rows > service.limits.max_rows:
        raise BadRequest(413, f"{n_rows:,} rows are over the {service.limits.max_rows:,} allowed")
    if not n_rows:
        raise BadRequest(400, "there is no row to predict; send at least one")


def respond(
    model: Served,
    rows: Any,
    write: Callable[[Answers], Response],
    *,
    keys: Sequence[Any] | None = None,
) -> Response | Awaitable[Response]:
    """Answer a table: at once if that takes a moment, else while others are answered.

    Parameters
    ----------
    model : Served
        What answers.
    rows : sequence of mapping, or polars.DataFrame
        The table.
    write : callable
        Turns the answers into a response.
    keys : sequence, optional
        What each row is about.
    """
    if keys is not None and len(keys) != len(rows):
        raise BadRequest(400, f"there are {len(keys)} keys for {len(rows)} rows")
    if isinstance(rows, list) and len(rows) >= _MANY:
        table = _turned(rows, model.signature.inputs)
        rows = rows if table is None else table
    if model.is_compiled and len(rows) <= _AT_ONCE:
        return write(model.answering.predict_frame(rows, keys=keys))
    return _later(model, rows, write, keys)


async def _later(
    model: Served, rows: Any, write: Callable[[Answers], Response], keys: Sequence[Any] | None
) -> Response:
    if len(rows) == 1 and model.batcher is not None and not model.is_compiled:
        row = _only(rows, model) if isinstance(rows, pl.DataFrame) else rows[0]
        one = await model.batcher.predict(row, key=keys[0] if keys else None)
        return write(_as_table(one))
    work = partial(model.answering.predict_frame, rows, keys=keys)
    return await asyncio.get_running_loop().run_in_executor(None, lambda: write(work()))


def _only(frame: pl.DataFrame, model: Served) -> dict[str, Any]:
    """Return a frame's one row, without the columns that are no features."""
    row: dict[str, Any] = frame.row(0, named=True)
    return {name: row[name] for name in model.signature.inputs.names if name in row}


def _as_table(one: Answered) -> Answers:
    return Answers(
        versions=[one.version],
        ids=[one.id],
        keys=None if one.key is None else [one.key],
        times=np.array([one.time], dtype="datetime64[us]"),
        predictions=np.array([one.prediction]),
        scores=None if one.score is None else np.array([one.score]),
        routes=np.array([one.route]),
        latency_s=np.zeros(1),
    )


def finite(answers: Answers) -> Answers:
    """Return answers that JSON can say, and refuse others: null would pass for an answer.

    Raises
    ------
    BadRequest
        With 500 if the model's figures are not all finite.
    """
    for figures in (answers.predictions, answers.scores):
        if figures is not None and figures.dtype.kind == "f" and not np.isfinite(figures).all():
            raise not_finite()
    return answers


def not_finite() -> BadRequest:
    """Return what is told where a model gives no number."""
    return BadRequest(500, "the model gave a figure that is not finite, and JSON holds none")


def plain_scores(answers: Answers) -> list[Any]:
    """Return the scores as plain values, None where there are none."""
    if answers.scores is None:
        return [None] * len(answers)
    scores: list[Any] = answers.scores.tolist()
    return scores


def _some(values: object) -> str:
    text = str(values)
    return text if len(text) <= 200 else f"{text[:197]}..."

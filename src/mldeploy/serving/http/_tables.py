"""Tables as clients send them, brought before a model; answers as columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import polars as pl

from mldeploy.data import Schema
from mldeploy.serving._answers import Answers
from mldeploy.serving.http._errors import BadRequest
from mldeploy.serving.http._service import Served, Service


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


_NOTHING = type(None)
_PLAIN: dict[str, frozenset[type]] = {
    "integer": frozenset({int, _NOTHING}),
    "number": frozenset({float, _NOTHING}),
    "boolean": frozenset({bool, _NOTHING}),
    "string": frozenset({str, _NOTHING}),
    "category": frozenset({str, _NOTHING}),
}


def few_enough(n_rows: int, service: Service) -> None:
    """Refuse a table that is too long, or empty."""
    if n_rows > service.limits.max_rows:
        raise BadRequest(413, f"{n_rows:,} rows are over the {service.limits.max_rows:,} allowed")
    if not n_rows:
        raise BadRequest(400, "there is no row to predict; send at least one")


def answered(
    model: Served,
    rows: Any,
    *,
    keys: Sequence[Any] | None = None,
    times: datetime | None = None,
) -> Answers:
    """Return the answers to a table."""
    if keys is not None and len(keys) != len(rows):
        raise BadRequest(400, f"there are {len(keys)} keys for {len(rows)} rows")
    return model.answering.predict_frame(rows, keys=keys, times=times)


def plain_scores(answers: Answers) -> list[Any]:
    """Return the scores as plain values, None where there are none."""
    if answers.scores is None:
        return [None] * len(answers)
    scores: list[Any] = answers.scores.tolist()
    return scores


def _some(values: object) -> str:
    text = str(values)
    return text if len(text) <= 200 else f"{text[:197]}..."

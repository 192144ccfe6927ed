"""One prediction on its way into the log."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, Final, final

import numpy as np
import polars as pl

from mldeploy.data import ColumnSchema, Schema
from mldeploy.serving._batch import PredictionBatch, constant, log_schema, logged_name, stack
from mldeploy.serving._row import PlainRows


@final
@dataclass(slots=True, eq=False)
class LoggedRow:
    """One prediction, as plain values: what a busy server hands to its log.

    It reads like a `PredictionBatch` of one row.

    Attributes
    ----------
    deployment, version, arm : str
        Who answered.
    id, key : str
        Identifier of the prediction, and what the row is about.
    time : int
        When it was asked for, in microseconds since 1970, UTC.
    values : tuple
        The features in the order of `schema`, each None or of its column's Python type.
    schema : Schema
        Their types.
    latency_s : float
        Seconds.
    prediction, score, route, error : optional
        The answer, or what the model raised.
    """

    deployment: str
    version: str
    arm: str
    id: str
    key: str | None
    time: int
    values: tuple[Any, ...]
    schema: Schema
    latency_s: float
    prediction: Any = None
    score: Any = None
    route: str | None = None
    error: str | None = None

    def __len__(self) -> int:
        return 1

    def slice(self, start: int, stop: int) -> LoggedRow:
        """Return itself: there is only one row."""
        assert (start, stop) == (0, 1), "a single row cannot be cut"
        return self

    def batch(self) -> PredictionBatch:
        """Return it as a batch."""
        row = dict(zip(self.schema.names, self.values, strict=True))
        return PredictionBatch(
            deployment=self.deployment,
            version=self.version,
            arm=self.arm,
            ids=[self.id],
            keys=None if self.key is None else [self.key],
            times=np.array([self.time], dtype="datetime64[us]"),
            features=PlainRows(rows=(row,), schema=self.schema),
            predictions=None if self.prediction is None else np.array([self.prediction]),
            scores=None if self.score is None else np.array([self.score]),
            routes=None if self.route is None else np.array([self.route]),
            latency_s=np.array([self.latency_s]),
            errors=None if self.error is None else [self.error],
        )

    def to_frame(self) -> pl.DataFrame:
        """Return it as a row of the prediction log; see `read_log`."""
        return frame_of_rows([self])


_FIELDS: Final = attrgetter(
    *("id", "key", "time", "deployment", "version", "arm", "prediction", "score"),
    *("route", "latency_s", "error", "values", "schema"),
)


def frame_of_rows(rows: Sequence[LoggedRow]) -> pl.DataFrame:
    """Return single rows as one table, column by column: thousands at the price of a few."""
    fields = list(zip(*map(_FIELDS, rows), strict=True))
    _, _, _, deployments, versions, arms, predictions, scores, _, _, _, _, schemas = fields
    kinds = list(
        zip(
            *(deployments, versions, arms, map(id, schemas)),
            *(map(type, predictions), map(type, scores)),
            strict=True,
        )
    )
    if len(set(kinds)) == 1:
        return _table(fields)
    alike: dict[object, list[LoggedRow]] = defaultdict(list)
    for kind, row in zip(kinds, rows, strict=True):
        alike[kind].append(row)
    groups = (list(zip(*map(_FIELDS, group), strict=True)) for group in alike.values())
    return stack([_table(group) for group in groups])


def _table(fields: Sequence[Sequence[Any]]) -> pl.DataFrame:
    """Return the fields of rows that agree in versions, schema and types as a table."""
    ids, keys, times, deployments, versions, arms, predictions, scores, *rest = fields
    routes, latencies, errors, values, schemas = rest
    n = len(ids)
    columns = [
        pl.Series("prediction_id", ids, dtype=pl.String),
        _texts("key", keys),
        pl.Series("time", times, dtype=pl.Int64).cast(log_schema()["time"]),
        constant("deployment", deployments[0], n),
        constant("version", versions[0], n),
        constant("arm", arms[0], n),
        pl.Series("prediction", _plain(predictions)),
        _scores(scores),
        _texts("route", routes),
        pl.Series("latency_s", latencies, dtype=pl.Float64),
        _texts("error", errors),
    ]
    by_column: Iterable[Sequence[Any]] = zip(*values, strict=True)
    columns += [_feature(c, v) for c, v in zip(schemas[0].columns, by_column, strict=True)]
    return pl.DataFrame(columns)


def _feature(column: ColumnSchema, values: Sequence[Any]) -> pl.Series:
    dtype = pl.String() if column.kind == "category" else column.dtype
    return pl.Series(logged_name(column.name), values, dtype=dtype)


def _texts(name: str, values: Sequence[str | None]) -> pl.Series:
    if values.count(None) == len(values):
        return constant(name, None, len(values))
    return pl.Series(name, values, dtype=pl.String)


def _scores(values: Sequence[Any]) -> pl.Series:
    if isinstance(values[0], tuple | list | np.ndarray):
        return pl.Series("score", [list(v) for v in values], dtype=pl.List(pl.Float64))
    return pl.Series("score", values, dtype=log_schema()["score"])


def _plain(values: Sequence[Any]) -> Sequence[Any]:
    """Return answers as Python's own values, whatever the model returned."""
    return [v.item() for v in values] if isinstance(values[0], np.generic) else values

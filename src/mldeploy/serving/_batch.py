"""Predictions that were made together, and the table they are logged as."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import chain
from typing import Any, Final, final

import numpy as np
import numpy.typing as npt
import polars as pl

from mldeploy.errors import InvalidDataError
from mldeploy.serving._row import PlainRows

Array = npt.NDArray[Any]


LOG_COLUMNS: Final = (
    "prediction_id", "key", "time", "deployment", "version", "arm", "prediction", "score", "route",
    "latency_s", "error",
)  # fmt: skip
"""The log's own columns."""


@cache
def log_schema() -> dict[str, pl.DataType]:
    """Return the types of `LOG_COLUMNS`.

    That of `prediction` is the labels' own, that of `score` a list in a multiclass task.
    """
    types: dict[str, pl.DataType] = dict.fromkeys(LOG_COLUMNS, pl.String())
    return types | {
        "time": pl.Datetime("us", "UTC"),
        "prediction": pl.Null(),
        "score": pl.Float64(),
        "latency_s": pl.Float64(),
    }


_BY_ROW: Final = (
    "keys", "times", "features", "predictions", "scores", "routes", "latency_s", "errors"
)  # fmt: skip


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class PredictionBatch:
    """Predictions of one version that were made together: at least one row.

    Attributes
    ----------
    deployment, version : str
        Which deployment answered, with which version.
    arm : str
        Which part of the traffic this is, such as champion, challenger or shadow.
    ids : sequence of str, length n_rows
        One identifier for each prediction.
    keys : sequence of str or None, length n_rows, optional
        What each row is about: a flight, a customer.
    times : ndarray of shape (n_rows,), datetime64[us], UTC
        When each prediction was asked for.
    features : polars.DataFrame or PlainRows
        The rows that were predicted; single ones become a frame when they are written.
    predictions : ndarray of shape (n_rows,), optional
        The answers, or None if the model failed.
    scores : ndarray of shape (n_rows,) or (n_rows, n_classes), optional
        Probability of the positive class, or of each class.
    routes : ndarray of shape (n_rows,), optional
        Who decides on each answer.
    latency_s : ndarray of shape (n_rows,)
        Seconds; rows of one call share its time equally.
    errors : sequence of str or None, length n_rows, optional
        What the model raised.

    Raises
    ------
    InvalidDataError
        If the columns differ in length.
    """

    deployment: str
    version: str
    arm: str = "champion"
    ids: Sequence[str]
    keys: Sequence[str | None] | None = None
    times: npt.NDArray[np.datetime64]
    features: pl.DataFrame | PlainRows
    predictions: Array | None = None
    scores: Array | None = None
    routes: Array | None = None
    latency_s: Array
    errors: Sequence[str | None] | None = None

    def __post_init__(self) -> None:
        n_rows = len(self.ids)
        for name in _BY_ROW:
            values = getattr(self, name)
            if values is not None and len(values) != n_rows:
                raise InvalidDataError(f"{name} has {len(values)} values for {n_rows} predictions")

    def __len__(self) -> int:
        return len(self.ids)

    def slice(self, start: int, stop: int) -> PredictionBatch:
        """Return the rows from `start` up to `stop`."""
        part = slice(start, stop)
        return replace(
            self,
            ids=self.ids[part],
            keys=None if self.keys is None else self.keys[part],
            times=self.times[part],
            features=self.features.slice(start, stop - start),
            predictions=None if self.predictions is None else self.predictions[part],
            scores=None if self.scores is None else self.scores[part],
            routes=None if self.routes is None else self.routes[part],
            latency_s=self.latency_s[part],
            errors=None if self.errors is None else self.errors[part],
        )

    def to_frame(self) -> pl.DataFrame:
        """Return the batch as rows of the prediction log; see `read_log`."""
        return frame_of_batches([self])


def logged_name(feature: str) -> str:
    """Return the log's column for a feature: its name, unless the log has that name itself.

    Examples
    --------
    >>> logged_name("distance"), logged_name("score")
    ('distance', 'feature.score')
    """
    return f"feature.{feature}" if feature in LOG_COLUMNS else feature


def frame_of_batches(batches: Sequence[PredictionBatch]) -> pl.DataFrame:
    """Return batches as one table; alike ones are joined before they become columns."""
    alike: dict[object, list[PredictionBatch]] = defaultdict(list)
    for batch in batches:
        alike[_shape(batch)].append(batch)
    return stack([_columns(group) for group in alike.values()])


def constant(name: str, text: str | None, n_rows: int) -> pl.Series:
    """Return a column of one text: at a tenth of the price of `polars.repeat`."""
    return pl.Series(name, [text], dtype=pl.String).new_from_index(0, n_rows)


def stack(frames: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """Put tables below each other; a column without a common type becomes text."""
    if len(frames) == 1:
        return frames[0]
    try:
        return pl.concat(frames, how="diagonal_relaxed")
    except (pl.exceptions.SchemaError, pl.exceptions.InvalidOperationError):
        types: dict[str, set[pl.DataType]] = defaultdict(set)
        for frame in frames:
            for name, dtype in frame.schema.items():
                types[name] |= set() if dtype == pl.Null else {dtype}
        mixed = [
            name
            for name, found in types.items()
            if len(found) > 1 and not all(dtype.is_numeric() for dtype in found)
        ]
        texts = [f.with_columns(_as_text(f[n]) for n in mixed if n in f.columns) for f in frames]
        return pl.concat(texts, how="diagonal_relaxed")


def _as_text(column: pl.Series) -> pl.Series:
    if column.dtype.is_nested():
        texts = [None if v is None else str(v) for v in column.to_list()]
        return pl.Series(column.name, texts, dtype=pl.String)
    return column.cast(pl.String)


def _shape(batch: PredictionBatch) -> object:
    predictions, scores = batch.predictions, batch.scores
    return (
        *(batch.deployment, batch.version, batch.arm),
        batch.features.shape_of_frame
        if isinstance(batch.features, PlainRows)
        else tuple(batch.features.schema.items()),
        *(batch.keys is None, batch.routes is None, batch.errors is None),
        None if predictions is None else predictions.dtype.kind,
        None if scores is None else scores.shape[1:],
    )


def _columns(batches: Sequence[PredictionBatch]) -> pl.DataFrame:
    first, n = batches[0], sum(map(len, batches))
    own = {
        "prediction_id": _texts(b.ids for b in batches),
        "key": _texts(b.keys for b in batches),
        "time": _times([b.times for b in batches]),
        "deployment": constant("deployment", first.deployment, n),
        "version": constant("version", first.version, n),
        "arm": constant("arm", first.arm, n),
        "prediction": _values([b.predictions for b in batches]),
        "score": _values([b.scores for b in batches]),
        "route": _texts(b.routes for b in batches),
        "latency_s": pl.Series(np.concatenate([b.latency_s for b in batches])),
        "error": _texts(b.errors for b in batches),
    }
    if own["score"].dtype == pl.Null:
        own["score"] = own["score"].cast(pl.Float64)
    table = {name: c.extend_constant(None, n - 1) if _is_void(c) else c for name, c in own.items()}
    for column in _features([b.features for b in batches]).get_columns():
        text = isinstance(column.dtype, pl.Enum | pl.Categorical)
        table[logged_name(column.name)] = column.cast(pl.String) if text else column
    return pl.DataFrame(table)


def _features(parts: Sequence[pl.DataFrame | PlainRows]) -> pl.DataFrame:
    frames = [part for part in parts if isinstance(part, pl.DataFrame)]
    if frames:
        return pl.concat(frames) if len(frames) > 1 else frames[0]
    plain = [part for part in parts if isinstance(part, PlainRows)]
    rows = tuple(chain.from_iterable(part.rows for part in plain))
    return PlainRows(rows=rows, schema=plain[0].schema).frame()


def _is_void(column: pl.Series) -> bool:
    return len(column) == column.null_count() == 1


def _times(parts: Sequence[npt.NDArray[np.datetime64]]) -> pl.Series:
    ticks = np.concatenate(parts).astype("datetime64[us]").astype(np.int64)
    return pl.Series(ticks).cast(log_schema()["time"])


def _texts(parts: Iterable[Sequence[Any] | Array | None]) -> pl.Series:
    """Return texts of several batches as a column; a single null where they have none."""
    values: list[str | None] = []
    for part in parts:
        if part is None:
            return pl.Series([None], dtype=pl.String)
        values += part.tolist() if isinstance(part, np.ndarray) else part
    return pl.Series(values, dtype=pl.String)


def _values(parts: Sequence[Array | None]) -> pl.Series:
    """Return answers or scores of several batches as a column; a single null without any."""
    arrays = [part for part in parts if part is not None]
    if not arrays:
        return pl.Series([None], dtype=pl.Null)
    joined = np.concatenate(arrays)
    if joined.ndim == 2:
        return pl.Series(joined.astype(np.float64)).cast(pl.List(pl.Float64))
    return pl.Series(joined if joined.dtype.kind in "biuf" else joined.tolist())

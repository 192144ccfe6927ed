"""Rivals that are read off the data: the last label that was known, and what people decided."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import polars as pl

from mldeploy.data import Dataset
from mldeploy.errors import InvalidProblemError, NotMeasurableError
from mldeploy.model import Model, labels_of
from mldeploy.problem import ScoredRows, Task

Array: TypeAlias = npt.NDArray[Any]
_KNOWN = 0.5


def last_value(
    model: Model,
    dataset: Dataset,
    baselines: Mapping[str, ScoredRows],
    *,
    columns: Sequence[str] = (),
) -> ScoredRows | None:
    """Answer each row by the last label that was known when it was asked.

    A label is known `label_delay` after its row. It is looked for among the rows of the same
    unit; without units, only in a regression, among all rows as one series. Rows without an
    earlier label are answered as the baseline called "dummy" answers them.

    Returns
    -------
    ScoredRows or None
        None where rows have no time, do not come again, or there is no dummy to fall back on.
    """
    roles, task, dummy = dataset.roles, model.signature.task, baselines.get("dummy")
    if roles.time is None or dummy is None:
        return None
    if roles.unit is None and task is not Task.REGRESSION:
        return None
    found = _earlier(model, dataset)
    known = found >= 0
    if known.mean() < _KNOWN:
        return None
    answers = np.where(known, dummy.y_true[found], dummy.y_pred)
    return replace(
        dummy,
        y_pred=answers,
        y_score=None if dummy.y_score is None else _certain(answers, dummy),
        columns={name: dataset.column(name) for name in columns},
    )


def _earlier(model: Model, dataset: Dataset) -> Array:
    """Return the position of the row whose label was known last; -1 if there is none."""
    time, unit = dataset.roles.time, dataset.roles.unit
    assert time is not None, "the caller has looked"
    key = pl.lit(0) if unit is None else pl.col(unit).cast(pl.String).fill_null("")
    rows = dataset.polars().select(
        asked=pl.col(time).cast(pl.Datetime("us")),
        unit=key,
        place=pl.int_range(pl.len(), dtype=pl.Int64),
    )
    delay = model.problem.label_delay
    labels = rows.select("unit", known=pl.col("asked") + delay, last="place").sort("known")
    joined = rows.sort("asked").join_asof(
        labels, left_on="asked", right_on="known", by="unit", strategy="backward",
        allow_exact_matches=bool(delay), check_sortedness=False,
    ).sort("place")  # fmt: skip
    return joined["last"].fill_null(-1).to_numpy()


def _certain(answers: Array, rows: ScoredRows) -> Array:
    if rows.task is Task.BINARY:
        return answers.astype(float)
    shares = np.zeros((len(answers), len(rows.classes)))
    place = {label: i for i, label in enumerate(rows.classes)}
    known = [(i, place[a]) for i, a in enumerate(answers.tolist()) if a in place]
    shares[tuple(np.array(known).T)] = 1.0
    return shares


def answers_of_people(
    model: Model, dataset: Dataset, column: str, rows: ScoredRows
) -> tuple[ScoredRows, Array]:
    """Return what people decided, and which of the rows they decided on.

    Raises
    ------
    InvalidProblemError
        If the data has no such column.
    NotMeasurableError
        If nobody decided on any row.
    """
    if column not in dataset.columns:
        raise InvalidProblemError(
            f"people's decisions are said to stand in {column!r}, which the data does not have"
        )
    decided = dataset.polars()[column].is_not_null().to_numpy()
    if not decided.any():
        raise NotMeasurableError(f"nobody decided on any row in {column!r}; leave people= out")
    signature = model.signature
    said = labels_of(dataset.take(decided).column(column), signature.task, column)
    if signature.task is Task.BINARY:
        said = (said == signature.positive).astype(np.int64)
    return replace(rows.take(decided), y_pred=said, y_score=None), decided

"""Logged answers and their labels as rows that the judge understands."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from mldeploy.errors import InvalidDataError
from mldeploy.model import Signature
from mldeploy.problem import Problem, ScoredRows, Task
from mldeploy.serving._batch import logged_name

Array = npt.NDArray[Any]


def scored_rows_of(
    answers: pl.DataFrame,
    problem: Problem,
    signature: Signature,
    *,
    columns: Sequence[str] = (),
) -> ScoredRows:
    """Return logged answers whose labels are known as scored rows.

    Parameters
    ----------
    answers : polars.DataFrame
        Rows of the prediction log with a column ``label``, none of them null.
    problem : Problem
        Says which class is positive, and which rows belong together.
    signature : Signature
        Says which classes the model knows.
    columns : sequence of str
        Logged features to take along, for slices.

    Raises
    ------
    InvalidDataError
        If a label is missing, or a column was not logged.
    """
    if answers["label"].null_count():
        raise InvalidDataError("some answers have no label yet; leave them out before judging")
    if missing := [c for c in columns if logged_name(c) not in answers.columns]:
        raise InvalidDataError(
            f"{', '.join(map(repr, missing))} was not logged with the answers; log it, or judge "
            "the criterion where the column is known"
        )
    labels, predictions = answers["label"].to_numpy(), answers["prediction"].to_numpy()
    y_true, y_pred = labels, predictions
    if problem.task is Task.BINARY:
        y_true = (labels == problem.positive).astype(np.int64)
        y_pred = (predictions == problem.positive).astype(np.int64)
    elif problem.task is Task.REGRESSION:
        y_true, y_pred = labels.astype(float), predictions.astype(float)
    return ScoredRows(
        task=problem.task,
        y_true=y_true,
        y_pred=y_pred,
        y_score=_scores(answers),
        classes=tuple(signature.classes),
        unit=_maybe(answers, problem.unit and logged_name(problem.unit)),
        weight=_maybe(answers, problem.weight and logged_name(problem.weight)),
        columns={c: answers[logged_name(c)].to_numpy() for c in columns},
        latency=_maybe(answers, "latency_s"),
    )


def _scores(answers: pl.DataFrame) -> Array | None:
    if "score" not in answers.columns or answers["score"].null_count() == len(answers):
        return None
    scores = answers["score"]
    if isinstance(scores.dtype, pl.List | pl.Array):
        return np.array(scores.to_list(), dtype=float)
    return scores.to_numpy().astype(float)


def _maybe(answers: pl.DataFrame, column: str | None) -> Array | None:
    return None if column is None or column not in answers.columns else answers[column].to_numpy()

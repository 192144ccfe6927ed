"""What a model answers to rows, and which of them it refuses."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, TypeAlias, final

import numpy as np
import numpy.typing as npt
import polars as pl

from mldeploy.errors import PredictionFailedError
from mldeploy.model._model import Model
from mldeploy.model.compiled._model import CompiledModel

Array: TypeAlias = npt.NDArray[Any]
Scored: TypeAlias = tuple[Array, Array | None]
Ask: TypeAlias = Callable[[pl.DataFrame], Scored]

_FEW = 32


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Asked:
    """Answers to the rows of a frame.

    Attributes
    ----------
    accepted : ndarray of bool, shape (n_rows,)
        Which rows were answered.
    predictions : ndarray of shape (n_accepted,)
        The decisions.
    scores : ndarray of shape (n_accepted,) or (n_accepted, n_classes), or None
        The scores.
    """

    accepted: npt.NDArray[np.bool_]
    predictions: Array
    scores: Array | None

    def of(self, rows: npt.NDArray[np.bool_]) -> Asked:
        """Return what was answered to some of the rows."""
        kept = rows[self.accepted]
        return Asked(
            accepted=self.accepted[rows],
            predictions=self.predictions[kept],
            scores=None if self.scores is None else self.scores[kept],
        )


def ask_original(model: Model, frame: pl.DataFrame, why: Sequence[str] = ()) -> Asked:
    """Ask the original; a row on which it raises is refused.

    Parameters
    ----------
    model : Model
        The original.
    frame : polars.DataFrame
        Rows in the schema's types.
    why : sequence of str
        What rows have in common: those that are refused are sought among rows of one kind.
    """
    return _asked(lambda rows: (model.predict(rows), model.score(rows)), Exception, frame, why)


def ask_frame(compiled: CompiledModel, frame: pl.DataFrame, why: Sequence[str] = ()) -> Asked:
    """Ask a compiled model for all rows at once; parameters as of `ask_original`."""
    return _asked(compiled.score_frame, PredictionFailedError, frame, why)


def ask_rows(compiled: CompiledModel, frame: pl.DataFrame) -> Asked:
    """Ask a compiled model for one row after the other."""
    accepted, answers = np.zeros(frame.height, dtype=bool), []
    for place, values in enumerate(frame.iter_rows()):
        try:
            answers.append(compiled.score_row(values))
        except PredictionFailedError:
            continue
        accepted[place] = True
    scores = [score for _, score in answers]
    has_scores = bool(scores) and scores[0] is not None
    return Asked(
        accepted=accepted,
        predictions=_labels([prediction for prediction, _ in answers]),
        scores=np.array(scores, dtype=np.float64) if has_scores else None,
    )


def _labels(values: list[Any]) -> Array:
    """Return labels as an array that gives back the very objects."""
    labels = np.empty(len(values), dtype=object)
    labels[:] = values
    return labels


def _asked(ask: Ask, refusal: type[Exception], frame: pl.DataFrame, why: Sequence[str]) -> Asked:
    parts: list[tuple[slice, Scored]] = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        parts += _answered(ask, refusal, frame, _kinds(frame.height, why))
    accepted = np.zeros(frame.height, dtype=bool)
    for part, _ in parts:
        accepted[part] = True
    scores = [s for _, (_, s) in parts if s is not None]
    predictions = [p for _, (p, _) in parts]
    return Asked(
        accepted=accepted,
        predictions=np.concatenate(predictions) if predictions else np.empty(0),
        scores=np.concatenate(scores) if scores else None,
    )


def _kinds(n_rows: int, why: Sequence[str]) -> list[int]:
    """Return where the stretches of rows that share a reason begin, and where the last ends."""
    lengths = [sum(1 for _ in group) for _, group in groupby(why)] if why else [n_rows]
    return [0, *itertools.accumulate(lengths)]


def _answered(
    ask: Ask, refusal: type[Exception], frame: pl.DataFrame, ends: Sequence[int]
) -> Iterator[tuple[slice, Scored]]:
    """Yield what is answered of stretches of rows, cut until only refused rows are left out.

    Stretches are told apart first, then the rows of those with a refused one.
    """
    part = slice(ends[0], ends[-1])
    if part.start == part.stop:
        return
    try:
        scored = ask(frame[part])
    except refusal:
        for smaller in _cut(ends):
            yield from _answered(ask, refusal, frame, smaller)
    else:
        yield part, scored


def _cut(ends: Sequence[int]) -> list[Sequence[int]]:
    """Return the parts of stretches of which some row was refused; none of a single row."""
    if len(ends) > 2:
        middle = len(ends) // 2
        return [ends[: middle + 1], ends[middle:]]
    start, stop = ends
    n_rows = stop - start
    if n_rows == 1:
        return []
    step = 1 if n_rows <= _FEW else -(-n_rows // 2)
    return [(i, min(i + step, stop)) for i in range(start, stop, step)]

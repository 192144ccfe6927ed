"""A few rows with the answers that the model gave when its bundle was written."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, TypeAlias, final

import numpy as np
import numpy.typing as npt
import polars as pl

from mldeploy._record import Record, canonical_json
from mldeploy.evidence import Finding, Verdict
from mldeploy.model._signature import Label
from mldeploy.model.compiled._model import CompiledModel

if TYPE_CHECKING:
    from mldeploy.data import Dataset
    from mldeploy.model._model import Model

_N_ROWS = 20
_TOLERANCE = 1e-6
_PLAIN: Final = frozenset({"integer", "number", "boolean", "string", "category"})
"""Kinds of columns whose values JSON holds as they are."""

PLAIN_ROWS: Final = "golden_rows.json"
"""Name of the file with the rows as a server has them, where JSON can hold them."""


Answered: TypeAlias = dict[str, Any]
"""What `GoldenAnswers` holds, before it is held against it."""


@final
class GoldenAnswers(Record):
    """What a model answered to its golden rows, in their order."""

    predictions: tuple[Label | float, ...]
    scores: tuple[float, ...] | tuple[tuple[float, ...], ...] | None = None


def golden_files(model: Model, dataset: Dataset) -> dict[str, bytes]:
    """Return rows spread over a dataset, and the model's answers to them, as files."""
    chosen = np.unique(np.linspace(0, dataset.n_rows - 1, _N_ROWS).round().astype(np.int64))
    rows = dataset.polars().select(model.signature.features)[chosen]
    buffer = io.BytesIO()
    rows.write_parquet(buffer)
    answers = GoldenAnswers.model_validate(answers_to_frame(model, rows))
    files = {
        "golden.parquet": buffer.getvalue(),
        "golden_answers.json": canonical_json(answers.to_jsonable()),
    }
    plain = _plain_rows(model, rows)
    return files if plain is None else files | {PLAIN_ROWS: plain}


def _plain_rows(model: Model, rows: pl.DataFrame) -> bytes | None:
    """Return the rows as a server hands them to a compiled model, if JSON can hold them."""
    schema = model.signature.inputs
    if any(column.kind not in _PLAIN for column in schema.columns):
        return None
    values = schema.enforce(rows).rows()
    if any(isinstance(v, float) and not math.isfinite(v) for row in values for v in row):
        return None
    return canonical_json(values)


def read_plain(rows: bytes) -> Sequence[Sequence[Any]]:
    """Return the rows as a compiled model is asked for them."""
    read: list[list[Any]] = json.loads(rows)
    return read


def read_golden(rows: bytes) -> pl.DataFrame:
    """Return the rows that `golden_files` kept."""
    return pl.read_parquet(io.BytesIO(rows))


def compare_golden(found: Answered, answers: bytes) -> Finding:
    """Return whether golden rows are answered as they were when the bundle was written."""
    expected = GoldenAnswers.model_validate_json(answers)
    n = len(expected.predictions)
    decisions, largest = _differences(expected, found)
    same = decisions == 0 and largest <= _TOLERANCE
    return Finding(
        check="Bundle",
        name="golden_rows",
        verdict=Verdict.PASS if same else Verdict.FAIL,
        summary=(
            f"{decisions} of {n} golden rows are answered otherwise than when the bundle was "
            f"written; the largest difference of a score is {largest:.3g}."
        ),
        action="" if same else "Install the versions in requirements.txt, then load it again.",
        estimate=decisions / n,
        n=n,
        threshold=0.0,
        details={"largest_score_difference": largest},
    )


def answers_to_rows(model: CompiledModel, rows: Sequence[Sequence[Any]]) -> Answered:
    """Ask a compiled model row by row, as a server asks it."""
    answered = [model.score_row(row) for row in rows]
    scores = tuple(score for _, score in answered)
    return {
        "predictions": tuple(prediction for prediction, _ in answered),
        "scores": None if None in scores else scores,
    }


def answers_to_frame(model: Model | CompiledModel, rows: pl.DataFrame) -> Answered:
    """Ask a model for a frame; a compiled one row by row all the same."""
    if isinstance(model, CompiledModel):
        return answers_to_rows(model, model.signature.inputs.enforce(rows).rows())
    predictions, score = model.predict(rows), model.score(rows)
    return {
        "predictions": tuple(predictions.tolist()),
        "scores": None if score is None else _nested(score),
    }


def _nested(values: npt.NDArray[Any]) -> tuple[Any, ...]:
    return tuple(map(tuple, values.tolist())) if values.ndim == 2 else tuple(values.tolist())


def _differences(expected: GoldenAnswers, found: Answered) -> tuple[int, float]:
    pairs = list(zip(expected.predictions, found["predictions"], strict=True))
    largest = 0.0
    if (expected.scores is None) != (found["scores"] is None):
        return len(pairs), float("inf")
    if expected.scores is not None:
        gaps = np.abs(np.asarray(expected.scores) - np.asarray(found["scores"]))
        largest = float(gaps.max(initial=0.0))
    return sum(not _equal(a, b) for a, b in pairs), largest


def _equal(a: Label | float, b: Label | float) -> bool:
    if isinstance(a, float) and not isinstance(b, str):
        return bool(np.isclose(a, b, rtol=_TOLERANCE, atol=0.0))
    return a == b

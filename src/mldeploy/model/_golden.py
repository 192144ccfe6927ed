"""A few rows with the answers that the model gave when its bundle was written."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any, final

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
    answers = GoldenAnswers.model_validate(_answers(model, rows))
    return {
        "golden.parquet": buffer.getvalue(),
        "golden_answers.json": canonical_json(answers.to_jsonable()),
    }


def read_golden(rows: bytes) -> pl.DataFrame:
    """Return the rows that `golden_files` kept."""
    return pl.read_parquet(io.BytesIO(rows))


def compare_golden(model: Model | CompiledModel, rows: bytes, answers: bytes) -> Finding:
    """Return whether a model answers its golden rows as it did when the bundle was written."""
    expected = GoldenAnswers.model_validate_json(answers)
    found = _answers(model, read_golden(rows))
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


def _answers(model: Model | CompiledModel, rows: pl.DataFrame) -> dict[str, Any]:
    predictions, score = _scored(model, rows)
    return {
        "predictions": tuple(predictions.tolist()),
        "scores": None if score is None else _nested(score),
    }


def _scored(
    model: Model | CompiledModel, rows: pl.DataFrame
) -> tuple[npt.NDArray[Any], npt.NDArray[Any] | None]:
    """Ask the original for rows as they are, and the compiled one for them as it is served."""
    if isinstance(model, CompiledModel):
        return model.score_frame(model.signature.inputs.enforce(rows))
    return model.predict(rows), model.score(rows)


def _nested(values: npt.NDArray[Any]) -> tuple[Any, ...]:
    return tuple(map(tuple, values.tolist())) if values.ndim == 2 else tuple(values.tolist())


def _differences(expected: GoldenAnswers, found: dict[str, Any]) -> tuple[int, float]:
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

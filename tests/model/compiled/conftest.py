"""Fitted models over small tables, and what holds an answer against the original's."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from mldeploy.data import Schema, to_pandas
from mldeploy.errors import PredictionFailedError
from mldeploy.model import CodeState, Model, Provenance, Signature
from mldeploy.model.compiled._dense import Guard
from mldeploy.model.compiled._kernel import Floats
from mldeploy.model.compiled._model import CompiledModel
from mldeploy.model.compiled._registry import run
from mldeploy.model.compiling._tables import TableCompiler
from mldeploy.problem import Criterion, Problem, Task

Fit = Callable[..., Model]
SameAs = Callable[..., CompiledModel]


@pytest.fixture(scope="session")
def fit() -> Fit:
    """Fit an estimator to a frame whose column ``y`` is the target."""
    return _fitted


@pytest.fixture(scope="session")
def same_answers() -> SameAs:
    """Compile a model, and hold its answers for a frame against the original's."""
    return _same_answers


@pytest.fixture(scope="session")
def same_inputs() -> Callable[..., None]:
    """Hold what a compiled pipeline's estimator reads against what the original's reads."""
    return _same_inputs


def _fitted(estimator: Any, frame: pl.DataFrame, *, task: Task | None = None) -> Model:
    features = tuple(name for name in frame.columns if name != "y")
    y = frame["y"].to_numpy()
    y = y.astype(str) if y.dtype == object else y
    estimator.fit(to_pandas(frame.select(features)), y)
    if task is None:
        many = Task.REGRESSION if y.dtype.kind == "f" else Task.MULTICLASS
        task = Task.BINARY if len(np.unique(y)) == 2 else many
    classes = () if task is Task.REGRESSION else tuple(np.unique(y).tolist())
    positive = classes[-1] if task is Task.BINARY else None
    criterion = (
        Criterion("mean_absolute_error", at_most=1e9)
        if task is Task.REGRESSION
        else Criterion("accuracy", at_least=0.0)
    )
    problem = Problem(
        name="y", statement="Which?", target="y", positive=positive, task=task,
        criteria=[criterion],
    )  # fmt: skip
    return Model(
        estimator=estimator,
        problem=problem,
        signature=Signature(
            task=task,
            inputs=Schema.infer(frame.select(features)),
            target="y",
            classes=classes,
            positive=positive,
            probabilistic=task is not Task.REGRESSION and hasattr(estimator, "predict_proba"),
        ),
        provenance=Provenance(
            problem=problem.digest, data="0" * 64, n_rows=frame.height, features=features,
            trained_at=datetime(2026, 1, 1, tzinfo=UTC), trained_by="ana", seed=0, python="3",
            duration=timedelta(seconds=1), trainer="tests", estimator="pipeline", parameters={},
            code=CodeState(), environment={}, platform="any",
        ),
    )  # fmt: skip


def _same_answers(model: Model, frame: pl.DataFrame, *, within: float = 1e-9) -> CompiledModel:
    compiled = TableCompiler().compile(model)
    assert "onnx" not in [kernel.kind for kernel in compiled.kernels]
    given = frame.select(model.signature.features)
    labels, scores = model.predict(given), model.score(given)
    for got, got_scores in (compiled.score_frame(given), _row_by_row(compiled, given)):
        if model.signature.task is Task.REGRESSION:
            np.testing.assert_allclose(got, labels, rtol=within, atol=within)
        else:
            assert got.tolist() == labels.tolist()
            assert got.dtype.kind == labels.dtype.kind
        assert (got_scores is None) == (scores is None)
        if scores is not None:
            assert got_scores is not None
            assert got_scores.shape == scores.shape
            np.testing.assert_allclose(got_scores, scores, rtol=within, atol=within)
    return compiled


def _row_by_row(compiled: CompiledModel, frame: pl.DataFrame) -> tuple[Any, Any]:
    answers = [compiled.score_row(row) for row in frame.rows()]
    assert {type(label) for label, _ in answers} <= {bool, int, str, float}
    assert {type(score) for _, score in answers} <= {float, tuple, type(None)}
    scores = [score for _, score in answers]
    return np.array([label for label, _ in answers]), None if None in scores else np.array(scores)


def _same_inputs(model: Model, compiled: CompiledModel, frame: pl.DataFrame) -> None:
    given = frame.select(model.signature.features)
    mixing = [k for k in compiled.kernels[:-1] if not isinstance(k, Guard)]
    try:
        wanted = model.estimator[:-1].transform(to_pandas(given))
    except ValueError:
        with pytest.raises(PredictionFailedError):
            run(mixing, compiled.encoding.matrix(given))
        if given.height == 1:
            with pytest.raises(PredictionFailedError):
                run(mixing, compiled.encoding.row(given.row(0)))
        return
    wanted = wanted.toarray() if hasattr(wanted, "toarray") else np.asarray(wanted)
    wanted = wanted.astype(np.float64)
    np.testing.assert_array_equal(run(mixing, compiled.encoding.matrix(given)), wanted)
    rows: list[Floats] = [run(mixing, compiled.encoding.row(row)) for row in given.rows()]
    np.testing.assert_array_equal(np.concatenate(rows), wanted)

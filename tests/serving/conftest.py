"""A small real model for the tests of serving."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from mldeploy.data import Dataset, Schema
from mldeploy.model import CodeState, Model, Provenance, Signature
from mldeploy.problem import Criterion, Problem, Routing, Task

NOW = datetime(2013, 4, 1, 5, 15, tzinfo=UTC)


@pytest.fixture(scope="session")
def flights() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    n = 600
    wind, carrier = rng.gamma(2.0, 5.0, n), rng.choice(["AA", "UA", "B6"], n)
    late = rng.random(n) < 1 / (1 + np.exp(2 - 0.15 * wind - (carrier == "B6")))
    hour = rng.integers(5, 24, n)
    return pd.DataFrame(
        {"wind": wind, "hour": hour, "carrier": carrier, "score": hour / 2.0, "late": late}
    )


class ModelMaker:
    """Fit an estimator on the flights, as a trainer would."""

    def __init__(self, flights: pd.DataFrame) -> None:
        self.frame = flights

    def __call__(
        self, estimator: Any = None, *, target: Any = None, routing: Routing | None = None
    ) -> Model:
        frame = self.frame if target is None else self.frame.assign(late=target)
        data = Dataset.of(frame, target="late", name="flights")
        x, y = data.X(), data.y()
        plain = make_pipeline(
            make_column_transformer(
                (OneHotEncoder(handle_unknown="ignore"), ["carrier"]),
                (StandardScaler(), ["wind", "hour", "score"]),
            ),
            LogisticRegression() if estimator is None else estimator,
        ).fit(x, y)
        task = _task(y)
        metric = "r2" if task is Task.REGRESSION else "accuracy"
        positive = np.unique(y).tolist()[1] if task is Task.BINARY else None
        problem = Problem(
            name="late", statement="Which flights land late?", target="late", task=task,
            positive=positive, criteria=[Criterion(metric, at_least=0.1)],
        )  # fmt: skip
        classes = () if task is Task.REGRESSION else tuple(plain.classes_.tolist())
        return Model(
            estimator=plain,
            signature=Signature(
                task=task,
                inputs=Schema.infer(data).select(data.features),
                target="late",
                classes=classes,
                positive=positive,
                probabilistic=hasattr(plain, "predict_proba"),
            ),
            provenance=_provenance(data, problem),
            problem=problem,
            routing=routing,
        )


@pytest.fixture(scope="session")
def make_model(flights: pd.DataFrame) -> ModelMaker:
    return ModelMaker(flights)


def _task(y: np.ndarray) -> Task:
    if y.dtype.kind == "f":
        return Task.REGRESSION
    return Task.BINARY if len(np.unique(y)) == 2 else Task.MULTICLASS


def _provenance(data: Dataset, problem: Problem) -> Provenance:
    return Provenance(
        problem=problem.digest, data=data.fingerprint, n_rows=data.n_rows, features=data.features,
        trained_at=NOW, trained_by="ana", duration=timedelta(seconds=1), seed=0, trainer="tests",
        estimator="pipeline", parameters={}, code=CodeState(), environment={}, python="3",
        platform="any",
    )  # fmt: skip

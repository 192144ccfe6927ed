"""Small real models, trained without a trainer so that validation is tested on its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin

from mldeploy.data import Dataset, dataset_for
from mldeploy.model import CodeState, Model, Provenance, Signature, classes_of, labels_of
from mldeploy.problem import Criterion, Problem

MakeModel = Callable[..., Model]


class Oracle(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Answers what a column says, so that a test decides where the model is wrong."""

    def __init__(self, column: str = "answer") -> None:
        self.column = column

    def fit(self, X: pd.DataFrame, y: Any, sample_weight: Any = None) -> Oracle:
        self.classes_ = np.unique(y)
        return self

    def predict(self, X: pd.DataFrame) -> Any:
        return X[self.column].to_numpy()


class NumberOracle(RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """The same for a regression."""

    def __init__(self, column: str = "answer") -> None:
        self.column = column

    def fit(self, X: pd.DataFrame, y: Any) -> NumberOracle:
        self.fitted_ = True
        return self

    def predict(self, X: pd.DataFrame) -> Any:
        return X[self.column].to_numpy(float)


def fitted(
    estimator: Any,
    data: pd.DataFrame | Dataset,
    problem: Problem,
    *,
    baselines: Mapping[str, Model] | None = None,
    commit: str = "abc",
) -> Model:
    """Fit an estimator on a table and say where it comes from."""
    dataset = dataset_for(data, problem).labelled()
    y = labels_of(dataset.y(), problem.task, problem.target)
    estimator.fit(dataset.X(), y)
    return Model(
        estimator=estimator,
        signature=Signature(
            task=problem.task,
            inputs=dataset.drop(problem.target).schema,
            target=problem.target,
            classes=classes_of(y, problem.task, problem.positive, problem.target),
            positive=problem.positive,
            probabilistic=hasattr(estimator, "predict_proba"),
        ),
        provenance=Provenance.of(
            estimator,
            problem=problem.digest,
            data="f" * 64,  # other rows than those it is judged on
            n_rows=len(dataset),
            features=dataset.features,
            trainer="test",
            trained_by="ana",
            trained_at=datetime(2030, 1, 1, tzinfo=UTC),
            duration=timedelta(seconds=1),
            seed=0,
            code=CodeState(commit=commit, dirty=False),
        ),
        problem=problem,
        baselines=baselines or {},
    )


def binary_problem(*criteria: Criterion, **more: Any) -> Problem:
    """A binary problem on the column `late`."""
    return Problem(
        name="late",
        statement="Which flights land late?",
        target="late",
        positive=1,
        criteria=criteria or (Criterion("accuracy", at_least=0.7),),
        **more,
    )


@pytest.fixture
def make_model() -> MakeModel:
    return fitted


@pytest.fixture
def make_problem() -> Callable[..., Problem]:
    return binary_problem


@pytest.fixture
def oracle() -> type[Oracle]:
    return Oracle


@pytest.fixture
def number_oracle() -> type[NumberOracle]:
    return NumberOracle

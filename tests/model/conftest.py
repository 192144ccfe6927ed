"""Models trained on small tables, for tests of what they are compiled to."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import polars as pl
import pytest

from mldeploy.data import Dataset
from mldeploy.model import Model
from mldeploy.problem import Criterion, Problem, Task
from mldeploy.training import EstimatorTrainer

Train = Callable[..., Model]


@pytest.fixture(scope="session")
def train() -> Train:
    """Train an estimator on a frame whose column ``y`` is the target."""
    return _trained


def _trained(estimator: Any, frame: pl.DataFrame, *, task: Task = Task.BINARY) -> Model:
    criterion = (
        Criterion("mean_absolute_error", at_most=1e9)
        if task is Task.REGRESSION
        else Criterion("accuracy", at_least=0.0)
    )
    positive = frame["y"].max() if task is Task.BINARY else None
    problem = Problem(
        name="y", statement="Which?", target="y", task=task, positive=positive,
        criteria=[criterion],
    )  # fmt: skip
    data = Dataset.of(frame, target="y")
    trainer = EstimatorTrainer(estimator, baselines={})
    return trainer.train(data, problem, by="ana", clock=lambda: datetime(2026, 1, 1, tzinfo=UTC))

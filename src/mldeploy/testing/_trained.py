"""Models, windows and batches made from the samples; made once, since none of them changes."""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, final

import numpy as np
import polars as pl
from sklearn.compose import make_column_transformer
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from mldeploy.deployment import Release
from mldeploy.model import Model
from mldeploy.monitoring import Reference, Window
from mldeploy.problem import Task
from mldeploy.serving import MemoryLog, PredictionBatch, Predictor, logged_name
from mldeploy.testing._samples import NOON, Sample, hostile_sample, mixed_sample, numeric_sample
from mldeploy.training import EstimatorTrainer


def sample_estimator(sample: Sample) -> Pipeline:
    """Return an unfitted pipeline that learns from every sample.

    Parameters
    ----------
    sample : Sample
        Decides the task, and which columns are text.
    """
    linear = LogisticRegression() if sample.problem.task.is_classification else Ridge()
    return _encoded(sample, linear)


def sample_model(sample: Sample) -> Model:
    """Return a linear model of a sample, with its baselines.

    Parameters
    ----------
    sample : Sample
        Learnt from its training rows.
    """
    trainer = EstimatorTrainer(sample_estimator(sample))
    return trainer.train(sample.train, sample.problem, by="ana", clock=lambda: NOON)


@functools.lru_cache
def release_of(task: Task, *, version: str = "sample:1") -> Release:
    """Return the champion of a task, a linear model; version ``sample:2`` is a small forest."""
    sample = mixed_sample(task)
    if version == "sample:1":
        return Release(model=sample_model(sample), version=version)
    forest = RandomForestClassifier if task.is_classification else RandomForestRegressor
    estimator = _encoded(sample, forest(n_estimators=5, max_depth=3, random_state=0))
    trainer = EstimatorTrainer(estimator, baselines={})
    model = trainer.train(sample.train, sample.problem, by="ana", clock=lambda: NOON)
    return Release(model=model, version=version)


@functools.lru_cache
def hostile_model() -> Model:
    """Return a model of `hostile_sample`."""
    return sample_model(hostile_sample())


@functools.lru_cache
def plain_model() -> Model:
    """Return a model of the binary `numeric_sample`."""
    return sample_model(numeric_sample())


@final
@dataclass(frozen=True, kw_only=True)
class WatchedSample:
    """A window of answers, and the reference that it is judged by.

    Attributes
    ----------
    name : str
        What is special about it.
    window : Window
        Answers of a model, with their labels.
    reference : Reference
        Made of the very same answers.
    """

    name: str
    window: Window
    reference: Reference


def quiet_window(sample: Sample, model: Model) -> WatchedSample:
    """Return a day's answers and labels, which are also their own reference: nothing changed.

    Parameters
    ----------
    sample : Sample
        Whose test rows are asked.
    model : Model
        Who answers.
    """
    log, start = MemoryLog(), NOON - timedelta(days=1)
    times = [start + timedelta(minutes=10 * i) for i in range(len(sample.test))]
    predictor = Predictor(model, version="sample:1", deployment="d", sink=log, clock=lambda: NOON)
    answers = predictor.predict_frame(sample.test.X(), times=times)
    labels = pl.DataFrame(
        {
            "prediction_id": list(answers.ids),
            "label": sample.test.y().tolist(),
            "latency_s": np.linspace(0.001, 0.003, len(times)),
        }
    )
    rows = (
        log.frame()
        .drop("latency_s")
        .join(labels, on="prediction_id", maintain_order="left")
        .with_columns(label_time=pl.col("time") + timedelta(hours=1))
    )
    window = Window(
        answers=rows,
        start=start,
        end=NOON,
        as_of=NOON + sample.problem.label_delay,
        problem=sample.problem,
        signature=model.signature,
    )
    reference = Reference.of(window.profile, window.labelled, sample.problem)
    return WatchedSample(name=sample.name, window=window, reference=reference)


def watched_samples() -> tuple[WatchedSample, ...]:
    """Return a quiet window of each task."""
    return tuple(_watched(task) for task in Task)


def hard_windows() -> tuple[WatchedSample, ...]:
    """Return windows that little can be said about, each in its own way."""
    whole = _watched(Task.BINARY)
    rows, feature = whole.window.answers, pl.col("wind")
    failed = pl.lit("ValueError: no", dtype=pl.String)
    hard = {
        "without answers": rows.clear(),
        "one answer": rows.head(1),
        "every answer failed": rows.with_columns(error=failed, prediction=None, score=None),
        "no labels yet": rows.with_columns(label=None, label_time=None),
        "a feature is missing throughout": rows.with_columns(feature.cast(pl.Float64) * None),
        "a feature was not logged": rows.drop(logged_name("wind")),
        "an infinite value": rows.with_columns(feature.fill_null(float("inf"))),
    }
    return tuple(
        replace(whole, name=name, window=replace(whole.window, answers=answers))
        for name, answers in hard.items()
    )


@functools.lru_cache
def hostile_window() -> WatchedSample:
    """Return a quiet window whose features have hostile names."""
    return quiet_window(hostile_sample(), hostile_model())


def sample_batch(
    n_rows: int = 8, *, first: int = 0, deployment: str = "sample", task: Task = Task.BINARY
) -> PredictionBatch:
    """Return predictions as a `Predictor` hands them to its sink, with ids from `first` on.

    Parameters
    ----------
    n_rows, first : int
        How many, and the number of the first: the ids of batches must differ.
    deployment : str
        Whose.
    task : Task
        Decides the type of predictions and scores.
    """
    number = np.arange(first, first + n_rows)
    predictions, scores = _answers(task, number)
    return PredictionBatch(
        deployment=deployment,
        version="sample:1",
        ids=[f"p{i:08}" for i in number],
        keys=[None if i % 3 == 0 else f"key {i}" for i in number],
        times=np.datetime64("2030-01-01T12:00", "us") + number.astype("timedelta64[ms]"),
        features=pl.DataFrame({"wind": number / 7, "score": number, "<b>": ["'\n\""] * n_rows}),
        predictions=predictions,
        scores=scores,
        routes=np.full(n_rows, "automatic"),
        latency_s=number / 1e6,
        errors=None,
    )


@functools.lru_cache
def _watched(task: Task) -> WatchedSample:
    return quiet_window(mixed_sample(task), release_of(task).model)


def _answers(task: Task, number: Any) -> tuple[Any, Any]:
    share = (number % 10) / 10
    if task is Task.BINARY:
        return share > 0.5, share
    if task is Task.REGRESSION:
        return share * 30, None
    labels = np.array(["early", "on time"])[(share > 0.5).astype(int)]
    return labels, np.column_stack([1 - share, share])


def _encoded(sample: Sample, last: Any) -> Pipeline:
    types = sample.train.polars().select(sample.train.features).schema
    numbers = [name for name, dtype in types.items() if dtype.is_numeric()]
    text = [name for name in types if name not in numbers]
    encode = make_column_transformer(
        (make_pipeline(SimpleImputer(keep_empty_features=True), StandardScaler()), numbers),
        (OneHotEncoder(handle_unknown="ignore"), text),
    )
    return make_pipeline(encode, last)

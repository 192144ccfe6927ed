"""Small problems and data, ready-made: what the kits try parts on, and others may too."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final, final

import numpy as np
import numpy.typing as npt
import pandas as pd

from mldeploy.data import Dataset, dataset_for
from mldeploy.problem import Criterion, Problem, Task

NOON: Final = datetime(2030, 1, 1, 12, tzinfo=UTC)
_FIRST: Final = pd.Timestamp("2029-01-01", tz="UTC")
_CRITERIA: Final = {
    Task.BINARY: Criterion("roc_auc", at_least=0.6),
    Task.MULTICLASS: Criterion("accuracy", at_least=0.4),
    Task.REGRESSION: Criterion("mean_absolute_error", at_most=15.0),
}
HOSTILE_NAMES: Final = (
    "<script>alert(1)</script>",
    "\"><img src=x onerror='alert(2)'>",
    "'; DROP TABLE versions; --",
    "{{7*7}} %s {0} | a, b",
    "ünï ☃\tname",
)
"""Column names that break what is pasted together from text."""


@final
@dataclass(frozen=True, kw_only=True)
class Sample:
    """A problem, rows to learn from, and later rows to judge by.

    Attributes
    ----------
    name : str
        What is special about it.
    problem : Problem
        What is predicted.
    train, test : Dataset
        Rows in the roles that the problem gives them; no row is in both.
    """

    name: str
    problem: Problem
    train: Dataset
    test: Dataset


def sample_problem(task: Task = Task.BINARY, *, features: Sequence[str] | None = None) -> Problem:
    """Return the problem of `mixed_sample`: how late a flight lands.

    Parameters
    ----------
    task : Task, default=Task.BINARY
        Late or not; early, on time or late; or minutes.
    features : sequence of str, optional
        The columns the model may use; all that have no other role when None.

    Examples
    --------
    >>> str(sample_problem())
    'sample (binary): How late does a flight land?\\n  - roc_auc at least 0.6 [blocker]'
    """
    return Problem(
        name="sample",
        statement="How late does a flight land?",
        target="late",
        task=task,
        positive=True if task is Task.BINARY else None,
        prediction_time="asked_at",
        label_delay=timedelta(hours=8),
        criteria=[_CRITERIA[task]],
        features=features,
    )


def sample_frame(
    task: Task = Task.BINARY, *, n_rows: int = 160, random_state: int = 0
) -> pd.DataFrame:
    """Return flights, one an hour, whose lateness depends on wind, hour and carrier.

    Parameters
    ----------
    task : Task, default=Task.BINARY
        Decides what the column ``late`` holds.
    n_rows : int, default=160
        Number of rows.
    random_state : int, default=0
        Seed.

    Returns
    -------
    pandas.DataFrame
        Columns ``asked_at``, ``wind`` (knots, one in 25 missing), ``hour``, ``carrier``, and
        ``late``.
    """
    rng = np.random.default_rng(random_state)
    wind, hour = rng.gamma(4, 3, n_rows), rng.integers(5, 24, n_rows)
    carrier = rng.choice(["AA", "B6", "UA"], n_rows)
    minutes = 2 * (wind - 12) + (hour - 14) + 8 * (carrier == "B6") + rng.normal(0, 6, n_rows)
    return pd.DataFrame(
        {
            "asked_at": _FIRST + pd.to_timedelta(np.arange(n_rows), unit="h"),
            "wind": np.where(np.arange(n_rows) % 25 == 7, np.nan, wind),
            "hour": hour,
            "carrier": carrier,
            "late": _labels(task, minutes),
        }
    )


def mixed_sample(task: Task = Task.BINARY) -> Sample:
    """Return a sample with numbers, text, times and missing values.

    Parameters
    ----------
    task : Task, default=Task.BINARY
        What is predicted.

    Examples
    --------
    >>> sample = mixed_sample()
    >>> sample.train.features, len(sample.train), len(sample.test)
    (('wind', 'hour', 'carrier'), 160, 120)
    """
    return _sample(str(task), sample_problem(task), sample_frame(task, n_rows=280))


def numeric_sample(task: Task = Task.BINARY) -> Sample:
    """Return a sample that every estimator can learn from: two complete columns of numbers.

    Parameters
    ----------
    task : Task, default=Task.BINARY
        What is predicted.
    """
    frame = sample_frame(task, n_rows=280)
    frame["wind"] = frame["wind"].fillna(12.0)
    return _sample(str(task), sample_problem(task, features=("wind", "hour")), frame)


def hostile_sample() -> Sample:
    """Return a binary sample of numbers whose columns have names that break pasted text.

    Examples
    --------
    >>> hostile_sample().train.features[0]
    '<script>alert(1)</script>'
    """
    frame, rng = sample_frame(n_rows=280), np.random.default_rng(1)
    plain = frame[["asked_at", "late"]].copy()
    for name in HOSTILE_NAMES:
        plain[name] = rng.normal(size=len(frame)) + frame["late"]
    return _sample("hostile names", sample_problem(), plain)


def degenerate_samples() -> tuple[Sample, ...]:
    """Return binary samples of numbers that too little can be said about, each in its own way."""
    whole = numeric_sample()
    frame = sample_frame(n_rows=280).fillna({"wind": 12.0})
    hard = {
        "one class": frame.assign(late=False),
        "a constant column": frame.assign(wind=3.0),
        "an empty column": frame.assign(wind=np.nan),
        "equal rows": frame.assign(wind=3.0, hour=7, late=np.arange(280) % 2 == 0),
        "an infinite value": frame.assign(wind=frame["wind"].mask(frame.index % 9 == 0, np.inf)),
        "no labels": frame.assign(late=pd.Series([None] * 280, dtype=object)),
    }
    few = replace(whole, name="one row", train=whole.train.take([0]), test=whole.test.take([0]))
    return (few, *(_sample(name, whole.problem, rows) for name, rows in hard.items()))


def _sample(name: str, problem: Problem, frame: pd.DataFrame) -> Sample:
    train, test = frame.iloc[:160], frame.iloc[160:].reset_index(drop=True)
    return Sample(
        name=name,
        problem=problem,
        train=dataset_for(train, problem),
        test=dataset_for(test, problem),
    )


def _labels(task: Task, minutes: npt.NDArray[np.float64]) -> npt.NDArray[Any]:
    if task is Task.BINARY:
        return minutes > 0
    if task is Task.REGRESSION:
        return minutes
    return np.array(["early", "on time", "late"])[np.digitize(minutes, [-6, 6])]

"""Columns missing together are grouped; what tells that values are missing is named."""

from __future__ import annotations

import numpy as np
import pandas as pd

from mldeploy.assessment import MissingAssessor
from mldeploy.data import dataset_for
from mldeploy.evidence import Report, Severity
from mldeploy.problem import Criterion, Problem

PROBLEM = Problem(
    name="p", statement="What is y?", target="y", positive=True,
    criteria=[Criterion("accuracy", at_least=0.7)],
)  # fmt: skip


def patients(seed: int, n: int = 1_200) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    age = rng.normal(60, 12, n)
    return pd.DataFrame(
        {
            "age": age,
            "pulse": rng.normal(70, 9, n),
            "systole": rng.normal(130, 15, n),
            "diastole": rng.normal(80, 9, n),
            "y": rng.random(n) < 0.4,
        }
    )


def assessed(frame: pd.DataFrame) -> Report:
    return MissingAssessor().assess(dataset_for(frame, PROBLEM), PROBLEM)


def test_values_missing_by_chance_raise_nothing() -> None:
    """The AUC is 0.5 and its lower end would have to exceed 0.6: none in 6."""
    for seed in range(6):
        frame = patients(seed)
        frame.loc[np.random.default_rng(seed).random(len(frame)) < 0.2, "pulse"] = None
        assert not assessed(frame).alarms


def test_a_column_that_is_missing_for_the_young_is_told_by_age() -> None:
    frame = patients(1)
    asked = np.random.default_rng(1).random(len(frame)) < np.where(frame["age"] > 60, 0.9, 0.4)
    frame.loc[~asked, "pulse"] = None

    (found,) = assessed(frame).alarms

    assert (found.name, found.column) == ("missing_not_by_chance", "pulse")
    assert (found.details["told_by"], found.severity) == ("age", Severity.WARNING)
    assert "'age'" in found.action


def test_columns_missing_together_are_one_pattern_and_not_told_by_each_other() -> None:
    frame = patients(2)
    frame.loc[np.random.default_rng(2).random(len(frame)) < 0.3, ["systole", "diastole"]] = None

    report = assessed(frame)

    (together,) = report.select(name="missing_together")
    assert together.details["columns"] == "systole, diastole"
    assert not report.alarms

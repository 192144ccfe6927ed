"""Criteria that a constant answer meets are told, and shares that moved."""

from __future__ import annotations

import numpy as np
import pandas as pd

from mldeploy.assessment import BalanceAssessor
from mldeploy.data import dataset_for
from mldeploy.evidence import Report, Severity
from mldeploy.problem import Criterion, Problem


def assessed(y: object, *criteria: Criterion, **fields: object) -> Report:
    frame = pd.DataFrame({"x": np.arange(len(y)), "y": y})  # type: ignore[arg-type]
    frame["t"] = pd.date_range("2030-01-01", periods=len(frame), freq="h", tz="UTC")
    settings = {"positive": True, "prediction_time": "t"} | fields
    problem = Problem(
        name="p", statement="What is y?", target="y", criteria=criteria, **settings,  # type: ignore[arg-type]
    )  # fmt: skip
    return BalanceAssessor().assess(dataset_for(frame, problem), problem)


def rare(share: float, n: int = 2_000) -> np.ndarray:
    return np.random.default_rng(0).random(n) < share


def test_accuracy_that_the_largest_class_has_judges_nothing() -> None:
    criterion = Criterion("accuracy", at_least=0.9)

    (found,) = assessed(rare(0.05), criterion).alarms
    fine = assessed(rare(0.3), criterion)

    assert (found.name, found.severity) == ("met_by_constant", Severity.WARNING)
    assert found.criterion == criterion.digest
    assert not fine.alarms


def test_recall_alone_is_met_by_saying_yes_and_not_beside_precision() -> None:
    recall = Criterion("recall", at_least=0.8)

    alone = assessed(rare(0.3), recall)
    beside = assessed(rare(0.3), recall, Criterion("precision", at_least=0.5))

    assert [f.name for f in alone.alarms] == ["met_by_constant"]
    assert not beside.alarms


def test_criteria_against_a_baseline_are_not_met_by_a_constant() -> None:
    assert not assessed(rare(0.05), Criterion("accuracy", better_than="baseline")).alarms


def test_a_class_below_one_percent_is_told_with_its_interval() -> None:
    (found,) = assessed(rare(0.002, 5_000), Criterion("roc_auc", at_least=0.7)).alarms

    assert (found.name, found.slice) == ("class_share", "True")
    assert found.interval is not None
    assert found.interval.high < 0.01


def test_a_share_that_moved_in_the_newest_rows_is_told_and_chance_is_not() -> None:
    y = rare(0.2, 4_000)
    y[3_500:] = np.random.default_rng(1).random(500) < 0.5

    (found,) = assessed(y, Criterion("roc_auc", at_least=0.7)).alarms

    assert found.name == "class_share_over_time"
    for seed in range(20):
        calm = np.random.default_rng(seed).random(4_000) < 0.2
        assert not assessed(calm, Criterion("roc_auc", at_least=0.7)).alarms


def test_several_classes_have_a_share_each() -> None:
    y = ["a", "b", "b", "c"] * 50
    report = assessed(y, Criterion("accuracy", at_least=0.6), positive=None, task="multiclass")

    shares = {f.slice: f.estimate for f in report.select(name="class_share")}
    assert shares == {"a": 0.25, "b": 0.5, "c": 0.25}

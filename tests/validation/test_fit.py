"""Overfit, underfit and fine are told apart by rivals."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from mldeploy.data import dataset_for
from mldeploy.evidence import Severity, Verdict
from mldeploy.problem import Criterion, Problem
from mldeploy.validation import FitValidator

RICHER = HistGradientBoostingClassifier(max_iter=40, max_leaf_nodes=8, random_state=0)


def table(n: int, *, crossed: bool) -> pd.DataFrame:
    """Labels that follow a sum, or that a sum cannot follow."""
    rng = np.random.default_rng(int(crossed))
    x = rng.normal(size=(n, 4))
    eta = 4.0 * ((x[:, 0] > 0) ^ (x[:, 1] > 0)) - 2 if crossed else 1.5 * (x[:, 0] - x[:, 1])
    frame = pd.DataFrame(x, columns=list("abcd"))
    frame["late"] = (rng.random(n) < 1 / (1 + np.exp(-eta))).astype(int)
    return frame


@pytest.mark.parametrize(
    ("estimator", "crossed", "diagnosis"),
    [
        (LogisticRegression(), False, "fine"),
        (DecisionTreeClassifier(random_state=0), False, "overfit"),
        (DecisionTreeClassifier(max_depth=1), False, "underfit"),
        (LogisticRegression(), True, "underfit"),
        (DecisionTreeClassifier(random_state=0), True, "overfit"),
        (RICHER, True, "fine"),
    ],
)
def test_the_loser_is_named_by_its_direction(
    make_model: Any, make_problem: Any, estimator: Any, crossed: bool, diagnosis: str
) -> None:
    problem, frame = make_problem(Criterion("roc_auc", at_least=0.6)), table(3000, crossed=crossed)
    model = make_model(estimator, frame, problem)

    report = FitValidator(richer=RICHER).validate(model, dataset_for(frame, problem), problem)

    fit, simpler, richer = report.findings
    assert fit.details["diagnosis"] == diagnosis, report
    assert fit.verdict is (Verdict.PASS if diagnosis == "fine" else Verdict.FAIL)
    assert fit.severity is Severity.WARNING
    assert bool(fit.action) == (diagnosis != "fine")
    assert fit.estimate == min(simpler.estimate, richer.estimate)


CLASSES = {
    "fine": LogisticRegression(),
    "overfit": DecisionTreeClassifier(random_state=0),
    "underfit": DecisionTreeClassifier(max_depth=1),
}
NUMBERS = {
    "fine": Ridge(),
    "overfit": DecisionTreeRegressor(random_state=0),
    "underfit": DecisionTreeRegressor(max_depth=1),
}


@pytest.mark.parametrize("diagnosis", ["fine", "overfit", "underfit"])
@pytest.mark.parametrize("task", ["multiclass", "regression"])
def test_three_classes_and_numbers_are_diagnosed_as_two_classes_are(
    make_model: Any, task: str, diagnosis: str
) -> None:
    """The truth is a line with noise, in thirds or as it is; the default rivals judge."""
    rng = np.random.default_rng(3)
    x = rng.normal(size=(1500, 4))
    value = x[:, 0] - x[:, 1] + 0.8 * rng.normal(size=1500)
    frame = pd.DataFrame(x, columns=list("abcd"))
    frame["y"] = pd.cut(value, 3, labels=["low", "mid", "high"]).astype(str)
    metric, estimators = Criterion("accuracy", at_least=0.5), CLASSES
    if task == "regression":
        frame["y"], estimators = value, NUMBERS
        metric = Criterion("mean_squared_error", at_most=9)
    problem = Problem(name="p", statement="Which?", target="y", task=task, criteria=[metric])
    model = make_model(clone(estimators[diagnosis]), frame, problem)

    report = FitValidator(n_folds=4).validate(model, dataset_for(frame, problem), problem)

    fit = report.findings[0]
    assert fit.details["diagnosis"] == diagnosis, report
    assert fit.verdict is (Verdict.PASS if diagnosis == "fine" else Verdict.FAIL)


def test_default_rivals_take_text_gaps_and_times(make_model: Any, make_problem: Any) -> None:
    problem = make_problem(prediction_time="at", features=("a", "b", "c", "d"), unit=None)
    frame = table(400, crossed=False)
    frame["at"] = pd.date_range("2030-01-01", periods=400, freq="h", tz="UTC")
    model = make_model(LogisticRegression(), frame, problem)
    named = frame.assign(e=np.where(frame["a"] > 0, "up", "down"))
    named.loc[:40, "e"] = None
    with_text = dataset_for(named, make_problem(prediction_time="at"))

    report = FitValidator(n_folds=3).validate(model, with_text, problem)

    assert report.findings[0].name == "fit"
    assert report.findings[0].n == 3


def test_too_few_rows_leave_the_fit_open(make_model: Any, make_problem: Any) -> None:
    problem = make_problem(unit="who", features=("a", "b", "c", "d"))
    frame = table(200, crossed=False).assign(who=np.arange(200) % 2)
    model = make_model(LogisticRegression(), frame, problem)

    (finding,) = FitValidator().validate(model, dataset_for(frame, problem), problem).findings

    assert finding.verdict is Verdict.INSUFFICIENT
    assert "2 units" in finding.summary


@pytest.mark.parametrize("wrong", [{"n_folds": 2}, {"margin": -1.0}, {"confidence": 0.5}])
def test_settings_without_sense_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="="):
        FitValidator(**wrong)

"""What the schema accepts and nobody has asked yet is asked, and the answers are looked at."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from mldeploy.data import dataset_for
from mldeploy.evidence import Report, Severity, Verdict
from mldeploy.problem import Criterion, Problem
from mldeploy.validation import BehaviourValidator

NUMBERS = ("raises", "not_finite", "out_of_range", "slow", "order", "constant")


def table() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"a": rng.uniform(1, 2, 300), "n": rng.integers(0, 9, 300)})
    frame["late"] = (frame["a"] > 1.5).astype(int)
    return frame


def judged(make_model: Any, problem: Problem, estimator: Any, frame: pd.DataFrame) -> Report:
    model = make_model(estimator, frame, problem)
    report: Report = BehaviourValidator(n_rows=20).validate(
        model, dataset_for(frame, problem), problem
    )
    return report


def failing(report: Report) -> set[str]:
    return {f.name for f in report.findings if f.verdict is Verdict.FAIL}


def test_trees_answer_whatever_they_are_asked(make_model: Any, make_problem: Any) -> None:
    estimator = HistGradientBoostingClassifier(max_iter=5)
    report = judged(make_model, make_problem(), estimator, table())

    assert tuple(sorted(f.name for f in report.findings)) == tuple(sorted(NUMBERS))
    assert failing(report) == set()
    assert all(f.severity is Severity.WARNING for f in report.findings)
    (raises,) = report.select(name="raises")
    assert raises.n == 9 + 8 + 8  # of the real column, of the integers, of both at once


def test_a_line_that_goes_on_for_ever_is_found_out_of_range(make_model: Any) -> None:
    problem = Problem(
        name="p", statement="How much?", target="y", task="regression",
        criteria=[Criterion("mean_absolute_error", at_most=1)],
    )  # fmt: skip
    frame = table().drop(columns="late")
    frame["y"] = 3 * frame["a"]
    report = judged(make_model, problem, LinearRegression(), frame)

    (found,) = report.select(name="out_of_range")
    assert found.verdict is Verdict.FAIL
    assert "far above in a" in found.summary
    assert "maximum in a" not in found.summary


def test_a_logarithm_of_what_may_be_zero_is_found_not_finite(make_model: Any) -> None:
    problem = Problem(
        name="p", statement="How much?", target="y", task="regression",
        criteria=[Criterion("mean_absolute_error", at_most=1)],
    )  # fmt: skip
    frame = table()[["a"]].assign(y=lambda f: np.log(f["a"]))
    report = judged(make_model, problem, LogOfA(), frame)

    assert "zero in a" in report.select(name="not_finite")[0].summary
    assert report.select(name="raises")[0].verdict is Verdict.PASS


def test_text_that_raises_is_named_unless_the_schema_refuses_it(
    make_model: Any, make_problem: Any
) -> None:
    frame = table().assign(c=np.where(table()["n"] > 4, "up", "down"))
    coded = make_pipeline(
        FunctionTransformer(known_levels), HistGradientBoostingClassifier(max_iter=5)
    )
    open_ended = judged(make_model, make_problem(), coded, frame)
    closed = judged(
        make_model,
        make_problem(),
        coded,
        frame.assign(c=pd.Categorical(frame["c"], categories=["down", "up"])),
    )

    (raises,) = open_ended.select(name="raises")
    assert raises.verdict is Verdict.FAIL
    assert "unseen in c (KeyError)" in raises.summary
    assert "closed" in raises.action
    assert closed.select(name="raises")[0].verdict is Verdict.PASS, closed


@pytest.mark.parametrize(
    ("estimator", "rule"),
    [("OverConfident", "out_of_range"), ("Neighbourly", "order"), ("Stubborn", "constant")],
)
def test_each_misbehaviour_is_found_by_its_rule(
    make_model: Any, make_problem: Any, estimator: str, rule: str
) -> None:
    report = judged(make_model, make_problem(), globals()[estimator](), table())

    assert rule in failing(report), report


def test_what_takes_long_is_found(
    make_model: Any, make_problem: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The clock is turned on by a second whenever a long text is answered."""
    late = [0.0]
    real = time.perf_counter
    monkeypatch.setattr(time, "perf_counter", lambda: real() + late[0])
    frame = table().assign(c=np.where(table()["n"] > 4, "up", "down"))

    report = judged(make_model, make_problem(), SlowOnLongText(late), frame)

    assert "long text in c" in report.select(name="slow")[0].summary
    assert failing(report) == {"slow"}


@pytest.mark.parametrize("wrong", [{"n_rows": 1}, {"reach": -1.0}, {"slower": 1.0}])
def test_settings_without_sense_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="="):
        BehaviourValidator(**wrong)


def known_levels(X: pd.DataFrame) -> pd.DataFrame:
    """Code a column by a table that knows two levels."""
    codes = {"down": 0, "up": 1}
    return X.assign(c=[codes[str(level)] for level in X["c"]])


class LogOfA(RegressorMixin, BaseEstimator):  # type: ignore[misc]
    def fit(self, X: Any, y: Any) -> LogOfA:
        self.fitted_ = True
        return self

    def predict(self, X: pd.DataFrame) -> Any:
        return np.log(np.abs(X["a"].to_numpy()))


class Sigmoid(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Probabilities that follow the first column."""

    def fit(self, X: Any, y: Any) -> Sigmoid:
        self.classes_ = np.unique(y)
        return self

    def chance(self, X: pd.DataFrame) -> Any:
        return 1 / (1 + np.exp(-np.clip(X["a"].to_numpy(float) - 1.5, -50, 50)))

    def predict_proba(self, X: pd.DataFrame) -> Any:
        p = self.chance(X)
        return np.column_stack([1 - p, p])

    def predict(self, X: pd.DataFrame) -> Any:
        return (self.predict_proba(X)[:, 1] > 0.5).astype(int)


class OverConfident(Sigmoid):
    def chance(self, X: pd.DataFrame) -> Any:
        return np.clip(X["a"].to_numpy(float), -10, 10) / 2


class Neighbourly(Sigmoid):
    def chance(self, X: pd.DataFrame) -> Any:
        return (np.arange(len(X)) + 1) / (len(X) + 2)


class Stubborn(Sigmoid):
    def chance(self, X: pd.DataFrame) -> Any:
        return np.full(len(X), 0.3)


class SlowOnLongText(Sigmoid):
    def __init__(self, late: Any = None) -> None:
        self.late = late

    def chance(self, X: pd.DataFrame) -> Any:
        if X["c"].astype(str).str.len().max() > 1000:
            self.late[0] += 10.0
        return super().chance(X)

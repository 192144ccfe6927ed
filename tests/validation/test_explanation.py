"""What matters is found, what tells the same is taken together, and answers move as they do."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from mldeploy.data import dataset_for
from mldeploy.errors import InvalidDataError
from mldeploy.evidence import Report, Severity, Verdict
from mldeploy.problem import Criterion, Problem
from mldeploy.testing import ValidatorConformance
from mldeploy.validation import (
    ExplanationValidator,
    StabilityValidator,
    Validator,
    partial_dependence,
    partial_dependences_from,
)
from mldeploy.validation._alike import alike_columns


def rows(n: int, *, seed: int = 0) -> pd.DataFrame:
    """`late` follows wind, which stands there twice, and the carrier a little; noise is noise."""
    rng = np.random.default_rng(seed)
    wind, noise = rng.normal(size=n), rng.normal(size=n)
    carrier = rng.choice(["AA", "UA"], n)
    late = wind + 1.6 * (carrier == "UA") + rng.normal(size=n) > 0.8
    return pd.DataFrame(
        {"wind": wind, "knots": 1.94 * wind + 0.01 * rng.normal(size=n), "noise": noise,
         "carrier": carrier, "late": late.astype(int)}
    )  # fmt: skip


def encoded(estimator: Any) -> Any:
    encode = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore"), ["carrier"]), remainder="passthrough"
    )
    return make_pipeline(encode, estimator)


def test_columns_that_tell_the_same_are_grouped() -> None:
    frame = rows(3000).drop(columns="late").assign(code=lambda t: t["carrier"].str.lower())

    groups = alike_columns(frame, at_least=0.7)

    assert groups == [("wind", "knots"), ("noise",), ("carrier", "code")]


def test_what_matters_is_ranked_with_its_interval(make_model: Any, make_problem: Any) -> None:
    problem = make_problem(Criterion("roc_auc", at_least=0.6))
    model = make_model(encoded(LogisticRegression()), rows(2000), problem)

    report = ExplanationValidator().validate(
        model, dataset_for(rows(3000, seed=1), problem), problem
    )

    found = {f.column: f for f in report.select(name="importance")}
    assert list(found) == ["wind & knots", "carrier", "noise"]
    assert found["carrier"].interval.low > 0
    assert found["noise"].interval.low <= 0 <= found["noise"].interval.high
    (summary,) = report.select(name="columns_that_matter")
    assert summary.estimate == 2
    assert "'noise' is not among them" in summary.summary


def test_a_model_that_reads_nothing_is_a_warning(make_model: Any, make_problem: Any) -> None:
    problem = make_problem()
    model = make_model(DummyClassifier(), rows(300), problem)

    report = ExplanationValidator().validate(model, dataset_for(rows(400), problem), problem)

    (summary,) = report.select(name="columns_that_matter")
    assert summary.verdict is Verdict.INSUFFICIENT
    assert summary.severity is Severity.WARNING


def test_a_partial_dependence_is_the_slope_of_a_linear_model(make_model: Any) -> None:
    frame = rows(800).drop(columns=["carrier", "knots"])
    frame["late"] = 3.0 * frame["wind"] - frame["noise"]
    problem = Problem(
        name="late", statement="How late?", target="late", task="regression",
        criteria=[Criterion("mean_absolute_error", at_most=1.0)],
    )  # fmt: skip
    model, data = make_model(LinearRegression(), frame, problem), dataset_for(frame, problem)

    found = partial_dependence(model, data, "wind", n_values=5)

    values = np.array(found.values, float)
    assert np.diff(found.mean) == pytest.approx(3.0 * np.diff(values), abs=1e-9)
    assert found.range == pytest.approx(3.0 * np.ptp(values))
    assert found.to_chart().to_svg().startswith("<svg")
    with pytest.raises(InvalidDataError, match="does not read 'carrier'"):
        partial_dependence(model, data, "carrier")


def test_curves_are_read_back_from_the_report(make_model: Any, make_problem: Any) -> None:
    problem = make_problem()
    model = make_model(encoded(LogisticRegression()), rows(500), problem)
    report = ExplanationValidator(max_curves=2).validate(
        model, dataset_for(rows(500, seed=1), problem), problem
    )

    curves = partial_dependences_from(Report.model_validate_json(report.to_json()))

    assert [c.column for c in curves] == ["wind", "carrier"]
    assert dict(zip(curves[1].values, curves[1].mean, strict=True)).keys() == {"AA", "UA"}


# --- stability --------------------------------------------------------------------------------


def test_training_without_chance_repeats_itself(make_model: Any, make_problem: Any) -> None:
    problem = make_problem(features=["wind", "noise"])
    model = make_model(LinearRegressionClassifier(), rows(300), problem)

    report = StabilityValidator(ablate=False).validate(
        model, dataset_for(rows(300, seed=1), problem), problem
    )

    (finding,) = report.findings
    assert finding.verdict is Verdict.PASS
    assert finding.severity is Severity.INFO


class LinearRegressionClassifier(DummyClassifier):  # type: ignore[misc]
    """Has no seed."""

    def __init__(self) -> None:
        super().__init__()

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        return {}


def test_answers_that_chance_decides_are_found(make_model: Any, make_problem: Any) -> None:
    """Two trees of one random split each differ often; a linear model's seed does nothing."""
    problem = make_problem(features=["wind", "knots", "noise"])
    shaky = RandomForestClassifier(n_estimators=1, max_depth=8, random_state=0)
    data = dataset_for(rows(1200, seed=1), problem)

    wild, calm = (
        StabilityValidator(ablate=False, n_seeds=3)
        .validate(make_model(estimator, rows(300), problem), data, problem)
        .findings[0]
        for estimator in (shaky, LogisticRegression(random_state=0))
    )

    assert wild.verdict is Verdict.FAIL
    assert wild.estimate is not None
    assert wild.estimate > 0.1
    assert calm.verdict is Verdict.PASS
    assert calm.estimate == 0.0


def test_columns_that_earn_nothing_are_told_from_those_that_earn(
    make_model: Any, make_problem: Any
) -> None:
    problem = make_problem(Criterion("roc_auc", at_least=0.6))
    model = make_model(encoded(LogisticRegression()), rows(300), problem)

    report = StabilityValidator(margin=0.02).validate(
        model, dataset_for(rows(4000, seed=1), problem), problem
    )

    found = {f.column: str(f.verdict) for f in report.select(name="ablation")}
    assert found == {"wind & knots": "PASS", "noise": "FAIL", "carrier": "PASS"}
    (summary,) = report.select(name="columns_that_earn_nothing")
    assert summary.summary.startswith("'noise' earn less than 0.02")
    assert all(f.severity is Severity.INFO for f in report.select(name="ablation"))


def test_an_estimator_that_cannot_be_fitted_again_is_told(
    make_model: Any, make_problem: Any
) -> None:
    problem = make_problem()
    model = make_model(encoded(LogisticRegression()), rows(300), problem)
    one_class = rows(400).assign(late=1)

    report = StabilityValidator().validate(model, dataset_for(one_class, problem), problem)

    (finding,) = report.findings
    assert finding.verdict is Verdict.INSUFFICIENT
    assert "could not be fitted" in finding.summary


@pytest.mark.slow
class TestExplanationValidator(ValidatorConformance):
    @pytest.fixture
    def validator(self) -> Validator:
        return ExplanationValidator()


@pytest.mark.slow
class TestStabilityValidator(ValidatorConformance):
    @pytest.fixture
    def validator(self) -> Validator:
        return StabilityValidator(n_seeds=2, n_folds=3)

"""Verdicts through the public interface, on small real models."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.svm import LinearSVC

from mldeploy.data import dataset_for
from mldeploy.errors import EmptyDataError, InvalidDataError
from mldeploy.evidence import Report, Severity, Verdict
from mldeploy.problem import Criterion, Problem, ReviewUncertain, Route
from mldeploy.validation import (
    AutonomyValidator,
    BaselineValidator,
    CriteriaValidator,
    Validator,
    ValidatorSuite,
    default_validators,
    routing_from,
)


def answered(n: int, n_right: int) -> pd.DataFrame:
    """Rows of which a known number is answered rightly."""
    late = np.arange(n) % 2
    return pd.DataFrame({"answer": np.where(np.arange(n) < n_right, late, 1 - late), "late": late})


def drawn(n: int, *, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    x, z = rng.normal(size=(2, n))
    return pd.DataFrame({"x": x, "z": z, "late": (x + rng.normal(size=n) > 0).astype(int)})


@pytest.mark.parametrize(
    ("n", "n_right", "verdict"),
    [(1000, 850, "PASS"), (1000, 700, "FAIL"), (50, 41, "INSUFFICIENT")],
)
def test_accuracy_is_judged_on_wilsons_interval(
    make_model: Any, make_problem: Any, oracle: Any, n: int, n_right: int, verdict: str
) -> None:
    """At 95 %: 850 of 1000 gives [.827, .871], 700 [.671, .728], 41 of 50 [.692, .902]."""
    problem, frame = make_problem(Criterion("accuracy", at_least=0.8)), answered(n, n_right)

    report = CriteriaValidator().validate(
        make_model(oracle(), frame, problem), dataset_for(frame, problem), problem
    )

    (finding,) = report.select(name="accuracy")
    assert str(report.verdict) == verdict
    assert finding.estimate == pytest.approx(n_right / n)
    assert (finding.rows_needed is not None) == (verdict == "INSUFFICIENT")


def test_a_model_is_compared_with_its_baselines_and_the_champion(
    make_model: Any, make_problem: Any
) -> None:
    problem = make_problem(Criterion("roc_auc", at_least=0.6, better_than="baseline", by=0.02))
    train, test = drawn(800), dataset_for(drawn(1500, seed=1), problem)
    dummy = make_model(DummyClassifier(), train, problem)
    weak = make_model(LogisticRegression(C=1e-9), train, problem)
    model = make_model(LogisticRegression(), train, problem, baselines={"prior": dummy})

    judged = CriteriaValidator().validate(model, test, problem)
    same = BaselineValidator().validate(model, test, problem, champion=model)
    lost = CriteriaValidator().validate(weak, test, problem)

    assert judged.verdict is Verdict.PASS
    (paired,) = judged.select(name="roc_auc vs baseline")
    assert paired.details["rival"] == "the baseline (prior)"
    assert paired.threshold == 0.02
    (itself,) = same.select(name="roc_auc vs champion")
    assert (itself.estimate, itself.severity) == (0.0, Severity.WARNING)
    assert same.about["champion"] == model.digest
    (absent,) = lost.select(name="roc_auc vs baseline")
    assert absent.verdict is Verdict.INSUFFICIENT


def test_latency_size_and_data_criteria_are_measured_or_passed_on(
    make_model: Any, make_problem: Any
) -> None:
    problem = make_problem(
        Criterion("latency_p50", at_most=60),
        Criterion("model_size", at_most=0.001),
        Criterion("missing_share", at_most=0.1),
    )
    model = make_model(LogisticRegression(), drawn(300), problem)

    report = CriteriaValidator(n_latency_rows=100).validate(
        model, dataset_for(drawn(200, seed=1), problem), problem
    )

    latency, size, data = report.findings
    assert latency.verdict is Verdict.PASS
    assert 0 < latency.estimate < 60
    assert size.verdict is Verdict.FAIL
    assert size.unit == "MB"
    assert data.severity is Severity.INFO


def test_rows_without_a_label_are_counted_and_left_out(
    make_model: Any, make_problem: Any, oracle: Any
) -> None:
    problem, frame = make_problem(), answered(400, 400)
    model = make_model(oracle(), frame, problem)
    partly = frame.astype({"late": "Int64"})
    partly.loc[:99, "late"] = pd.NA

    report = CriteriaValidator().validate(model, dataset_for(partly, problem), problem)

    (left_out,) = report.select(name="unlabelled_rows")
    assert left_out.estimate == 0.25
    assert report.select(name="accuracy")[0].n == 300
    partly["late"] = pd.array([pd.NA] * len(partly), dtype="Int64")
    with pytest.raises(EmptyDataError):
        CriteriaValidator().validate(model, dataset_for(partly, problem), problem)


def test_a_model_of_another_target_is_refused(
    make_model: Any, make_problem: Any, oracle: Any
) -> None:
    problem, frame = make_problem(), answered(100, 90).assign(other=0)
    other = problem.model_copy(update={"target": "other"})
    model = make_model(oracle(), frame, problem)

    with pytest.raises(InvalidDataError, match="predicts 'late'"):
        CriteriaValidator().validate(model, dataset_for(frame, other), other)


class Rubbish(Validator):
    def _validate(self, model: Any, dataset: Any, problem: Any, *, champion: Any) -> Any:
        yield "fine"


def test_a_validator_that_yields_no_findings_is_told_so(
    make_model: Any, make_problem: Any, oracle: Any
) -> None:
    problem, frame = make_problem(), answered(100, 90)

    with pytest.raises(TypeError, match="Rubbish yielded 'fine'"):
        Rubbish().validate(
            make_model(oracle(), frame, problem), dataset_for(frame, problem), problem
        )


def test_one_changed_value_gives_the_report_another_data_digest(
    make_model: Any, make_problem: Any, oracle: Any
) -> None:
    problem, frame = make_problem(), answered(200, 190)
    model = make_model(oracle(), frame, problem)
    changed = frame.copy()
    changed.loc[7, "answer"] = 1 - changed.loc[7, "answer"]

    def judged(rows: pd.DataFrame) -> Report:
        return CriteriaValidator().validate(model, dataset_for(rows, problem), problem)

    first, second, again = judged(frame), judged(changed), judged(frame)

    assert first.about == again.about
    assert first.about["data"] != second.about["data"]
    assert {**first.about, "data": ""} == {**second.about, "data": ""}
    assert set(first.about) == {"model", "data", "problem", "training_data", "code"}


def test_units_widen_the_interval_and_weights_move_the_estimate(
    make_model: Any, make_problem: Any, oracle: Any
) -> None:
    """Ten clones of each row say no more than one: the interval must be as wide as for 100."""
    rows = answered(100, 80)
    clones = pd.concat([rows.assign(who=np.arange(100))] * 10, ignore_index=True)
    weighted = rows.assign(w=np.where(np.arange(100) < 80, 1.0, 4.0))

    def width_and_value(frame: pd.DataFrame, **roles: str) -> tuple[float, float]:
        problem = make_problem(features=("answer",), **roles)
        model = make_model(oracle(), frame, problem)
        report = CriteriaValidator().validate(model, dataset_for(frame, problem), problem)
        (finding,) = report.select(name="accuracy")
        return finding.interval.width, finding.estimate

    plain, _ = width_and_value(clones)
    clustered, _ = width_and_value(clones, unit="who")
    _, value = width_and_value(weighted, weight="w")

    assert clustered > 2 * plain
    assert value == pytest.approx(0.5)


def test_classes_and_numbers_are_judged_too(
    make_model: Any, oracle: Any, number_oracle: Any
) -> None:
    several = Problem(
        name="kind",
        statement="Which kind?",
        target="kind",
        task="multiclass",
        criteria=[Criterion("accuracy", at_least=0.8)],
    )
    kinds = pd.DataFrame({"answer": ["a", "b", "c"] * 200, "kind": ["a", "b", "c"] * 200})
    number = Problem(
        name="delay",
        statement="How late?",
        target="delay",
        task="regression",
        criteria=[Criterion("mean_absolute_error", at_most=3.0)],
    )
    delays = pd.DataFrame({"answer": np.arange(200.0), "delay": np.arange(200.0)})
    delays["answer"] += np.where(np.arange(200) % 2, 1.0, -3.0)

    first = CriteriaValidator().validate(
        make_model(oracle(), kinds, several), dataset_for(kinds, several), several
    )
    second = CriteriaValidator().validate(
        make_model(number_oracle(), delays, number), dataset_for(delays, number), number
    )

    assert first.verdict is Verdict.PASS
    assert second.findings[0].estimate == pytest.approx(2.0)
    assert second.verdict is Verdict.PASS


def test_scores_that_are_no_probabilities_rank_but_route_nothing(
    make_model: Any, make_problem: Any
) -> None:
    problem = make_problem(
        Criterion("roc_auc", at_least=0.6),
        Criterion("brier", at_most=0.3),
        autonomy=ReviewUncertain(max_error=0.2),
    )
    model = make_model(LinearSVC(), drawn(500), problem)
    data = dataset_for(drawn(1000, seed=1), problem)

    report = CriteriaValidator().validate(model, data, problem)
    routing = routing_from(AutonomyValidator().validate(model, data, problem))

    assert report.select(name="roc_auc")[0].verdict is Verdict.PASS
    assert report.select(name="brier")[0].verdict is Verdict.INSUFFICIENT
    assert routing is not None
    assert routing.certain is routing.uncertain is Route.REVIEW


def test_the_default_suite_judges_and_routes(make_model: Any, make_problem: Any) -> None:
    problem = make_problem(
        Criterion("roc_auc", at_least=0.6), autonomy=ReviewUncertain(max_error=0.2)
    )
    model = make_model(LogisticRegression(), drawn(500), problem)

    report = default_validators(problem).validate(
        model, dataset_for(drawn(1500, seed=1), problem), problem
    )
    routing = routing_from(report)

    assert report.verdict is Verdict.PASS
    assert report.made_by == "ValidatorSuite"
    assert routing is not None
    assert routing.certain is Route.AUTOMATIC
    assert (
        routing_from(
            CriteriaValidator().validate(model, dataset_for(drawn(300, seed=2), problem), problem)
        )
        is None
    )
    with pytest.raises(ValueError, match="at least one"):
        ValidatorSuite(())


def test_a_regression_is_compared_by_default(make_model: Any) -> None:
    problem = Problem(
        name="delay",
        statement="How late?",
        target="delay",
        task="regression",
        criteria=[Criterion("mean_absolute_error", at_most=2.0)],
    )
    frame = drawn(400).rename(columns={"late": "delay"}).astype(float)
    model = make_model(LinearRegression(), frame, problem)

    report = default_validators(problem).validate(model, dataset_for(frame, problem), problem)

    assert report.verdict is Verdict.PASS
    (compared,) = report.select(name="mean_absolute_error vs baseline")
    assert compared.verdict is Verdict.INSUFFICIENT
    assert compared.severity is Severity.WARNING

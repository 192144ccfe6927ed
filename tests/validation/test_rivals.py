"""What a model is held against: the last label, people, costs, and what decisions are worth."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.linear_model import LinearRegression
from sklearn.metrics import mean_pinball_loss

from mldeploy.data import dataset_for
from mldeploy.errors import InvalidProblemError, NotMeasurableError
from mldeploy.evidence import Verdict
from mldeploy.problem import (
    Criterion,
    Judge,
    Problem,
    ScoredRows,
    Task,
    cost_matrix,
    cost_of_errors,
    find_metric,
    measure,
    pinball_loss,
)
from mldeploy.testing import ValidatorConformance
from mldeploy.validation import (
    BaselineValidator,
    CriteriaValidator,
    Guess,
    Validator,
    ValueValidator,
)
from mldeploy.validation._last_value import last_value


def series(n: int, *, seed: int = 0) -> pd.DataFrame:
    """A walk that is best told by where it was an hour ago, and a column that tells nothing."""
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "at": pd.date_range("2030-01-01", periods=n, freq="h", tz="UTC"),
            "noise": rng.normal(size=n),
            "level": np.cumsum(rng.normal(size=n)),
        }
    )


def walking(delay: int = 1) -> Problem:
    return Problem(
        name="walk", statement="Where is it?", target="level", task="regression",
        prediction_time="at", label_delay=timedelta(hours=delay), features=["noise"],
        criteria=[
            Criterion("mean_absolute_error", at_most=100.0, better_than="baseline"),
        ],
    )  # fmt: skip


@pytest.mark.parametrize("delay", [1, 3])
def test_the_last_value_is_the_one_that_was_known(make_model: Any, delay: int) -> None:
    """The first rows have no earlier label, and are answered by the dummy."""
    problem, frame = walking(delay), series(50)
    dummy = make_model(DummyRegressor(), frame, problem)
    model = make_model(LinearRegression(), frame, problem, baselines={"dummy": dummy})
    data = dataset_for(frame.sample(50, random_state=1), problem)
    rows = dummy.scored_rows(data)

    found = last_value(model, data, {"dummy": rows})

    assert found is not None
    order = np.argsort(data.times())
    assert found.y_pred[order][delay:].tolist() == found.y_true[order][:-delay].tolist()
    assert set(found.y_pred[order][:delay]) == {float(rows.y_pred[0])}


def test_a_model_that_loses_to_the_last_value_does_not_hold(make_model: Any) -> None:
    problem, frame = walking(), series(600)
    dummy = make_model(DummyRegressor(), frame, problem)
    model = make_model(LinearRegression(), frame, problem, baselines={"dummy": dummy})

    report = CriteriaValidator().validate(
        model, dataset_for(series(600, seed=1), problem), problem
    )

    (paired,) = report.select(name="mean_absolute_error vs baseline")
    assert paired.verdict is Verdict.FAIL
    assert paired.details["rival"] == "the baseline (last value)"


def test_units_have_a_last_value_of_their_own(make_model: Any) -> None:
    frame = pd.DataFrame(
        {
            "at": pd.to_datetime(
                ["2030-01-01", "2030-01-01", "2030-01-03", "2030-01-03"], utc=True
            ),
            "who": ["a", "b", "a", "b"],
            "noise": [0.0, 1.0, 2.0, 3.0],
            "late": [1, 0, 0, 1],
        }
    )
    problem = Problem(
        name="late", statement="Late?", target="late", positive=1, prediction_time="at",
        unit="who", label_delay=timedelta(days=1), features=["noise"],
        criteria=[Criterion("accuracy", at_least=0.5)],
    )  # fmt: skip
    dummy = make_model(DummyClassifier(), frame, problem)
    model = make_model(DummyClassifier(), frame, problem, baselines={"dummy": dummy})
    data = dataset_for(frame, problem)

    found = last_value(model, data, {"dummy": dummy.scored_rows(data)})

    assert found is not None
    assert found.y_pred[2:].tolist() == [1, 0]
    assert found.y_score is not None
    assert found.y_score[2:].tolist() == [1.0, 0.0]


def test_a_model_is_held_against_people_where_they_decided(
    make_model: Any, make_problem: Any, oracle: Any
) -> None:
    """People are right on 90 of the 100 rows they saw, the model on 60 of them."""
    late = np.tile([0, 1], 200)
    frame = pd.DataFrame({"answer": late, "late": late, "clerk": pd.array([pd.NA] * 400, "Int64")})
    frame.loc[:99, "clerk"] = np.where(np.arange(100) < 90, late[:100], 1 - late[:100])
    frame.loc[60:99, "answer"] = 1 - frame.loc[60:99, "late"]
    problem = make_problem(Criterion("accuracy", at_least=0.5), features=["answer"])
    model = make_model(oracle(), frame, problem)
    data = dataset_for(frame, problem)

    (people,) = (
        BaselineValidator(people="clerk")
        .validate(model, data, problem)
        .select(name="accuracy vs people")
    )

    assert people.verdict is Verdict.FAIL
    assert people.n == 100
    assert people.estimate == pytest.approx(-0.3)
    with pytest.raises(InvalidProblemError, match="'nobody', which the data does not have"):
        BaselineValidator(people="nobody").validate(model, data, problem)


# --- metrics ----------------------------------------------------------------------------------


def test_costs_are_looked_up_and_measured_with_an_interval() -> None:
    """10 of 100 missed at 500, 20 of 100 false alarms at 20, of 200: (5000 + 400) / 200."""
    y = np.repeat([1, 0], 100)
    p = y.copy()
    p[:10], p[100:120] = 0, 1
    metric = cost_of_errors(false_positive=20.0, false_negative=500.0, unit="EUR")

    estimate = measure(metric, ScoredRows(task=Task.BINARY, y_true=y, y_pred=p))

    assert estimate.value == pytest.approx(27.0)
    assert estimate.interval.low > 10
    assert str(Criterion(metric, at_most=30.0)) == "cost_of_errors at most 30 EUR"


def test_costs_of_several_classes_name_every_label() -> None:
    metric = cost_matrix({"ill": {"well": 100.0}, "well": {"ill": 5.0}})
    other = cost_matrix({"ill": {"well": 100.0}, "well": {"ill": 6.0}})
    y, p = np.array(["ill", "ill", "well"]), np.array(["ill", "well", "ill"])
    assert metric.per_row is not None

    assert metric.per_row(y, p)[0].tolist() == [0.0, 100.0, 5.0]
    assert metric.definition != other.definition
    with pytest.raises(NotMeasurableError, match="do not name the label 'dead'"):
        metric.per_row(np.array(["dead"]), np.array(["ill"]))
    with pytest.raises(InvalidProblemError, match="not all the same"):
        cost_of_errors(
            false_positive=1.0, false_negative=1.0, true_positive=1.0, true_negative=1.0
        )


@pytest.mark.parametrize("quantile", [0.05, 0.5, 0.9])
def test_the_pinball_loss_is_scikit_learns(quantile: float) -> None:
    rng = np.random.default_rng(0)
    y, p = rng.normal(size=(2, 300))
    rows = ScoredRows(task=Task.REGRESSION, y_true=y, y_pred=p)

    value = measure(pinball_loss(quantile), rows).value

    assert value == pytest.approx(mean_pinball_loss(y, p, alpha=quantile))


def test_false_alarms_and_their_gap_are_known_by_name() -> None:
    rows = ScoredRows(
        task=Task.BINARY, y_true=np.array([0, 0, 0, 1]), y_pred=np.array([1, 0, 0, 1])
    )

    assert measure(find_metric("false_positive_rate"), rows).value == pytest.approx(1 / 3)
    gap = Criterion("predictive_equality_difference", at_most=0.1, slices=["sex"])
    assert gap.metric.higher_is_better is False


def test_equalised_odds_are_the_larger_of_two_gaps() -> None:
    """Found: 80 and 70 of 100; false alarms: 10 and 40 of 100. The larger gap is 0.3."""
    y = np.tile(np.repeat([1, 0], 100), 2)
    p = np.concatenate([np.arange(100) < n for n in (80, 10, 70, 40)]).astype(int)
    rows = ScoredRows(
        task=Task.BINARY, y_true=y, y_pred=p, columns={"sex": np.repeat(["f", "m"], 200)}
    )
    criterion = Criterion("equalized_odds_difference", at_most=0.15, slices=["sex"])

    (finding,) = Judge(check="Test").judge(criterion, rows)

    assert finding.estimate == pytest.approx(0.3)
    assert finding.verdict is Verdict.FAIL
    assert finding.n == 400


# --- what it is worth -------------------------------------------------------------------------


def decided(n: int) -> pd.DataFrame:
    """Of ten rows four are late, three are found, and one is a false alarm."""
    late, answer = np.array([1] * 4 + [0] * 6), np.array([1, 1, 1, 0, 1] + [0] * 5)
    return pd.DataFrame({"answer": np.tile(answer, n // 10), "late": np.tile(late, n // 10)})


def worth(make_model: Any, make_problem: Any, oracle: Any, n: int, **guesses: Any) -> Any:
    problem, frame = make_problem(features=["answer"]), decided(n)
    dummy = make_model(DummyClassifier(), frame, problem)
    model = make_model(oracle(), frame, problem, baselines={"dummy": dummy})
    report = ValueValidator(**guesses).validate(model, dataset_for(frame, problem), problem)
    return report.select(name="value")[0], report.select(name="value vs baseline")[0]


def test_the_value_is_worked_by_hand(make_model: Any, make_problem: Any, oracle: Any) -> None:
    """0.3 * 100 - 0.1 * 20 = 28 a decision; the dummy says never, which is worth nothing."""
    guesses = {"true_positive": 100.0, "false_positive": -20.0, "unit": "EUR"}
    value, beside = worth(make_model, make_problem, oracle, 1000, **guesses)

    assert value.estimate == beside.estimate == pytest.approx(28.0)
    assert value.verdict is Verdict.PASS
    assert "comes from the rows" in value.summary
    few, _ = worth(make_model, make_problem, oracle, 10, **guesses, at_least=20.0)
    assert few.verdict is Verdict.INSUFFICIENT


def test_a_guess_widens_the_interval_and_is_named_when_it_matters_most(
    make_model: Any, make_problem: Any, oracle: Any
) -> None:
    """With a gain between 0 and 200 the worth lies between -2 and 58, whatever the rows."""
    value, _ = worth(
        make_model, make_problem, oracle, 10_000,
        true_positive=Guess(0.0, 100.0, 200.0), false_positive=-20.0, at_least=30.0,
    )  # fmt: skip

    assert value.verdict is Verdict.INSUFFICIENT
    assert value.interval.low == pytest.approx(-2 + 30 * 2 * np.sqrt(0.025 / 2), abs=1.0)
    assert "the guess of true_positive" in value.summary
    assert value.action == "Find out what a true_positive is worth."


def test_guesses_ascend_and_outcomes_differ() -> None:
    with pytest.raises(ValueError, match="does not ascend"):
        Guess(3.0, 2.0, 4.0)
    with pytest.raises(ValueError, match="all outcomes are worth the same"):
        ValueValidator()


@pytest.mark.slow
class TestValueValidator(ValidatorConformance):
    @pytest.fixture
    def validator(self) -> Validator:
        return ValueValidator(true_positive=Guess(80.0, 100.0, 150.0), false_positive=-20.0)

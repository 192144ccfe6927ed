"""Trainers give models that repeat, and refuse data that nobody could learn from."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.svm import LinearSVC

from mldeploy.data import GroupSplit, dataset_for
from mldeploy.errors import (
    EmptyDataError,
    InvalidDataError,
    SerializationError,
    TrainingFailedError,
    UnsupportedTaskError,
    UnsupportedWeightsError,
)
from mldeploy.problem import Criterion, Problem
from mldeploy.training import (
    CalibratedTrainer,
    EstimatorTrainer,
    SearchTrainer,
    Trainer,
    default_baselines,
)


def problem(**changes: object) -> Problem:
    settings = {
        "name": "late",
        "statement": "Which flights land late?",
        "target": "late",
        "positive": True,
        "criteria": [Criterion("accuracy", at_least=0.6)],
    }
    return Problem(**{**settings, **changes})


def frame(n: int = 240) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    wind = rng.normal(size=n)
    return pd.DataFrame(
        {
            "wind": wind,
            "hour": rng.integers(0, 24, n),
            "late": wind + rng.normal(size=n) > 0,
            "when": pd.date_range("2026-01-01", periods=n, freq="h", tz="UTC"),
            "plane": rng.integers(0, 12, n),
            "weight": rng.uniform(0.5, 2.0, n),
        }
    )


FEATURES = ("wind", "hour")
PIPELINE = make_pipeline(StandardScaler(), LogisticRegression())
TRAINERS: list[Trainer] = [
    EstimatorTrainer(HistGradientBoostingClassifier(max_iter=5, max_features=0.5)),
    SearchTrainer(GridSearchCV(PIPELINE, {"logisticregression__C": [0.01, 1.0]}), n_folds=3),
    CalibratedTrainer(PIPELINE, n_folds=3),
]
ROLES: list[dict[str, str]] = [{}, {"prediction_time": "when"}, {"unit": "plane"}]


@pytest.mark.parametrize("trainer", TRAINERS, ids=lambda t: type(t).__name__)
@pytest.mark.parametrize("roles", ROLES, ids=str)
def test_training_twice_gives_the_same_model(trainer: Trainer, roles: dict[str, str]) -> None:
    asked = problem(features=FEATURES, weight="weight", **roles)
    data = dataset_for(frame(), asked)

    first, second = (trainer.train(data, asked, by="ana") for _ in range(2))

    assert first.digest == second.digest
    assert first.provenance.data == data.fingerprint
    assert first.provenance.trained_by == "ana"
    assert set(first.baselines) == {"dummy", "linear"}
    assert (first.predict(data) == data.y()).mean() > 0.6


def test_estimator_is_cloned_and_open_seeds_are_set() -> None:
    estimator = HistGradientBoostingClassifier(max_iter=2)
    asked = problem(features=FEATURES)

    model = EstimatorTrainer(estimator).train(dataset_for(frame(), asked), asked)

    assert not hasattr(estimator, "classes_")
    assert estimator.random_state is None
    assert isinstance(model.provenance.parameters["random_state"], int)


def test_dummy_baseline_answers_the_share_of_the_positive_class() -> None:
    """Three of four rows are late, so every score is 0.75."""
    asked = problem()
    data = dataset_for(pd.DataFrame({"x": range(4), "late": [True, True, False, True]}), asked)

    dummy = EstimatorTrainer(LogisticRegression()).train(data, asked).baselines["dummy"]

    assert dummy.score(data).tolist() == [0.75] * 4


def test_rows_without_a_label_are_left_out() -> None:
    asked = problem()
    table = pd.DataFrame({"x": range(5), "late": [True, None, False, True, False]})

    model = EstimatorTrainer(LogisticRegression()).train(dataset_for(table, asked), asked)

    assert model.provenance.n_rows == 4
    assert model.signature.classes == (False, True)


def test_linear_baseline_takes_text_missing_values_and_booleans() -> None:
    asked = problem()
    table = pd.DataFrame(
        {
            "text": ["a", None, "b", "a"] * 10,
            "flag": [True, False] * 20,
            "gap": [1.0, np.nan, 3.0, 4.0] * 10,
            "empty": [np.nan] * 40,
            "level": pd.Categorical(["p", "q"] * 20),
            "late": [True, False, True, True] * 10,
        }
    )
    data = dataset_for(table, asked)

    model = EstimatorTrainer(default_baselines(asked, data)["linear"]).train(data, asked)

    assert (model.predict(data) == data.y()).mean() > 0.9


def test_fit_that_raises_is_named_with_its_cause() -> None:
    asked = problem()
    data = dataset_for(pd.DataFrame({"x": ["a", "b"], "late": [True, False]}), asked)

    with pytest.raises(TrainingFailedError, match="LogisticRegression") as caught:
        EstimatorTrainer(LogisticRegression(), baselines={}).train(data, asked)

    assert isinstance(caught.value.__cause__, ValueError)


def test_search_leaves_its_trials_and_becomes_its_best_estimator() -> None:
    asked = problem(features=FEATURES)
    search = GridSearchCV(PIPELINE, {"logisticregression__C": [1e-9, 1.0]}, scoring="roc_auc")

    model = SearchTrainer(search).train(dataset_for(frame(), asked), asked)

    assert model.trials is not None
    assert model.trials["param_logisticregression__C"].tolist() == [1e-9, 1.0]
    assert not hasattr(model.estimator, "best_estimator_")


def test_units_that_come_again_need_a_split_by_unit() -> None:
    asked = problem(features=FEATURES, prediction_time="when", unit="plane")
    data = dataset_for(frame(), asked)

    with pytest.raises(EmptyDataError, match="split="):
        CalibratedTrainer(PIPELINE).train(data, asked)
    assert CalibratedTrainer(PIPELINE, split=GroupSplit(), n_folds=2).train(data, asked)


def test_scores_that_are_no_probabilities_are_marked() -> None:
    asked = problem(features=FEATURES, positive=False)
    data = dataset_for(frame(), asked)

    model = EstimatorTrainer(LinearSVC()).train(data, asked)

    assert not model.signature.probabilistic
    rows = model.scored_rows(data)
    assert np.array_equal(rows.y_score > 0, rows.y_pred == 1)


def refused(table: pd.DataFrame, **changes: object) -> None:
    asked = problem(**changes)
    EstimatorTrainer(LogisticRegression()).train(dataset_for(table, asked), asked)


def test_single_class_is_refused() -> None:
    with pytest.raises(InvalidDataError, match="nothing to learn"):
        refused(pd.DataFrame({"x": [1, 2], "late": [True, True]}))


def test_positive_class_that_is_not_there_is_refused() -> None:
    with pytest.raises(InvalidDataError, match="positive"):
        refused(pd.DataFrame({"x": [1, 2], "late": ["yes", "no"]}))


def test_third_class_in_a_binary_task_is_refused() -> None:
    with pytest.raises(InvalidDataError, match="multiclass"):
        refused(pd.DataFrame({"x": [1, 2, 3], "late": [0, 1, 2]}))


def test_rows_without_any_label_are_refused() -> None:
    with pytest.raises(EmptyDataError, match="labels"):
        refused(pd.DataFrame({"x": [1.0, 2.0], "late": [np.nan, np.nan]}))


def test_table_without_features_is_refused() -> None:
    with pytest.raises(EmptyDataError, match="no column"):
        refused(pd.DataFrame({"late": [True, False]}))


def test_roles_other_than_the_problems_are_refused() -> None:
    asked = problem()
    data = dataset_for(pd.DataFrame({"x": [1, 2], "late": [True, False]}), asked)

    with pytest.raises(InvalidDataError, match="dataset_for"):
        EstimatorTrainer(LogisticRegression()).train(data.with_roles(target="x"), asked)


def test_regression_on_text_and_infinity_is_refused() -> None:
    regress = {"task": "regression", "positive": None, "criteria": [Criterion("r2", at_least=0)]}
    for target in (["a", "b"], [1.0, np.inf]):
        asked = problem(**regress)
        data = dataset_for(pd.DataFrame({"x": [1, 2], "late": target}), asked)
        with pytest.raises(InvalidDataError):
            EstimatorTrainer(Ridge()).train(data, asked)


def test_calibrating_a_regression_is_refused() -> None:
    asked = problem(task="regression", positive=None, criteria=[Criterion("r2", at_least=0)])
    data = dataset_for(pd.DataFrame({"x": [1.0, 2.0], "late": [1.0, 2.0]}), asked)

    with pytest.raises(UnsupportedTaskError):
        CalibratedTrainer(Ridge(), baselines={}).train(data, asked)


def test_estimator_that_cannot_be_stored_is_refused_before_any_fit() -> None:
    with pytest.raises(SerializationError, match="lambda"):
        EstimatorTrainer(make_pipeline(FunctionTransformer(lambda X: X), LogisticRegression()))


def test_weights_that_nobody_takes_are_refused() -> None:
    asked = problem(features=FEATURES, weight="weight")

    with pytest.raises(UnsupportedWeightsError, match="KNeighbors"):
        EstimatorTrainer(KNeighborsClassifier(), baselines={}).train(
            dataset_for(frame(), asked), asked
        )


@pytest.mark.parametrize("nonsense", [LogisticRegression, "tree", None])
def test_what_is_no_estimator_is_refused(nonsense: object) -> None:
    with pytest.raises(TypeError):
        EstimatorTrainer(nonsense)

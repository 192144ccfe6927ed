"""What searches tried, and estimators on the same folds."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.dummy import DummyClassifier
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    RandomizedSearchCV,
    ShuffleSplit,
)

from mldeploy.data import Dataset
from mldeploy.problem import Criterion, Problem
from mldeploy.project import Project
from mldeploy.training import SearchTrainer, score_on_folds, trials_of

PROBLEM = Problem(
    name="late",
    statement="Is it late?",
    target="late",
    positive="yes",
    criteria=[Criterion("roc_auc", at_least=0.7)],
)


def frame(n: int = 240) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    x = rng.normal(size=n)
    late = rng.uniform(size=n) < 1 / (1 + np.exp(-2 * x))
    return pd.DataFrame({"x": x, "z": rng.normal(size=n), "late": np.where(late, "yes", "no")})


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    with Project(PROBLEM, store=tmp_path / "store") as project:
        yield project


def data() -> Dataset:
    return Dataset.of(frame(), target="late")


GRID = {"C": [0.01, 1.0, 100.0]}


def test_the_trials_of_a_search_are_runs_that_can_be_compared(project: Project) -> None:
    search = GridSearchCV(LogisticRegression(), GRID, scoring="roc_auc")
    model = project.train(SearchTrainer(search, n_folds=4), project.data(frame()))

    comparison = project.runs.compare("score", name="late/trial")

    assert model.trials is not None
    assert comparison.folds.n_folds == 4
    best = comparison.runs[0]
    assert best.parameters == {"C": model.estimator.C}
    assert best.mean == pytest.approx(model.trials["mean_test_score"].max())
    (training,) = project.runs.all(name="late/train")
    assert {r.parent for r in project.runs.all(name="late/trial")} == {training.id}


def test_searches_of_two_models_on_the_same_folds_are_compared_together(project: Project) -> None:
    for estimator, grid in (
        (LogisticRegression(), GRID),
        (DummyClassifier(), {"strategy": ["prior"]}),
    ):
        search = GridSearchCV(estimator, grid, scoring="roc_auc")
        project.train(SearchTrainer(search), project.data(frame()))

    comparison = project.runs.compare("score", name="late/trial")

    assert len(comparison.runs) == 4
    assert not comparison.left_out
    assert comparison.runs[-1].parameters == {"strategy": "prior"}
    assert not comparison.runs[-1].is_tied


def test_folds_of_a_searchs_own_splitter_are_known_too() -> None:
    search = RandomizedSearchCV(
        LogisticRegression(), GRID, n_iter=2, random_state=0,
        cv=ShuffleSplit(3, test_size=0.25, random_state=1),
    )  # fmt: skip
    model = SearchTrainer(search).train(data(), PROBLEM)

    assert model.trials is not None
    ((folds, trials),) = trials_of(model.trials)

    assert folds is not None
    assert (folds.n_folds, folds.n_train, folds.n_test) == (3, 180, 60)
    assert len(trials) == 2


def test_rounds_of_a_halving_search_are_not_compared_with_each_other() -> None:
    search = HalvingGridSearchCV(LogisticRegression(), GRID, random_state=0, min_resources=40)
    model = SearchTrainer(search, n_folds=3).train(data(), PROBLEM)

    assert model.trials is not None
    rounds = trials_of(model.trials)

    assert [len(trials) for _, trials in rounds] == [3, 1]
    assert len({folds.rows for folds, _ in rounds if folds is not None}) == 2


def test_settings_that_are_no_json_become_their_text_and_failed_fits_fail() -> None:
    search = GridSearchCV(
        LogisticRegression(), {"C": [np.float64(1.0), -1.0], "solver": ["lbfgs"]}
    )
    table = pd.DataFrame(
        {
            "params": [{"model": LogisticRegression(), "C": np.float64(1.0)}, {"C": float("inf")}],
            "split0_test_auc": [0.5, np.nan],
            "split1_test_auc": [0.6, 0.7],
            "mean_fit_time": [0.1, 0.1],
        }
    )
    assert search is not None

    ((folds, (one, other)),) = trials_of(table)

    assert folds is None
    assert one.parameters == {"model": "LogisticRegression()", "C": 1.0}
    assert other.parameters == {"C": "inf"}
    assert (one.failed, other.failed) == (False, True)
    assert one.scores == {"auc": (0.5, 0.6)}


def test_estimators_are_scored_on_the_same_folds_and_ranked(project: Project) -> None:
    estimators = {
        "dummy": DummyClassifier(),
        "logistic": LogisticRegression(),
        "logistic, weaker": LogisticRegression(C=0.5),
    }

    comparison = project.compare(estimators, project.data(frame()), scoring="roc_auc")

    tied = {run.parameters["estimator"] for run in comparison.tied}
    assert tied == {"logistic", "logistic, weaker"}
    assert comparison.runs[-1].mean == pytest.approx(0.5)


def test_scores_are_those_of_scikit_learn() -> None:
    from sklearn.model_selection import cross_val_score

    from mldeploy.data import default_split

    rows = data()
    cuts = list(default_split(rows, random_state=0).folds(rows, 4))
    _, (trial,) = score_on_folds(
        {"it": LogisticRegression()}, rows, PROBLEM, scoring="roc_auc", n_folds=4
    )

    expected = cross_val_score(
        LogisticRegression(), rows.X(), rows.y() == "yes", cv=cuts, scoring="roc_auc"
    )
    assert trial.scores["roc_auc"] == pytest.approx(expected)


def test_no_estimator_and_unknown_scorers_are_refused() -> None:
    with pytest.raises(ValueError, match="no estimator"):
        score_on_folds({}, data(), PROBLEM, scoring="roc_auc")
    with pytest.raises(ValueError, match="nonsense"):
        score_on_folds({"a": LogisticRegression()}, data(), PROBLEM, scoring="nonsense")

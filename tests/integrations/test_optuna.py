"""A search with Optuna is a search like any other."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import optuna
import pandas as pd
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from mldeploy.integrations.optuna import OptunaSearch
from mldeploy.problem import Criterion, Problem
from mldeploy.project import Project
from mldeploy.training import SearchTrainer

SPACE = {
    "logisticregression__C": FloatDistribution(1e-4, 1e2, log=True),
    "logisticregression__fit_intercept": CategoricalDistribution([True, False]),
}


def frame(n: int = 200) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    x = rng.normal(size=n)
    return pd.DataFrame({"x": x, "late": rng.uniform(size=n) < 1 / (1 + np.exp(-3 * x))})


def search(**settings: object) -> OptunaSearch:
    estimator = make_pipeline(StandardScaler(), LogisticRegression())
    return OptunaSearch(estimator, SPACE, scoring="roc_auc", random_state=0, **settings)


def test_a_trainer_takes_it_and_its_trials_are_compared(tmp_path: Path) -> None:
    problem = Problem(
        name="late",
        statement="Is it late?",
        target="late",
        positive=True,
        criteria=[Criterion("roc_auc", at_least=0.7)],
    )
    with Project(problem, store=tmp_path / "store") as project:
        model = project.train(SearchTrainer(search(n_trials=6), n_folds=3), project.data(frame()))
        comparison = project.runs.compare("score", name="late/trial")

    assert comparison.folds.n_folds == 3
    assert len(comparison.runs) == 6
    best = comparison.runs[0].parameters["logisticregression__C"]
    assert best == model.estimator[-1].C


def test_it_finds_the_same_settings_twice_and_the_mean_of_the_folds_is_its_score() -> None:
    rows = frame()
    one, two = (search(n_trials=5, cv=3).fit(rows[["x"]], rows["late"]) for _ in range(2))

    assert one.cv_results_["params"] == two.cv_results_["params"]
    folds = [one.cv_results_[f"split{i}_test_score"][one.best_index_] for i in range(3)]
    assert one.best_score_ == pytest.approx(np.mean(folds))
    assert one.best_score_ == max(one.cv_results_["mean_test_score"])


def test_a_trial_that_is_pruned_lacks_its_later_folds() -> None:
    class First(optuna.pruners.BasePruner):  # type: ignore[misc]
        def prune(self, study: optuna.Study, trial: optuna.trial.FrozenTrial) -> bool:
            return trial.number > 0

    rows = frame()
    found = search(n_trials=3, cv=3, pruner=First()).fit(rows[["x"]], rows["late"])

    assert found.best_index_ == 0
    assert np.isnan(found.cv_results_["mean_test_score"]).tolist() == [False, True, True]
    states = [trial.state.name for trial in found.study_.trials]
    assert states == ["COMPLETE", "PRUNED", "PRUNED"]


def test_no_time_for_any_trial_is_refused() -> None:
    rows = frame()

    with pytest.raises(ValueError, match="no trial was completed"):
        search(n_trials=3, timeout=-1).fit(rows[["x"]], rows["late"])


def test_weights_are_cut_with_the_rows() -> None:
    rows = frame()
    weights = np.where(rows["x"] > 0, 1.0, 2.0)

    fitted = search(n_trials=1, cv=3).fit(
        rows[["x"]], rows["late"], logisticregression__sample_weight=weights
    )

    assert fitted.predict(rows[["x"]]).shape == (200,)
    assert fitted.predict_proba(rows[["x"]]).shape == (200, 2)

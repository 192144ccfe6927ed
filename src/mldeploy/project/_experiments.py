"""What a project tries: the trials of searches, and estimators beside each other."""

from __future__ import annotations

from collections.abc import Mapping

from sklearn.base import BaseEstimator

from mldeploy.data import Dataset, Split
from mldeploy.model import Model
from mldeploy.problem import Problem
from mldeploy.store import JsonValue
from mldeploy.tracking import RunComparison, Runs
from mldeploy.training import score_on_folds, trials_of


def keep_trials(runs: Runs, model: Model, *, name: str, parent: str) -> None:
    """Keep what a search tried as runs that belong to the run of its training."""
    if model.trials is None:
        return
    for folds, trials in trials_of(model.trials):
        runs.record(name, trials, folds=folds, parent=parent)


def compare_estimators(
    runs: Runs,
    estimators: Mapping[str, BaseEstimator],
    dataset: Dataset,
    problem: Problem,
    *,
    scoring: str,
    n_folds: int,
    split: Split | None,
) -> RunComparison:
    """Score estimators on the same folds, keep each as a run, and rank them."""
    parameters: dict[str, JsonValue] = {"scoring": scoring, "estimators": list(estimators)}
    with runs.start(f"{problem.name}/compare", parameters=parameters) as run:
        folds, trials = score_on_folds(
            estimators, dataset, problem, scoring=scoring, n_folds=n_folds, split=split
        )
        runs.record(f"{problem.name}/estimator", trials, folds=folds, parent=run.id)
    return runs.compare(scoring, parent=run.id)

"""Several estimators on the same folds, so that they can be compared."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.metrics import get_scorer
from tqdm import tqdm

from mldeploy.data import Dataset, Split
from mldeploy.model import labels_of
from mldeploy.problem import Problem
from mldeploy.tracking import Folds, Trial
from mldeploy.training._baselines import Estimator
from mldeploy.training._fitting import fit, require_storable, seeded_clone
from mldeploy.training._folds import Fold, folds_of


def score_on_folds(
    estimators: Mapping[str, Estimator],
    dataset: Dataset,
    problem: Problem,
    *,
    scoring: str,
    n_folds: int = 5,
    split: Split | None = None,
    random_state: int = 0,
) -> tuple[Folds, list[Trial]]:
    """Fit and score estimators on the same folds of the labelled rows.

    Parameters
    ----------
    estimators : mapping of str to estimator
        Unfitted scikit-learn estimators by name; they are cloned.
    dataset : Dataset
        Rows with a target; those without a label are left out.
    problem : Problem
        What is predicted.
    scoring : str
        A scorer of scikit-learn, such as ``"roc_auc"``; larger is better.
    n_folds : int, default=5
        Number of folds, at least 2.
    split : Split, optional
        How rows are cut: by time where there is one, else by unit, else at random.
    random_state : int, default=0
        Seed of every part whose own seed is not set, and of folds at random.

    Returns
    -------
    (Folds, list of Trial)
        The folds, and a trial for each estimator in the order given.

    Raises
    ------
    ValueError
        If there is no estimator, or scikit-learn has no such scorer.
    EmptyDataError
        If the rows cannot be cut so.
    TrainingFailedError
        If an estimator raised while it was fitted.
    """
    if not estimators:
        raise ValueError("there is no estimator to score; pass them by name")
    for name, estimator in estimators.items():
        require_storable(estimator, what=f"the estimator {name!r}")
    scorer = get_scorer(scoring)
    rows = dataset.labelled()
    y = labels_of(rows.y(), problem.task, problem.target)
    y = y == problem.positive if problem.positive is not None else y
    cuts = folds_of(rows, n_folds, split=split, random_state=random_state)
    X, weight, trials = rows.X(), rows.weights(), []
    for name, estimator in tqdm(estimators.items(), desc="Estimators", delay=1, leave=False):
        begin = time.perf_counter()
        scores = [
            _score(seeded_clone(estimator, random_state), X, y, weight, fold, scorer)
            for fold in cuts
        ]
        trials.append(
            Trial(
                parameters={"estimator": name},
                scores={scoring: tuple(scores)},
                duration=timedelta(seconds=time.perf_counter() - begin),
            )
        )
    return Folds.of(rows.fingerprint, cuts), trials


def _score(
    estimator: Estimator,
    X: pd.DataFrame,
    y: npt.NDArray[Any],
    weight: npt.NDArray[np.float64] | None,
    fold: Fold,
    scorer: Any,
) -> float:
    train, test = fold
    own = None if weight is None else weight[train]
    fitted = fit(estimator, X.iloc[train], y[train], sample_weight=own)
    if weight is None:
        return float(scorer(fitted, X.iloc[test], y[test]))
    return float(scorer(fitted, X.iloc[test], y[test], sample_weight=weight[test]))

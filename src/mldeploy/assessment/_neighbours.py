"""Does a split at random flatter, because neighbours of the rows judged by are learnt from?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import numpy as np
import numpy.typing as npt
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from threadpoolctl import threadpool_limits

from mldeploy.assessment._outcome import Floats, Outcome, Rows, matrix_of, outcome_of
from mldeploy.assessment._share import codes_of
from mldeploy.data import Dataset
from mldeploy.problem import Problem, Task
from mldeploy.stats import Comparison, corrected_resampled_t

_FOLDS = 8


@final
@dataclass(frozen=True, kw_only=True)
class Learner:
    """A small boosted model, quick enough to be fitted many times; one core, for the same end."""

    task: Task
    max_iter: int = 30

    def score(self, X: Floats, outcome: Outcome, train: Rows, test: Rows) -> float | None:
        """Fit on some rows and score others; None where the rows show one outcome only."""
        asked = outcome.take(test)
        guess = self.guess(X, outcome, train, test) if asked.varies else None
        return None if guess is None else asked.score(guess)

    def guess(self, X: Floats, outcome: Outcome, train: Rows, test: Rows) -> Floats | None:
        """Fit on some rows and guess others, as `Outcome.score` takes it; None as in `score`."""
        learnt = outcome.take(train)
        if not learnt.varies:
            return None
        settings: dict[str, Any] = {
            "max_iter": self.max_iter, "max_leaf_nodes": 15, "early_stopping": False,
            "random_state": 0, "learning_rate": 0.15,
        }  # fmt: skip
        with threadpool_limits(1, user_api="openmp"):
            if self.task is Task.REGRESSION:
                model = HistGradientBoostingRegressor(**settings).fit(X[train], learnt.values)
                guess: Floats = model.predict(X[test])[:, None]
                return guess
            model = HistGradientBoostingClassifier(**settings).fit(X[train], learnt.values)
            shares = np.zeros((test.size, outcome.n_classes))
            shares[:, model.classes_.astype(np.int64)] = model.predict_proba(X[test])
        return shares[:, 1:] if self.task is Task.BINARY else shares


def out_of_fold(
    learner: Learner,
    X: Floats,
    outcome: Outcome,
    *,
    units: npt.NDArray[Any] | None,
    rng: np.random.Generator,
    n_folds: int = 5,
) -> Floats | None:
    """Guess every row from a model that has not seen it, nor its unit; None if it cannot be."""
    n = outcome.values.size
    codes = np.arange(n) if units is None else np.unique(units.astype(str), return_inverse=True)[1]
    fold = (rng.permutation(int(codes.max()) + 1) % n_folds)[codes]
    guess: Floats | None = None
    for k in range(n_folds):
        train, test = np.flatnonzero(fold != k), np.flatnonzero(fold == k)
        if not test.size:
            continue
        part = learner.guess(X, outcome, train, test) if train.size else None
        if part is None:
            return None
        guess = np.zeros((n, part.shape[1])) if guess is None else guess
        guess[test] = part
    return guess


def flattery(
    dataset: Dataset, problem: Problem, blocks: Rows, rng: np.random.Generator
) -> Comparison | None:
    """Compare scores on the same rows, learnt with and without rows of the same block.

    Parameters
    ----------
    dataset : Dataset
        Rows with labels, few enough to fit sixteen small models.
    problem : Problem
        Names the target and the task.
    blocks : ndarray of shape (n_rows,)
        Numbers from 0 to 7: eight stretches of time, or eight groups of units.
    rng : numpy.random.Generator
        Draws which rows of a block are learnt from.

    Returns
    -------
    Comparison or None
        Score with neighbours less that without, over the blocks, by the corrected t test; None
        if fewer than three blocks could be scored. Both learn from equally many rows.
    """
    outcome, X = outcome_of(dataset, problem), matrix_of(dataset.polars().select(dataset.features))
    learner, differences, sizes = Learner(task=problem.task), [], []
    for block in range(_FOLDS):
        inside = rng.permutation(np.flatnonzero(blocks == block))
        outside = rng.permutation(np.flatnonzero(blocks != block))
        asked, neighbours = np.array_split(inside, 2)
        if not neighbours.size or outside.size <= neighbours.size:
            continue
        apart = learner.score(X, outcome, outside, asked)
        among = np.concatenate([neighbours, outside[: outside.size - neighbours.size]])
        near = learner.score(X, outcome, among, asked)
        if apart is not None and near is not None:
            differences.append(near - apart)
            sizes.append((outside.size, asked.size))
    if len(differences) < 3:
        return None
    n_train, n_test = np.mean(sizes, axis=0)
    return corrected_resampled_t(
        differences, n_train=int(n_train), n_test=int(n_test), confidence=0.98
    )


def time_blocks(dataset: Dataset) -> Rows:
    """Number eight successive stretches of time with about as many rows each."""
    rank = np.argsort(np.argsort(dataset.times(), kind="stable"), kind="stable")
    return (rank * _FOLDS // len(dataset)).astype(np.int64)


def unit_blocks(dataset: Dataset, rng: np.random.Generator) -> Rows:
    """Number eight groups of units drawn at random."""
    assert dataset.roles.unit is not None
    codes: npt.NDArray[np.int64] = codes_of(dataset.polars()[dataset.roles.unit])
    return (rng.permutation(int(codes.max()) + 1) % _FOLDS)[codes]

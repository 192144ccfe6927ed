"""Folds of training rows that leak neither a unit nor the future."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.base import is_classifier
from sklearn.model_selection import check_cv

from mldeploy.data import Dataset, Split, default_split
from mldeploy.errors import EmptyDataError, TrainingFailedError

Fold: TypeAlias = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]


def folds_of(
    dataset: Dataset, n_folds: int, *, split: Split | None, random_state: int
) -> list[Fold]:
    """Return the positions of training and test rows: by time, else by unit, else at random.

    Raises
    ------
    EmptyDataError
        If a fold would be empty, as in time where every unit comes again and again.
    """
    chosen = split or default_split(dataset, random_state=random_state)
    try:
        return list(chosen.folds(dataset, n_folds))
    except EmptyDataError as error:
        raise EmptyDataError(
            f"rows cannot be cut into {n_folds} folds: {error}; or say how to cut them, such as "
            "split=GroupSplit() for the trainer"
        ) from error


def chooses_folds(cv: Any) -> bool:
    """Whether a search's `cv` says itself how to cut rows, rather than into how many parts."""
    return cv is not None and not isinstance(cv, int | np.integer)


def own_folds(
    search: Any, X: pd.DataFrame, y: npt.NDArray[Any], groups: npt.NDArray[Any] | None
) -> list[Fold]:
    """Return the folds that a search's own splitter yields, so that it is known what they were.

    Raises
    ------
    TrainingFailedError
        If it refuses these rows.
    """
    cv = check_cv(search.cv, y, classifier=is_classifier(search.estimator))
    try:
        return list(cv.split(X, y, groups))
    except Exception as error:
        raise TrainingFailedError(type(search).__name__, cause=error) from error

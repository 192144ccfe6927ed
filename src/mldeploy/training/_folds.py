"""Folds of training rows that leak neither a unit nor the future."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from mldeploy.data import Dataset, default_split

Fold: TypeAlias = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]


def folds_of(dataset: Dataset, n_folds: int, *, random_state: int) -> list[Fold]:
    """Return the positions of training and test rows: by time, else by unit, else at random."""
    split = default_split(dataset, random_state=random_state)
    return list(split.folds(dataset, n_folds))


def chooses_folds(cv: Any) -> bool:
    """Whether a search's `cv` says itself how to cut rows, rather than into how many parts."""
    return cv is not None and not isinstance(cv, int | np.integer)

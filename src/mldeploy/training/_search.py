"""Train the best of several settings."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, final

import numpy as np
import numpy.typing as npt
import pandas as pd
from typing_extensions import override

from mldeploy.data import Dataset, Split
from mldeploy.problem import Problem
from mldeploy.training._base import Trainer
from mldeploy.training._baselines import Estimator
from mldeploy.training._fitting import fit, require_storable, seeded_clone
from mldeploy.training._folds import chooses_folds, folds_of, own_folds


@final
@dataclass(frozen=True, kw_only=True)
class SearchTrainer(Trainer):
    """Try several settings on folds, and fit the best on all rows.

    Parameters
    ----------
    search : search
        Unfitted: `GridSearchCV`, `RandomizedSearchCV`, a halving search, or any other with
        ``estimator``, ``best_estimator_`` and ``cv_results_``. Where its `cv` is None or a
        number, the folds are cut here: by time if the rows have a time, else by unit if they
        have one, else at random. A splitter of its own is kept, and is told the units as
        groups. It runs on joblib's backends.
    baselines : mapping of str to estimator, optional
        See `Trainer`.
    random_state : int, default=0
        Seed for every part whose own seed is not set, and of folds at random.
    n_folds : int, default=5
        Number of folds, where the search does not say.
    split : Split, optional
        How rows are cut into folds; by default as the roles say.

    Raises
    ------
    ValueError
        If the search does not fit the best settings anew (`refit=False`), so that it yields no
        model.
    SerializationError
        If its estimator could not be stored.

    Notes
    -----
    The search does not become part of the model: its best estimator does, and what was tried is
    `Model.trials`, one row for each candidate.

    Examples
    --------
    >>> from sklearn.linear_model import Ridge
    >>> from sklearn.model_selection import GridSearchCV
    >>> from mldeploy.problem import Criterion
    >>> x = np.arange(20.0)
    >>> data = Dataset.of(pd.DataFrame({"x": x, "y": 2 * x}), target="y")
    >>> problem = Problem(name="double", statement="What is twice x?", target="y",
    ...                   task="regression", criteria=[Criterion("r2", at_least=0.9)])
    >>> search = GridSearchCV(Ridge(), {"alpha": [0.001, 1000.0]})
    >>> model = SearchTrainer(search).train(data, problem)
    >>> model.estimator.alpha, len(model.trials)
    (0.001, 2)
    """

    search: Estimator = field(kw_only=False)
    n_folds: int = 5
    split: Split | None = None

    def __post_init__(self) -> None:
        if getattr(self.search, "estimator", None) is None:
            raise TypeError(
                f"search= is {self.search!r}, which holds no estimator; pass a search such as "
                "GridSearchCV(estimator, grid), or use EstimatorTrainer"
            )
        if getattr(self.search, "refit", True) is False:
            raise ValueError("the search has refit=False and yields no model; leave refit on")
        if self.n_folds < 2:
            raise ValueError(f"{self.n_folds=} leaves nothing to judge by; use 2 or more")
        require_storable(self.search.estimator, what="the search's estimator")

    @override
    def _fit(
        self,
        X: pd.DataFrame,
        y: npt.NDArray[Any],
        *,
        sample_weight: npt.NDArray[np.float64] | None,
        groups: npt.NDArray[Any] | None,
        dataset: Dataset,
        problem: Problem,
    ) -> Estimator:
        search = seeded_clone(self.search, self.random_state)
        own = getattr(search, "cv", None)
        if chooses_folds(own):
            search.set_params(cv=own_folds(search, X, y, groups))
            return fit(search, X, y, sample_weight=sample_weight)
        n_folds = self.n_folds if own is None else int(own)
        search.set_params(
            cv=folds_of(dataset, n_folds, split=self.split, random_state=self.random_state)
        )
        return fit(search, X, y, sample_weight=sample_weight)

"""Train one estimator as it is."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, final

import numpy as np
import numpy.typing as npt
import pandas as pd
from typing_extensions import override

from mldeploy.data import Dataset
from mldeploy.problem import Problem
from mldeploy.training._base import Trainer
from mldeploy.training._baselines import Estimator
from mldeploy.training._fitting import fit, require_storable, seeded_clone


@final
@dataclass(frozen=True, kw_only=True)
class EstimatorTrainer(Trainer):
    """Fit one scikit-learn estimator on all rows.

    Parameters
    ----------
    estimator : estimator
        Unfitted; it is cloned, and never changed.
    baselines : mapping of str to estimator, optional
        See `Trainer`.
    random_state : int, default=0
        Seed for every part whose own seed is not set.

    Raises
    ------
    SerializationError
        If the estimator could not be stored, such as one with a lambda in it.

    Examples
    --------
    >>> from sklearn.linear_model import LinearRegression
    >>> from mldeploy.problem import Criterion
    >>> frame = pd.DataFrame({"x": [1.0, 2.0, 3.0], "y": [2.0, 4.0, 6.0]})
    >>> problem = Problem(name="double", statement="What is twice x?", target="y",
    ...                   task="regression", criteria=[Criterion("r2", at_least=0.9)])
    >>> model = EstimatorTrainer(LinearRegression()).train(Dataset.of(frame, target="y"), problem)
    >>> model.predict(pd.DataFrame({"x": [10.0]})).round(6).tolist()
    [20.0]
    """

    estimator: Estimator = field(kw_only=False)

    def __post_init__(self) -> None:
        require_storable(self.estimator, what="estimator=")

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
        copy = seeded_clone(self.estimator, self.random_state)
        return fit(copy, X, y, sample_weight=sample_weight)

"""Train a classifier whose scores are probabilities that hold."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, final

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.calibration import CalibratedClassifierCV
from typing_extensions import override

from mldeploy.data import Dataset, Split
from mldeploy.errors import UnsupportedTaskError
from mldeploy.problem import Problem
from mldeploy.training._base import Trainer
from mldeploy.training._baselines import Estimator
from mldeploy.training._fitting import fit, require_storable, seeded_clone
from mldeploy.training._folds import folds_of


@final
@dataclass(frozen=True, kw_only=True)
class CalibratedTrainer(Trainer):
    """Fit a classifier, and correct its probabilities on rows that it has not learnt from.

    With a time, it learns from the earlier rows and is corrected on the latest
    ``1 / (n_folds + 1)`` of them. Otherwise it is fitted once per fold, by unit if rows have
    one, each is corrected on the fold left out, and the probabilities are averaged.

    Parameters
    ----------
    estimator : classifier
        Unfitted; it is cloned, and never changed.
    baselines : mapping of str to estimator, optional
        See `Trainer`.
    random_state : int, default=0
        Seed for every part whose own seed is not set, and of folds at random.
    method : {"sigmoid", "isotonic", "temperature"}, default="sigmoid"
        The correction: Platt's two parameters, a monotone step function for thousands of rows,
        or one temperature, which keeps the order of classes.
    n_folds : int, default=5
        Number of folds.
    split : Split, optional
        How rows are cut into folds; by default as the roles say.

    Raises
    ------
    SerializationError
        If the estimator could not be stored.

    References
    ----------
    .. [1] A. Niculescu-Mizil and R. Caruana, "Predicting good probabilities with supervised
       learning", ICML 2005.

    Examples
    --------
    >>> from sklearn.naive_bayes import GaussianNB
    >>> from mldeploy.problem import Criterion
    >>> x = np.arange(40.0)
    >>> data = Dataset.of(pd.DataFrame({"x": x, "late": x % 3 > 0}), target="late")
    >>> problem = Problem(name="late", statement="Which flights land late?", target="late",
    ...                   positive=True, criteria=[Criterion("roc_auc", at_least=0.5)])
    >>> model = CalibratedTrainer(GaussianNB(), n_folds=2).train(data, problem)
    >>> model.signature.probabilistic
    True
    """

    estimator: Estimator = field(kw_only=False)
    method: Literal["sigmoid", "isotonic", "temperature"] = "sigmoid"
    n_folds: int = 5
    split: Split | None = None

    def __post_init__(self) -> None:
        if self.method not in ("sigmoid", "isotonic", "temperature"):
            raise ValueError(f"{self.method=} is neither sigmoid, isotonic nor temperature")
        if self.n_folds < 2:
            raise ValueError(f"{self.n_folds=} leaves nothing to calibrate on; use 2 or more")
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
        if not problem.task.is_classification:
            raise UnsupportedTaskError(
                f"{problem.name!r} is a regression, which has no probabilities to calibrate; use "
                "EstimatorTrainer"
            )
        folds = folds_of(dataset, self.n_folds, split=self.split, random_state=self.random_state)
        calibrated = CalibratedClassifierCV(
            seeded_clone(self.estimator, self.random_state),
            method=self.method,
            cv=folds[-1:] if dataset.roles.time is not None else folds,
            ensemble=True,
        )
        fitted = fit(calibrated, X, y, sample_weight=sample_weight)
        return fitted.set_params(cv=self.n_folds)

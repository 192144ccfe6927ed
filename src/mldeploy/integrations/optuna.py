"""Optuna: a search by its samplers and pruners that a trainer takes like scikit-learn's own."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from typing import Any, Self, final

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.base import BaseEstimator, MetaEstimatorMixin, clone, is_classifier
from sklearn.metrics import check_scoring
from sklearn.model_selection import check_cv
from sklearn.utils import _safe_indexing
from sklearn.utils.metaestimators import available_if

from mldeploy.errors import MissingExtraError

try:
    import optuna
except ImportError as error:
    raise MissingExtraError("mldeploy.integrations.optuna", extra="optuna") from error

__all__ = ["OptunaSearch"]


@final
class OptunaSearch(MetaEstimatorMixin, BaseEstimator):  # type: ignore[misc]
    """Search settings with Optuna, as `GridSearchCV` does with a grid.

    Every trial reports its mean after each fold, so that a pruner may stop it early. What was
    tried is in ``cv_results_``, of which `SearchTrainer` and `Project.train` make trials.

    Parameters
    ----------
    estimator : estimator
        Unfitted; it is cloned.
    space : mapping of str to optuna distribution
        For each parameter what may be tried, such as ``FloatDistribution(1e-3, 10, log=True)``.
    n_trials : int, default=50
        How many settings are tried.
    scoring : str or callable, optional
        As in scikit-learn; the estimator's own score by default.
    cv : int, splitter or list of folds, optional
        As in scikit-learn.
    sampler : optuna sampler, optional
        What chooses; a `TPESampler` seeded by `random_state` by default.
    pruner : optuna pruner, optional
        What stops a trial early; none by default.
    timeout : float, optional
        Seconds after which no further trial begins.
    random_state : int, optional
        Seed of the sampler.

    Attributes
    ----------
    study_ : optuna.Study
        In memory; it stays behind when the model is stored.
    cv_results_ : dict of str to sequence
        As scikit-learn's. Pruned trials lack the folds that were not reached (NaN).
    best_estimator_, best_params_, best_score_, best_index_
        As scikit-learn's.

    Examples
    --------
    >>> from optuna.distributions import FloatDistribution
    >>> from sklearn.linear_model import Ridge
    >>> X, y = np.arange(40.0)[:, None], 2 * np.arange(40.0)
    >>> search = OptunaSearch(Ridge(), {"alpha": FloatDistribution(1e-3, 1e3, log=True)},
    ...                       n_trials=5, random_state=0)
    >>> search.fit(X, y).best_score_ > 0.5, len(search.cv_results_["params"])
    (True, 5)
    """

    def __init__(
        self,
        estimator: Any,
        space: Mapping[str, optuna.distributions.BaseDistribution],
        *,
        n_trials: int = 50,
        scoring: Any = None,
        cv: Any = None,
        sampler: optuna.samplers.BaseSampler | None = None,
        pruner: optuna.pruners.BasePruner | None = None,
        timeout: float | None = None,
        random_state: int | None = None,
    ) -> None:
        self.estimator = estimator
        self.space = space
        self.n_trials = n_trials
        self.scoring = scoring
        self.cv = cv
        self.sampler = sampler
        self.pruner = pruner
        self.timeout = timeout
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None, *, groups: Any = None, **fit_params: Any) -> Self:
        """Try settings on folds, and fit the best on all rows.

        Parameters
        ----------
        X, y : array-like
            Rows and labels.
        groups : array-like, optional
            For a splitter that keeps groups whole.
        **fit_params : object
            For the estimator's own fit; what is as long as the rows is cut with them.

        Raises
        ------
        ValueError
            If no trial was completed.
        """
        cv = check_cv(self.cv, y, classifier=is_classifier(self.estimator))
        folds = list(cv.split(X, y, groups))
        scorer = check_scoring(self.estimator, scoring=self.scoring)
        study = _quiet_study(self.sampler or optuna.samplers.TPESampler(seed=self.random_state),
                             self.pruner or optuna.pruners.NopPruner())  # fmt: skip
        rows: list[dict[str, Any]] = []
        begin = time.monotonic()
        for _ in range(self.n_trials):
            if self.timeout is not None and time.monotonic() - begin > self.timeout:
                break
            trial = study.ask(dict(self.space))
            row = _tried(self.estimator, trial, X, y, folds, scorer, fit_params)
            rows.append(row)
            _tell(study, trial, row)
        self.study_ = study
        self._take(rows, len(folds))
        self.best_estimator_ = clone(self.estimator).set_params(**self.best_params_)
        self.best_estimator_.fit(X, y, **fit_params)
        if hasattr(self.best_estimator_, "classes_"):
            self.classes_ = self.best_estimator_.classes_
        return self

    def predict(self, X: Any) -> npt.NDArray[Any]:
        """Return what the best estimator predicts."""
        return np.asarray(self.best_estimator_.predict(X))

    @available_if(lambda self: hasattr(self.estimator, "predict_proba"))  # type: ignore[untyped-decorator]
    def predict_proba(self, X: Any) -> npt.NDArray[np.float64]:
        """Return the best estimator's probabilities."""
        return np.asarray(self.best_estimator_.predict_proba(X))

    def _take(self, rows: Sequence[Mapping[str, Any]], n_folds: int) -> None:
        scores = np.array([row["scores"] for row in rows]).reshape(len(rows), n_folds)
        means = scores.mean(axis=1) if len(rows) else np.array([])
        if not np.isfinite(means).any():
            raise ValueError("no trial was completed; allow more trials, time, or less pruning")
        self.best_index_ = int(np.nanargmax(means))
        self.best_params_ = dict(rows[self.best_index_]["params"])
        self.best_score_ = float(means[self.best_index_])
        self.cv_results_ = {
            "params": [dict(row["params"]) for row in rows],
            "mean_fit_time": np.array([row["seconds"] for row in rows]),
            "mean_test_score": means,
            **{f"split{i}_test_score": scores[:, i] for i in range(n_folds)},
        }


def _quiet_study(
    sampler: optuna.samplers.BaseSampler, pruner: optuna.pruners.BasePruner
) -> optuna.Study:
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        return optuna.create_study(direction="maximize", sampler=sampler, pruner=pruner)
    finally:
        optuna.logging.set_verbosity(before)


def _tried(
    estimator: Any,
    trial: optuna.Trial,
    X: Any,
    y: Any,
    folds: Sequence[tuple[Any, Any]],
    scorer: Any,
    fit_params: Mapping[str, Any],
) -> dict[str, Any]:
    """Fit and score one setting on each fold, as far as the pruner lets it come."""
    scores = [math.nan] * len(folds)
    spent = 0.0
    for i, (train, test) in enumerate(folds):
        fitted = clone(estimator).set_params(**trial.params)
        begin = time.perf_counter()
        own = {name: _part(value, train, X) for name, value in fit_params.items()}
        fitted.fit(_safe_indexing(X, train), _safe_indexing(y, train), **own)
        spent += time.perf_counter() - begin
        scores[i] = float(scorer(fitted, _safe_indexing(X, test), _safe_indexing(y, test)))
        trial.report(float(np.mean(scores[: i + 1])), step=i)
        if i + 1 < len(folds) and trial.should_prune():
            break
    return {"params": dict(trial.params), "scores": scores, "seconds": spent / len(folds)}


def _tell(study: optuna.Study, trial: optuna.Trial, row: Mapping[str, Any]) -> None:
    mean = float(np.mean(row["scores"]))
    if math.isnan(mean):
        study.tell(trial, state=optuna.trial.TrialState.PRUNED)
    else:
        study.tell(trial, mean)


def _part(value: Any, rows: Any, X: Any) -> Any:
    is_long = isinstance(value, np.ndarray | pd.Series) and len(value) == len(X)
    return _safe_indexing(value, rows) if is_long else value

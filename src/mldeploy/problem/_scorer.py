"""scikit-learn's scorers as metrics."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, final

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.metrics import get_scorer, get_scorer_names

from mldeploy.errors import InvalidProblemError, UnknownMetricError
from mldeploy.problem._metric import Metric, Needs
from mldeploy.problem._task import Task

Array = npt.NDArray[Any]


def scorer_names() -> list[str]:
    """Return the names of scikit-learn's scorers."""
    names: list[str] = get_scorer_names()
    return names


def from_scorer(scorer: str | Callable[..., float], *, name: str | None = None) -> Metric:
    """Return a scikit-learn scorer as a metric; higher is better, as for every scorer.

    Parameters
    ----------
    scorer : str or callable
        A scorer's name, or what `sklearn.metrics.make_scorer` returns.
    name : str, optional
        What the metric is called; needed for a scorer that is not known by name.

    Raises
    ------
    UnknownMetricError
        If scikit-learn has no scorer of that name.
    InvalidProblemError
        If the scorer suits none of the tasks, e.g. because it judges clusterings.
    """
    title = name or (scorer if isinstance(scorer, str) else None)
    if title is None:
        raise InvalidProblemError("name the metric: from_scorer(make_scorer(...), name='...')")
    if isinstance(scorer, str) and scorer not in scorer_names():
        raise UnknownMetricError(scorer)
    function = get_scorer(scorer) if isinstance(scorer, str) else scorer
    asked = {task: _needs(function, task) for task in Task}
    tasks = tuple(task for task, needs in asked.items() if needs is not None)
    if not tasks:
        raise InvalidProblemError(
            f"scorer {title!r} judges neither classes nor numbers; use another metric"
        )
    needs = asked[tasks[0]] or Needs.PREDICTION
    return Metric(
        title,
        function=_ScorerStatistic(function, needs),
        needs=needs,
        tasks=tasks,
        definition=f"scikit-learn: {function!r}",
    )


@final
class _ScorerStatistic:
    """A scorer as a function of truth, answer and weights."""

    def __init__(self, scorer: Callable[..., float], needs: Needs) -> None:
        self._scorer, self._needs = scorer, needs

    def __call__(self, y_true: Array, y_hat: Array, *, sample_weight: Array) -> float:
        answered = _Scored(y_hat) if self._needs is Needs.SCORE else _Decided(y_hat)
        return float(self._scorer(answered, y_hat, y_true, sample_weight=sample_weight))


class _Decided(RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """An estimator that has already decided; scorers take its decisions as they are."""

    def __init__(self, decisions: Array) -> None:
        self.decisions = decisions

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def predict(self, _: Array) -> Array:
        return self.decisions


class _Scored(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A classifier that has already given its probabilities."""

    def __init__(self, scores: Array) -> None:
        self.scores = scores

    def __sklearn_is_fitted__(self) -> bool:
        return True

    @property
    def classes_(self) -> Array:
        return np.arange(2 if self.scores.ndim == 1 else self.scores.shape[1])

    def predict_proba(self, _: Array) -> Array:
        if self.scores.ndim == 1:
            return np.column_stack([1 - self.scores, self.scores])
        return self.scores


_SMALL: dict[Task, dict[Needs, tuple[Array, Array]]] = {
    Task.BINARY: {
        Needs.SCORE: (np.array([0, 1, 0, 1, 1]), np.array([0.2, 0.7, 0.6, 0.9, 0.4])),
        Needs.PREDICTION: (np.array([0, 1, 0, 1, 1]), np.array([0, 1, 1, 1, 0])),
    },
    Task.MULTICLASS: {
        Needs.SCORE: (np.array([0, 1, 2, 1, 0, 2]), np.full((6, 3), 1 / 3)),
        Needs.PREDICTION: (np.array([0, 1, 2, 1, 0, 2]), np.array([0, 1, 1, 2, 0, 2])),
    },
    Task.REGRESSION: {
        Needs.PREDICTION: (np.array([1.5, 2.25, 3.75, 0.5]), np.array([1.25, 2.5, 3.5, 0.75])),
    },
}


def _needs(scorer: Callable[..., float], task: Task) -> Needs | None:
    """Find what a scorer asks a model of this task for, by letting it judge a small table."""
    for needs, (y_true, y_hat) in _SMALL[task].items():
        statistic = _ScorerStatistic(scorer, needs)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                statistic(y_true, y_hat, sample_weight=np.ones(len(y_true)))
            except (ValueError, TypeError, AttributeError):
                continue
        return needs
    return None

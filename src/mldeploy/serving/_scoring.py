"""Decisions and scores of one call, without computing anything twice."""

from __future__ import annotations

from typing import Any, Final, final

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import (
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline

from mldeploy.model import Model

Array = npt.NDArray[Any]

_MOST_PROBABLE: Final = frozenset(
    {
        CalibratedClassifierCV,
        ExtraTreesClassifier,
        GradientBoostingClassifier,
        HistGradientBoostingClassifier,
        LogisticRegression,
        RandomForestClassifier,
    }
)
"""Classifiers that decide for the most probable class. Others decide by a threshold of their
own, by votes, or by scores that round differently, and are asked."""

_CLOSE: Final = 1e-6
"""Shares that differ by less are too close to tell the decision from: rounding may matter."""


@final
class Scorer:
    """What `Model.predict` and `Model.score` return, for one frame and at the cost of one.

    The transformers of a pipeline run once. Where the last step is known to decide for the most
    probable class, the decision is read off the probabilities, unless two are too close.

    Parameters
    ----------
    model : Model
        The model; its frames have its features, in order.
    """

    def __init__(self, model: Model) -> None:
        self._model = model
        self._last: Any = None
        self._transformers: list[Any] = []
        estimator, signature = model.estimator, model.signature
        if not signature.probabilistic:
            return
        if type(estimator) is Pipeline:
            *first, (_, estimator) = estimator.steps
            self._transformers = [t for _, t in first if t is not None and t != "passthrough"]
            if estimator is None or estimator == "passthrough":
                return
        self._last = estimator
        self._decides = type(estimator) in _MOST_PROBABLE
        binary = len(signature.classes) == 2 and signature.positive is not None
        self._positive = signature.classes.index(signature.positive) if binary else None

    def __call__(self, frame: pd.DataFrame) -> tuple[Array, Array | None]:
        """Return decisions of shape (n_rows,), and scores as in `Model.score`."""
        if self._last is None:
            return self._model.predict(frame), self._model.score(frame)
        table: Any = frame
        for transformer in self._transformers:
            table = transformer.transform(table)
        shares = np.asarray(self._last.predict_proba(table))
        if self._decides and not _has_close(shares):
            decisions = self._last.classes_.take(shares.argmax(axis=1), axis=0)
        else:
            decisions = np.asarray(self._last.predict(table))
        return decisions, shares if self._positive is None else shares[:, self._positive]


def _has_close(shares: Array) -> bool:
    if shares.shape[1] == 2:
        return bool((np.abs(shares[:, 0] - shares[:, 1]) < _CLOSE).any())
    top = np.partition(shares, -2, axis=1)[:, -2:]
    return bool((top[:, 1] - top[:, 0] < _CLOSE).any())

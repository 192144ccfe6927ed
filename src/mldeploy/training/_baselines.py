"""The simple models that a better one has to beat."""

from __future__ import annotations

from typing import Any, TypeAlias

import polars as pl
from sklearn.compose import ColumnTransformer
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from mldeploy.data import Dataset
from mldeploy.problem import Problem

Estimator: TypeAlias = Any
"""An unfitted scikit-learn estimator."""

_MOST_LEVELS = 20
_MAX_ITER = 200


def default_baselines(problem: Problem, dataset: Dataset) -> dict[str, Estimator]:
    """Return the unfitted estimators that a model for a problem is compared with.

    Parameters
    ----------
    problem : Problem
        What is predicted.
    dataset : Dataset
        The rows; their types decide how columns are encoded.

    Returns
    -------
    dict of str to estimator
        ``"dummy"`` answers the most frequent class with the shares of the classes as its scores,
        or the mean. ``"linear"`` is a logistic or ridge regression on all columns: numbers with
        their median for missing values, scaled; text, categories and booleans by their 20 most
        frequent values. Times are not used. Without any other column there is no ``"linear"``.

    Examples
    --------
    >>> import pandas as pd
    >>> from mldeploy.problem import Criterion
    >>> problem = Problem(name="late", statement="Which flights land late?", target="late",
    ...                   positive=True, criteria=[Criterion("roc_auc", at_least=0.7)])
    >>> frame = pd.DataFrame({"hour": [5, 23], "late": [False, True]})
    >>> sorted(default_baselines(problem, Dataset.of(frame, target="late")))
    ['dummy', 'linear']
    """
    classify = problem.task.is_classification
    dummy = DummyClassifier(strategy="prior") if classify else DummyRegressor(strategy="mean")
    encoder = _encoder(dataset)
    if encoder is None:
        return {"dummy": dummy}
    linear = LogisticRegression(max_iter=_MAX_ITER) if classify else Ridge()
    return {"dummy": dummy, "linear": Pipeline([("encode", encoder), ("linear", linear)])}


def _encoder(dataset: Dataset) -> ColumnTransformer | None:
    types = dataset.polars().select(dataset.features).schema
    numbers = [name for name, dtype in types.items() if dtype.is_numeric()]
    levels = [
        name
        for name, dtype in types.items()
        if dtype in (pl.String, pl.Boolean) or isinstance(dtype, pl.Enum | pl.Categorical)
    ]
    parts: list[tuple[str, Estimator, list[str]]] = []
    if numbers:
        imputer = SimpleImputer(strategy="median", keep_empty_features=True)
        parts.append(("numbers", make_pipeline(imputer, StandardScaler()), numbers))
    if levels:
        one_hot = OneHotEncoder(
            max_categories=_MOST_LEVELS, handle_unknown="infrequent_if_exist", dtype=float
        )
        parts.append(("levels", one_hot, levels))
    return ColumnTransformer(parts) if parts else None

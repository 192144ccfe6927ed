"""A simpler and a richer estimator for any table, to be fitted on the same folds as a model."""

from __future__ import annotations

from typing import Any

import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

from mldeploy.problem import Task

_MAX_LEVELS = 50


def simpler_rival(X: pd.DataFrame, task: Task) -> Any:
    """Return a linear model of standardised numbers and of indicators of frequent values."""
    numbers, levels = _columns(X)
    encode = ColumnTransformer(
        [
            ("numbers", make_pipeline(_imputer(), StandardScaler()), numbers),
            (
                "levels",
                OneHotEncoder(
                    handle_unknown="infrequent_if_exist", max_categories=_MAX_LEVELS, dtype=float
                ),
                levels,
            ),
        ]
    )
    linear = LogisticRegression(max_iter=1000) if task.is_classification else Ridge()
    return make_pipeline(encode, linear)


def richer_rival(X: pd.DataFrame, task: Task, *, random_state: int) -> Any:
    """Return boosted trees with room for interactions, stopped when held-out rows say so."""
    numbers, levels = _columns(X)
    codes = OrdinalEncoder(
        handle_unknown="use_encoded_value",
        unknown_value=-1,
        encoded_missing_value=-1,
        max_categories=_MAX_LEVELS,
    )
    encode = ColumnTransformer([("numbers", "passthrough", numbers), ("levels", codes, levels)])
    boosting = (
        HistGradientBoostingClassifier if task.is_classification else HistGradientBoostingRegressor
    )
    trees = boosting(
        learning_rate=0.2,
        max_iter=100,
        max_leaf_nodes=63,
        early_stopping=True,
        n_iter_no_change=5,
        random_state=random_state,
    )
    return make_pipeline(encode, trees)


def _columns(X: pd.DataFrame) -> tuple[list[str], list[str]]:
    """Name the columns of numbers, and those of few values; times and durations are in neither."""
    names = [str(name) for name in X.columns]
    numbers = [c for c in names if pd.api.types.is_numeric_dtype(X[c])]
    timed = [c for c in names if X[c].dtype.kind in "mM"]
    return numbers, [c for c in names if c not in numbers and c not in timed]


def _imputer() -> Any:
    return SimpleImputer(strategy="median", keep_empty_features=True)

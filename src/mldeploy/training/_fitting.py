"""Fit clones of what users hand over, repeatably, and say so when a fit fails."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

from mldeploy.errors import InvalidDataError, MLDeployError, TrainingFailedError
from mldeploy.model import SkopsFormat
from mldeploy.training._baselines import Estimator
from mldeploy.training._trials import with_folds
from mldeploy.training._weights import fit_arguments

Array = npt.NDArray[Any]
_LARGEST_SEED = 2**31 - 1


def require_storable(estimator: Estimator, *, what: str) -> None:
    """Refuse what is no estimator, or could not be stored once it is fitted.

    Raises
    ------
    TypeError
        If it has no ``fit`` or ``get_params``, or is a class.
    SerializationError
        If a part of it cannot be written.
    """
    if isinstance(estimator, type) or not callable(getattr(estimator, "fit", None)):
        raise TypeError(f"{what} is {estimator!r}; pass an unfitted scikit-learn estimator")
    if not callable(getattr(estimator, "get_params", None)):
        raise TypeError(
            f"{what} is a {type(estimator).__name__} without get_params, so it cannot be cloned; "
            "derive it from sklearn.base.BaseEstimator"
        )
    SkopsFormat().dump(estimator)


def seeded_clone(estimator: Estimator, random_state: int) -> Estimator:
    """Return an unfitted copy in which every seed that was left open is set."""
    copy = clone(estimator)
    settings = copy.get_params(deep=True)
    missing = [
        name
        for name, value in settings.items()
        if value is None and (name == "random_state" or name.endswith("__random_state"))
    ]
    rng = np.random.default_rng(random_state)
    seeds = {name: int(rng.integers(_LARGEST_SEED)) for name in sorted(missing)}
    return copy.set_params(**seeds) if seeds else copy


def fit(
    estimator: Estimator,
    X: pd.DataFrame,
    y: Array,
    *,
    sample_weight: npt.NDArray[np.float64] | None,
    groups: Array | None = None,
) -> Estimator:
    """Fit an estimator in place, with weights and groups where they are given.

    Raises
    ------
    UnsupportedWeightsError
        If there are weights and the estimator takes none.
    TrainingFailedError
        If the fit raised.
    """
    arguments: dict[str, Any] = dict(fit_arguments(estimator, sample_weight))
    if groups is not None:
        arguments["groups"] = groups
    try:
        return estimator.fit(X, y, **arguments)
    except MLDeployError:
        raise
    except Exception as error:
        raise TrainingFailedError(type(estimator).__name__, cause=error) from error


def fit_baseline(
    estimator: Estimator,
    X: pd.DataFrame,
    y: Array,
    *,
    sample_weight: npt.NDArray[np.float64] | None,
    random_state: int,
) -> Estimator:
    """Return a fitted copy; a baseline that stops before it has converged is one all the same."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        copy = seeded_clone(estimator, random_state)
        return fit(copy, X, y, sample_weight=sample_weight)


def unwrapped(fitted: Estimator, fingerprint: str) -> tuple[Estimator, pd.DataFrame | None]:
    """Return the estimator that predicts, and what a search has tried to find it, on what."""
    if hasattr(fitted, "cv_results_") and hasattr(fitted, "best_estimator_"):
        table = pd.DataFrame(fitted.cv_results_)
        return fitted.best_estimator_, with_folds(table, fingerprint, getattr(fitted, "cv", None))
    return fitted, None


def require_fitted_for(fitted: Estimator, classes: tuple[object, ...], target: str) -> None:
    """Refuse what cannot answer, or answers with other classes than the target has."""
    if fitted is None or not callable(getattr(fitted, "predict", None)):
        raise TypeError(
            f"the trainer returned {fitted!r}, which cannot predict; return a fitted estimator"
        )
    known = getattr(fitted, "classes_", None)
    if classes and known is not None and tuple(np.asarray(known).tolist()) != classes:
        raise InvalidDataError(
            f"the estimator knows the classes {list(known)}, the target {target!r} has "
            f"{list(classes)}; fit it on the labels that _fit is given"
        )
    if classes and known is None:
        raise InvalidDataError(
            f"{type(fitted).__name__} has no classes_, and {target!r} is a class; use a classifier"
        )

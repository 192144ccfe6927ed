"""Estimators without trees, as kernels."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

import numpy as np
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.linear_model import (
    GammaRegressor,
    LogisticRegression,
    LogisticRegressionCV,
    PoissonRegressor,
    RANSACRegressor,
    SGDClassifier,
    SGDRegressor,
    TweedieRegressor,
)
from sklearn.linear_model._base import LinearClassifierMixin, LinearModel
from sklearn.naive_bayes import GaussianNB
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.svm import LinearSVR

from mldeploy.model.compiled._dense import Elementwise
from mldeploy.model.compiled._kernel import Kernel
from mldeploy.model.compiled._linear import Linear
from mldeploy.model.compiled._link import Decision, Link
from mldeploy.model.compiled._ops import Op
from mldeploy.model.compiled._smooth import Constant, Gaussian, Layers
from mldeploy.model.compiling._wires import unsupported

Answer: TypeAlias = tuple[tuple[Kernel, ...], Link, Decision]


def smooth_kernels(estimator: Any, n_inputs: int) -> Answer | None:
    """Return kernels, link and decision of an estimator without trees; None if it is unknown.

    Parameters
    ----------
    estimator : estimator
        Fitted, alone.
    n_inputs : int
        Number of columns that it reads.

    Raises
    ------
    NotCompilableError
        If it is known, but not with its settings.
    """
    rule = _RULES.get(type(estimator))
    if rule is not None:
        return rule(estimator, n_inputs)
    if not type(estimator).__module__.startswith("sklearn."):
        return None
    if isinstance(estimator, LinearClassifierMixin):
        return _linear_classifier(estimator, n_inputs)
    if isinstance(estimator, LinearModel | SGDRegressor):
        return _linear_regressor(estimator, n_inputs)
    return None


def _weighted(estimator: Any) -> Linear:
    coefficients = np.atleast_2d(np.asarray(estimator.coef_, dtype=np.float64))
    intercepts = np.broadcast_to(
        np.asarray(estimator.intercept_, dtype=np.float64), (len(coefficients),)
    )
    return Linear(weights=np.ascontiguousarray(coefficients.T), intercepts=intercepts.copy())


def _linear_classifier(estimator: Any, _n_inputs: int) -> Answer:
    kernel = _weighted(estimator)
    if kernel.n_outputs == 1:
        return (kernel,), Link.SIGMOID, Decision.POSITIVE
    return (kernel,), Link.SIGMOIDS, Decision.LARGEST_OUTPUT


def _softmax_classifier(estimator: Any, _n_inputs: int) -> Answer:
    kernel = _weighted(estimator)
    if kernel.n_outputs == 1:
        return (kernel,), Link.SIGMOID, Decision.POSITIVE
    return (kernel,), Link.SOFTMAX, Decision.LARGEST_OUTPUT


def _logistic(estimator: Any, n_inputs: int) -> Answer:
    """Versions of scikit-learn before 1.8 can be told to use one class against the others."""
    scheme = getattr(estimator, "multi_class", "deprecated")
    if scheme == "multinomial" and len(estimator.classes_) == 2:
        raise unsupported(estimator, "it has multi_class='multinomial' for two classes")
    if scheme == "ovr" or estimator.solver == "liblinear":
        return _linear_classifier(estimator, n_inputs)
    return _softmax_classifier(estimator, n_inputs)


def _stochastic(estimator: SGDClassifier, n_inputs: int) -> Answer:
    if estimator.loss == "modified_huber":
        raise unsupported(estimator, "its probabilities of the loss modified_huber are not known")
    return _linear_classifier(estimator, n_inputs)


def _linear_regressor(estimator: Any, _n_inputs: int) -> Answer:
    if np.ndim(estimator.coef_) != 1 and np.shape(estimator.coef_)[0] != 1:
        raise unsupported(estimator, "it predicts several numbers")
    return (_weighted(estimator),), Link.IDENTITY, Decision.VALUE


def _generalised(estimator: Any, _n_inputs: int) -> Answer:
    link = type(estimator._base_loss.link).__name__  # noqa: SLF001
    kernels: tuple[Kernel, ...] = (_weighted(estimator),)
    if link == "LogLink":
        kernels = (*kernels, Elementwise(ops=((Op("exp"),),)))
    elif link != "IdentityLink":
        raise unsupported(estimator, f"its link {link} is not known")
    return kernels, Link.IDENTITY, Decision.VALUE


def _robust(estimator: RANSACRegressor, n_inputs: int) -> Answer:
    inner = smooth_kernels(estimator.estimator_, n_inputs)
    if inner is None:
        raise unsupported(estimator, f"it holds a {type(estimator.estimator_).__name__}")
    return inner


def _dummy_classifier(estimator: DummyClassifier, n_inputs: int) -> Answer:
    if estimator.strategy in ("stratified", "uniform"):
        raise unsupported(estimator, f"its strategy {estimator.strategy} answers at random")
    if estimator.n_outputs_ != 1:
        raise unsupported(estimator, "it predicts several labels")
    shares = estimator.predict_proba(np.zeros((1, n_inputs)))[0].astype(np.float64)
    kernel = Constant(values=shares, width=n_inputs)
    return (kernel,), Link.PROBABILITIES, Decision.LARGEST_SHARE


def _dummy_regressor(estimator: DummyRegressor, n_inputs: int) -> Answer:
    values = np.asarray(estimator.constant_, dtype=np.float64).ravel()
    if len(values) != 1:
        raise unsupported(estimator, "it predicts several numbers")
    return (Constant(values=values, width=n_inputs),), Link.IDENTITY, Decision.VALUE


def _bayes(estimator: GaussianNB, _n_inputs: int) -> Answer:
    prior = np.log(estimator.class_prior_)
    offsets = prior - 0.5 * np.log(2.0 * np.pi * estimator.var_).sum(axis=1)
    kernel = Gaussian(
        means=np.ascontiguousarray(estimator.theta_, dtype=np.float64),
        variances=np.ascontiguousarray(estimator.var_, dtype=np.float64),
        offsets=offsets,
    )
    return (kernel,), Link.SOFTMAX, Decision.LARGEST_OUTPUT


def _network(estimator: Any) -> Layers:
    return Layers(
        weights=tuple(np.ascontiguousarray(w, dtype=np.float64) for w in estimator.coefs_),
        intercepts=tuple(np.asarray(b, dtype=np.float64) for b in estimator.intercepts_),
        activation=estimator.activation,
    )


def _network_classifier(estimator: MLPClassifier, _n_inputs: int) -> Answer:
    if estimator.out_activation_ == "logistic" and estimator.n_outputs_ > 1:
        raise unsupported(estimator, "it predicts several labels")
    link = Link.SIGMOID if estimator.out_activation_ == "logistic" else Link.SOFTMAX
    return (_network(estimator),), link, Decision.LARGEST_SHARE


def _network_regressor(estimator: MLPRegressor, _n_inputs: int) -> Answer:
    if estimator.n_outputs_ != 1 or estimator.out_activation_ not in ("exp", "identity"):
        raise unsupported(estimator, "it predicts several numbers, or by an unknown last layer")
    kernels: tuple[Kernel, ...] = (_network(estimator),)
    if estimator.out_activation_ == "exp":
        kernels = (*kernels, Elementwise(ops=((Op("exp"),),)))
    return kernels, Link.IDENTITY, Decision.VALUE


_RULES: Final[Mapping[type, Callable[[Any, int], Answer]]] = {
    DummyClassifier: _dummy_classifier,
    DummyRegressor: _dummy_regressor,
    GammaRegressor: _generalised,
    GaussianNB: _bayes,
    LinearDiscriminantAnalysis: _softmax_classifier,
    LinearSVR: _linear_regressor,
    LogisticRegression: _logistic,
    LogisticRegressionCV: _logistic,
    MLPClassifier: _network_classifier,
    MLPRegressor: _network_regressor,
    PoissonRegressor: _generalised,
    RANSACRegressor: _robust,
    SGDClassifier: _stochastic,
    TweedieRegressor: _generalised,
}

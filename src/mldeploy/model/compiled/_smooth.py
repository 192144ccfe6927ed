"""Kernels of estimators without jumps, other than linear ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Self, final

import numpy as np
import numpy.typing as npt

from mldeploy.model.compiled._kernel import Arrays, Floats
from mldeploy.model.compiled._link import sigmoid
from mldeploy.model.compiled._refuse import refuse
from mldeploy.model.compiled._registry import array_of, require_no_more
from mldeploy.model.compiled._without_jumps import Smooth


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Constant(Smooth):
    """Return the same for every row.

    Attributes
    ----------
    values : ndarray of shape (n_outputs,)
        What is returned.
    width : int
        Number of columns, of which none is read.
    """

    values: Floats
    width: int

    kind: ClassVar[str] = "constant"

    def __post_init__(self) -> None:
        if not len(self.values) or self.width < 0:
            raise refuse("a constant has no value")

    @property
    def n_inputs(self) -> int:
        """Number of columns that there are."""
        return self.width

    @property
    def n_outputs(self) -> int:
        """Number of columns that it returns."""
        return len(self.values)

    def __call__(self, X: Floats) -> Floats:
        """Return the values, once for each row."""
        return np.tile(self.values, (len(X), 1))

    def spec(self) -> dict[str, Any]:
        """Return its settings."""
        return {"kind": self.kind, "width": self.width}

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return its values."""
        return {"values": self.values}

    @classmethod
    def restore(cls, spec: Mapping[str, Any], arrays: Arrays) -> Self:
        """Bring it back."""
        if not isinstance(spec.get("width"), int):
            raise refuse("a constant does not say for how many columns")
        return cls(values=array_of(arrays, "values"), width=spec["width"])


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Gaussian(Smooth):
    """Return the log-likelihood of each class, columns being independent and normal.

    Attributes
    ----------
    means, variances : ndarray of shape (n_classes, n_inputs)
        Of each column in each class.
    offsets : ndarray of shape (n_classes,)
        What does not depend on the row.
    """

    means: Floats
    variances: Floats
    offsets: Floats

    kind: ClassVar[str] = "gaussian"

    def __post_init__(self) -> None:
        fits = self.means.shape == self.variances.shape and len(self.means) == len(self.offsets)
        if not fits or not self.means.size:
            raise refuse("means and variances of its classes do not fit")

    @property
    def n_inputs(self) -> int:
        """Number of columns that it reads."""
        return int(self.means.shape[1])

    @property
    def n_outputs(self) -> int:
        """Number of classes."""
        return len(self.means)

    def __call__(self, X: Floats) -> Floats:
        """Return one log-likelihood for each class."""
        out = np.empty((len(X), len(self.means)))
        with np.errstate(all="ignore"):
            for place, (mean, variance) in enumerate(zip(self.means, self.variances, strict=True)):
                out[:, place] = -0.5 * ((X - mean) ** 2 / variance).sum(axis=1)
        return out + self.offsets

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return its moments."""
        return {"means": self.means, "variances": self.variances, "offsets": self.offsets}

    @classmethod
    def restore(cls, spec: Mapping[str, Any], arrays: Arrays) -> Self:
        """Bring it back."""
        require_no_more(spec, arrays, named=("means", "variances", "offsets"))
        return cls(
            means=array_of(arrays, "means", ndim=2),
            variances=array_of(arrays, "variances", ndim=2),
            offsets=array_of(arrays, "offsets"),
        )


def _relu(x: Floats) -> Floats:
    return np.maximum(x, 0)


_ACTIVATIONS: Final[Mapping[str, Callable[[Floats], Floats]]] = {
    "identity": lambda x: x,
    "logistic": sigmoid,
    "relu": _relu,
    "tanh": np.tanh,
}


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Layers(Smooth):
    """A network of dense layers, without what follows the last one.

    Attributes
    ----------
    weights : tuple of ndarray
        One matrix for each layer.
    intercepts : tuple of ndarray
        What each layer adds.
    activation : {"identity", "logistic", "relu", "tanh"}
        What follows each layer but the last.
    """

    weights: tuple[Floats, ...]
    intercepts: tuple[Floats, ...]
    activation: str

    kind: ClassVar[str] = "layers"

    def __post_init__(self) -> None:
        if self.activation not in _ACTIVATIONS or not self.weights:
            raise refuse(f"a network with the activation {str(self.activation)[:40]!r} is unknown")
        n_inputs = self.n_inputs
        for weight, intercept in zip(self.weights, self.intercepts, strict=True):
            if weight.shape != (n_inputs, len(intercept)) or not len(intercept):
                raise refuse("the layers of a network do not fit each other")
            n_inputs = len(intercept)

    @property
    def n_inputs(self) -> int:
        """Number of columns that it reads."""
        return int(self.weights[0].shape[0])

    @property
    def n_outputs(self) -> int:
        """Number of columns that it returns."""
        return int(self.weights[-1].shape[1])

    def __call__(self, X: Floats) -> Floats:
        """Return what the last layer returns."""
        activate = _ACTIVATIONS[self.activation]
        for weight, intercept in zip(self.weights[:-1], self.intercepts[:-1], strict=True):
            X = activate(X @ weight + intercept)
        return X @ self.weights[-1] + self.intercepts[-1]

    def spec(self) -> dict[str, Any]:
        """Return its settings."""
        return {"kind": self.kind, "activation": self.activation, "n_layers": len(self.weights)}

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return weights and intercepts."""
        weights = {f"weights{i}": w for i, w in enumerate(self.weights)}
        return {**weights, **{f"intercepts{i}": b for i, b in enumerate(self.intercepts)}}

    @classmethod
    def restore(cls, spec: Mapping[str, Any], arrays: Arrays) -> Self:
        """Bring it back."""
        n_layers, activation = spec.get("n_layers"), spec.get("activation")
        if not isinstance(n_layers, int) or not isinstance(activation, str):
            raise refuse("a network has no settings")
        if not 0 < n_layers <= len(arrays):
            raise refuse(f"a network has no {n_layers} layers")
        return cls(
            weights=tuple(array_of(arrays, f"weights{i}", ndim=2) for i in range(n_layers)),
            intercepts=tuple(array_of(arrays, f"intercepts{i}") for i in range(n_layers)),
            activation=activation,
        )

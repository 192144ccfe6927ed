"""Kernels between encoding and estimator that combine the columns of a row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self, final

import numpy as np
import numpy.typing as npt

from mldeploy.model.compiled._kernel import Arrays, Floats
from mldeploy.model.compiled._refuse import refuse
from mldeploy.model.compiled._registry import array_of, require_no_more
from mldeploy.model.compiled._without_jumps import MAX_WIDTH, Smooth


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Normalise(Smooth):
    """Divide each row by its norm.

    Attributes
    ----------
    width : int
        Number of columns.
    norm : {"l1", "l2", "max"}
        Which norm.
    """

    width: int
    norm: str

    kind: ClassVar[str] = "normalise"

    def __post_init__(self) -> None:
        if self.norm not in ("l1", "l2", "max") or not 0 < self.width <= MAX_WIDTH:
            raise refuse(f"the norm {self.norm!r} of {self.width} columns is unknown")

    @property
    def n_inputs(self) -> int:
        """Number of columns that it reads."""
        return self.width

    @property
    def n_outputs(self) -> int:
        """Number of columns that it returns."""
        return self.width

    def __call__(self, X: Floats) -> Floats:
        """Return the rows, each divided by its norm; a row of zeros stays one."""
        if self.norm == "l2":
            norms = np.sqrt(np.einsum("ij,ij->i", X, X))
        elif self.norm == "l1":
            norms = np.abs(X).sum(axis=1)
        else:
            norms = np.abs(X).max(axis=1)
        norms[norms < 10 * np.finfo(np.float64).eps] = 1
        normed: Floats = X / norms[:, None]
        return normed

    def spec(self) -> dict[str, Any]:
        """Return its settings."""
        return {"kind": self.kind, "width": self.width, "norm": self.norm}

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return none."""
        return {}

    @classmethod
    def restore(cls, spec: Mapping[str, Any], arrays: Arrays) -> Self:
        """Bring it back."""
        require_no_more(spec, arrays, fields=("width", "norm"), named=())
        if not isinstance(spec["width"], int) or not isinstance(spec["norm"], str):
            raise refuse("a norm has no settings")
        return cls(width=spec["width"], norm=spec["norm"])


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Polynomial(Smooth):
    """Multiply columns with each other.

    Attributes
    ----------
    factors : ndarray of shape (n_outputs, degree)
        For each product the columns that it multiplies, in order; -1 for none.
    width : int
        Number of columns.
    """

    factors: npt.NDArray[np.int64]
    width: int

    kind: ClassVar[str] = "polynomial"

    def __post_init__(self) -> None:
        known = bool(np.all((self.factors >= -1) & (self.factors < self.width)))
        if not known or not 0 < self.width <= MAX_WIDTH:
            raise refuse(f"a product has factors that are not among {self.width} columns")

    @property
    def n_inputs(self) -> int:
        """Number of columns that it reads."""
        return self.width

    @property
    def n_outputs(self) -> int:
        """Number of columns that it returns."""
        return len(self.factors)

    def __call__(self, X: Floats) -> Floats:
        """Return the products."""
        with_one = np.hstack([X, np.ones((len(X), 1))])
        with np.errstate(all="ignore"):
            out = np.ones((len(X), len(self.factors)))
            for place in range(self.factors.shape[1]):
                out *= with_one[:, self.factors[:, place]]
        return out

    def spec(self) -> dict[str, Any]:
        """Return its settings."""
        return {"kind": self.kind, "width": self.width}

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return the factors."""
        return {"factors": self.factors}

    @classmethod
    def restore(cls, spec: Mapping[str, Any], arrays: Arrays) -> Self:
        """Bring it back."""
        if not isinstance(spec.get("width"), int):
            raise refuse("a kernel of products does not say of how many columns")
        factors = array_of(arrays, "factors", ndim=2, dtype=np.int64)
        return cls(factors=factors, width=spec["width"])

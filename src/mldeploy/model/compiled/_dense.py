"""Kernels between encoding and estimator: columns checked, chosen, appended, changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Self, final

import numpy as np
import numpy.typing as npt

from mldeploy.model.compiled._kernel import Arrays, Floats, Kernel
from mldeploy.model.compiled._ops import Op, applied
from mldeploy.model.compiled._refuse import failed, refuse
from mldeploy.model.compiled._registry import (
    array_of,
    require_no_more,
    restore_chain,
    run,
    store_chain,
)
from mldeploy.model.compiled._without_jumps import MAX_WIDTH, Smooth

_SMALL: Final = 3.4e38
"""Below the largest float32."""


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Guard(Smooth):
    """Pass on what the original accepts, and refuse the rest as it does.

    Attributes
    ----------
    width : int
        Number of columns.
    allows_missing, allows_infinite : bool
        Whether values may be NaN, and infinite.
    as_float32 : bool
        Whether values must have a place in float32, as scikit-learn's trees demand.
    """

    width: int
    allows_missing: bool = False
    allows_infinite: bool = False
    as_float32: bool = False

    kind: ClassVar[str] = "guard"

    @property
    def n_inputs(self) -> int:
        """Number of columns that it reads."""
        return self.width

    @property
    def n_outputs(self) -> int:
        """Number of columns that it returns."""
        return self.width

    def __call__(self, X: Floats) -> Floats:
        """Return the rows as they are.

        Raises
        ------
        PredictionFailedError
            If the original refuses one of them.
        """
        if np.vdot(X, X) < _SMALL:  # false for NaN, infinite and large values
            return X
        if not self.allows_missing and np.isnan(X).any():
            raise failed("a value is missing where the model needs one (Input contains NaN)")
        limit = np.finfo(np.float32).max if self.as_float32 else np.finfo(np.float64).max
        with np.errstate(all="ignore"):
            large = np.isinf(X.astype(np.float32)) if self.as_float32 else np.isinf(X)
        if not self.allows_infinite and large.any():
            raise failed(f"a value is beyond {limit:.4g}, which is too large for the model")
        return X

    def spec(self) -> dict[str, Any]:
        """Return its settings."""
        return {
            "kind": self.kind,
            "width": self.width,
            "allows_missing": self.allows_missing,
            "allows_infinite": self.allows_infinite,
            "as_float32": self.as_float32,
        }

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return none."""
        return {}

    @classmethod
    def restore(cls, spec: Mapping[str, Any], arrays: Arrays) -> Self:
        """Bring it back."""
        fields = ("width", "allows_missing", "allows_infinite", "as_float32")
        require_no_more(spec, arrays, fields=fields, named=())
        width, *flags = (spec[name] for name in fields)
        if not isinstance(width, int) or not all(isinstance(flag, bool) for flag in flags):
            raise refuse("a guard has no settings")
        if not 0 <= width <= MAX_WIDTH:
            raise refuse(f"a guard is {width} columns wide")
        return cls(
            width=width,
            allows_missing=spec["allows_missing"],
            allows_infinite=spec["allows_infinite"],
            as_float32=spec["as_float32"],
        )


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Take(Smooth):
    """Return some columns, in another order perhaps.

    Attributes
    ----------
    columns : ndarray of shape (n_outputs,)
        Their numbers.
    width : int
        Number of columns that there are.
    """

    columns: npt.NDArray[np.int64]
    width: int

    kind: ClassVar[str] = "take"

    def __post_init__(self) -> None:
        known = bool(np.all((self.columns >= 0) & (self.columns < self.width)))
        if not 0 <= self.width <= MAX_WIDTH or not known:
            raise refuse(f"a kernel takes columns that are not among {self.width}")

    @property
    def n_inputs(self) -> int:
        """Number of columns that it reads."""
        return self.width

    @property
    def n_outputs(self) -> int:
        """Number of columns that it returns."""
        return len(self.columns)

    def __call__(self, X: Floats) -> Floats:
        """Return the columns."""
        return X.take(self.columns, axis=1)

    def spec(self) -> dict[str, Any]:
        """Return its settings."""
        return {"kind": self.kind, "width": self.width}

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return the numbers of its columns."""
        return {"columns": self.columns}

    @classmethod
    def restore(cls, spec: Mapping[str, Any], arrays: Arrays) -> Self:
        """Bring it back."""
        if not isinstance(spec.get("width"), int):
            raise refuse("a kernel that takes columns does not say of how many")
        return cls(columns=array_of(arrays, "columns", dtype=np.int64), width=spec["width"])


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Append(Smooth):
    """Return all columns, and after them what a chain makes of some.

    Attributes
    ----------
    reads : ndarray of int
        Numbers of the columns that the chain is given.
    chain : tuple of Kernel
        What is made of them.
    width : int
        Number of columns that there are.
    """

    reads: npt.NDArray[np.int64]
    chain: tuple[Kernel, ...]
    width: int

    kind: ClassVar[str] = "append"

    def __post_init__(self) -> None:
        Take(columns=self.reads, width=self.width)
        if not self.chain:
            raise refuse("a kernel appends nothing")

    @property
    def n_inputs(self) -> int:
        """Number of columns that it reads."""
        return self.width

    @property
    def n_outputs(self) -> int:
        """Number of columns that it returns."""
        return self.width + self.chain[-1].n_outputs

    def __call__(self, X: Floats) -> Floats:
        """Return the columns, and what the chain returns."""
        return np.hstack([X, run(self.chain, X.take(self.reads, axis=1))])

    def spec(self) -> dict[str, Any]:
        """Return its settings."""
        return {"kind": self.kind, "width": self.width, "chain": store_chain(self.chain)[0]}

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return its own array and those of the chain."""
        return {"reads": self.reads, **store_chain(self.chain, prefix="chain-")[1]}

    @classmethod
    def restore(cls, spec: Mapping[str, Any], arrays: Arrays) -> Self:
        """Bring it back."""
        reads = array_of(arrays, "reads", dtype=np.int64)
        if not isinstance(spec.get("width"), int):
            raise refuse("a kernel that appends columns does not say to how many")
        chain = restore_chain(spec.get("chain"), arrays, prefix="chain-", n_inputs=len(reads))
        return cls(reads=reads, chain=chain, width=spec["width"])


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Elementwise(Smooth):
    """Take steps on each column.

    Attributes
    ----------
    ops : tuple of tuple of Op
        The steps of each column.
    """

    ops: tuple[tuple[Op, ...], ...]

    kind: ClassVar[str] = "elementwise"

    def __post_init__(self) -> None:
        for op in (op for ops in self.ops for op in ops):
            op.require_sound()

    @property
    def n_inputs(self) -> int:
        """Number of columns that it reads."""
        return len(self.ops)

    @property
    def n_outputs(self) -> int:
        """Number of columns that it returns."""
        return len(self.ops)

    def __call__(self, X: Floats) -> Floats:
        """Return the columns after their steps."""
        out = np.empty_like(X)
        with np.errstate(all="ignore"):
            for place, ops in enumerate(self.ops):
                out[:, place] = applied(ops, X[:, place])
        return out

    def spec(self) -> dict[str, Any]:
        """Return its settings."""
        names = [[[op.name, len(op.numbers)] for op in ops] for ops in self.ops]
        return {"kind": self.kind, "ops": names}

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return the numbers of its steps."""
        numbers = [n for ops in self.ops for op in ops for n in op.numbers]
        return {"numbers": np.array(numbers, dtype=np.float64)}

    @classmethod
    def restore(cls, spec: Mapping[str, Any], arrays: Arrays) -> Self:
        """Bring it back."""
        numbers = iter(array_of(arrays, "numbers").tolist())
        names = spec.get("ops")
        if not isinstance(names, list):
            raise refuse("a kernel has no list of steps")
        ops = tuple(Op.restored(column, numbers) for column in names)
        if next(numbers, None) is not None:
            raise refuse("its steps take fewer numbers than there are")
        return cls(ops=ops)

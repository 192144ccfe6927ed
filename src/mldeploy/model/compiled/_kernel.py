"""What computes the answer of a compiled model from a row of numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Protocol, Self, TypeAlias

import numpy as np
import numpy.typing as npt

Floats: TypeAlias = npt.NDArray[np.float64]
Arrays: TypeAlias = Mapping[str, npt.NDArray[Any]]


class Kernel(Protocol):
    """Numbers in, numbers out; immutable, and shared between threads.

    A kernel is stored as plain settings and arrays, never as code: whoever opens a bundle runs
    nothing that the bundle brought along.
    """

    kind: ClassVar[str]
    """Name under which it is stored."""

    @property
    def n_inputs(self) -> int:
        """Number of columns that it reads."""
        ...

    @property
    def n_outputs(self) -> int:
        """Number of columns that it returns."""
        ...

    def __call__(self, X: Floats) -> Floats:
        """Return float64 of shape (n_rows, n_outputs) for C-contiguous (n_rows, n_inputs)."""
        ...

    def breakpoints(self) -> dict[int, Floats]:
        """Return, by input column, the sorted values at which the answer may jump."""
        ...

    def spec(self) -> dict[str, Any]:
        """Return its settings, as JSON."""
        ...

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return its arrays, none of Python objects."""
        ...

    @classmethod
    def restore(cls, spec: Mapping[str, Any], arrays: Arrays) -> Self:
        """Bring it back from what `spec` and `arrays` returned.

        Raises
        ------
        IntegrityError
            If a shape, type or index is not what this kernel writes.
        """
        ...

"""Trees and sums of trees: the answer of boosting and of forests, to the bit."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ClassVar, Final, Self, TypeAlias, final

import numpy as np
import numpy.typing as npt

from mldeploy.model.compiled import _onnx_session
from mldeploy.model.compiled._kernel import Arrays, Floats
from mldeploy.model.compiled._refuse import refuse
from mldeploy.model.compiled._trees_bits import BitTables
from mldeploy.model.compiled._trees_forest import Forest
from mldeploy.model.compiled._trees_onnx import OnnxTreeByTree, OnnxTrees
from mldeploy.model.compiled._trees_walk import Walk

Engine: TypeAlias = Callable[[Floats], npt.NDArray[np.floating[Any]]]

_ROWS_AT_ONCE: Final = 8192
_NUMBERS_AT_ONCE: Final = 1 << 22
_ROWS_FOR_THREADS: Final = 4 * _ROWS_AT_ONCE
_ROWS_FOR_ONNX: Final = 512
"""Up to here ONNX Runtime is faster with all trees at once (``benchmarks/kernels.py``)."""


@final
class TreeKernel:
    """Answer with the sum of the leaves that a row reaches, exactly as the original does.

    Several engines find the same leaves: bit tables for trees of up to 64 leaves; for deeper
    ones ONNX Runtime if it is installed, all trees at once for few rows and one after the other
    for many, else a walk in numpy.

    Parameters
    ----------
    forest : Forest
        Trees over coded columns.
    n_threads : int or None, default=None
        Threads for more than 32,768 rows; None takes one for each processor that the process
        may use, but no more than the environment variable ``OMP_NUM_THREADS`` says.
    """

    kind: ClassVar[str] = "trees"

    def __init__(self, forest: Forest, *, n_threads: int | None = None) -> None:
        self.forest = forest
        self._n_threads = n_threads if n_threads is not None else _allowed_threads()
        widest = forest.n_inputs + len(forest.set_starts)
        self._rows_at_once = max(1, min(_ROWS_AT_ONCE, _NUMBERS_AT_ONCE // widest))
        self._rows_for_few = min(_ROWS_FOR_ONNX, self._rows_at_once)
        self._few: Engine
        self._many: Engine
        if BitTables.fit(forest):
            self._few = self._many = BitTables(forest)
        elif _onnx_session.is_installed():
            self._few, self._many = OnnxTrees(forest), OnnxTreeByTree(forest)
        else:
            self._few = self._many = Walk(forest)

    @property
    def n_inputs(self) -> int:
        """Number of columns that it reads."""
        return self.forest.n_inputs

    @property
    def n_outputs(self) -> int:
        """Number of columns that it returns."""
        return self.forest.n_outputs

    def __call__(self, X: Floats) -> Floats:
        """Return the sums for C-contiguous rows; NaN is a missing value."""
        n_rows = len(X)
        if n_rows <= self._rows_for_few:
            if n_rows == 0:
                return np.empty((0, self.n_outputs))
            return self._few(X).astype(np.float64, copy=False)
        out = np.empty((n_rows, self.n_outputs))
        is_bulk = n_rows >= _ROWS_AT_ONCE
        engine = self._many if is_bulk else self._few
        step = self._rows_at_once if is_bulk else self._rows_for_few

        def fill(start: int) -> None:
            block = slice(start, start + step)
            out[block] = engine(X[block])

        starts = range(0, n_rows, step)
        if n_rows < _ROWS_FOR_THREADS or self._n_threads == 1:
            for start in starts:
                fill(start)
        else:
            with ThreadPoolExecutor(self._n_threads) as pool:
                for _ in pool.map(fill, starts):
                    pass
        return out

    def breakpoints(self) -> dict[int, Floats]:
        """Return the values at which some node changes its mind, by column."""
        forest = self.forest
        return {c: edges for c in forest.used_columns if len(edges := forest.edges_of(c))}

    def spec(self) -> dict[str, Any]:
        """Return its settings."""
        return {"kind": self.kind}

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return the arrays of the forest."""
        return self.forest.arrays()

    @classmethod
    def restore(cls, spec: Mapping[str, Any], arrays: Arrays) -> Self:
        """Bring it back.

        Raises
        ------
        IntegrityError
            If the arrays are not those of a forest.
        """
        if spec != {"kind": cls.kind}:
            raise refuse("its settings are not those of a tree kernel")
        return cls(Forest.restore(arrays))


def _allowed_threads() -> int:
    limit = os.environ.get("OMP_NUM_THREADS", "")
    n_cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return min(n_cpus or 1, int(limit)) if limit.isdigit() and int(limit) else n_cpus or 1

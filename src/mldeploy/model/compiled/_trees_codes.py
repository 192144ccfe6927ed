"""Which two edges a number lies between, exactly, and faster than by bisection."""

from __future__ import annotations

from typing import Any, Final, final

import numpy as np
import numpy.typing as npt

from mldeploy.model.compiled._kernel import Floats

Codes = npt.NDArray[np.intp]

_FEW_EDGES: Final = 4
_FEW_NUMBERS: Final = 256
_MAX_STEPS: Final = 4
_MAX_CELLS: Final = 1 << 14


@final
class Coder:
    """Count, for every number of a column, the edges that are smaller.

    The range of the edges is cut into equal cells; a table says how many edges lie in lower
    cells, and the few in the same cell are compared one by one. Rounding never puts a larger
    number into a lower cell, so the count is exact, not approximate.
    """

    def __init__(self, edges: Floats) -> None:
        self._edges = edges
        self._missing = len(edges) + 1
        self._table: Codes | None = None
        if len(edges) <= _FEW_EDGES or not np.isfinite(edges).all():
            return
        n_cells = min(_MAX_CELLS, 1 << int(np.ceil(np.log2(16 * len(edges)))))
        self._lowest, self._last = float(edges[0]), float(n_cells - 1)
        with np.errstate(all="ignore"):
            self._scale = float(n_cells / (edges[-1] - edges[0]))
        if not 0 < self._scale < np.inf:
            return
        cells = self._cells(edges)
        self._n_steps = int(np.bincount(cells).max())
        if self._n_steps <= _MAX_STEPS:
            self._table = np.searchsorted(cells, np.arange(n_cells))
            self._sentinel = np.append(edges, np.inf)

    def __call__(self, x: Floats) -> Codes:
        """Return the codes of a contiguous column; NaN has one of its own, the largest."""
        codes: Any
        if self._table is None or len(x) < _FEW_NUMBERS:
            codes = np.searchsorted(self._edges, x)
            missing = np.isnan(x)
        else:
            missing = np.isnan(x)
            if missing.any():
                x = np.where(missing, self._lowest, x)
            codes = self._table.take(self._cells(x), mode="clip")
            for _ in range(self._n_steps):
                codes += self._sentinel.take(codes, mode="clip") < x
        codes[missing] = self._missing
        return codes  # type: ignore[no-any-return]

    def _cells(self, x: Floats) -> Codes:
        with np.errstate(over="ignore"):
            cells = x - self._lowest
            cells *= self._scale
        np.maximum(cells, 0.0, out=cells)
        np.minimum(cells, self._last, out=cells)
        return cells.astype(np.intp)

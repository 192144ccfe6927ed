"""Add up the values of leaves, in tree order, whatever found the leaves."""

from __future__ import annotations

from typing import Any, final

import numpy as np
import numpy.typing as npt

from mldeploy.model.compiled._trees_forest import Forest

Values = npt.NDArray[np.floating[Any]]


@final
class Sums:
    """Values of leaves to outputs: ``(base + leaf + leaf + …) / divisor``, one after the other.

    The order is that of the original libraries. One row gives the same bits as the same row
    among many, which sums in pairs would not.
    """

    def __init__(self, forest: Forest) -> None:
        self._base, self._divisor = forest.base, forest.divisor[0]
        self._divides = bool(self._divisor != 1)
        self._n_outputs = forest.n_outputs
        self._flat = forest.values[:, 0].copy() if forest.width == 1 else None
        self._has_base = bool(self._base.any())
        self._values = forest.values

    def empty(self, n_rows: int) -> Values:
        """Return an array for the sums of so many rows."""
        return np.empty((n_rows, self._n_outputs), self._base.dtype)

    def __call__(self, leaves: npt.NDArray[np.intp]) -> Values:
        """Return the sums of rows, for leaves of shape (n_rows, n_trees)."""
        if self._flat is None:
            rounds = self._values.take(leaves, axis=0)
        else:
            rounds = self._flat.take(leaves)
            rounds.shape = (len(leaves), -1, self._n_outputs)
        if self._has_base:
            rounds[:, 0] += self._base
        sums: Values = np.add.accumulate(rounds, axis=1)[:, -1]
        return self.divided(sums)

    def of_one(self, leaves: npt.NDArray[np.intp]) -> Values:
        """Return the sums of one row, of shape (1, n_outputs), for leaves of shape (n_trees,)."""
        if self._flat is None or self._n_outputs > 1:
            return self(leaves[None])
        values = self._flat.take(leaves)
        if self._has_base:
            values[0] += self._base[0]
        return self.divided(np.add.accumulate(values)[-1:, None])

    def divided(self, sums: Values) -> Values:
        """Return sums divided as the forest says."""
        return sums / self._divisor if self._divides else sums

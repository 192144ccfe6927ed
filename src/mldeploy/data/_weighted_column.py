"""A column by the weights of its rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

import numpy as np
import numpy.typing as npt

from mldeploy.errors import EmptyDataError, InvalidDataError

Floats = npt.NDArray[np.float64]


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class WeightedColumn:
    """What a column is like when each row counts by its weight.

    Attributes
    ----------
    weights : ndarray of float64
        Weight of the rows with each value; of frequent texts an estimate, if not all are listed.
    known, missing : float
        Weight of the rows with a value, and of those without.
    texts : tuple of str
        The texts, of a column of text.
    values : ndarray of float64, optional
        The numbers or middles of buckets, of any other column.
    """

    weights: Floats
    known: float
    missing: float
    texts: tuple[str, ...] = ()
    values: Floats | None = None

    @property
    def missing_share(self) -> float:
        """Share of the weight on rows without a value, in [0, 1]."""
        total = self.known + self.missing
        return self.missing / total if total else 0.0

    @property
    def mean(self) -> float | None:
        """Weighted mean of the finite numbers; None for text or without weight."""
        values, weights = self._finite()
        total = weights.sum()
        if not total:
            return None
        return float((values * (weights / total)).sum())

    def quantile(self, q: float) -> float:
        """Return the smallest value with at least a share `q` of the weight up to it.

        Raises
        ------
        InvalidDataError
            If the column holds text, or `q` is no share.
        EmptyDataError
            If no value has weight.
        """
        if self.values is None:
            raise InvalidDataError("texts have no quantile; use shares()")
        if not 0 <= q <= 1:
            raise InvalidDataError(f"{q} is no share; quantiles are asked for in [0, 1]")
        some = self.weights > 0
        if not some.any():
            raise EmptyDataError("no value has weight, so there is no quantile")
        reached = np.cumsum(self.weights[some])
        at = int(np.searchsorted(reached, q * reached[-1]))
        return float(self.values[some][min(at, reached.size - 1)])

    def shares(self) -> Mapping[str | float, float]:
        """Return the share of the known weight that each value has, heaviest first."""
        values = self.texts if self.values is None else tuple(self.values.tolist())
        if not self.known:
            return {}
        order = np.argsort(-self.weights, kind="stable").tolist()
        return {values[i]: float(self.weights[i] / self.known) for i in order}

    def _finite(self) -> tuple[Floats, Floats]:
        if self.values is None:
            return np.zeros(0), np.zeros(0)
        finite = np.isfinite(self.values)
        return self.values[finite], self.weights[finite]

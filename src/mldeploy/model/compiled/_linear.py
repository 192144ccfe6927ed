"""Weighted sums of columns, and the sum of one row taken straight from its raw values."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self, final

import numpy as np
import numpy.typing as npt
import polars as pl

from mldeploy.model.compiled._columns import Column, NumberColumn
from mldeploy.model.compiled._encoding import Encoding, canonical
from mldeploy.model.compiled._kernel import Arrays, Floats
from mldeploy.model.compiled._refuse import refuse
from mldeploy.model.compiled._registry import array_of, require_no_more

_NAN = float("nan")


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Linear:
    """Return ``(X - shift) @ weights + intercepts``.

    Attributes
    ----------
    weights : ndarray of shape (n_inputs, n_outputs)
        What each column counts for.
    intercepts : ndarray of shape (n_outputs,)
        What is added at last.
    shift : ndarray of shape (n_inputs,), optional
        What is subtracted first.
    """

    weights: Floats
    intercepts: Floats
    shift: Floats | None = None

    kind: ClassVar[str] = "linear"

    def __post_init__(self) -> None:
        n_inputs, n_outputs = self.weights.shape
        shift_fits = self.shift is None or self.shift.shape == (n_inputs,)
        if self.intercepts.shape != (n_outputs,) or not n_outputs or not shift_fits:
            raise refuse("the weights and intercepts of a linear kernel do not fit")

    @property
    def n_inputs(self) -> int:
        """Number of columns that it reads."""
        return int(self.weights.shape[0])

    @property
    def n_outputs(self) -> int:
        """Number of columns that it returns."""
        return int(self.weights.shape[1])

    def __call__(self, X: Floats) -> Floats:
        """Return the sums."""
        if self.shift is not None:
            X = X - self.shift
        sums: Floats = X @ self.weights
        sums += self.intercepts
        return sums

    def breakpoints(self) -> dict[int, Floats]:
        """Return none: its answer does not jump."""
        return {}

    def spec(self) -> dict[str, Any]:
        """Return its settings."""
        return {"kind": self.kind}

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return its weights."""
        arrays = {"weights": self.weights, "intercepts": self.intercepts}
        return arrays if self.shift is None else {**arrays, "shift": self.shift}

    @classmethod
    def restore(cls, spec: Mapping[str, Any], arrays: Arrays) -> Self:
        """Bring it back."""
        require_no_more(spec, arrays, named=("weights", "intercepts", "shift"))
        return cls(
            weights=array_of(arrays, "weights", ndim=2),
            intercepts=array_of(arrays, "intercepts"),
            shift=array_of(arrays, "shift") if "shift" in arrays else None,
        )


@final
class Fused:
    """The sums of a linear kernel, without the row of numbers in between.

    A table of weights by key takes the place of one-hot columns. The steps on numbers are those
    of the encoding, in the same order; only the order of the sum differs. A row that the
    original refuses gives NaN.

    Parameters
    ----------
    encoding : Encoding
        What the kernel would have read.
    kernel : Linear
        Without a shift.
    """

    def __init__(self, encoding: Encoding, kernel: Linear) -> None:
        columns, n_outputs = encoding.columns, kernel.n_outputs
        by_output = [_split(columns, kernel.weights[:, i]) for i in range(n_outputs)]
        self._intercepts = kernel.intercepts.tolist()
        self._ones = [
            _sum_of_one(columns, own, intercept)
            for own, intercept in zip(by_output, self._intercepts, strict=True)
        ]
        self.one = self._ones[0]
        self.n_outputs = n_outputs
        self._columns = columns
        self._weights = [
            [_weight_of(c, own[i]) for own in by_output] for i, c in enumerate(columns)
        ]

    def row(self, values: Sequence[Any]) -> list[float]:
        """Return the sums of one row."""
        return [one(values) for one in self._ones]

    def many(self, frame: pl.DataFrame) -> Floats:
        """Return the sums, of shape (n_rows, n_outputs)."""
        totals = [np.full(frame.height, intercept) for intercept in self._intercepts]
        raw = frame.get_columns()
        for column, by_output in zip(self._columns, self._weights, strict=True):
            prepared = column.prepared(raw[column.source])
            for total, weight in zip(totals, by_output, strict=True):
                part = prepared * weight if isinstance(weight, float) else weight[prepared]
                np.add(total, part, out=total)
        return totals[0][:, None] if len(totals) == 1 else np.stack(totals, axis=1)


def _weight_of(column: Column, weights: Floats) -> float | Floats:
    """Return the weight of a number, or those of the rows of a table."""
    if isinstance(column, NumberColumn):
        return float(weights[0])
    return column.rows.weighted(weights)


def _split(columns: Sequence[Column], weights: Floats) -> list[Floats]:
    ends = np.cumsum([column.width for column in columns])
    return np.split(weights, ends[:-1])


def _sum_of_one(
    columns: Sequence[Column], weights: Sequence[Floats], intercept: float
) -> Callable[[Sequence[Any]], float]:
    scaled, moved, stepped, tables, looked_up = [], [], [], [], []
    for column, own in zip(columns, weights, strict=True):
        if isinstance(column, NumberColumn):
            plan = canonical(column.ops)
            if plan is None:
                stepped.append((column.source, column.single, float(own[0])))
            elif plan[3:] == (1.0, 0.0):
                fill, a, b, _, _ = plan
                scaled.append((column.source, (fill - a) / b * float(own[0]), a, b, float(own[0])))
            else:
                fill, a, b, c, d = plan
                empty = ((fill - a) / b * c + d) * float(own[0])
                moved.append((column.source, empty, a, b, c, d, float(own[0])))
        else:
            table, other = column.by_key(column.rows.weighted(own).tolist(), refused=_NAN)
            if column.ops:
                looked_up.append((column.source, column.single(table, other)))
            else:
                tables.append((column.source, table, other))

    def one(values: Sequence[Any]) -> float:
        total = intercept
        for source, empty, a, b, w in scaled:
            x = values[source]
            total += empty if x is None else (x - a) / b * w
        for source, table, other in tables:
            total += table.get(values[source], other)
        for source, empty, a, b, c, d, w in moved:
            x = values[source]
            total += empty if x is None else ((x - a) / b * c + d) * w
        for source, single, w in stepped:
            total += single(values[source]) * w
        for source, look_up in looked_up:
            total += look_up(values[source])
        return total

    return one

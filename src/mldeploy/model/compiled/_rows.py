"""The rows of a table, most of whose numbers are zero when they are one-hot."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, Self, TypeAlias, final

import numpy as np
import numpy.typing as npt

from mldeploy.model.compiled._kernel import Floats
from mldeploy.model.compiled._refuse import refuse

Codes: TypeAlias = npt.NDArray[np.integer[Any]]
Places: TypeAlias = npt.NDArray[np.int64]

_FEW_CELLS: Final = 1 << 18
"""Up to here (2 MB) a table is kept as a whole, which is faster."""
_MAX_WIDTH: Final = 1 << 20


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Rows:
    """A matrix, kept as the numbers in it that are not zero.

    Attributes
    ----------
    starts : ndarray of int, shape (n_rows + 1,)
        Where the numbers of each row begin and end.
    places : ndarray of int
        Their columns.
    numbers : ndarray of float
        The numbers.
    width : int
        Number of columns.

    Examples
    --------
    >>> rows = Rows.of(np.array([[0.0, 1.0], [0.0, 0.0]]))
    >>> rows.numbers, rows.dense
    (array([1.]), array([[0., 1.],
           [0., 0.]]))
    """

    starts: Places
    places: Places
    numbers: Floats
    width: int

    def __post_init__(self) -> None:
        starts, n_numbers = self.starts, len(self.numbers)
        ends_fit = len(starts) > 1 and starts[0] == 0 and starts[-1] == n_numbers
        if not ends_fit or (np.diff(starts) < 0).any() or self.places.shape != (n_numbers,):
            raise refuse("the rows of a table do not fit")
        if not 0 < self.width <= _MAX_WIDTH:
            raise refuse(f"the rows of a table are {self.width} columns wide")
        if ((self.places < 0) | (self.places >= self.width)).any():
            raise refuse("the rows of a table have numbers in columns that there are not")

    @classmethod
    def of(cls, matrix: Floats) -> Self:
        """Return a matrix in this form."""
        rows, places = np.nonzero(matrix)
        starts = np.searchsorted(rows, np.arange(len(matrix) + 1))
        return cls(
            starts=starts.astype(np.int64),
            places=places.astype(np.int64),
            numbers=matrix[rows, places].astype(np.float64),
            width=int(matrix.shape[1]),
        )

    def __len__(self) -> int:
        return len(self.starts) - 1

    @property
    def is_small(self) -> bool:
        """Whether it is kept as a whole."""
        return len(self) * self.width <= _FEW_CELLS

    @cached_property
    def dense(self) -> Floats:
        """The matrix itself."""
        matrix = np.zeros((len(self), self.width))
        matrix[np.repeat(np.arange(len(self)), np.diff(self.starts)), self.places] = self.numbers
        return matrix

    def write(self, codes: Codes, out: Floats) -> None:
        """Write the rows of these numbers into the columns of a matrix."""
        if self.is_small:
            out[...] = self.dense[codes]
            return
        out[...] = 0.0
        counts = self.starts[codes + 1] - self.starts[codes]
        rows = np.repeat(np.arange(len(codes)), counts)
        within = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
        entries = np.repeat(self.starts[codes], counts) + within
        out[rows, self.places[entries]] = self.numbers[entries]

    def row(self, code: int) -> Floats:
        """Return one row."""
        own = slice(self.starts[code], self.starts[code + 1])
        row = np.zeros(self.width)
        row[self.places[own]] = self.numbers[own]
        return row

    def weighted(self, weights: Floats) -> Floats:
        """Return the weighted sum of each row."""
        rows = np.repeat(np.arange(len(self)), np.diff(self.starts))
        sums = np.bincount(rows, self.numbers * weights[self.places], minlength=len(self))
        return sums.astype(np.float64)

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return its arrays."""
        return {"starts": self.starts, "places": self.places, "numbers": self.numbers}

    @classmethod
    def restore(cls, arrays: Mapping[str, npt.NDArray[Any]], *, width: int) -> Self:
        """Bring it back."""
        return cls(
            starts=arrays["starts"],
            places=arrays["places"],
            numbers=arrays["numbers"],
            width=width,
        )

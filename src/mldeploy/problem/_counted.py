"""Metrics of decisions see rows only by what was true and what was said: by cells of a table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import numpy as np
import numpy.typing as npt
import pandas as pd

Array = npt.NDArray[Any]
_MOST_CELLS = 400
"""Cells that a table may have: more, and weighing rows one by one is as fast."""


@final
@dataclass(frozen=True, kw_only=True)
class Cells:
    """The distinct rows of a truth and of one or more models' decisions.

    Attributes
    ----------
    codes : ndarray of int of shape (n_rows,)
        The cell of each row.
    columns : tuple of ndarray of shape (n_cells,)
        What was true in each cell, and what each model said.
    """

    codes: npt.NDArray[np.int64]
    columns: tuple[Array, ...]

    @classmethod
    def of(cls, *columns: Array) -> Cells | None:
        """Return the distinct rows of some columns; None if there are too many of them."""
        codes = np.zeros(len(columns[0]), np.int64)
        for column in columns:
            own, levels = pd.factorize(column, use_na_sentinel=False)
            if len(levels) > _MOST_CELLS:
                return None
            codes = codes * len(levels) + own
            codes = pd.factorize(codes)[0].astype(np.int64)
        n_cells = int(codes.max()) + 1
        if n_cells > _MOST_CELLS:
            return None
        first = np.empty(n_cells, np.int64)
        first[codes[::-1]] = np.arange(len(codes))[::-1]
        return cls(codes=codes, columns=tuple(column[first] for column in columns))

    def __len__(self) -> int:
        return len(self.columns[0])

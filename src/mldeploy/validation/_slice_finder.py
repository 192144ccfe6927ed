"""Slices that somebody else finds: on one half of the rows, to be confirmed on the other."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from mldeploy.errors import InvalidDataError

Mask: TypeAlias = npt.NDArray[np.bool_]
Inside: TypeAlias = Callable[[pd.DataFrame], Any]
"""Says of rows which are in a slice: a boolean for each."""


class SliceFinder(Protocol):
    """Finds slices in which a model looks worse than in the rest.

    Examples
    --------
    >>> def weekends(rows, worse):
    ...     return {"weekend": lambda table: table["day"].isin(["Sat", "Sun"])}
    >>> found = weekends(pd.DataFrame({"day": ["Sat"]}), np.zeros(1))
    >>> list(found)
    ['weekend']
    """

    def __call__(self, rows: pd.DataFrame, worse: npt.NDArray[np.float64]) -> Mapping[str, Inside]:
        """Return slices by name, the most suspect ones first.

        Parameters
        ----------
        rows : pandas.DataFrame
            The features and sensitive columns of one half of the rows.
        worse : ndarray of shape (n_rows,)
            By how much each row makes the metric worse than it is overall; 0 for rows that do
            not count.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class FoundSlice:
    """A slice with its rows."""

    name: str
    rows: Mask

    def mask(self) -> Mask:
        """Return which rows are in it."""
        return self.rows


def found_by(
    finder: SliceFinder,
    table: pd.DataFrame,
    worse: npt.NDArray[np.float64],
    half: Mask,
    *,
    max_suspects: int,
    min_rows: int,
) -> list[FoundSlice]:
    """Let a finder search one half, and return its slices over all rows.

    Raises
    ------
    InvalidDataError
        If what a slice says of rows is not one boolean for each.
    """
    given = finder(table[half].reset_index(drop=True), worse[half].copy())
    slices = []
    for name, inside in list(given.items())[:max_suspects]:
        rows = np.asarray(inside(table))
        if rows.shape != (len(table),) or rows.dtype != bool:
            raise InvalidDataError(
                f"the slice {name!r} says {rows.dtype} of shape {rows.shape} of {len(table)} "
                "rows; say True or False of each, of any rows that it is asked about"
            )
        if min(rows[half].sum(), rows[~half].sum()) >= min_rows:
            slices.append(FoundSlice(name=str(name), rows=rows))
    return slices

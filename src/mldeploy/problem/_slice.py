"""Parts of the rows that a criterion looks at on their own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, final

import numpy as np
import numpy.typing as npt
import pydantic

from mldeploy.errors import InvalidProblemError
from mldeploy.problem._stated import Stated

Level = str | int | float | bool


@final
class Slice(Stated):
    """Part of the rows: where a column has certain values, or lies in a range.

    Attributes
    ----------
    column : str
        The column that is looked at.
    values : tuple of scalar, optional
        The values to look at, each on its own. All that occur, when neither values nor a range
        is given.
    at_least, below : float, optional
        The range to look at, from `at_least` (included) to `below` (left out).

    Examples
    --------
    >>> Slice("carrier", values=("AA", "UA")).names()
    ('carrier=AA', 'carrier=UA')
    >>> Slice("distance", at_least=1000).names()
    ('distance>=1000',)
    """

    column: str
    values: tuple[Level, ...] | None = None
    at_least: float | None = None
    below: float | None = None

    def __init__(
        self,
        column: str,
        *,
        values: tuple[Level, ...] | None = None,
        at_least: float | None = None,
        below: float | None = None,
    ) -> None:
        super().__init__(column=column, values=values, at_least=at_least, below=below)

    @pydantic.model_validator(mode="after")
    def _can_hold_rows(self) -> Slice:
        if self.values is not None and (self.at_least is not None or self.below is not None):
            raise InvalidProblemError(
                f"the slice of {self.column!r} names values and a range; use one of them"
            )
        if self.values == ():
            raise InvalidProblemError(f"the slice of {self.column!r} names no value")
        if self.at_least is not None and self.below is not None and self.at_least >= self.below:
            raise InvalidProblemError(
                f"the slice of {self.column!r} is empty: at_least={self.at_least:g} is not "
                f"below {self.below:g}"
            )
        return self

    @property
    def is_range(self) -> bool:
        """Whether the slice is a range of numbers."""
        return self.at_least is not None or self.below is not None

    def names(self) -> tuple[str, ...]:
        """Return the names of the parts, as far as they are known without data."""
        if self.is_range:
            low = f">={self.at_least:g}" if self.at_least is not None else ""
            high = f"<{self.below:g}" if self.below is not None else ""
            return (f"{self.column}{low}{high}",)
        return tuple(f"{self.column}={v}" for v in self.values or ())

    def parts(
        self, columns: Mapping[str, npt.NDArray[Any]]
    ) -> Iterator[tuple[str, npt.NDArray[np.bool_]]]:
        """Yield the name and the row mask of each part; missing values are in none.

        Raises
        ------
        InvalidProblemError
            If the column is not there.
        """
        if self.column not in columns:
            raise InvalidProblemError(
                f"a criterion is sliced by {self.column!r}, which the data does not have; "
                f"it has {', '.join(map(repr, sorted(columns))) or 'no further columns'}"
            )
        values = columns[self.column]
        if self.is_range:
            numbers = values.astype(float)
            inside = np.isfinite(numbers)
            if self.at_least is not None:
                inside &= numbers >= self.at_least
            if self.below is not None:
                inside &= numbers < self.below
            yield self.names()[0], inside
            return
        for value in self.values if self.values is not None else _levels(values):
            yield f"{self.column}={value}", np.asarray(values == value, dtype=bool)

    def mask(self, columns: Mapping[str, npt.NDArray[Any]]) -> npt.NDArray[np.bool_]:
        """Return which rows are in any part."""
        masks = [mask for _, mask in self.parts(columns)]
        return np.logical_or.reduce(masks) if masks else np.zeros(0, dtype=bool)


def _levels(values: npt.NDArray[Any]) -> list[Any]:
    """Return the distinct values that are not missing, sorted by their text."""
    present = values[[v is not None and v == v for v in values]]  # noqa: PLR0124 - NaN != NaN
    return sorted(set(present.tolist()), key=str)

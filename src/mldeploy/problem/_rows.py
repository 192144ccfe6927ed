"""What was true, and what a model said, row by row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, final

import numpy as np
import numpy.typing as npt

from mldeploy.errors import InvalidDataError
from mldeploy.problem._task import Task

Array = npt.NDArray[Any]


@final
@dataclass(frozen=True, kw_only=True)
class ScoredRows:
    """What was true, and what a model said, row by row.

    Attributes
    ----------
    task : Task
        What was predicted.
    y_true : ndarray of shape (n_rows,)
        The truth; in a binary task 1 for the positive class and 0 for the other.
    y_pred : ndarray of shape (n_rows,)
        The model's decision, coded like `y_true`.
    y_score : ndarray of shape (n_rows,) or (n_rows, n_classes), optional
        Probability of the positive class, or of each of `classes`.
    classes : tuple
        The classes in the order of the columns of `y_score`; empty in a regression.
    weight : ndarray of shape (n_rows,), optional
        How many rows of the population each row stands for.
    unit : ndarray of shape (n_rows,), optional
        Which rows belong together (a customer, a day): rows of one unit are not independent.
    columns : mapping of str to ndarray of shape (n_rows,)
        Further columns, by which slices are cut.
    latency : ndarray of shape (n_rows,), optional
        Seconds that each answer took.

    Raises
    ------
    InvalidDataError
        If the arrays differ in length.
    """

    task: Task
    y_true: Array
    y_pred: Array
    y_score: Array | None = None
    classes: tuple[Any, ...] = ()
    weight: Array | None = None
    unit: Array | None = None
    columns: Mapping[str, Array] = field(default_factory=dict)
    latency: Array | None = None

    def __post_init__(self) -> None:
        lengths = {name: len(a) for name, a in self._arrays().items()}
        if len(set(lengths.values())) > 1:
            raise InvalidDataError(f"arrays of one table differ in length: {lengths}")

    def _arrays(self) -> dict[str, Array]:
        named = {
            "y_true": self.y_true,
            "y_pred": self.y_pred,
            "y_score": self.y_score,
            "weight": self.weight,
            "unit": self.unit,
            "latency": self.latency,
        }
        own = {name: array for name, array in named.items() if array is not None}
        return own | {f"columns[{name!r}]": array for name, array in self.columns.items()}

    def __len__(self) -> int:
        return len(self.y_true)

    @property
    def n_units(self) -> int:
        """Number of independent units: of distinct `unit`, or of rows when there is none."""
        return len(self) if self.unit is None else len(np.unique(self.unit))

    def take(self, rows: Array) -> ScoredRows:
        """Return the rows of a boolean mask or of indices."""

        def cut(array: Array | None) -> Array | None:
            return None if array is None else array[rows]

        return replace(
            self,
            y_true=self.y_true[rows],
            y_pred=self.y_pred[rows],
            y_score=cut(self.y_score),
            weight=cut(self.weight),
            unit=cut(self.unit),
            latency=cut(self.latency),
            columns={name: array[rows] for name, array in self.columns.items()},
        )

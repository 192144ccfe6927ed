"""Labels and features as numbers, and how well a guess at the labels is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import numpy as np
import numpy.typing as npt
import polars as pl

from mldeploy.assessment._share import codes_of, estimate_share
from mldeploy.data import Dataset
from mldeploy.errors import InvalidDataError
from mldeploy.problem import Problem, Task
from mldeploy.stats import Estimate, Interval, bootstrap_ratio, delong, roc_auc

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]
_MANY_CLASSES = 1_000


@final
@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The labels of some rows: 0 and 1, the number of a class, or a number."""

    task: Task
    values: Floats
    n_classes: int = 0

    def take(self, rows: Rows) -> Outcome:
        """Return the outcome of some rows."""
        return Outcome(task=self.task, values=self.values[rows], n_classes=self.n_classes)

    @property
    def varies(self) -> bool:
        """Whether there is anything to predict."""
        return self.values.size > 0 and bool((self.values != self.values[0]).any())

    def targets(self) -> Floats:
        """Return what a mean per group is taken of: shape (n_rows, 1), or (n_rows, n_classes)."""
        if self.task is not Task.MULTICLASS:
            return self.values[:, None]
        return np.eye(self.n_classes)[self.values.astype(np.int64)]

    def score(self, guess: Floats) -> float:
        """Return the AUC, R², or the gain in accuracy over the largest class; 1 is perfect.

        Parameters
        ----------
        guess : ndarray of shape (n_rows, 1) or (n_rows, n_classes)
            As `targets`.
        """
        if self.task is Task.BINARY:
            return roc_auc(self.values, guess[:, 0])
        if self.task is Task.REGRESSION:
            return 1 - self._squares(guess) / max(float(self._spread().sum()), 1e-300)
        prior = self._prior()
        return (float(self._right(guess).mean()) - prior) / (1 - prior)

    def estimate(
        self, guess: Floats, *, units: npt.NDArray[Any] | None, confidence: float
    ) -> Estimate:
        """Return `score` with its two-sided interval."""
        if self.task is Task.BINARY:
            return delong(self.values, guess[:, 0], units=units, confidence=confidence)
        if self.task is Task.REGRESSION:
            left = bootstrap_ratio(
                (self.values - guess[:, 0]) ** 2, self._spread(),
                units=units, confidence=confidence, rng=np.random.default_rng(0),
            )  # fmt: skip
            return _mapped(left, scale=-1.0, shift=1.0)
        prior = self._prior()
        right = estimate_share(self._right(guess), units=units, confidence=confidence)
        return _mapped(right, scale=1 / (1 - prior), shift=-prior / (1 - prior))

    @property
    def score_name(self) -> str:
        """What `score` is called."""
        return {
            Task.BINARY: "AUC",
            Task.REGRESSION: "R²",
            Task.MULTICLASS: "accuracy over the largest class",
        }[self.task]

    def _squares(self, guess: Floats) -> float:
        return float(((self.values - guess[:, 0]) ** 2).sum())

    def _spread(self) -> Floats:
        spread: Floats = (self.values - self.values.mean()) ** 2
        return spread

    def _right(self, guess: Floats) -> npt.NDArray[np.bool_]:
        return np.asarray(guess.argmax(axis=1) == self.values, dtype=bool)

    def _prior(self) -> float:
        counts = np.bincount(self.values.astype(np.int64))
        return float(counts.max() / counts.sum())


def _mapped(found: Estimate, *, scale: float, shift: float) -> Estimate:
    ends = sorted(shift + scale * end for end in (found.interval.low, found.interval.high))
    interval = Interval(low=ends[0], high=ends[1], confidence=found.interval.confidence)
    return found.model_copy(update={"value": shift + scale * found.value, "interval": interval})


def outcome_of(dataset: Dataset, problem: Problem) -> Outcome:
    """Read the labels of rows that have one.

    Raises
    ------
    InvalidDataError
        If a regression's labels are not numbers, a binary task's have not the positive class's
        type, or there are more than 1,000 classes.
    """
    label = dataset.polars()[problem.target]
    if problem.task is Task.REGRESSION:
        if not label.dtype.is_numeric():
            raise InvalidDataError(
                f"the target {problem.target!r} holds {label.dtype}, a regression needs numbers"
            )
        values = label.cast(pl.Float64).to_numpy()
        if not np.isfinite(values).all():
            raise InvalidDataError(f"the target {problem.target!r} holds infinite values")
        return Outcome(task=problem.task, values=values)
    if problem.task is Task.BINARY:
        positive = np.array([v == problem.positive for v in label.to_list()], dtype=np.float64)
        return Outcome(task=problem.task, values=positive, n_classes=2)
    codes = codes_of(label)
    n_classes = int(codes.max()) + 1
    if n_classes > _MANY_CLASSES:
        raise InvalidDataError(
            f"the target {problem.target!r} has {n_classes:,} distinct values; state a "
            "regression, or group its classes"
        )
    return Outcome(task=problem.task, values=codes.astype(np.float64), n_classes=n_classes)


def numbers_of(column: pl.Series) -> Floats:
    """Return a column as numbers: times in seconds, texts in their order, missing as NaN."""
    if column.dtype == pl.String or isinstance(column.dtype, pl.Enum | pl.Categorical):
        column = column.cast(pl.String).rank("dense")
    elif column.dtype == pl.Boolean:
        column = column.cast(pl.Int8)
    elif isinstance(column.dtype, pl.Datetime | pl.Duration):
        column = column.dt.cast_time_unit("us").to_physical() / 1e6
    elif column.dtype.is_temporal():
        column = column.to_physical()
    numbers: Floats = column.cast(pl.Float64).fill_null(float("nan")).to_numpy(writable=True)
    numbers[np.isinf(numbers)] = np.nan
    return numbers


def matrix_of(table: pl.DataFrame) -> Floats:
    """Return a table as numbers of shape (n_rows, n_columns); see `numbers_of`."""
    columns = [numbers_of(column) for column in table.get_columns()]
    return np.column_stack(columns) if columns else np.empty((table.height, 0))


def some_rows(dataset: Dataset, n_rows: int, rng: np.random.Generator) -> Dataset:
    """Return at most about `n_rows` rows drawn at random, whole units if there are any."""
    if len(dataset) <= n_rows:
        return dataset
    if dataset.roles.unit is None:
        return dataset.take(np.sort(rng.permutation(len(dataset))[:n_rows]))
    codes = codes_of(dataset.polars()[dataset.roles.unit])
    sizes = np.bincount(codes)
    order = rng.permutation(sizes.size)
    n_units = max(2, int(np.searchsorted(np.cumsum(sizes[order]), n_rows)))
    chosen = np.flatnonzero(np.isin(codes, order[:n_units]))
    if chosen.size > 2 * n_rows:
        chosen = np.sort(rng.choice(chosen, n_rows, replace=False))
    return dataset.take(chosen)


def halves(dataset: Dataset, rng: np.random.Generator) -> tuple[Rows, Rows]:
    """Divide the rows at random in two, no unit in both."""
    unit = dataset.roles.unit
    codes = np.arange(len(dataset)) if unit is None else codes_of(dataset.polars()[unit])
    side = rng.permutation(int(codes.max()) + 1) % 2
    return np.flatnonzero(side[codes] == 0), np.flatnonzero(side[codes] == 1)

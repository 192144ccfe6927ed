"""Cut a dataset in two, or in folds, so that nothing leaks across."""

from __future__ import annotations

import abc
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeAlias, final

import numpy as np
import numpy.typing as npt
import polars as pl
from typing_extensions import override

from mldeploy.data._dataset import Dataset
from mldeploy.data._units import dense_codes, unit_codes
from mldeploy.errors import EmptyDataError, InvalidDataError

_MAX_CLASSES = 100

Indices: TypeAlias = npt.NDArray[np.int64]


@final
@dataclass(frozen=True, kw_only=True)
class Partition:
    """Two parts of a dataset that share no row and no unit."""

    train: Dataset
    test: Dataset


class Split(abc.ABC):
    """Cut a dataset into a part to learn from and a part to judge by.

    Implement `_rows` and `_folds`; the rest is final. If the dataset declares a unit, no unit
    is ever on both sides: rows of the test side whose unit is in training are dropped. Rows
    without a unit count as one unit, since nobody can tell them apart.

    Instances are immutable, hold no data, and give the same parts whenever they are asked.
    """

    @final
    def split(self, dataset: Dataset) -> Partition:
        """Return the two parts.

        Raises
        ------
        InvalidDataError
            If the dataset lacks the role that the split goes by.
        EmptyDataError
            If one side would be empty.
        """
        train, test = self._apart(dataset, *self._rows(dataset))
        return Partition(train=dataset.take(train), test=dataset.take(test))

    @final
    def folds(self, dataset: Dataset, n: int) -> Iterator[tuple[Indices, Indices]]:
        """Yield the positions of the training and the test rows of `n` folds.

        Parameters
        ----------
        dataset : Dataset
            Rows to divide.
        n : int
            Number of folds, at least 2.
        """
        if n < 2:
            raise InvalidDataError(f"{n} folds leave nothing to judge by; ask for 2 or more")
        for train, test in self._folds(dataset, n):
            yield self._apart(dataset, train, test)

    @abc.abstractmethod
    def _rows(self, dataset: Dataset) -> tuple[Indices, Indices]:
        """Return the positions of the training and of the test rows; no row is in both."""

    @abc.abstractmethod
    def _folds(self, dataset: Dataset, n: int) -> Iterator[tuple[Indices, Indices]]:
        """Yield `n` pairs of positions as `_rows` returns them."""

    def _apart(self, dataset: Dataset, train: Indices, test: Indices) -> tuple[Indices, Indices]:
        if dataset.roles.unit is not None:
            codes = unit_codes(dataset)
            test = test[~np.isin(codes[test], codes[train])]
        for side, rows in (("training", train), ("test", test)):
            if not rows.size:
                raise EmptyDataError(
                    f"{self} leaves no row of {dataset.n_rows} on the {side} side; change its "
                    "share or start, or use more units"
                )
        return train, test


@final
@dataclass(frozen=True, kw_only=True)
class TimeSplit(Split):
    """Learn from the past, judge by what came later.

    Rows of one instant are never on both sides. If the dataset declares a unit, the test side
    keeps only units that were not seen before it: a unit belongs to the side of its first row.

    Parameters
    ----------
    test_from : datetime, optional
        First moment of the test side, with a zone; by default the last moment from which on at
        least `test_share` of the rows, to the nearest row, remain.
    test_share : float, default=0.2
        Share of the rows to judge by, in (0, 1); unused if `test_from` is given.
    gap : timedelta, default=0
        Time before the test side whose rows are in neither part, such as the label's delay.
    """

    test_from: datetime | None = None
    test_share: float = 0.2
    gap: timedelta = timedelta(0)

    def __post_init__(self) -> None:
        _require_share(self.test_share)
        if self.test_from is not None and self.test_from.tzinfo is None:
            raise InvalidDataError(f"test_from {self.test_from} has no time zone; add one")
        if self.gap < timedelta(0):
            raise InvalidDataError(f"the gap {self.gap} is negative")

    @override
    def _rows(self, dataset: Dataset) -> tuple[Indices, Indices]:
        times = dataset.times()
        if self.test_from is None:
            ordered = np.sort(times)
            start = ordered[min(round(len(times) * (1 - self.test_share)), len(times) - 1)]
        else:
            start = np.datetime64(pl.Series([self.test_from]).dt.epoch("us")[0], "us")
        return self._around(times, start, None)

    @override
    def _folds(self, dataset: Dataset, n: int) -> Iterator[tuple[Indices, Indices]]:
        """Yield folds whose training rows all precede their test rows, each fold later."""
        times = dataset.times()
        ordered = np.sort(times)
        starts = [ordered[len(times) * fold // (n + 1)] for fold in range(1, n + 1)]
        if len(set(starts)) < n or starts[0] == ordered[0]:
            raise InvalidDataError(
                f"{len(np.unique(times))} moments are too few for {n} folds in time; ask for fewer"
            )
        for start, end in zip(starts, [*starts[1:], None], strict=True):
            yield self._around(times, start, end)

    def _around(
        self, times: npt.NDArray[np.datetime64], start: np.datetime64, end: np.datetime64 | None
    ) -> tuple[Indices, Indices]:
        tested = times >= start
        if end is not None:
            tested &= times < end
        known = times < start - np.timedelta64(self.gap)
        return np.flatnonzero(known), np.flatnonzero(tested)


@final
@dataclass(frozen=True, kw_only=True)
class GroupSplit(Split):
    """Judge by units that were never learnt from.

    Parameters
    ----------
    test_share : float, default=0.2
        Share of the units to judge by, in (0, 1); each unit is drawn with the same chance,
        whatever its rows.
    random_state : int, default=0
        Seed of the draw, which does not depend on the order of rows.
    """

    test_share: float = 0.2
    random_state: int = 0

    def __post_init__(self) -> None:
        _require_share(self.test_share)

    @override
    def _rows(self, dataset: Dataset) -> tuple[Indices, Indices]:
        codes, rank = self._ranked(dataset)
        n_test = max(1, round(len(rank) * self.test_share))
        tested = rank[codes] < n_test
        return np.flatnonzero(~tested), np.flatnonzero(tested)

    @override
    def _folds(self, dataset: Dataset, n: int) -> Iterator[tuple[Indices, Indices]]:
        codes, rank = self._ranked(dataset)
        if len(rank) < n:
            raise InvalidDataError(f"{len(rank)} units are too few for {n} folds; ask for fewer")
        fold_of = rank[codes] % n
        for fold in range(n):
            yield np.flatnonzero(fold_of != fold), np.flatnonzero(fold_of == fold)

    def _ranked(self, dataset: Dataset) -> tuple[Indices, Indices]:
        if dataset.roles.unit is None:
            raise InvalidDataError(
                "the dataset declares no unit to split by; pass unit= to Dataset.of, or use "
                "RandomSplit"
            )
        codes = unit_codes(dataset)
        rng = np.random.default_rng(self.random_state)
        return codes, rng.permutation(int(codes.max()) + 1)


@final
@dataclass(frozen=True, kw_only=True)
class RandomSplit(Split):
    """Judge by rows drawn at random.

    If the dataset declares a unit, whole units are drawn, as by `GroupSplit`.

    Parameters
    ----------
    test_share : float, default=0.2
        Share of the rows to judge by, in (0, 1).
    stratify : bool, default=True
        Whether each class has the same share on both sides, as far as whole rows allow; a
        target of more than 100 distinct values, or no target, is not stratified, nor are units.
    random_state : int, default=0
        Seed of the draw.
    """

    test_share: float = 0.2
    stratify: bool = True
    random_state: int = 0

    def __post_init__(self) -> None:
        _require_share(self.test_share)

    @override
    def _rows(self, dataset: Dataset) -> tuple[Indices, Indices]:
        if dataset.roles.unit is not None:
            return self._by_unit()._rows(dataset)  # noqa: SLF001 (the same hook)
        order = self._order(dataset)
        n_test = min(max(1, round(dataset.n_rows * self.test_share)), dataset.n_rows)
        cuts = np.arange(1, dataset.n_rows + 1) * n_test // dataset.n_rows
        tested = np.empty(dataset.n_rows, bool)
        tested[order] = np.diff(cuts, prepend=0) > 0
        return np.flatnonzero(~tested), np.flatnonzero(tested)

    @override
    def _folds(self, dataset: Dataset, n: int) -> Iterator[tuple[Indices, Indices]]:
        if dataset.roles.unit is not None:
            yield from self._by_unit()._folds(dataset, n)  # noqa: SLF001 (the same hook)
            return
        if dataset.n_rows < n:
            raise InvalidDataError(f"{dataset.n_rows} rows are too few for {n} folds")
        fold_of = np.empty(dataset.n_rows, np.int64)
        fold_of[self._order(dataset)] = np.arange(dataset.n_rows) % n
        for fold in range(n):
            yield np.flatnonzero(fold_of != fold), np.flatnonzero(fold_of == fold)

    def _by_unit(self) -> GroupSplit:
        return GroupSplit(test_share=self.test_share, random_state=self.random_state)

    def _order(self, dataset: Dataset) -> Indices:
        """Return the rows shuffled, and then gathered by class: every k-th is a fair draw."""
        order = np.random.default_rng(self.random_state).permutation(dataset.n_rows)
        if not self.stratify or dataset.roles.target is None:
            return order
        classes = dense_codes(dataset.table[dataset.roles.target])
        if classes.max() >= _MAX_CLASSES:
            return order
        return order[np.argsort(classes[order], kind="stable")]


def default_split(dataset: Dataset, *, test_share: float = 0.2, random_state: int = 0) -> Split:
    """Choose the split that fits the roles: by time, else by unit, else at random.

    Parameters
    ----------
    dataset : Dataset
        Rows to divide.
    test_share : float, default=0.2
        Share to judge by, in (0, 1).
    random_state : int, default=0
        Seed of a draw; unused in time.

    Examples
    --------
    >>> default_split(Dataset.of(pl.DataFrame({"x": [1, 2], "who": ["a", "b"]}), unit="who"))
    GroupSplit(test_share=0.2, random_state=0)
    """
    if dataset.roles.time is not None:
        return TimeSplit(test_share=test_share)
    if dataset.roles.unit is not None:
        return GroupSplit(test_share=test_share, random_state=random_state)
    return RandomSplit(test_share=test_share, random_state=random_state)


def _require_share(share: float) -> None:
    if not 0 < share < 1:
        raise InvalidDataError(f"test_share is {share}; a share to judge by is in (0, 1)")

"""The same three functions over the parts of a table, wherever they run."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Final, Protocol, TypeVar, final, runtime_checkable

import polars as pl

from mldeploy.errors import InvalidDataError

T = TypeVar("T")
P = TypeVar("P")
R_co = TypeVar("R_co", covariant=True)

_AHEAD: Final = 2
"""Parts that are begun for each thread before the first of them is merged."""


@runtime_checkable
class Reduction(Protocol[P, R_co]):
    """What is asked of a table larger than memory: map each piece, merge, finish.

    `merge` is associative and commutative, so that pieces may be read anywhere and in any order.
    Instances can be pickled and hold no state; what `map` returns can be pickled and is small.
    """

    def map(self, rows: pl.DataFrame) -> P:
        """Return what some of the rows, perhaps none, contribute."""
        ...

    def merge(self, one: P, other: P) -> P:
        """Return what two contributions come to; neither is changed."""
        ...

    def finish(self, whole: P) -> R_co:
        """Return the answer from what all rows contribute."""
        ...


@runtime_checkable
class PlacedReduction(Protocol[P, R_co]):
    """A reduction that must know which rows it is given: it has `map_at` in place of `map`."""

    def map_at(self, rows: pl.DataFrame, part: int, start: int) -> P:
        """Return what some of the rows contribute.

        Parameters
        ----------
        rows : polars.DataFrame
            Rows that follow each other, perhaps none.
        part : int
            Number of the part that they are of, from 0.
        start : int
            Number of the first of them in that part, from 0.
        """
        ...

    def merge(self, one: P, other: P) -> P:
        """Return what two contributions come to; neither is changed."""
        ...

    def finish(self, whole: P) -> R_co:
        """Return the answer from what all rows contribute."""
        ...


@runtime_checkable
class Engine(Protocol):
    """Runs a function on many parts, and merges what comes back."""

    def map_merge(
        self, function: Callable[[T], P], parts: Sequence[T], merge: Callable[[P, P], P]
    ) -> P:
        """Return the merged results of a function on each part.

        Parameters
        ----------
        function : callable
            Applied to each part, once or, where a machine was lost, again. It does not raise.
        parts : sequence
            At least one; they can be pickled, as can the function and its results.
        merge : callable
            Associative and commutative.
        """
        ...


@final
@dataclass(frozen=True, kw_only=True)
class LocalEngine:
    """Threads of this process: polars and numpy let go of the interpreter while they work.

    Results are merged in the order of the parts, and no more of them are held than threads are
    busy.

    Attributes
    ----------
    n_threads : int
        How many parts are read at once; by default as many as there are processors, up to 8.

    Examples
    --------
    >>> LocalEngine(n_threads=2).map_merge(len, ["a", "bc", "def"], lambda one, two: one + two)
    6
    """

    n_threads: int = field(default_factory=lambda: min(os.cpu_count() or 1, 8))

    def __post_init__(self) -> None:
        if self.n_threads < 1:
            raise InvalidDataError(f"{self.n_threads=} is no number of threads; pass at least 1")

    def map_merge(
        self, function: Callable[[T], P], parts: Sequence[T], merge: Callable[[P, P], P]
    ) -> P:
        """Return the merged results of a function on each part; see `Engine`."""
        results = self._in_order(function, parts)
        whole = next(results)
        for result in results:
            whole = merge(whole, result)
        return whole

    def _in_order(self, function: Callable[[T], P], parts: Sequence[T]) -> Iterator[P]:
        with ThreadPoolExecutor(self.n_threads) as pool:
            waiting: list[Future[P]] = []
            try:
                for part in parts:
                    if len(waiting) >= self.n_threads * _AHEAD:
                        yield waiting.pop(0).result()
                    waiting.append(pool.submit(function, part))
                while waiting:
                    yield waiting.pop(0).result()
            finally:
                for future in waiting:
                    future.cancel()


def merge_in_pairs(results: Sequence[T], merge: Callable[[T, T], T]) -> T:
    """Merge neighbours, then their results, until one is left.

    On a cluster each merge is then near what it merges, and none waits for all others.

    Parameters
    ----------
    results : sequence
        At least one, such as the futures of an engine.
    merge : callable
        Returns what two come to, or the future of it.

    Returns
    -------
    object
        What all come to, merged in their order.

    Examples
    --------
    >>> merge_in_pairs(["a", "b", "c"], lambda one, other: f"({one}{other})")
    '((ab)c)'
    """
    left = list(results)
    while len(left) > 1:
        merged = [merge(one, other) for one, other in zip(left[::2], left[1::2], strict=False)]
        left = merged + left[len(merged) * 2 :]
    return left[0]

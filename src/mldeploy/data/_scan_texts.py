"""Counting the texts of a column, batch by batch, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, TypeAlias, final

import numpy as np
import numpy.typing as npt
import polars as pl

from mldeploy.data._column import Kind
from mldeploy.data._column_counts import ColumnCounts, listable, size_of, with_sketch
from mldeploy.data._sketch import TextSketch

Counts: TypeAlias = npt.NDArray[np.int64]

_SHARE: Final = 1_024
_LONGEST: Final = 1_024
_CANDIDATES: Final = 16_384
_AT_ONCE: Final = 1 << 24


@final
class TextCounter:
    """Counts of the texts of one column."""

    def __init__(self, kind: Kind, *, limit: int) -> None:
        self.kind = kind
        self._limit = limit
        self._n = self._n_missing = 0
        self._counts: dict[str, int] = {}
        self._n_bytes = 0
        self._sketch: TextSketch | None = None
        self._candidates: set[str] = set()

    @property
    def n_known(self) -> int:
        """Number of values that are not missing."""
        return self._n - self._n_missing

    def add(self, column: pl.Series) -> None:
        """Count the values of a batch."""
        known = column.drop_nulls()
        self._n += len(column)
        self._n_missing += len(column) - len(known)
        if not len(known):
            return
        texts, occurrences = known.value_counts(name="n of it").get_columns()
        texts, counts = texts.cast(pl.String), occurrences.to_numpy().astype(np.int64)
        sizes = texts.str.len_bytes().to_numpy().astype(np.int64)
        if self._sketch is None:
            if listable(texts.len(), int(sizes.sum()), self._limit):
                self._list(texts.to_list(), counts.tolist())
                return
            self._begin_sketch()
        self._add_to_sketch(texts, counts, sizes, len(known))

    def _list(self, texts: list[str], counts: list[int]) -> None:
        listed, new = self._counts, []
        for text, count in zip(texts, counts, strict=True):
            if text in listed:
                listed[text] += count
            else:
                listed[text] = count
                new.append(text)
        self._n_bytes += size_of(new)
        if not listable(len(listed), self._n_bytes, self._limit):
            self._begin_sketch()

    def _begin_sketch(self) -> None:
        texts = list(self._counts)
        counts = np.array(list(self._counts.values()), np.int64)
        self._candidates.update(_frequent(texts, counts))
        self._sketch = TextSketch.of(texts, counts)
        self._counts = {}

    def _add_to_sketch(
        self, texts: pl.Series, counts: Counts, sizes: Counts, n_known: int
    ) -> None:
        assert self._sketch is not None, "begun before"
        for start, stop in _runs(sizes):
            self._sketch += TextSketch.of(texts[start:stop], counts[start:stop])
        often = (counts * _SHARE >= n_known) & (sizes <= _LONGEST)
        self._candidates.update(texts.filter(pl.Series(often)).to_list())
        if len(self._candidates) > _CANDIDATES:
            self._candidates = set(self._frequent_of_sketch())

    def _frequent_of_sketch(self) -> list[str]:
        """Return the candidates that may make up 1/1,024 of all values so far.

        One that is dropped, and makes up as much in the end, does so of a later batch.
        """
        assert self._sketch is not None, "begun before"
        candidates = sorted(self._candidates)
        often = self._sketch.counts_of(candidates) * _SHARE >= self.n_known
        return [text for text, stays in zip(candidates, often.tolist(), strict=True) if stays]

    def column(self, name: str) -> ColumnCounts:
        """Return what was counted."""
        texts = sorted(self._counts)
        counts = np.array([self._counts[text] for text in texts], np.int64)
        frequent = _frequent(texts, counts) if self._sketch is None else self._frequent_of_sketch()
        column = ColumnCounts(
            name=name, kind=self.kind, n=self._n, n_missing=self._n_missing,
            texts=tuple(texts), counts=counts, frequent=tuple(frequent), limit=self._limit,
        )  # fmt: skip
        return column if self._sketch is None else with_sketch(column, self._sketch)


def _frequent(texts: list[str], counts: Counts) -> list[str]:
    often = np.flatnonzero(counts * _SHARE >= counts.sum()).tolist()
    return [texts[i] for i in often if len(texts[i].encode()) <= _LONGEST]


def _runs(sizes: Counts) -> Iterator[tuple[int, int]]:
    """Yield stretches of texts of about 16 MB together, or of one text."""
    start = total = 0
    if int(sizes.sum()) <= _AT_ONCE:
        yield 0, sizes.size
        return
    for at, size in enumerate(sizes.tolist()):
        if total and total + size > _AT_ONCE:
            yield start, at
            start, total = at, 0
        total += size
    yield start, sizes.size

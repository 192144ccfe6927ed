"""Counting the texts of a column, batch by batch, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, TypeAlias, final

import numpy as np
import numpy.typing as npt
import polars as pl

from mldeploy.data._column import Kind
from mldeploy.data._column_counts import ColumnCounts, ListedTexts, listable, size_of, with_sketch
from mldeploy.data._sketch import TextSketch

Counts: TypeAlias = npt.NDArray[np.int64]
Floats: TypeAlias = npt.NDArray[np.float64]

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
        self._missing_weight: float | None = None
        self._listed = ListedTexts()
        self._n_bytes = 0
        self._sketch: TextSketch | None = None
        self._candidates: set[str] = set()

    @property
    def n_known(self) -> int:
        """Number of values that are not missing."""
        return self._n - self._n_missing

    def add(self, column: pl.Series, weights: Floats | None = None) -> None:
        """Count the values of a batch."""
        known = column.drop_nulls() if column.null_count() else column
        self._n += len(column)
        self._n_missing += len(column) - len(known)
        if weights is not None:
            is_known = column.is_not_null().to_numpy()
            missing = float(weights[~is_known].sum())
            self._missing_weight = (self._missing_weight or 0.0) + missing
            weights = weights[is_known]
        if len(known):
            self._add_known(known, weights)

    def _add_known(self, known: pl.Series, weights: Floats | None) -> None:
        texts, counts, sums = _distinct(known, weights)
        sizes = texts.str.len_bytes().to_numpy().astype(np.int64)
        if self._sketch is None:
            if listable(texts.len(), int(sizes.sum()), self._limit):
                new = self._listed.add(texts.to_list(), counts.tolist(), sums.tolist())
                self._n_bytes += size_of(new)
                if not listable(len(self._listed), self._n_bytes, self._limit):
                    self._begin_sketch()
                return
            self._begin_sketch()
        assert self._sketch is not None, "begun"
        for start, stop in _runs(sizes):
            run = slice(start, stop)
            self._sketch += TextSketch.of(texts[run], counts[run], sums[run])
        often = (counts * _SHARE >= len(known)) & (sizes <= _LONGEST)
        self._candidates.update(texts.filter(pl.Series(often)).to_list())
        if len(self._candidates) > _CANDIDATES:
            self._candidates = set(self._frequent_of_sketch())

    def _begin_sketch(self) -> None:
        texts, counts, weights = self._listed.in_order()
        self._candidates.update(_frequent(texts, counts))
        self._sketch = TextSketch.of(texts, counts, weights)
        self._listed = ListedTexts()

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
        texts, counts, weights = self._listed.in_order()
        frequent = _frequent(texts, counts) if self._sketch is None else self._frequent_of_sketch()
        column = ColumnCounts(
            name=name, kind=self.kind, n=self._n, n_missing=self._n_missing,
            texts=texts, counts=counts, frequent=tuple(frequent), limit=self._limit,
            weights=weights, missing_weight=self._missing_weight,
        )  # fmt: skip
        return column if self._sketch is None else with_sketch(column, self._sketch)


def _distinct(known: pl.Series, weights: Floats | None) -> tuple[pl.Series, Counts, Floats]:
    if weights is None:
        texts, n = known.alias("text").value_counts(name="n").get_columns()
        sums = np.zeros(0)
    else:
        rows = pl.DataFrame([known.alias("text"), pl.Series("weight", weights)])
        found = rows.group_by("text").agg(pl.len().alias("n"), pl.col("weight").sum())
        texts, n, sums = found["text"], found["n"], found["weight"].to_numpy()
    return texts.cast(pl.String), n.to_numpy().astype(np.int64), sums


def _frequent(texts: Sequence[str], counts: Counts) -> list[str]:
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

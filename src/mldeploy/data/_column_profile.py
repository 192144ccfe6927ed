"""The summary of one column."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import final

import numpy as np
import numpy.typing as npt

from mldeploy._record import Record
from mldeploy.data._buckets import fitted, middles_of, readable
from mldeploy.data._column import Kind, common_kind
from mldeploy.data._sketch import TextSketch
from mldeploy.errors import EmptyDataError, InvalidDataError
from mldeploy.stats import ValueCounts, bin_counts

Counts = npt.NDArray[np.int64]

MAX_DISTINCT = 65_536
_FREQUENT_SHARE = 1 / 1_024


@final
class ColumnProfile(Record):
    """How often each value of a column occurs, exact while there are few distinct values.

    Up to `limit` distinct values the counts are exact. Above it numbers are counted in buckets
    within 0.4 % of the value or finer, times in buckets of a second to a week, and texts in a
    `TextSketch`. Profiles merge in any order and grouping to the same profile.

    Attributes
    ----------
    name : str
        Name of the column.
    kind : str
        Kind of the column, as in a schema.
    n, n_missing : int
        Number of rows, and of those without a value.
    minimum, maximum : float or None
        Smallest and largest value, exact; None for text. Times are microseconds since 1970 in
        UTC, dates days since 1970, durations and times of day microseconds, booleans 0 and 1.
    level : int
        0 if numbers are exact; else how coarse their buckets are.
    values : tuple of float
        Distinct numbers, or buckets, in increasing order.
    texts : tuple of str
        Distinct texts, in order, while they are exact.
    counts : tuple of int
        Occurrences of each of `values` or `texts`.
    frequent : tuple of str
        Texts that made up at least 1/1,024 of a part when it was read: a text that makes up as
        much of the whole is always among them.
    sketch : TextSketch or None
        The texts, once they are more than `limit`.
    limit : int
        Most distinct values to count exactly.
    """

    name: str
    kind: Kind
    n: int
    n_missing: int
    minimum: float | None = None
    maximum: float | None = None
    level: int = 0
    values: tuple[float, ...] = ()
    texts: tuple[str, ...] = ()
    counts: tuple[int, ...] = ()
    frequent: tuple[str, ...] = ()
    sketch: TextSketch | None = None
    limit: int = MAX_DISTINCT

    @property
    def is_text(self) -> bool:
        """Whether the column holds text or categories."""
        return self.kind in ("string", "category")

    @property
    def is_exact(self) -> bool:
        """Whether every count is exact."""
        return self.level == 0 and self.sketch is None

    @property
    def n_known(self) -> int:
        """Number of rows with a value."""
        return self.n - self.n_missing

    @property
    def missing_share(self) -> float:
        """Share of the rows without a value, in [0, 1]."""
        return self.n_missing / self.n if self.n else 0.0

    @property
    def n_distinct(self) -> int:
        """Number of distinct values; of buckets, or estimated, above the limit."""
        return self.sketch.n_distinct if self.sketch is not None else len(self.counts)

    @cached_property
    def table(self) -> ValueCounts:
        """Numbers with their counts: of buckets their middle, never beyond the extremes.

        Raises
        ------
        InvalidDataError
            If the column holds text.
        """
        if self.is_text:
            raise InvalidDataError(f"column {self.name!r} holds text; use levels()")
        middles = middles_of(np.array(self.values), self.kind, self.level)
        if self.level:
            middles = np.clip(middles, self.minimum, self.maximum)
        return ValueCounts(
            values=middles, counts=np.array(self.counts, np.int64), n_missing=self.n_missing
        )

    def levels(self) -> Mapping[str | None, int]:
        """Return texts with their counts, most frequent first; None counts the missing.

        Above the limit only the frequent texts are there, with estimated counts.
        """
        if not self.is_text:
            raise InvalidDataError(f"column {self.name!r} holds no text; use table")
        if self.sketch is None:
            texts, counts = self.texts, self.counts
        else:
            texts = self.frequent
            counts = tuple(self.sketch.counts_of(texts).tolist()) if texts else ()
        pairs = sorted(zip(texts, counts, strict=True), key=lambda pair: (-pair[1], pair[0]))
        missing: dict[str | None, int] = {None: self.n_missing} if self.n_missing else {}
        return {**dict(pairs), **missing}

    def top(self, k: int = 10) -> Mapping[str | float, int]:
        """Return the `k` most frequent values with their counts, most frequent first."""
        if self.is_text:
            known = [(text, n) for text, n in self.levels().items() if text is not None]
            return dict(known[:k])
        order = np.argsort(-self.table.counts, kind="stable")[:k]
        return {float(self.table.values[i]): int(self.table.counts[i]) for i in order}

    @property
    def mean(self) -> float | None:
        """Mean of the known numbers, from the table; None for text or without values."""
        if self.is_text or not self.n_known:
            return None
        return float(np.average(self.table.values, weights=self.table.counts))

    def quantile(self, q: float) -> float:
        """Return the smallest value with at least a share `q` of the known values up to it.

        Parameters
        ----------
        q : float
            Share in [0, 1].

        Raises
        ------
        EmptyDataError
            If the column has no value.
        """
        if not 0 <= q <= 1:
            raise InvalidDataError(f"{q} is no share; quantiles are asked for in [0, 1]")
        if not self.n_known:
            raise EmptyDataError(f"column {self.name!r} has no value, so no quantile")
        reached = np.cumsum(self.table.counts)
        at = int(np.searchsorted(reached, max(q * self.n_known, 1)))
        return float(self.table.values[min(at, len(reached) - 1)])

    def counts_in_bins(
        self, *, edges: Sequence[float] | None = None, levels: Sequence[str] | None = None
    ) -> Counts:
        """Count the column in bins, so that two profiles can be compared in the same.

        Parameters
        ----------
        edges : sequence of float, for numbers and times
            Increasing inner edges; bins are closed on the right.
        levels : sequence of str, for text
            Texts with a bin of their own.

        Returns
        -------
        ndarray
            Of shape (n_edges + 2,): each bin, then missing. Or of shape (n_levels + 2,): each
            level, then all others, then missing.
        """
        if edges is not None and levels is None:
            return bin_counts(self.table, edges)
        if levels is None or edges is not None:
            raise InvalidDataError("pass edges for numbers and times, or levels for text")
        if not self.is_text:
            raise InvalidDataError(f"column {self.name!r} holds no text; pass edges")
        if self.sketch is None:
            known = dict(zip(self.texts, self.counts, strict=True))
            own = [known.get(level, 0) for level in levels]
        else:
            own = self.sketch.counts_of(levels).tolist() if levels else []
        others = max(self.n_known - sum(own), 0)
        return np.array([*own, others, self.n_missing], np.int64)

    def merge(self, other: ColumnProfile) -> ColumnProfile:
        """Return the profile of both parts together.

        Raises
        ------
        InvalidDataError
            If the parts are different columns, or of kinds that have no common one.
        """
        if self.name != other.name:
            raise InvalidDataError(f"{self.name!r} and {other.name!r} are different columns")
        known = {part.kind for part in (self, other) if part.n_known}
        kind = common_kind(self.name, known) if known else min(self.kind, other.kind)
        limit = min(self.limit, other.limit)
        n, n_missing = self.n + other.n, self.n_missing + other.n_missing
        if kind in ("string", "category"):
            return _merged_texts(self, other, kind, n, n_missing, limit)
        return _merged_numbers(self, other, kind, n, n_missing, limit)

    def readable(self, value: float) -> str:
        """Write a number of this column's unit for people."""
        return readable(value, self.kind)


def number_profile(
    name: str, kind: Kind, n: int, numbers: ValueCounts, limit: int
) -> ColumnProfile:
    """Build the profile of a column from the counts of its distinct numbers."""
    values, counts, level = fitted(numbers.values, numbers.counts, kind, 0, limit)
    some = numbers.values.size > 0
    return ColumnProfile(
        name=name, kind=kind, n=n, n_missing=n - numbers.n,
        minimum=float(numbers.values[0]) if some else None,
        maximum=float(numbers.values[-1]) if some else None,
        level=level, values=tuple(values.tolist()), counts=tuple(counts.tolist()), limit=limit,
    )  # fmt: skip


def text_profile(
    name: str, kind: Kind, n: int, texts: list[str], counts: Counts, limit: int
) -> ColumnProfile:
    """Build the profile of a column from the counts of its distinct texts, in order."""
    known = int(counts.sum())
    often = np.flatnonzero(counts >= known * _FREQUENT_SHARE)
    exact = len(texts) <= limit
    return ColumnProfile(
        name=name, kind=kind, n=n, n_missing=n - known,
        texts=tuple(texts) if exact else (), counts=tuple(counts.tolist()) if exact else (),
        frequent=tuple(texts[i] for i in often),
        sketch=None if exact else TextSketch.of(texts, counts), limit=limit,
    )  # fmt: skip


def _merged_numbers(
    one: ColumnProfile, other: ColumnProfile, kind: Kind, n: int, n_missing: int, limit: int
) -> ColumnProfile:
    values, counts, level = fitted(
        np.array([*one.values, *other.values], np.float64),
        np.array([*one.counts, *other.counts], np.int64),
        kind, max(one.level, other.level), limit,
    )  # fmt: skip
    lows = [p.minimum for p in (one, other) if p.minimum is not None]
    highs = [p.maximum for p in (one, other) if p.maximum is not None]
    return ColumnProfile(
        name=one.name, kind=kind, n=n, n_missing=n_missing,
        minimum=min(lows, default=None), maximum=max(highs, default=None),
        level=level, values=tuple(values.tolist()), counts=tuple(counts.tolist()), limit=limit,
    )  # fmt: skip


def _merged_texts(
    one: ColumnProfile, other: ColumnProfile, kind: Kind, n: int, n_missing: int, limit: int
) -> ColumnProfile:
    frequent = tuple(sorted({*one.frequent, *other.frequent}))
    merged = ColumnProfile(
        name=one.name, kind=kind, n=n, n_missing=n_missing, frequent=frequent, limit=limit
    )
    if one.sketch is None and other.sketch is None:
        pooled = dict(zip(one.texts, one.counts, strict=True))
        for text, count in zip(other.texts, other.counts, strict=True):
            pooled[text] = pooled.get(text, 0) + count
        texts = tuple(sorted(pooled))
        counts = tuple(pooled[text] for text in texts)
        if len(texts) <= limit:
            return merged.model_copy(update={"texts": texts, "counts": counts})
        sketch = TextSketch.of(texts, np.array(counts, np.int64))
    else:
        sketch = _sketch(one) + _sketch(other)
    return merged.model_copy(update={"sketch": sketch})


def _sketch(part: ColumnProfile) -> TextSketch:
    if part.sketch is not None:
        return part.sketch
    return TextSketch.of(part.texts, np.array(part.counts, np.int64))

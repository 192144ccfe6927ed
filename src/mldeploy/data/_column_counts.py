"""What was counted of a column and of a table, and how counts of parts are put together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import reduce
from operator import add
from typing import Final, final

import numpy as np
import numpy.typing as npt

from mldeploy.data._buckets import Tally
from mldeploy.data._column import Kind, common_kind
from mldeploy.data._hashing import hashes_of_numbers
from mldeploy.data._sketch import DistinctSketch, TextSketch
from mldeploy.errors import InvalidDataError, SchemaMismatchError

MAX_DISTINCT: Final = 65_536
"""Most distinct values of a column that are counted exactly."""

_BYTES_A_TEXT: Final = 256
_WAITING: Final = 4
_MOST_FREQUENT: Final = 8_192


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class ColumnCounts:
    """What a `ColumnProfile` holds, before anybody asks it questions."""

    name: str
    kind: Kind
    n: int
    n_missing: int
    limit: int
    minimum: float | None = None
    maximum: float | None = None
    level: int = 0
    values: npt.NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    texts: tuple[str, ...] = ()
    counts: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    frequent: tuple[str, ...] = ()
    sketch: TextSketch | None = None
    distinct: DistinctSketch | None = None
    weights: npt.NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    missing_weight: float | None = None

    @property
    def n_known(self) -> int:
        """Number of rows with a value."""
        return self.n - self.n_missing


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class TableCounts:
    """The counts of all columns of a table, in order of names."""

    n_rows: int
    columns: tuple[ColumnCounts, ...]


def merged_tables(parts: Sequence[TableCounts]) -> TableCounts:
    """Return the counts of all parts together.

    Raises
    ------
    SchemaMismatchError
        If a part lacks a column of another.
    """
    by_name = [{column.name: column for column in part.columns} for part in parts]
    names = sorted(by_name[0])
    for columns in by_name:
        if different := sorted(set(names) ^ set(columns)):
            raise SchemaMismatchError(missing=different)
    return TableCounts(
        n_rows=sum(part.n_rows for part in parts),
        columns=tuple(merged_columns([part[name] for part in by_name]) for name in names),
    )


def listable(n_texts: int, n_bytes: int, limit: int) -> bool:
    """Whether so many distinct texts, of so many bytes together, are listed one by one."""
    return n_texts <= limit and n_bytes <= limit * _BYTES_A_TEXT


def size_of(texts: Sequence[str]) -> int:
    """Return how many bytes of UTF-8 texts have together."""
    return sum(map(len, map(str.encode, texts)))


def merged_columns(parts: Sequence[ColumnCounts]) -> ColumnCounts:
    """Return the profile of one column in all parts together.

    Raises
    ------
    InvalidDataError
        If the parts are different columns, or of kinds that have no common one.
    """
    first = parts[0]
    if other := next((part.name for part in parts if part.name != first.name), None):
        raise InvalidDataError(f"{first.name!r} and {other!r} are different columns")
    missing_weight = _missing_weight(parts)
    known = {part.kind for part in parts if part.n_known}
    kind = common_kind(first.name, known) if known else min(part.kind for part in parts)
    if kind in ("string", "category"):
        return replace(_merged_texts(parts, kind), missing_weight=missing_weight)
    return replace(_merged_numbers(parts, kind), missing_weight=missing_weight)


def _merged_numbers(parts: Sequence[ColumnCounts], kind: Kind) -> ColumnCounts:
    limit = min(part.limit for part in parts)
    tally, level = _pooled(parts, kind, limit)
    lows = [part.minimum for part in parts if part.minimum is not None]
    highs = [part.maximum for part in parts if part.maximum is not None]
    return ColumnCounts(
        name=parts[0].name, kind=kind, n=sum(part.n for part in parts),
        n_missing=sum(part.n_missing for part in parts),
        minimum=min(lows, default=None), maximum=max(highs, default=None),
        level=level, values=tally.keys, counts=tally.counts, limit=limit,
        distinct=_sample(parts, level),
        weights=tally.weights,
    )  # fmt: skip


def _pooled(parts: Sequence[ColumnCounts], kind: Kind, limit: int) -> tuple[Tally, int]:
    """Pool a few parts at a time: what has become buckets is short."""
    level = max(part.level for part in parts)
    waiting: list[Tally] = []
    for part in parts:
        waiting.append(Tally(part.values, part.counts, part.weights))
        if sum(tally.keys.size for tally in waiting) > _WAITING * limit:
            tally, level = Tally.joined(waiting).fitted(kind, level, limit)
            waiting = [tally]
    return Tally.joined(waiting).fitted(kind, level, limit)


def _missing_weight(parts: Sequence[ColumnCounts]) -> float | None:
    """Return the weight of the rows without a value; None if rows have no weights."""
    weights = [part.missing_weight for part in parts if part.missing_weight is not None]
    if weights and len(weights) < len(parts):
        raise InvalidDataError(
            f"rows have weights in one profile of {parts[0].name!r} and none in another; make "
            "both with weight=, or neither"
        )
    return sum(weights) if weights else None


def _sample(parts: Sequence[ColumnCounts], level: int) -> DistinctSketch | None:
    """Return the sample of distinct numbers; None if all are listed, or a part is too old."""
    if not level and all(part.distinct is None for part in parts):
        return None
    if any(part.level and part.distinct is None for part in parts):
        return None
    return reduce(add, [part.distinct or sample_of(part.values, part.counts) for part in parts])


def sample_of(values: npt.NDArray[np.float64], counts: npt.NDArray[np.int64]) -> DistinctSketch:
    """Return the sample of distinct numbers with their counts."""
    return DistinctSketch.of(hashes_of_numbers(values), counts)


def _merged_texts(parts: Sequence[ColumnCounts], kind: Kind) -> ColumnCounts:
    limit = min(part.limit for part in parts)
    merged = ColumnCounts(
        name=parts[0].name, kind=kind, n=sum(part.n for part in parts),
        n_missing=sum(part.n_missing for part in parts),
        frequent=tuple(sorted({text for part in parts for text in part.frequent})), limit=limit,
    )  # fmt: skip
    listed, n_bytes, sketches = ListedTexts(), 0, []
    for part in parts:
        if part.sketch is not None:
            sketches.append(part.sketch)
            continue
        n_bytes += size_of(listed.add(part.texts, part.counts.tolist(), part.weights.tolist()))
        if sketches or not listable(len(listed), n_bytes, limit):
            sketches.append(TextSketch.of(*listed.in_order()))
            listed, n_bytes = ListedTexts(), 0
    texts, counts, weights = listed.in_order()
    if not sketches:
        return replace(merged, texts=texts, counts=counts, weights=weights)
    if texts:
        sketches.append(TextSketch.of(texts, counts, weights))
    return with_sketch(merged, reduce(add, sketches))


@final
class ListedTexts:
    """Texts with their counts, and weights if rows have any."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}
        self._weights: dict[str, float] = {}

    def __len__(self) -> int:
        return len(self._counts)

    def add(
        self, texts: Sequence[str], counts: Sequence[int], weights: Sequence[float]
    ) -> list[str]:
        """Add counts of distinct texts, and return the texts that are new."""
        listed, new = self._counts, []
        for text, count in zip(texts, counts, strict=True):
            if text in listed:
                listed[text] += count
            else:
                listed[text] = count
                new.append(text)
        for text, weight in zip(texts, weights, strict=False):
            self._weights[text] = self._weights.get(text, 0.0) + weight
        return new

    def in_order(
        self,
    ) -> tuple[tuple[str, ...], npt.NDArray[np.int64], npt.NDArray[np.float64]]:
        """Return texts, counts and weights, in the order of the texts."""
        texts = tuple(sorted(self._counts))
        counts = np.array([self._counts[text] for text in texts], np.int64)
        weights = [self._weights[text] for text in texts] if self._weights else []
        return texts, counts, np.array(weights, np.float64)


def with_sketch(column: ColumnCounts, sketch: TextSketch) -> ColumnCounts:
    """Return the counts of texts that are sketched.

    Of more than 8,192 frequent texts, those stay that may make up 1/1,024 of all: whoever makes
    up as much of more than these does so of what is merged with them.
    """
    kept = column.frequent
    if len(kept) > _MOST_FREQUENT:
        often = sketch.counts_of(kept) * 1_024 >= column.n_known
        kept = tuple(text for text, stays in zip(kept, often.tolist(), strict=True) if stays)
    return replace(column, sketch=sketch, frequent=kept)

"""The summary of one column."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Self, final

import numpy as np
import numpy.typing as npt
import pydantic

from mldeploy.data._buckets import middles_of, readable
from mldeploy.data._column import Kind
from mldeploy.data._column_counts import MAX_DISTINCT, ColumnCounts, merged_columns
from mldeploy.data._column_statistics import entropy_of, mean_of, occurrences_of, std_of
from mldeploy.data._profile_arrays import ArrayRecord, Counts, Values, Weights
from mldeploy.data._sketch import DistinctSketch, TextSketch
from mldeploy.data._weighted_column import WeightedColumn
from mldeploy.errors import EmptyDataError, InvalidDataError
from mldeploy.stats import ValueCounts, bin_counts

__all__ = ["MAX_DISTINCT", "ColumnProfile"]


@final
class ColumnProfile(ArrayRecord):
    """How often each value of a column occurs, exact while there are few distinct values.

    Up to `limit` distinct values the counts are exact. Above it numbers are counted in as many
    buckets, the finest that this allows and within 0.4 % of the value at worst; times in
    buckets of a millisecond to a week; and texts in a `TextSketch`, as they are too when they
    have more than 256 bytes for each that the limit allows. Profiles merge in any order and
    grouping to the same profile.

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
        0 if numbers are exact; else how coarse their buckets are: the binary digits, of 52,
        that numbers lack, or how many steps times are coarser than a microsecond.
    values : ndarray of float64
        Distinct numbers, or buckets, in increasing order; all as doubles.
    texts : tuple of str
        Distinct texts, in order, while they are exact.
    counts : ndarray of int64
        Occurrences of each of `values` or `texts`.
    frequent : tuple of str
        Texts of at most 1,024 bytes that made up at least 1/1,024 of a part when it was read: a
        text that makes up as much of the whole is always among them.
    sketch : TextSketch or None
        The texts, once they are more than `limit`.
    distinct : DistinctSketch or None
        A sample of the distinct numbers, once they are more than `limit`, or whole and so large
        that no double tells them apart.
    weights : ndarray of float64
        Weight of the rows with each of `values` or `texts`; empty if rows have no weights.
        Sums of weights are those of floats: their last digits depend on the order.
    missing_weight : float or None
        Weight of the rows without a value; None if rows have no weights.
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
    values: Values = pydantic.Field(default_factory=lambda: np.zeros(0))
    texts: tuple[str, ...] = ()
    counts: Counts = pydantic.Field(default_factory=lambda: np.zeros(0, np.int64))
    frequent: tuple[str, ...] = ()
    sketch: TextSketch | None = None
    distinct: DistinctSketch | None = None
    weights: Weights = pydantic.Field(default_factory=lambda: np.zeros(0))
    missing_weight: float | None = None
    limit: int = MAX_DISTINCT

    @pydantic.model_validator(mode="after")
    def _refuse_contradictions(self) -> Self:
        values = len(self.texts if self.is_text else self.values)
        said = f"column {self.name!r} has {values} values, {self.counts.size} counts, "
        said += f"{self.weights.size} weights"
        if values != self.counts.size or self.weights.size not in (0, values):
            raise InvalidDataError(f"{said}: they do not go together")
        if self.sketch is None and (self.counts.sum() != self.n_known or (self.counts < 1).any()):
            raise InvalidDataError(f"{said}: together not {self.n_known} known rows")
        return self

    @property
    def is_text(self) -> bool:
        """Whether the column holds text or categories."""
        return self.kind in ("string", "category")

    @property
    def is_exact(self) -> bool:
        """Whether every count is exact."""
        return self.level == 0 and self.sketch is None and self.distinct is None

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
        """Number of distinct values; above the limit with a standard error of 3.1 %."""
        sketch = self.sketch or self.distinct
        return len(self.counts) if sketch is None else sketch.n_distinct

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
        middles = middles_of(self.values, self.kind, self.level)
        if self.level and middles.size:
            middles = np.clip(middles, self.minimum, self.maximum)
        return ValueCounts(values=middles, counts=self.counts, n_missing=self.n_missing)

    def levels(self) -> Mapping[str | None, int]:
        """Return texts with their counts, most frequent first; None counts the missing.

        Above the limit only the frequent texts are there, with estimated counts.
        """
        if not self.is_text:
            raise InvalidDataError(f"column {self.name!r} holds no text; use table")
        missing: dict[str | None, int] = {None: self.n_missing} if self.n_missing else {}
        return {**dict(self._most_frequent(None).items()), **missing}

    def top(self, k: int = 10) -> Mapping[str | float, int]:
        """Return the `k` most frequent values with their counts, most frequent first."""
        if self.is_text:
            return {text: n for text, n in self._most_frequent(k).items()}  # noqa: C416 - types
        order = np.argsort(-self.counts, kind="stable")[:k]
        return {float(self.table.values[i]): int(self.counts[i]) for i in order}

    def _most_frequent(self, k: int | None) -> dict[str, int]:
        """Return texts, which are in order, by their counts; of as many the first ones first."""
        texts, counts = self.texts, self.counts
        if self.sketch is not None:
            texts = self.frequent
            counts = self.sketch.counts_of(texts)
        order = np.argsort(-counts, kind="stable")[:k]
        return {texts[i]: n for i, n in zip(order.tolist(), counts[order].tolist(), strict=True)}

    @property
    def n_infinite(self) -> int:
        """Number of infinite values; mean and standard deviation leave them out."""
        return int(self.counts[np.isinf(self.values)].sum()) if self.values.size else 0

    @property
    def mean(self) -> float | None:
        """Mean of the known finite numbers, from the table; None for text or without any."""
        values, counts = self._finite()
        return mean_of(values, counts) if counts.size else None

    @property
    def std(self) -> float | None:
        """Standard deviation of the known finite numbers, with n - 1; None below two."""
        values, counts = self._finite()
        return std_of(values, counts) if counts.sum() > 1 else None

    @property
    def entropy(self) -> float | None:
        """Shannon entropy of the known values in nats; None above the limit or without any."""
        if not self.is_exact or not self.n_known:
            return None
        return entropy_of(self.counts)

    @property
    def weighted(self) -> WeightedColumn:
        """The column by the weights of its rows.

        Raises
        ------
        InvalidDataError
            If the profile was made without weights.
        """
        if self.missing_weight is None:
            raise InvalidDataError(
                f"rows of {self.name!r} have no weights; pass weight= to Profile.of"
            )
        texts, weights, known = self.texts, self.weights, float(self.weights.sum())
        if self.sketch is not None:
            texts, known = self.frequent, self.sketch.weight
            weights = self.sketch.weights_of(texts)
        values = None if self.is_text else self.table.values
        return WeightedColumn(
            weights=weights, known=known, missing=self.missing_weight, texts=texts, values=values
        )

    def rows_per_value(self) -> ValueCounts:
        """Return how many values occur once, how many twice, and so on.

        Of a column of units this is how many rows a unit has. Above the limit it is that of a
        sample of 1,024 values, each as likely to be in it as any other, scaled to all.

        Raises
        ------
        InvalidDataError
            If a profile of version 1 has no such sample.

        Examples
        --------
        >>> import polars as pl
        >>> from mldeploy.data import Profile
        >>> frame = pl.DataFrame({"plane": ["a", "a", "a", "b", "c"]})
        >>> rows = Profile.of(frame)["plane"].rows_per_value()
        >>> dict(zip(rows.values.tolist(), rows.counts.tolist()))
        {1.0: 2, 3.0: 1}
        """
        sample = self.sketch.distinct if self.sketch is not None else self.distinct
        if (self.level and sample is None) or (
            sample is not None and not sample.occurrences.all()
        ):
            raise InvalidDataError(f"the profile of {self.name!r} is too old to tell")
        return occurrences_of(self.counts, sample)

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
        reached = np.cumsum(self.counts)
        at = int(np.searchsorted(reached, max(q * self.n_known, 1)))
        return float(self.table.values[min(at, len(reached) - 1)])

    def counts_in_bins(
        self, *, edges: Sequence[float] | None = None, levels: Sequence[str] | None = None
    ) -> npt.NDArray[np.int64]:
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
            known = dict(zip(self.texts, self.counts.tolist(), strict=True))
            own = [known.get(level, 0) for level in levels]
        else:
            own = self.sketch.counts_of(levels).tolist()
        others = max(self.n_known - sum(own), 0)
        return np.array([*own, others, self.n_missing], np.int64)

    def merge(self, other: ColumnProfile) -> ColumnProfile:
        """Return the profile of both parts together.

        Raises
        ------
        InvalidDataError
            If the parts are different columns, or of kinds that have no common one.
        """
        return ColumnProfile.of_counts(merged_columns([self.as_counts(), other.as_counts()]))

    @classmethod
    def of_counts(cls, counts: ColumnCounts) -> ColumnProfile:
        """Return the profile that holds these counts."""
        return cls(**vars(counts))

    def as_counts(self) -> ColumnCounts:
        """Return what was counted."""
        return ColumnCounts(**{name: getattr(self, name) for name in ColumnProfile.model_fields})

    def readable(self, value: float) -> str:
        """Write a number of this column's unit for people."""
        return readable(value, self.kind)

    def _finite(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
        if self.is_text or not self.n_known:
            return np.zeros(0), np.zeros(0, np.int64)
        finite = np.isfinite(self.table.values)
        return self.table.values[finite], self.counts[finite]

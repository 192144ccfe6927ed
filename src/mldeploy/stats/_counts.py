"""Count tables over shared bins: the form in which two samples are compared."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias, final

import numpy as np
import numpy.typing as npt

from mldeploy.errors import EmptyDataError, InvalidDataError

Counts: TypeAlias = npt.NDArray[np.int64]
Floats: TypeAlias = npt.NDArray[np.float64]


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class ValueCounts:
    """How often each finite number occurs, and how many values are missing.

    Attributes
    ----------
    values : ndarray of shape (n_distinct,)
        Distinct numbers, increasing, without NaN; infinities are allowed.
    counts : ndarray of shape (n_distinct,)
        Occurrences of each, at least 1.
    n_missing : int
        Number of missing values.
    """

    values: Floats
    counts: Counts
    n_missing: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "values", np.asarray(self.values, dtype=np.float64))
        object.__setattr__(self, "counts", as_counts(self.counts, name="counts"))
        if self.values.shape != self.counts.shape:
            raise InvalidDataError(
                f"{self.values.shape} values have {self.counts.shape} counts; give one count each"
            )
        if np.isnan(self.values).any() or (self.values[1:] <= self.values[:-1]).any():
            raise InvalidDataError("values must increase and hold no NaN; count NaN as n_missing")

    @classmethod
    def of(cls, values: npt.ArrayLike) -> ValueCounts:
        """Count an array of numbers; NaN is missing.

        Parameters
        ----------
        values : array_like of shape (n,)
            Numbers; booleans count as 0 and 1.

        Returns
        -------
        ValueCounts
            The table.

        Examples
        --------
        >>> table = ValueCounts.of([2.0, 1.0, 2.0, float("nan")])
        >>> table.values.tolist(), table.counts.tolist(), table.n_missing
        ([1.0, 2.0], [1, 2], 1)
        """
        flat = np.asarray(values, dtype=np.float64).ravel()
        known = flat[~np.isnan(flat)]
        distinct, counts = np.unique(known, return_counts=True)
        return cls(values=distinct, counts=counts, n_missing=flat.size - known.size)

    @property
    def n(self) -> int:
        """Number of values that are not missing."""
        return int(self.counts.sum())

    def __add__(self, other: ValueCounts) -> ValueCounts:
        """Pool two tables: the table of both samples together."""
        both = np.concatenate([self.values, other.values])
        distinct, where = np.unique(both, return_inverse=True)
        counts = np.zeros(distinct.size, dtype=np.int64)
        np.add.at(counts, where, np.concatenate([self.counts, other.counts]))
        return ValueCounts(
            values=distinct, counts=counts, n_missing=self.n_missing + other.n_missing
        )


def as_counts(counts: npt.ArrayLike, *, name: str) -> Counts:
    """Return `counts` as int64; refuse what is negative, fractional or not one-dimensional."""
    raw = np.asarray(counts)
    if raw.ndim != 1:
        raise InvalidDataError(f"{name} has shape {raw.shape}; give one count for each bin")
    whole = raw.astype(np.int64)
    if not np.array_equal(whole, raw) or (whole < 0).any():
        raise InvalidDataError(f"{name} holds a negative or fractional count; give whole numbers")
    return whole


def quantile_edges(table: ValueCounts, *, n_bins: int = 10) -> Floats:
    r"""Cut a value-count table at its quantiles.

    Parameters
    ----------
    table : ValueCounts
        Usually the reference's.
    n_bins : int, default=10
        Bins wanted, at least 1; ties and heavy values leave fewer.

    Returns
    -------
    ndarray of shape (n_edges,)
        Increasing inner edges, at most ``n_bins - 1``. Bins are closed on the right:
        :math:`(-\infty, e_1], (e_1, e_2], \dots, (e_k, \infty)`.

    Raises
    ------
    EmptyDataError
        If every value is missing.
    ValueError
        If `n_bins` is below 1.

    Notes
    -----
    The k-th edge is the smallest value with at least k/n_bins of the values at or below it.
    It depends on shares only: the same values twice over give the same edges, whatever the
    remainder of n by n_bins. Edges that would leave a bin with less than half its due share
    are dropped, since a bin with few values expected has no usable distribution.

    Examples
    --------
    >>> quantile_edges(ValueCounts.of(range(1, 101)), n_bins=4).tolist()
    [25.0, 50.0, 75.0]
    >>> quantile_edges(ValueCounts.of([0] * 90 + list(range(1, 11))), n_bins=5).tolist()
    [0.0]
    """
    if n_bins < 1:
        raise ValueError(f"n_bins is {n_bins}; ask for at least one bin")
    if table.n == 0:
        raise EmptyDataError("a table without values has no quantiles; give a fuller reference")
    reached = np.cumsum(table.counts)
    due = np.arange(1, n_bins) * table.n
    at = np.unique(np.searchsorted(reached * n_bins, due))
    kept: list[int] = []
    below = 0
    for index in at:
        mass, rest = reached[index] - below, table.n - reached[index]
        if min(mass, rest) * 2 * n_bins >= table.n:
            kept.append(int(index))
            below = reached[index]
    edges: Floats = table.values[kept]
    return edges


def bin_counts(table: ValueCounts, edges: npt.ArrayLike) -> Counts:
    """Count a table's values between `edges`; missing values are the last bin.

    Parameters
    ----------
    table : ValueCounts
        Values to count.
    edges : array_like of shape (n_edges,)
        Increasing inner edges; bins are closed on the right.

    Returns
    -------
    ndarray of shape (n_edges + 2,)
        Counts of the ``n_edges + 1`` bins, then of the missing values.

    Examples
    --------
    >>> bin_counts(ValueCounts.of([1, 2, 3, 4, float("nan")]), [2.0]).tolist()
    [2, 2, 1]
    """
    cuts = np.asarray(edges, dtype=np.float64)
    counts = np.zeros(cuts.size + 2, dtype=np.int64)
    np.add.at(counts, np.searchsorted(cuts, table.values, side="left"), table.counts)
    counts[-1] = table.n_missing
    return counts


def kept_levels(
    counts: Mapping[Hashable, int], *, min_share: float = 0.01, max_levels: int = 30
) -> tuple[Hashable, ...]:
    """Choose the levels of a category that are frequent enough to be bins of their own.

    Parameters
    ----------
    counts : mapping of level to int
        Usually the reference's; the level None stands for missing and is never chosen.
    min_share : float, default=0.01
        Smallest share of the known values, in [0, 1].
    max_levels : int, default=30
        Most levels to keep; the most frequent win, then the alphabetically first.

    Returns
    -------
    tuple of level
        Most frequent first.

    Examples
    --------
    >>> kept_levels({"a": 60, "b": 39, "c": 1, None: 50}, min_share=0.02)
    ('a', 'b')
    """
    known = {level: n for level, n in counts.items() if level is not None}
    total = sum(known.values())
    frequent = [level for level, n in known.items() if n > 0 and n >= min_share * total]
    frequent.sort(key=lambda level: (-known[level], str(level)))
    return tuple(frequent[:max_levels])


def level_counts(counts: Mapping[Hashable, int], levels: Sequence[Hashable]) -> Counts:
    """Count the given levels, then all other levels, then missing values.

    Parameters
    ----------
    counts : mapping of level to int
        The level None stands for missing.
    levels : sequence of level
        Levels with a bin of their own.

    Returns
    -------
    ndarray of shape (n_levels + 2,)
        Counts; the last two are *other* and *missing*.

    Examples
    --------
    >>> level_counts({"a": 5, "z": 2, None: 1}, ["a", "b"]).tolist()
    [5, 0, 2, 1]
    """
    own = [counts.get(level, 0) for level in levels]
    missing = counts.get(None, 0)
    return np.array([*own, sum(counts.values()) - sum(own) - missing, missing], dtype=np.int64)

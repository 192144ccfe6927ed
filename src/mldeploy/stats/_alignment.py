"""Count two samples over the same bins."""

from __future__ import annotations

import itertools
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import final

import numpy as np

from mldeploy.stats._counts import (
    Counts,
    ValueCounts,
    bin_counts,
    kept_levels,
    level_counts,
    quantile_edges,
)

MISSING = "missing"
"""Label of the bin that holds missing values."""
OTHER = "other"
"""Label of the bin that holds rare and unseen levels."""


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class AlignedCounts:
    """Counts of a reference and a current sample over the same bins.

    Attributes
    ----------
    labels : tuple of str
        One label a bin, in the order of the bins.
    reference, current : ndarray of shape (n_bins,)
        Counts. A bin that is empty in both samples is left out.
    """

    labels: tuple[str, ...]
    reference: Counts
    current: Counts


def align_numbers(
    reference: ValueCounts, current: ValueCounts, *, n_bins: int = 10
) -> AlignedCounts:
    """Count two samples of numbers over bins at the reference's quantiles.

    Parameters
    ----------
    reference, current : ValueCounts
        The sample judged by, and the one judged.
    n_bins : int, default=10
        Bins wanted; see `quantile_edges`. Missing values are one bin more.

    Returns
    -------
    AlignedCounts
        Bins that are empty in both samples are left out.

    Examples
    --------
    >>> both = align_numbers(ValueCounts.of(range(8)), ValueCounts.of([0, 7, 9]), n_bins=2)
    >>> both.labels, both.reference.tolist(), both.current.tolist()
    (('<= 3', '> 3'), [4, 4], [1, 2])
    """
    edges = quantile_edges(reference, n_bins=n_bins) if reference.n else np.empty(0)
    names = [f"{edge:g}" for edge in edges]
    if names:
        inner = [f"({low}, {high}]" for low, high in itertools.pairwise(names)]
        labels = [f"<= {names[0]}", *inner, f"> {names[-1]}", MISSING]
    else:
        labels = ["any", MISSING]
    return _without_empty(labels, bin_counts(reference, edges), bin_counts(current, edges))


def align_categories(
    reference: Mapping[Hashable, int],
    current: Mapping[Hashable, int],
    *,
    min_share: float = 0.01,
    max_levels: int = 30,
) -> AlignedCounts:
    """Count two samples of a category over the reference's frequent levels.

    Parameters
    ----------
    reference, current : mapping of level to int
        The sample judged by, and the one judged; the level None stands for missing.
    min_share, max_levels : float, int
        Which levels are bins of their own; see `kept_levels`. Rare and new levels share the bin
        *other*: distances grow with the number of levels over n, and thousands of rare levels
        look like drift when nothing changed.

    Returns
    -------
    AlignedCounts
        Bins that are empty in both samples are left out.

    Examples
    --------
    >>> both = align_categories({"a": 99, "b": 1}, {"a": 8, "new": 2}, min_share=0.05)
    >>> both.labels, both.reference.tolist(), both.current.tolist()
    (('a', 'other'), [99, 1], [8, 2])
    """
    levels = kept_levels(reference, min_share=min_share, max_levels=max_levels)
    labels = [*(str(level) for level in levels), OTHER, MISSING]
    return _without_empty(labels, level_counts(reference, levels), level_counts(current, levels))


def _without_empty(labels: Iterable[str], reference: Counts, current: Counts) -> AlignedCounts:
    filled = (reference + current) > 0
    return AlignedCounts(
        labels=tuple(label for label, keep in zip(labels, filled, strict=True) if keep),
        reference=reference[filled],
        current=current[filled],
    )

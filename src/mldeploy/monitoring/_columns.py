"""Columns of a window beside the same columns of its reference."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import final

import numpy as np
import numpy.typing as npt

from mldeploy.data import ColumnBins, ColumnProfile, comparable
from mldeploy.evidence import Finding, Severity, Verdict
from mldeploy.monitoring._window import Reference, Window

Counts = npt.NDArray[np.int64]


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Comparison:
    """Counts of a column over the same bins: the reference's, the window's, the past's."""

    column: str
    reference: Counts
    current: Counts
    history: tuple[Counts, ...]

    @property
    def pooled(self) -> Counts:
        """The counts of all past windows together."""
        pooled: Counts = np.sum(self.history, axis=0, dtype=np.int64)
        return pooled


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Pair:
    """Profiles of a column: the reference's, the window's, and those of past windows."""

    reference: ColumnProfile
    current: ColumnProfile
    history: tuple[ColumnProfile, ...]


def pairs(window: Window, reference: Reference) -> Iterator[Pair]:
    """Yield the columns that can be compared, with the past windows that are not empty."""
    for current in window.profile.columns:
        if current.name not in reference.profile:
            continue
        before = reference.profile[current.name]
        if not comparable(before, current) or not before.n or not current.n:
            continue
        history = tuple(
            past[current.name]
            for past in reference.history
            if past.n_rows and current.name in past and comparable(before, past[current.name])
        )
        yield Pair(reference=before, current=current, history=history)


def comparisons(window: Window, reference: Reference, *, n_bins: int) -> list[Comparison]:
    """Count the columns that can be compared over bins cut on the reference."""
    return [_compared(pair, n_bins) for pair in pairs(window, reference)]


def _compared(pair: Pair, n_bins: int) -> Comparison:
    bins = ColumnBins.of(pair.reference, n_bins=n_bins)
    return Comparison(
        column=pair.current.name,
        reference=bins.counts(pair.reference),
        current=bins.counts(pair.current),
        history=tuple(map(bins.counts, pair.history)),
    )


def few_rows(check: str, name: str, n: int, wanted: int) -> Finding:
    """Say that a window has too few rows to be judged."""
    return Finding(
        check=check,
        name=name,
        verdict=Verdict.INSUFFICIENT,
        severity=Severity.INFO,
        summary=f"{n} answers are too few to judge.",
        action="Look at a longer window.",
        n=n,
        rows_needed=max(wanted - n, 0),
    )

"""How one column of a table differs from the same column of another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
import numpy.typing as npt

from mldeploy._record import Record
from mldeploy.data._bins import ColumnBins
from mldeploy.data._column_profile import ColumnProfile
from mldeploy.data._column_rules import COLUMN_RULES
from mldeploy.data._named_change import Change, broken_rule, named_change
from mldeploy.stats import (
    DriftTest,
    RuleOutcome,
    ValueCounts,
    holm,
    jensen_shannon,
    ks_statistic,
    psi_test,
    total_variation,
    wasserstein_1d,
)

Counts = npt.NDArray[np.int64]


@final
class ColumnDrift(Record):
    """How one column of a current table differs from the reference's.

    Attributes
    ----------
    column, kind : str
        The column, and its kind in the reference.
    changes : tuple of Change
        What changed beyond chance and by enough to matter; empty if nothing did.
    moved_share : float
        Share of rows in another bin (total variation), in [0, 1].
    implied : float or None
        By how much the target would change if only this column's shares had: the largest share
        of rows of another class, or, for a number, in its standard deviations. None where no
        target is known.
    psi, jensen_shannon : float
        Population stability index in nats, and distance in [0, 1], over the bins.
    ks : float or None
        Kolmogorov-Smirnov statistic of numbers and times, over all values the profiles tell
        apart.
    wasserstein : float or None
        Mean distance a number was moved, in standard deviations of the reference; None without
        spread, or with infinite values.
    p_value : float
        Of H0 "PSI at most epsilon", corrected for all columns and rules of the report.
    n_reference, n_current : int
        Rows compared.
    missing_reference, missing_current : float
        Shares of missing values.
    labels : tuple of str
        What each bin holds.
    reference, current : tuple of float
        Shares of the rows in each bin.
    """

    column: str
    kind: str
    changes: tuple[Change, ...]
    moved_share: float
    implied: float | None
    psi: float
    jensen_shannon: float
    ks: float | None
    wasserstein: float | None
    p_value: float
    n_reference: int
    n_current: int
    missing_reference: float
    missing_current: float
    labels: tuple[str, ...]
    reference: tuple[float, ...]
    current: tuple[float, ...]

    @property
    def drifted(self) -> bool:
        """Whether the column changed beyond chance and by enough to matter."""
        return bool(self.changes)

    @property
    def summary(self) -> str:
        """All changes in words."""
        return " ".join(change.summary for change in self.changes) or "Distributed as before."


@dataclass(frozen=True, kw_only=True, eq=False)
class ComparedColumn:
    """A column in both tables, counted over the same bins."""

    reference: ColumnProfile
    current: ColumnProfile
    bins: ColumnBins
    counts: tuple[Counts, Counts]
    test: DriftTest
    rules: dict[str, RuleOutcome]

    @classmethod
    def of(
        cls, reference: ColumnProfile, current: ColumnProfile, *, n_bins: int, epsilon: float
    ) -> ComparedColumn:
        """Count both over bins cut on the reference, test, and ask the rules."""
        bins = ColumnBins.of(reference, n_bins=n_bins)
        counts = (bins.counts(reference), bins.counts(current))
        outcomes = {name: rule(reference, current) for name, rule in COLUMN_RULES.items()}
        return cls(
            reference=reference,
            current=current,
            bins=bins,
            counts=counts,
            test=psi_test(*counts, epsilon=epsilon),
            rules={name: found for name, found in outcomes.items() if found is not None},
        )

    @property
    def shares(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Shares of both tables in each bin."""
        return self.counts[0] / self.counts[0].sum(), self.counts[1] / self.counts[1].sum()


def judged(
    columns: Sequence[ComparedColumn],
    *,
    alpha: float,
    floor: float,
    implied: dict[str, float],
) -> list[ColumnDrift]:
    """Judge all columns together: one correction over every test of every column."""
    p_values = [
        p for c in columns for p in (c.test.p_value, *(r.p_value for r in c.rules.values()))
    ]
    adjusted = iter(holm(p_values).tolist())
    found = []
    for column in columns:
        p_drift = next(adjusted)
        broken = [
            broken_rule(name, outcome, column.reference, column.current)
            for name, outcome in column.rules.items()
            if next(adjusted) <= alpha and outcome.exceeds
        ]
        found.append(_drift(column, p_drift, broken, alpha, floor, implied))
    return found


def _drift(
    column: ComparedColumn,
    p_value: float,
    broken: list[Change],
    alpha: float,
    floor: float,
    implied: dict[str, float],
) -> ColumnDrift:
    before, now = column.reference, column.current
    effect = total_variation(*column.counts)
    changes = list(broken)
    if effect > floor and p_value <= alpha and not _told_by(broken):
        changes.append(named_change(before, now, column.bins, column.shares))
    filled = (column.counts[0] + column.counts[1]) > 0
    shares = [part[filled].tolist() for part in column.shares]
    return ColumnDrift(
        column=before.name,
        kind=before.kind,
        changes=tuple(changes),
        moved_share=effect,
        implied=implied.get(before.name),
        psi=column.test.psi,
        jensen_shannon=jensen_shannon(*column.counts),
        ks=_ks(before, now),
        wasserstein=_wasserstein(before, now),
        p_value=p_value,
        n_reference=before.n,
        n_current=now.n,
        missing_reference=before.missing_share,
        missing_current=now.missing_share,
        labels=tuple(np.array(column.bins.labels, dtype=object)[filled]),
        reference=tuple(shares[0]),
        current=tuple(shares[1]),
    )


def _told_by(broken: list[Change]) -> bool:
    """Whether a rule tells the whole change of shares already."""
    return bool({c.name for c in broken} & {"stuck_values", "case_change"})


def _ks(before: ColumnProfile, now: ColumnProfile) -> float | None:
    if before.is_text or not (before.n_known and now.n_known):
        return None
    grid = np.union1d(before.table.values, now.table.values)
    return ks_statistic(_on(grid, before.table), _on(grid, now.table))


def _on(grid: npt.NDArray[np.float64], table: ValueCounts) -> Counts:
    counts = np.zeros(grid.size, np.int64)
    counts[np.searchsorted(grid, table.values)] = table.counts
    return counts


def _wasserstein(before: ColumnProfile, now: ColumnProfile) -> float | None:
    if before.is_text or not (before.n_known and now.n_known):
        return None
    tables = before.table, now.table
    if not all(np.isfinite(table.values[[0, -1]]).all() for table in tables):
        return None
    values, counts = before.table.values, before.table.counts
    with np.errstate(over="ignore", invalid="ignore"):
        centred = values - np.average(values, weights=counts)
        sd = float(np.sqrt(np.average(centred**2, weights=counts)))
        distance = wasserstein_1d(*tables)
    return distance / sd if 0 < sd < np.inf and np.isfinite(distance) else None

"""Rules that name what happened to a column between two tables."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import TypeAlias, final

import numpy as np
import numpy.typing as npt
from scipy import stats as scipy_stats

from mldeploy.data import ColumnProfile
from mldeploy.stats import (
    RuleOutcome,
    ValueCounts,
    kept_levels,
    new_values,
    null_share_jump,
    psi_test,
    quantile_edges,
    range_breach,
    total_variation,
)

Counts = npt.NDArray[np.int64]
Rule: TypeAlias = Callable[[ColumnProfile, ColumnProfile], RuleOutcome | None]

_MAX_CATEGORIES = 200
_CASE_LIMIT = 0.001
_STUCK_LIMIT = 0.02
_FEW_VALUES = 20
_N_BINS = 10
_NUMBERS = ("integer", "number", "boolean")
_TEXTS = ("string", "category")


def comparable(one: ColumnProfile, other: ColumnProfile) -> bool:
    """Whether two profiles hold numbers, or texts, both of them."""
    return any({one.kind, other.kind} <= set(sort) for sort in (_NUMBERS, _TEXTS))


def of_times(profile: ColumnProfile) -> bool:
    """Whether a column holds times, which move on by themselves."""
    return profile.kind not in (*_NUMBERS, *_TEXTS)


def nulls(reference: ColumnProfile, current: ColumnProfile) -> RuleOutcome | None:
    """Measure the change of the share of missing values."""
    return null_share_jump(
        n_missing_reference=reference.n_missing, n_reference=reference.n,
        n_missing_current=current.n_missing, n_current=current.n,
    )  # fmt: skip


def written_otherwise(reference: ColumnProfile, current: ColumnProfile) -> RuleOutcome | None:
    """Measure the share of texts that are new, but for case and spaces.

    The p-value is that of a binomial count with a chance of 0.1 %, the limit.
    """
    if not (reference.is_text and reference.n_known and current.n_known and current.is_exact):
        return None
    if reference.sketch is not None:
        return None
    n = sum(respelt(reference, current).values())
    return RuleOutcome(
        effect=n / current.n_known,
        limit=_CASE_LIMIT,
        p_value=float(scipy_stats.binom.sf(n - 1, current.n_known, _CASE_LIMIT)),
        n_current=current.n_known,
    )


def respelt(reference: ColumnProfile, current: ColumnProfile) -> Mapping[str, int]:
    """Return the texts that the reference has in another case or with other spaces."""
    known = set(reference.texts)
    forms = {_plain(text) for text in known}
    return {
        text: n
        for text, n in zip(current.texts, current.counts, strict=True)
        if text not in known and _plain(text) in forms
    }


def _plain(text: str) -> str:
    return " ".join(text.split()).casefold()


def unseen(reference: ColumnProfile, current: ColumnProfile) -> RuleOutcome | None:
    """Measure the share of texts that the reference never had, in no spelling.

    None for more than 200 distinct texts: those are identifiers, of which new ones always come.
    """
    if not reference.is_text or reference.n_distinct > _MAX_CATEGORIES or not current.is_exact:
        return None
    if not reference.n_known or not current.n_known:
        return None
    other = respelt(reference, current)
    now: dict[Hashable, int] = {t: n for t, n in current.levels().items() if t not in other}
    before: dict[Hashable, int] = dict(reference.levels().items())
    return new_values(before, now) if sum(n for t, n in now.items() if t is not None) else None


def absurd(reference: ColumnProfile, current: ColumnProfile) -> RuleOutcome | None:
    r"""Measure the share of numbers that lie farther out than the reference is wide.

    If n reference rows and m current ones are alike, with tails no heavier than Cauchy's, those
    beyond :math:`\rho` times the reference's largest distance from its median are a
    :math:`\rho`-th of those beyond that distance: the chance of k or more on one side is
    :math:`(m / (m + \rho n))^k`, doubled for two sides.
    """
    if reference.is_text or not (reference.n_known and current.n_known):
        return None
    found = range_breach(reference.table, current.table)
    sides = (_chance_beyond(reference, current.table, sign) for sign in (-1, 1))
    return found.model_copy(update={"p_value": min(1.0, 2 * min(sides))})


def _chance_beyond(reference: ColumnProfile, current: ValueCounts, sign: int) -> float:
    table, middle = reference.table, reference.quantile(0.5)
    farthest = max(float((sign * (table.values - middle)).max()), 0.0)
    width = float(table.values[-1] - table.values[0])
    distance = sign * (current.values - middle)
    beyond = distance > farthest + width
    if not beyond.any():
        return 1.0
    ratio = float(distance[beyond].min()) / max(farthest, width, 1e-300)
    k, n, m = int(current.counts[beyond].sum()), table.n, current.n
    return float((m / (m + ratio * n)) ** k)


def stuck(reference: ColumnProfile, current: ColumnProfile) -> RuleOutcome | None:
    """Measure the largest rise of the share of one value, of a column with many values.

    None for 20 distinct values or fewer in the reference. The p-value is a binomial count's, of
    H0 "the share rose by at most 2 points", times the number of values that it is the largest of.
    """
    if reference.is_text or not (reference.n_known and current.n_known):
        return None
    if reference.n_distinct <= _FEW_VALUES:
        return None
    value = risen(reference, current)
    n, before = _count(current, value), _count(reference, value)
    share = (before + 1) / (reference.n_known + 1)
    tail = float(scipy_stats.binom.sf(n - 1, current.n_known, min(share + _STUCK_LIMIT, 1.0)))
    return RuleOutcome(
        effect=n / current.n_known - before / reference.n_known,
        limit=_STUCK_LIMIT,
        p_value=min(1.0, tail * current.n_distinct),
        n_current=current.n_known,
    )


def risen(reference: ColumnProfile, current: ColumnProfile) -> float:
    """Return the number whose share rose most."""
    table, before = current.table, reference.table
    at = np.searchsorted(before.values, table.values).clip(0, before.values.size - 1)
    shares = np.where(before.values[at] == table.values, before.counts[at], 0) / before.n
    return float(table.values[int((table.counts / table.n - shares).argmax())])


def without(profile: ColumnProfile, value: float) -> ValueCounts:
    """Return the numbers of a profile but one value."""
    kept = profile.table.values != value
    return ValueCounts(values=profile.table.values[kept], counts=profile.table.counts[kept])


def _count(profile: ColumnProfile, value: float) -> int:
    return int(profile.table.counts[profile.table.values == value].sum())


@final
@dataclass(frozen=True, kw_only=True)
class Bins:
    """Bins cut on a reference, over which known values are counted; missing ones are left out."""

    edges: tuple[float, ...] | None
    levels: tuple[str, ...] | None

    @classmethod
    def of(cls, reference: ColumnProfile) -> Bins:
        """Cut numbers at quantiles; give texts of 1 % or more a bin of their own."""
        if reference.is_text:
            known: dict[Hashable, int] = dict(reference.levels().items())
            return cls(edges=None, levels=tuple(map(str, kept_levels(known))))
        edges = quantile_edges(reference.table, n_bins=_N_BINS)
        return cls(edges=tuple(edges.tolist()), levels=None)

    def counts(self, profile: ColumnProfile) -> Counts:
        """Count the known values of a profile."""
        return profile.counts_in_bins(edges=self.edges, levels=self.levels)[:-1]


def moved(reference: ColumnProfile, current: ColumnProfile) -> RuleOutcome | None:
    """Measure the share of known values that moved to other bins.

    The p-value is that of H0 "the stability index is at most 0.02"; the limit is 3 % of the rows.
    """
    if not (reference.n_known and current.n_known):
        return None
    bins = Bins.of(reference)
    before, now = bins.counts(reference), bins.counts(current)
    return RuleOutcome(
        effect=total_variation(before, now),
        limit=0.03,
        p_value=psi_test(before, now).p_value,
        n_current=current.n_known,
    )


RULES: Mapping[str, Rule] = {
    "nulls": nulls,
    "written_otherwise": written_otherwise,
    "unseen": unseen,
    "absurd": absurd,
    "stuck": stuck,
    "moved": moved,
}

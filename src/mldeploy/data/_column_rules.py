"""Rules about one column of two samples: jumps of missing values, new, absurd and stuck ones."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final, TypeAlias

from mldeploy.data._bins import level_table
from mldeploy.data._column_profile import ColumnProfile
from mldeploy.stats import RuleOutcome, new_values, null_share_jump, range_breach

_MAX_CATEGORIES = 200

ColumnRule: TypeAlias = Callable[[ColumnProfile, ColumnProfile], RuleOutcome | None]


def null_share(reference: ColumnProfile, current: ColumnProfile) -> RuleOutcome | None:
    """Measure the change of the share of missing values."""
    return null_share_jump(
        n_missing_reference=reference.n_missing,
        n_reference=reference.n,
        n_missing_current=current.n_missing,
        n_current=current.n,
    )


def unseen(reference: ColumnProfile, current: ColumnProfile) -> RuleOutcome | None:
    """Measure the share of texts that the reference never had.

    None for more than 200 distinct texts: those are identifiers, of which new ones always come.
    """
    texts = reference.is_text and current.is_text
    if not texts or reference.n_distinct > _MAX_CATEGORIES or not current.is_exact:
        return None
    if not reference.n_known or not current.n_known:
        return None
    return new_values(level_table(reference), level_table(current))


def absurd(reference: ColumnProfile, current: ColumnProfile) -> RuleOutcome | None:
    """Measure the share of numbers far outside of the reference's range."""
    if reference.is_text or current.is_text or not (reference.n_known and current.n_known):
        return None
    return range_breach(reference.table, current.table)


def stuck(reference: ColumnProfile, current: ColumnProfile) -> RuleOutcome | None:
    r"""Measure whether all known values are one, where the reference had several.

    The effect is 1. The p-value is the chance that n independent rows of the reference all have
    that value, :math:`s^n`, with one row added to the value's share s.
    """
    if current.n_known < 2 or len(current.top(2)) != 1 or len(reference.top(2)) < 2:
        return None
    ((value, n),) = current.top(1).items()
    share = (_count(reference, value) + 1) / (reference.n_known + 1)
    return RuleOutcome(effect=1.0, limit=0.0, p_value=math.exp(n * math.log(share)), n_current=n)


COLUMN_RULES: Final[Mapping[str, ColumnRule]] = MappingProxyType(
    {
        "null_share_jump": null_share,
        "new_values": unseen,
        "range_breach": absurd,
        "stuck_values": stuck,
    }
)
"""What each rule measures of a reference's and a current profile; None if it does not apply."""


def _count(profile: ColumnProfile, value: str | float) -> int:
    if isinstance(value, str):
        return profile.levels().get(value, 0)
    found = profile.table.counts[profile.table.values == value]
    return int(found.sum())

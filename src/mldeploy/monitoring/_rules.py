"""Rules about single columns: jumps of missing values, new values, absurd and stuck ones."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias, final

from mldeploy.data import ColumnProfile
from mldeploy.monitoring._columns import Pair, level_table
from mldeploy.stats import (
    RuleOutcome,
    holm,
    judge_rule_against_history,
    new_values,
    null_share_jump,
    range_breach,
)

_MAX_CATEGORIES = 200

Rule: TypeAlias = Callable[[ColumnProfile, ColumnProfile], RuleOutcome | None]


@final
@dataclass(frozen=True, kw_only=True)
class Breach:
    """A rule that a column breaks: the effect, its limit, and how it was decided."""

    rule: str
    column: str
    effect: float
    limit: float
    p_value: float
    n: int
    n_past: int


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


RULES: Mapping[str, Rule] = {
    "null_share_jump": null_share,
    "new_values": unseen,
    "range_breach": absurd,
    "stuck_values": stuck,
}


def breaches(
    pairs: Sequence[Pair], *, alpha: float, n_sd: float, min_history: int
) -> Iterator[Breach]:
    """Yield the rules that columns break: by evidence, effect, and against their own past.

    Parameters
    ----------
    pairs : sequence of Pair
        The columns.
    alpha : float
        Chance of any breach where nothing changed and rows are independent.
    n_sd, min_history : float, int
        How far beyond past windows' effects, and from how many windows on these are asked.
    """
    tried = [
        (name, pair, outcome)
        for name, rule in RULES.items()
        for pair in pairs
        if (outcome := rule(pair.reference, pair.current)) is not None
    ]
    adjusted = holm([outcome.p_value for _, _, outcome in tried])
    for (name, pair, outcome), p_value in zip(tried, adjusted, strict=True):
        if not outcome.exceeds or p_value > alpha:
            continue
        limit, n_past = outcome.limit, 0
        if len(pair.history) >= min_history:
            effects = [_effect(RULES[name], pair.reference, past) for past in pair.history]
            past = judge_rule_against_history(outcome, effects, n_sd=n_sd)
            if not past.alarm:
                continue
            limit, n_past = past.limit, past.n_windows
        yield Breach(
            rule=name,
            column=pair.current.name,
            effect=outcome.effect,
            limit=limit,
            p_value=float(p_value),
            n=outcome.n_current,
            n_past=n_past,
        )


def _effect(rule: Rule, reference: ColumnProfile, past: ColumnProfile) -> float:
    outcome = rule(reference, past)
    return 0.0 if outcome is None else outcome.effect


def _count(profile: ColumnProfile, value: str | float) -> int:
    if isinstance(value, str):
        return profile.levels().get(value, 0)
    found = profile.table.counts[profile.table.values == value]
    return int(found.sum())

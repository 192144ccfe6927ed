"""Rules about single columns: jumps of missing values, new values, absurd and stuck ones."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import final

from mldeploy.data import COLUMN_RULES, ColumnProfile, ColumnRule
from mldeploy.monitoring._columns import Pair
from mldeploy.stats import holm, judge_rule_against_history


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
        for name, rule in COLUMN_RULES.items()
        for pair in pairs
        if (outcome := rule(pair.reference, pair.current)) is not None
    ]
    adjusted = holm([outcome.p_value for _, _, outcome in tried])
    for (name, pair, outcome), p_value in zip(tried, adjusted, strict=True):
        if not outcome.exceeds or p_value > alpha:
            continue
        limit, n_past = outcome.limit, 0
        if len(pair.history) >= min_history:
            effects = [_effect(COLUMN_RULES[name], pair.reference, past) for past in pair.history]
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


def _effect(rule: ColumnRule, reference: ColumnProfile, past: ColumnProfile) -> float:
    outcome = rule(reference, past)
    return 0.0 if outcome is None else outcome.effect

"""What changed between a table that is trusted and these data, and what was done to it?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from functools import reduce
from typing import final

import numpy as np
from typing_extensions import override

from mldeploy.assessment._base import DataAssessor
from mldeploy.assessment._change_names import Breach, named_changes
from mldeploy.assessment._change_rules import RULES, comparable, of_times
from mldeploy.assessment._say import holds, skipped, some
from mldeploy.data import ColumnProfile, Dataset, Profile
from mldeploy.evidence import Finding, Severity, Verdict
from mldeploy.problem import Problem
from mldeploy.stats import history_limit, holm


@final
@dataclass(frozen=True, kw_only=True)
class ChangeAssessor(DataAssessor):
    """Name what happened to each column since a reference: not that it drifted, but how.

    Of each feature, sensitive column and the target it says one of `nulls_jumped`,
    `case_changed`, `new_values`, `units_changed`, `shifted`, `spread_changed`, `stuck_values`,
    `outliers`, `distribution_changed`, `type_changed` or `column_gone`; all are warnings. A
    change is told when it is larger than what matters *and* than chance explains.

    Attributes
    ----------
    reference : Dataset
        The data judged by, such as those that the live model has learnt from.
    every : timedelta, optional
        Length of the windows that the reference is cut into by its time, to learn how much
        ordinary windows differ; use it when the current data are one such window. With fewer
        than six windows, or None, rows are taken as independent, which those of adjacent
        weeks are not.
    alpha : float, default=0.001
        Chance of any false warning, over all columns and rules, for independent rows.
    n_sd : float, default=4.0
        How far beyond the mean effect on past windows, in their standard deviations, an effect
        must be.

    Examples
    --------
    >>> import pandas as pd
    >>> from mldeploy.problem import Criterion
    >>> problem = Problem(name="late", statement="Which flights land late?", target="late",
    ...                   positive=True, criteria=[Criterion("roc_auc", at_least=0.7)])
    >>> miles = pd.DataFrame({"distance": range(100, 2100), "late": [False, True] * 1000})
    >>> km = miles.assign(distance=miles["distance"] * 1.609344)
    >>> report = ChangeAssessor(reference=Dataset.of(miles)).assess(
    ...     Dataset.of(km, target="late"), problem)
    >>> report.alarms[0].name, report.alarms[0].details["how"]
    ('units_changed', 'miles became kilometres')
    """

    reference: Dataset
    every: timedelta | None = None
    alpha: float = 0.001
    n_sd: float = 4.0

    def __post_init__(self) -> None:
        if not 0 < self.alpha < 1 or self.n_sd < 0:
            raise ValueError(f"{self.alpha=} lies in (0, 1), {self.n_sd=} is at least 0")
        if self.every is not None and (
            self.every <= timedelta(0) or self.reference.roles.time is None
        ):
            raise ValueError("every= needs a positive duration and a reference with a time")

    @override
    def _assess(self, dataset: Dataset, problem: Problem) -> Iterator[Finding]:
        check = type(self).__name__
        roles = dataset.roles
        asked = [*dict.fromkeys([*dataset.features, *roles.sensitive, problem.target])]
        known = [c for c in asked if c in self.reference.columns]
        before = Profile.of(self.reference.polars().select(known))
        now = Profile.of(dataset.polars().select(known))
        past = self._past(known)
        findings = [*_unlike(check, asked, before, now)]
        pairs = [(before[c], now[c]) for c in known if comparable(before[c], now[c])]
        breaches = [*self._breaches(pairs, past)]
        for reference, current in pairs:
            mine = {b.rule: b for b in breaches if b.column == current.name}
            findings += named_changes(check, reference, current, mine)
        yield from findings
        timed = [c for c in known if of_times(before[c])]
        if timed:
            yield skipped(check, "change of times", f"{some(timed)} hold times, which move on")
        how = f"{len(past)} past windows" if len(past) >= _FEW_WINDOWS else "rows as independent"
        yield holds(
            check, "changes",
            f"{len(pairs):,} columns were compared with {before.n_rows:,} rows of the "
            f"reference, judged by {how}; {len(findings):,} changes were seen.",
            n=len(dataset),
        )  # fmt: skip

    def _past(self, columns: list[str]) -> tuple[Profile, ...]:
        if self.every is None:
            return ()
        step = np.timedelta64(self.every)
        times = self.reference.times()
        number = (times - times.min()) // step
        table = self.reference.polars().select(columns)
        full = np.flatnonzero(np.bincount(number) > 0)
        windows = [Profile.of(table.filter(number == i)) for i in full]
        typical = np.median([w.n_rows for w in windows])
        return tuple(w for w in windows if w.n_rows >= typical / 2)

    def _breaches(
        self, pairs: list[tuple[ColumnProfile, ColumnProfile]], past: tuple[Profile, ...]
    ) -> Iterator[Breach]:
        tried = [
            (name, now, outcome)
            for name, rule in RULES.items()
            for before, now in pairs
            if (outcome := rule(before, now)) is not None
        ]
        if not tried:
            return
        adjusted = holm([outcome.p_value for *_, outcome in tried])
        for (name, now, outcome), p_value in zip(tried, adjusted, strict=True):
            if not outcome.exceeds or p_value > self.alpha:
                continue
            limit = outcome.limit
            if len(past) >= _FEW_WINDOWS:
                limit = max(limit, self._past_limit(name, now.name, past))
                limit = min(limit, (1 + outcome.limit) / 2)
            if abs(outcome.effect) > limit:
                yield Breach(
                    rule=name, column=now.name, effect=outcome.effect, limit=limit,
                    p_value=float(p_value), n=outcome.n_current,
                )  # fmt: skip

    def _past_limit(self, rule: str, column: str, past: tuple[Profile, ...]) -> float:
        """Return the limit that the past windows set, each compared with all the others."""
        effects = []
        for i, window in enumerate(past):
            others = reduce(ColumnProfile.merge, (p[column] for p in past[:i] + past[i + 1 :]))
            outcome = RULES[rule](others, window[column])
            effects.append(0.0 if outcome is None else abs(outcome.effect))
        return history_limit(effects, n_sd=self.n_sd, floor=0.0)


_FEW_WINDOWS = 6


def _unlike(check: str, asked: list[str], before: Profile, now: Profile) -> Iterator[Finding]:
    for column in asked:
        if column not in before:
            yield _plainly(
                check, "column_gone", column, "The reference has no such column.",
                "Compare with data that have it, or leave it out of the features.",
            )  # fmt: skip
        elif before[column].n_known and now[column].n_known:
            one, other = before[column], now[column]
            if of_times(one) != of_times(other) or not (of_times(one) or comparable(one, other)):
                yield _plainly(
                    check, "type_changed", column,
                    f"It was of kind {one.kind} and is now {other.kind}.",
                    "Read it as it was read before; see how its source writes it.",
                )  # fmt: skip


def _plainly(check: str, name: str, column: str, summary: str, action: str) -> Finding:
    return Finding(
        check=check, name=name, verdict=Verdict.FAIL, severity=Severity.WARNING,
        summary=summary, action=action, column=column,
    )  # fmt: skip

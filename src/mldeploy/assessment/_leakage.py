"""Do the features know what nobody can know when the prediction is asked for?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import final

import numpy as np
from typing_extensions import override

from mldeploy.assessment._base import DataAssessor
from mldeploy.assessment._leak_columns import Search, Told
from mldeploy.assessment._leak_groups import GroupMean, group_means
from mldeploy.assessment._leak_times import known_late, known_with_the_label
from mldeploy.assessment._neighbours import flattery, time_blocks, unit_blocks
from mldeploy.assessment._outcome import Outcome, halves, outcome_of, some_rows
from mldeploy.assessment._say import holds, skipped
from mldeploy.data import Dataset
from mldeploy.evidence import Finding, Severity, Verdict
from mldeploy.problem import Problem
from mldeploy.stats import Comparison

_CELLS = 4_000_000
"""Cells that are looked at in the search; more columns are searched on fewer rows."""
_FLATTERY_ROWS, _FLATTERY_COLUMNS = 6_000, 200


@final
@dataclass(frozen=True, kw_only=True)
class LeakageAssessor(DataAssessor):
    """Look for features that know the answer, and for splits that would hide it.

    Blocking findings name a column and say why: `tells_label` (alone or in a pair it ranks
    unseen rows better than `max_score`), `known_with_label` (it is empty where the label is),
    `feature_time` (it is from after the prediction), `group_mean` (it is the mean label of the
    group that the row is in). Whatever is searched for on one half of the rows or units is
    confirmed on the other. `random_split` warns if a random split would flatter.

    Attributes
    ----------
    max_score : float, default=0.95
        AUC (binary), R² (regression) or gain in accuracy over the largest class (multiclass)
        that no honest column reaches, in (0.5, 1).
    available_at : mapping of str to timedelta or str
        When a feature is known: so long after the prediction (0 or negative: before), or the
        column with that moment. Declared features are not suspected by their times.
    n_rows : int, default=20000
        Most rows, whole units of them, on which scores are computed, at least 200.
    confidence : float, default=0.98
        Two-sided level of every interval, shared by the columns suspected together: at 0.98 the
        lower end is the one-sided 0.99 bound.
    flattery : float, default=0.005
        Smallest gain in the score by a random split that is worth a warning, above 0.
    random_state : int, default=0
        Seed of the halves and samples.
    """

    max_score: float = 0.95
    available_at: Mapping[str, timedelta | str] = field(default_factory=dict)
    n_rows: int = 20_000
    confidence: float = 0.98
    flattery: float = 0.005
    random_state: int = 0

    def __post_init__(self) -> None:
        if not 0.5 < self.max_score < 1:
            raise ValueError(f"max_score={self.max_score} lies not between 0.5 and 1")
        if not 0.5 < self.confidence < 1:
            raise ValueError(f"confidence={self.confidence} lies not between 0.5 and 1")
        if self.n_rows < 200 or self.flattery <= 0:
            raise ValueError(f"{self.n_rows=} must be 200 or more, {self.flattery=} above 0")

    @override
    def _assess(self, dataset: Dataset, problem: Problem) -> Iterator[Finding]:
        check, rng = type(self).__name__, np.random.default_rng(self.random_state)
        findings = [*known_late(check, dataset, self.available_at, confidence=self.confidence)]
        findings += known_with_the_label(
            check, dataset, problem.target, self.available_at,
            confidence=self.confidence, rng=rng,
        )  # fmt: skip
        suspects = {f.column for f in findings if f.alarms and f.column is not None}
        findings += self._by_score(check, dataset, problem, rng, suspects)
        yield from findings
        if not any(f.alarms and f.severity is Severity.BLOCKER for f in findings):
            summary = f"None of {len(dataset.features):,} features was seen to know the label."
            yield holds(check, "leakage", summary, n=len(dataset))

    def _by_score(
        self,
        check: str,
        dataset: Dataset,
        problem: Problem,
        rng: np.random.Generator,
        suspects: set[str],
    ) -> Iterator[Finding]:
        known = ~np.asarray(dataset.polars()[problem.target].is_null().to_numpy(), dtype=bool)
        if known.sum() < 100 or not dataset.features:
            why = f"{int(known.sum()):,} rows have a label; 100 are needed"
            yield skipped(check, "tells_label", why)
            return
        labelled = dataset.labelled()
        outcome = outcome_of(labelled, problem)
        if not outcome.varies:
            yield skipped(check, "tells_label", "every row has the same label")
            return
        told = [*self._told(labelled, problem, rng, suspects)]
        for one in told:
            yield self._tells(check, one, outcome)
        guilty = {told_by.columns[0] for told_by in told}
        for mean in group_means(labelled, outcome, alpha=0.001):
            if mean.column not in guilty:
                yield _is_group_mean(check, mean)
        if len(dataset.features) > _FLATTERY_COLUMNS:
            yield _bounded(check, len(dataset.features), self._searched(dataset))
        elif not guilty | suspects:
            yield from self._flattered(check, labelled, problem, rng)

    def _searched(self, dataset: Dataset) -> int:
        return min(self.n_rows // 2, max(500, _CELLS // max(len(dataset.features), 1)))

    def _told(
        self,
        labelled: Dataset,
        problem: Problem,
        rng: np.random.Generator,
        suspects: set[str],
    ) -> Iterator[Told]:
        rows = some_rows(labelled, self.n_rows, rng)
        first, second = halves(rows, rng)
        outcome = outcome_of(rows, problem)
        if not (outcome.take(first).varies and outcome.take(second).varies):
            return
        search = Search(
            table=rows.polars(), outcome=outcome, first=first, second=second,
            units=rows.units(), max_score=self.max_score, confidence=self.confidence,
        )  # fmt: skip
        alone = search.alone(list(rows.features), self._searched(labelled))
        yield from alone
        named = {told.columns[0] for told in alone}
        for told in search.in_pairs([c for c in rows.features if c not in named]):
            worst = sorted(told.columns, key=lambda c: (c not in suspects, -search.weight_of(c)))
            yield replace(told, columns=tuple(worst))

    def _tells(self, check: str, told: Told, outcome: Outcome) -> Finding:
        name = told.columns[0]
        where = "alone" if len(told.columns) == 1 else f"with {told.columns[1]!r}, by {told.how},"
        return Finding(
            check=check,
            name="tells_label",
            verdict=Verdict.FAIL,
            summary=f"It tells the label {where} on rows that were not looked at before "
            f"({outcome.score_name} {told.estimate.value:.3f}): it knows the outcome.",
            action=f"{_drop(told)}, unless it is known before the prediction; then a rule would "
            "do, and a waiver says so.",
            estimate=told.estimate.value,
            interval=told.estimate.interval,
            n=told.estimate.n,
            threshold=self.max_score,
            column=name,
            details={"with": told.columns[1], "by": told.how} if len(told.columns) > 1 else {},
        )

    def _flattered(
        self, check: str, labelled: Dataset, problem: Problem, rng: np.random.Generator
    ) -> Iterator[Finding]:
        rows = some_rows(labelled, _FLATTERY_ROWS, rng)
        if len(rows) < 500:
            yield skipped(check, "random_split", f"{len(rows):,} rows are too few to compare")
            return
        asked = {}
        if rows.roles.time is not None:
            asked["time"] = time_blocks(rows)
        if rows.roles.unit is not None:
            asked["unit"] = unit_blocks(rows, rng)
        for by, blocks in asked.items():
            found = flattery(rows, problem, blocks, rng)
            if found is None:
                yield skipped(check, "random_split", f"parts in {by} have one outcome only")
            else:
                yield self._split_finding(check, by, found)

    def _split_finding(self, check: str, by: str, found: Comparison) -> Finding:
        flatters = found.interval.low > self.flattery
        return Finding(
            check=check,
            name="random_split",
            verdict=Verdict.FAIL if flatters else Verdict.PASS,
            severity=Severity.WARNING if flatters else Severity.INFO,
            summary=f"Having learnt from rows of the same {by} changes the score by "
            f"{found.difference:+.3f}"
            + (
                ": a random split flatters."
                if flatters
                else "; a random split is not seen to flatter."
            ),
            action=f"Split by {by} (mldeploy.data.default_split)." if flatters else "",
            estimate=found.difference,
            interval=found.interval,
            n=found.n,
            threshold=self.flattery,
            slice=by,
            details={"p_value": found.p_value, "method": found.method},
        )


def _drop(told: Told) -> str:
    if len(told.columns) == 1:
        return f"Drop {told.columns[0]!r} from the features"
    return f"Drop {told.columns[0]!r} or {told.columns[1]!r}, whichever is known later"


def _is_group_mean(check: str, mean: GroupMean) -> Finding:
    return Finding(
        check=check,
        name="group_mean",
        verdict=Verdict.FAIL,
        summary=f"It is {mean.how} of the label for each {mean.key!r}, computed from these very "
        "rows: the label is in it.",
        action=f"Drop {mean.column!r}, or compute it from earlier rows; inside a pipeline use "
        "sklearn.preprocessing.TargetEncoder, which cross-fits.",
        estimate=mean.left,
        n=mean.n_groups,
        threshold=0.5,
        column=mean.column,
        details={"key": mean.key},
    )


def _bounded(check: str, n_columns: int, n_rows: int) -> Finding:
    return skipped(
        check,
        "bounded_search",
        f"{n_columns:,} features are many: each was searched on {n_rows:,} rows, pairs among the "
        "first 40 numbers, group means among the first 60; random splits were not compared",
    )

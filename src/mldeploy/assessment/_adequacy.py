"""Are there enough rows to learn from, and to judge by?"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import final

import numpy as np
import polars as pl
from typing_extensions import override

from mldeploy.assessment._base import DataAssessor
from mldeploy.assessment._more_data import more_data
from mldeploy.assessment._outcome import outcome_of
from mldeploy.assessment._rows_needed import Need, needs_of
from mldeploy.assessment._say import holds, skipped
from mldeploy.assessment._share import asked_for, rows_asked_about
from mldeploy.data import Dataset
from mldeploy.evidence import Finding, Severity, Verdict, figure
from mldeploy.problem import Judge, MetricKind, Problem
from mldeploy.stats import Estimate, Interval

_FEW_OF_A_CLASS = 30


@final
@dataclass(frozen=True, kw_only=True)
class AdequacyAssessor(DataAssessor):
    """Say how many rows each criterion needs, and whether more would make a better model.

    What a criterion needs is a forecast, under the `margin` by which the model is expected to
    exceed the bound: too few rows are a warning here, and the validator, which sees the model,
    decides. Criteria on ``row_count`` are judged. No label, or labels of one class, block.

    Attributes
    ----------
    margin : float, default=0.05
        How far the model is expected to be beyond each bound, above 0: in the metric's unit for
        shares and areas, as a share of the bound for errors.
    evaluation_share : float, default=0.2
        Share of these rows that models will be judged by, in (0, 1]; 1 if other data teach.
    gain : float, default=0.01
        Smallest gain in the score (AUC, R², or accuracy over the largest class) that makes
        twice the rows worth their price, above 0.
    random_state : int, default=0
        Seed of the learning curve.
    """

    margin: float = 0.05
    evaluation_share: float = 0.2
    gain: float = 0.01
    random_state: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.evaluation_share <= 1:
            raise ValueError(f"evaluation_share={self.evaluation_share} lies not in (0, 1]")
        if self.margin <= 0 or self.gain <= 0:
            raise ValueError(f"{self.margin=} and {self.gain=} must be above 0")

    @override
    def _assess(self, dataset: Dataset, problem: Problem) -> Iterator[Finding]:
        check = type(self).__name__
        yield from _row_counts(check, dataset, problem)
        n_unlabelled = dataset.polars()[problem.target].null_count()
        if n_unlabelled == len(dataset):
            yield _no_labels(check, dataset, problem)
            return
        labelled = dataset.labelled()
        yield from _classes(check, labelled, problem)
        if not outcome_of(labelled, problem).varies:
            return
        for criterion in problem.criteria:
            needs = [
                *needs_of(
                    criterion, labelled, problem,
                    margin=self.margin, share=self.evaluation_share,
                )
            ]  # fmt: skip
            quality = criterion.metric.kind in {MetricKind.QUALITY, MetricKind.BUSINESS}
            if quality and not needs:
                why = f"no formula tells beforehand how much {criterion.metric.name} varies"
                yield skipped(check, f"rows for {criterion.metric.name}", why)
            for need in needs:
                yield _rows_finding(check, need, self.evaluation_share)
        rng = np.random.default_rng(self.random_state)
        yield from more_data(check, labelled, problem, gain=self.gain, rng=rng)


def _row_counts(check: str, dataset: Dataset, problem: Problem) -> Iterator[Finding]:
    for criterion in asked_for(problem, "row_count"):
        part = rows_asked_about(criterion, dataset)
        n = 0 if part is None else len(part)
        exact = Interval(low=n, high=n, confidence=criterion.confidence)
        estimate = Estimate(value=n, interval=exact, n=n, method="exact")
        yield Judge(check=check).judge_estimate(criterion, estimate)


def _no_labels(check: str, dataset: Dataset, problem: Problem) -> Finding:
    return Finding(
        check=check,
        name="labels",
        verdict=Verdict.INSUFFICIENT,
        summary=f"None of {len(dataset):,} rows has a label.",
        action=f"Wait for labels (they come after {problem.label_delay}), or choose earlier rows.",
        column=problem.target,
        n=0,
    )


def _classes(check: str, labelled: Dataset, problem: Problem) -> Iterator[Finding]:
    label = labelled.polars()[problem.target]
    if not problem.task.is_classification:
        varies = outcome_of(labelled, problem).varies
        yield _labels(check, problem, len(labelled), varies=varies)
        return
    if problem.task == "binary":
        n_positive = int(outcome_of(labelled, problem).values.sum())
        counts = {str(problem.positive): n_positive, "other": len(labelled) - n_positive}
    else:
        table = label.cast(pl.String).value_counts(sort=True)
        counts = dict(zip(table[label.name].to_list(), table["count"].to_list(), strict=True))
    present = {k: v for k, v in counts.items() if v}
    yield _labels(check, problem, len(labelled), varies=len(present) > 1)
    rarest = min(present, key=lambda k: present[k])
    if len(present) > 1 and present[rarest] < _FEW_OF_A_CLASS:
        yield Finding(
            check=check,
            name="rare_class",
            verdict=Verdict.INSUFFICIENT,
            severity=Severity.WARNING,
            summary=f"Class {rarest} has {present[rarest]} rows; with fewer than "
            f"{_FEW_OF_A_CLASS} neither a model nor its score can be relied on.",
            action=f"Collect about {_FEW_OF_A_CLASS - present[rarest]} more, or merge classes.",
            estimate=present[rarest],
            threshold=_FEW_OF_A_CLASS,
            column=problem.target,
            n=len(labelled),
            rows_needed=math.ceil(
                (_FEW_OF_A_CLASS - present[rarest]) * len(labelled) / present[rarest]
            ),
        )


def _labels(check: str, problem: Problem, n: int, *, varies: bool) -> Finding:
    if varies:
        return holds(check, "labels", f"{n:,} rows have labels, which differ.", n=n)
    hint = "" if problem.positive is None else f" (positive={problem.positive!r})"
    return Finding(
        check=check,
        name="labels",
        verdict=Verdict.FAIL,
        summary=f"All {n:,} labels are of one kind, so there is nothing to learn.",
        action=f"Take rows of every outcome, and check how the target is coded{hint}.",
        column=problem.target,
        n=n,
    )


def _rows_finding(check: str, need: Need, share: float) -> Finding:
    enough = need.at_hand >= need.needed
    more = None if enough else math.ceil((need.needed - need.at_hand) / share)
    metric = need.criterion.metric
    what = f"{metric.name} of {need.part}" if need.part else metric.name
    return Finding(
        check=check,
        name=f"rows for {metric.name}",
        verdict=Verdict.PASS if enough else Verdict.INSUFFICIENT,
        severity=Severity.WARNING,
        summary=f"To judge {what} takes about {need.needed:,} {need.counted} ({need.assumed}); "
        f"{share:.0%} of these data are {need.at_hand:,}.",
        action=""
        if more is None
        else f"Collect about {more:,} more {need.counted}, judge by a larger share, or expect no "
        "verdict.",
        estimate=need.at_hand,
        threshold=need.needed,
        n=need.at_hand,
        slice=need.part,
        rows_needed=more,
        criterion=need.criterion.digest,
        details={"expected": figure(need.expected, metric.unit)},
    )

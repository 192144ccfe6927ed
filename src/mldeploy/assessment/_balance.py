"""How often does each class come, and what follows for the criteria?"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import final

import numpy as np
import polars as pl
from typing_extensions import override

from mldeploy.assessment._base import DataAssessor
from mldeploy.assessment._outcome import Outcome, outcome_of
from mldeploy.assessment._say import holds, skipped
from mldeploy.assessment._share import estimate_share
from mldeploy.data import Dataset
from mldeploy.evidence import Finding, Severity, Verdict
from mldeploy.problem import Criterion, Problem, Task
from mldeploy.stats import history_limit

_BLOCKS, _FEW = 8, 400
_RARE = 0.01


@final
@dataclass(frozen=True, kw_only=True)
class BalanceAssessor(DataAssessor):
    """Say how the classes are shared out, and which criteria a constant answer would meet.

    A criterion on accuracy (or errors, or recall alone) that is met by always giving the same
    answer judges nothing: `met_by_constant` warns of it. `class_share` gives the share of each
    class with its interval, and warns of a class below 1 %; `class_share_over_time` warns if the
    newest eighth of the rows in time has another share than those before ever had.

    Examples
    --------
    >>> from mldeploy.problem import Criterion
    >>> problem = Problem(name="p", statement="Is it fraud?", target="y", positive=True,
    ...                   criteria=[Criterion("accuracy", at_least=0.9)])
    >>> table = pl.DataFrame({"x": range(100), "y": [i % 20 == 0 for i in range(100)]})
    >>> report = BalanceAssessor().assess(Dataset.of(table, target="y"), problem)
    >>> report.alarms[0].name, report.alarms[0].estimate
    ('met_by_constant', 0.95)
    """

    @override
    def _assess(self, dataset: Dataset, problem: Problem) -> Iterator[Finding]:
        check = type(self).__name__
        if problem.task is Task.REGRESSION:
            yield skipped(check, "class_share", "the target is a number, not a class")
            return
        if dataset.polars()[problem.target].null_count() == len(dataset):
            yield skipped(check, "class_share", "no row has a label")
            return
        labelled = dataset.labelled()
        outcome = outcome_of(labelled, problem)
        names = _names(labelled, problem)
        yield from _shares(check, labelled, outcome, names, problem)
        met = [*_met_by_constant(check, outcome, problem)]
        yield from met
        if not met:
            yield holds(check, "met_by_constant", "No criterion is met by a constant answer.")
        yield from _over_time(check, labelled, outcome, names, problem)


def _names(labelled: Dataset, problem: Problem) -> list[str]:
    """Return what the classes are called, by their numbers."""
    if problem.task is Task.BINARY:
        return ["other", str(problem.positive)]
    return labelled.polars()[problem.target].unique().sort().cast(pl.String).to_list()


def _shares(
    check: str, labelled: Dataset, outcome: Outcome, names: list[str], problem: Problem
) -> Iterator[Finding]:
    n = outcome.values.size
    for k, name in enumerate(names[:20]):
        if problem.task is Task.BINARY and k == 0:
            continue
        share = estimate_share(outcome.values == k, units=labelled.units())
        rare = 0 < share.interval.high < _RARE
        yield Finding(
            check=check,
            name="class_share",
            verdict=Verdict.FAIL if rare else Verdict.PASS,
            severity=Severity.WARNING if rare else Severity.INFO,
            summary=f"{share.value:.2%} of {n:,} labels are {name}.",
            action="Judge by recall, precision or the average precision, not by accuracy, and "
            "sample or weight when training only."
            if rare
            else "",
            estimate=share.value,
            interval=share.interval,
            threshold=_RARE if rare else None,
            n=share.n,
            column=problem.target,
            slice=name,
        )


def _met_by_constant(check: str, outcome: Outcome, problem: Problem) -> Iterator[Finding]:
    counts = np.bincount(outcome.values.astype(np.int64), minlength=outcome.n_classes)
    largest = float(counts.max() / counts.sum())
    for criterion in problem.criteria:
        got = _constant(criterion, largest, problem)
        if got is None:
            continue
        yield Finding(
            check=check,
            name="met_by_constant",
            verdict=Verdict.FAIL,
            severity=Severity.WARNING,
            summary=f"Always giving one answer has {criterion.metric.name} {got:.3f}, which meets "
            f"{str(criterion)!r}: the criterion judges nothing.",
            action='Raise the bound, or ask for better_than="baseline"; judge the rare class by '
            "recall and precision.",
            estimate=got,
            threshold=criterion.at_least if criterion.at_least is not None else criterion.at_most,
            n=int(counts.sum()),
            criterion=criterion.digest,
        )


def _constant(criterion: Criterion, largest: float, problem: Problem) -> float | None:
    """Return what a constant answer scores, if that meets the criterion by its bound alone."""
    if criterion.better_than or criterion.where or criterion.slices:
        return None
    others = {c.metric.name for c in problem.criteria if c is not criterion}
    scores = {"accuracy": largest, "error_rate": 1 - largest}
    if not others & {"precision", "specificity", "f1", "roc_auc", "positive_rate"}:
        scores["recall"] = 1.0
    if not others & {"recall", "f1", "roc_auc"}:
        scores["specificity"] = 1.0
    got = scores.get(criterion.metric.name)
    if got is None or (criterion.at_least is None and criterion.at_most is None):
        return None
    low = -math.inf if criterion.at_least is None else criterion.at_least
    high = math.inf if criterion.at_most is None else criterion.at_most
    return got if low <= got <= high else None


def _over_time(
    check: str, labelled: Dataset, outcome: Outcome, names: list[str], problem: Problem
) -> Iterator[Finding]:
    if labelled.roles.time is None or outcome.values.size < _FEW:
        yield skipped(check, "class_share_over_time", "there is no time, or fewer than 400 labels")
        return
    order = np.argsort(labelled.times(), kind="stable")
    blocks = np.array_split(outcome.values[order], _BLOCKS)
    counts = np.bincount(outcome.values.astype(np.int64))
    klass = 1 if problem.task is Task.BINARY else int(counts.argmax())
    shares = np.array([float((b == klass).mean()) for b in blocks])
    overall = float((outcome.values == klass).mean())
    last, before = shares[-1], shares[:-1]
    noise = math.sqrt(overall * (1 - overall) / blocks[-1].size)
    limit = max(history_limit(np.abs(before - before.mean()), floor=0.0), 4 * noise, overall / 4)
    moved = abs(last - float(before.mean())) > limit
    yield Finding(
        check=check,
        name="class_share_over_time",
        verdict=Verdict.FAIL if moved else Verdict.PASS,
        severity=Severity.WARNING if moved else Severity.INFO,
        summary=f"The share of {names[klass]} is {last:.1%} in the newest eighth of the rows and "
        f"{float(before.mean()):.1%} before (from {before.min():.1%} to {before.max():.1%}).",
        action="See whether labels are late or coded otherwise; judge by recent rows."
        if moved
        else "",
        estimate=float(last - before.mean()),
        threshold=limit,
        n=outcome.values.size,
        column=problem.target,
    )

"""How many rows have the label that they should have by now?"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from mldeploy.assessment._say import skipped
from mldeploy.assessment._share import asked_for, estimate_share, missing, rows_asked_about
from mldeploy.data import Dataset
from mldeploy.evidence import Finding, Severity, Verdict
from mldeploy.problem import Judge, Problem

_FEW = 0.05
"""Share of matured rows without a label above which somebody should look."""


def label_share(check: str, dataset: Dataset, problem: Problem) -> Iterator[Finding]:
    """Yield how many of the rows older than the label delay have a label.

    The age of a row is its distance from the newest row, since nothing says when the table was
    written.
    """
    for criterion in asked_for(problem, "label_coverage"):
        part = rows_asked_about(criterion, dataset)
        if part is None:
            yield skipped(check, criterion.metric.name, f"no row is in {criterion.where}")
            continue
        due = _matured(part, problem)
        known = ~missing(part.polars()[problem.target])[due]
        units = part.units()
        share = estimate_share(
            known, units=None if units is None else units[due], confidence=criterion.confidence
        )
        yield Judge(check=check).judge_estimate(
            criterion, share, column=problem.target, n_rows=int(due.sum())
        )
    yield from _unlabelled(check, dataset, problem)


def _unlabelled(check: str, dataset: Dataset, problem: Problem) -> Iterator[Finding]:
    due, without = _matured(dataset, problem), missing(dataset.polars()[problem.target])
    late, young = int((without & due).sum()), int((without & ~due).sum())
    if not late + young:
        return
    share = estimate_share(without[due])
    many = share.interval.low > _FEW
    waiting = f" {young:,} more are younger than that." if young else ""
    yield Finding(
        check=check,
        name="unlabelled_rows",
        verdict=Verdict.FAIL if many else Verdict.PASS,
        severity=Severity.WARNING if many else Severity.INFO,
        summary=f"{late:,} of {int(due.sum()):,} rows older than the label delay "
        f"({problem.label_delay}) have no label.{waiting}",
        action="Find out which rows never get a label: if they differ from the others, the "
        "model is judged on a part only."
        if many
        else "",
        estimate=share.value,
        interval=share.interval,
        n=share.n,
        threshold=_FEW,
        column=problem.target,
        details={"unlabelled": late, "too_young": young},
    )


def _matured(dataset: Dataset, problem: Problem) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Tell which rows are old enough to have a label; all, if none is or there is no time."""
    if dataset.roles.time is None:
        return np.ones(len(dataset), dtype=bool)
    times = dataset.times()
    due = np.asarray(times <= times.max() - np.timedelta64(problem.label_delay), dtype=bool)
    return due if due.any() else np.ones(len(dataset), dtype=bool)

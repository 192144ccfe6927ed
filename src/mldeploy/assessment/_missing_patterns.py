"""Which columns are missing together, and is it by chance which rows are?"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import polars as pl

from mldeploy.assessment._neighbours import Learner, out_of_fold
from mldeploy.assessment._outcome import Floats, Outcome, matrix_of, some_rows
from mldeploy.assessment._say import holds, skipped, some
from mldeploy.assessment._share import missing
from mldeploy.data import Dataset
from mldeploy.evidence import Finding, Severity, Verdict
from mldeploy.problem import Task
from mldeploy.stats import delong, holm_confidence, roc_auc

_ROWS, _COLUMNS, _FEW = 5_000, 200, 30
_MOST_ASKED = 20
_TOGETHER = 0.95
_AUC = 0.6
"""Smallest AUC at which other columns tell that a value is missing, and it matters."""


def missing_patterns(
    check: str, dataset: Dataset, holed: list[str], *, rng: np.random.Generator
) -> Iterator[Finding]:
    """Yield groups of columns that are missing together, and columns not missing by chance.

    Whether a value is missing is guessed from the other features by a small model that has not
    seen the row: an AUC of 0.5 is what missing completely at random gives. Whether it depends on
    the missing value itself no data can tell.
    """
    if len(holed) > _COLUMNS:
        yield skipped(check, "missing_together", f"{len(holed):,} columns have missing values")
        return
    flags = {c: missing(dataset.polars()[c]) for c in holed}
    groups = _groups(flags)
    for group in groups:
        if len(group) > 1:
            yield _together(check, group, flags)
    if len(dataset) < 200 or not 1 < len(dataset.features) <= _COLUMNS:
        yield skipped(check, "missing_at_random", f"{len(dataset):,} rows, "
                      f"{len(dataset.features):,} features")  # fmt: skip
        return
    part = some_rows(dataset, _ROWS, rng)
    gone = {g[0]: int(missing(part.polars()[g[0]]).sum()) for g in groups}
    asked = [g for g in groups if _FEW <= gone[g[0]] <= len(part) - _FEW]
    asked.sort(key=lambda g: -int(flags[g[0]].sum()))
    level = holm_confidence(max(len(asked), 1), 0.99)
    told = [_told(check, part, group, level, rng) for group in asked[:_MOST_ASKED]]
    findings = [f for f in told if f is not None]
    yield from findings
    if asked and not findings:
        summary = f"Nothing tells which values of {min(len(asked), _MOST_ASKED)} columns are."
        yield holds(check, "missing_at_random", summary, n=len(part))


def _groups(flags: dict[str, npt.NDArray[np.bool_]]) -> list[list[str]]:
    """Group columns that are missing in nearly the same rows, each with the first like it."""
    groups: list[list[str]] = []
    for column, mine in flags.items():
        for group in groups:
            first = flags[group[0]]
            either = int((mine | first).sum())
            if either and int((mine & first).sum()) >= _TOGETHER * either:
                group.append(column)
                break
        else:
            groups.append([column])
    return groups


def _together(check: str, group: list[str], flags: dict[str, npt.NDArray[np.bool_]]) -> Finding:
    n = int(flags[group[0]].sum())
    return Finding(
        check=check,
        name="missing_together",
        verdict=Verdict.PASS,
        severity=Severity.INFO,
        summary=f"{len(group)} columns are missing in the same {n:,} rows: {some(group)}.",
        estimate=n / flags[group[0]].size,
        n=flags[group[0]].size,
        column=group[0],
        details={"columns": ", ".join(group)},
    )


def _told(
    check: str, part: Dataset, group: list[str], level: float, rng: np.random.Generator
) -> Finding | None:
    others = [c for c in part.features if c not in group]
    gone = missing(part.polars()[group[0]])
    if not others:
        return None
    X, outcome = _without_itself(part.polars(), others), _as_outcome(gone)
    learner = Learner(task=Task.BINARY, max_iter=15)
    guess = out_of_fold(learner, X, outcome, units=part.units(), rng=rng, n_folds=3)
    if guess is None:
        return None
    auc = delong(outcome.values, guess[:, 0], units=part.units(), confidence=level)
    if auc.interval.low <= _AUC:
        return None
    best, alone = _best_alone(X, others, outcome)
    return Finding(
        check=check,
        name="missing_not_by_chance",
        verdict=Verdict.FAIL,
        severity=Severity.WARNING,
        summary=f"Other columns tell which of its values are missing (AUC {auc.value:.3f}), most "
        f"of all {best!r} ({alone:.3f} alone): the rows left are others than those lost.",
        action="Do not drop rows without it, nor fill in a mean: let the model see that it is "
        f"missing, and {best!r}; ask why it is.",
        estimate=auc.value,
        interval=auc.interval,
        threshold=_AUC,
        n=auc.n,
        column=group[0],
        details={"told_by": best},
    )


def _as_outcome(flags: npt.NDArray[np.bool_]) -> Outcome:
    return Outcome(task=Task.BINARY, values=flags.astype(np.float64), n_classes=2)


def _without_itself(table: pl.DataFrame, others: list[str]) -> Floats:
    return matrix_of(table.select(others))


def _best_alone(X: Floats, names: list[str], outcome: Outcome) -> tuple[str, float]:
    """Return the column that tells most by its order, or by being missing itself."""
    best, most = names[0], 0.0
    for i, name in enumerate(names):
        x, gone = X[:, i], np.isnan(X[:, i])
        middle = np.nanmedian(x) if not gone.all() else 0.0
        scores = [roc_auc(outcome.values, np.where(gone, middle, x))]
        scores.append(roc_auc(outcome.values, gone.astype(float)))
        top = max(max(s, 1 - s) for s in scores)
        if top > most:
            best, most = name, top
    return best, most

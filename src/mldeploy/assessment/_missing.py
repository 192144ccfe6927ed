"""Which values are missing, where, and what that tells."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, final

import numpy as np
import numpy.typing as npt
import polars as pl
from typing_extensions import override

from mldeploy.assessment._base import DataAssessor
from mldeploy.assessment._label_share import label_share
from mldeploy.assessment._missing_patterns import missing_patterns
from mldeploy.assessment._say import holds, skipped
from mldeploy.assessment._share import (
    asked_for,
    columns_asked_about,
    estimate_share,
    missing,
    rows_asked_about,
)
from mldeploy.data import Dataset
from mldeploy.evidence import Finding, Severity, Verdict
from mldeploy.problem import Criterion, Judge, Problem
from mldeploy.stats import null_share_jump

_LEVELS = 20
"""Largest number of classes by which missingness is compared."""
_BLOCKS = 8


@final
@dataclass(frozen=True, kw_only=True)
class MissingAssessor(DataAssessor):
    """Judge how much is missing, and whether that it is missing tells something.

    Criteria on ``missing_share`` and ``label_coverage`` are judged on intervals, clustered by
    the unit if there is one. Beyond them, columns that are mostly empty, columns whose
    missingness depends on the label or on other columns, and columns whose missingness jumped in
    time are warnings.

    Attributes
    ----------
    mostly : float, default=0.5
        Share of missing values from which on a column counts as mostly empty, in (0, 1).
    material : float, default=0.1
        Smallest difference of two shares of missing values, between classes or between
        successive eighths of the rows in time, that is worth a warning, in (0, 1).
    alpha : float, default=0.001
        Chance of a false warning of either kind, over all columns together.
    random_state : int, default=0
        Seed of the rows and folds by which it is seen whether values are missing by chance.
    """

    mostly: float = 0.5
    material: float = 0.1
    alpha: float = 0.001
    random_state: int = 0

    def __post_init__(self) -> None:
        for name in ("mostly", "material", "alpha"):
            if not 0 < getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)} lies not between 0 and 1")

    @override
    def _assess(self, dataset: Dataset, problem: Problem) -> Iterator[Finding]:
        check = type(self).__name__
        for criterion in asked_for(problem, "missing_share"):
            yield from _judge(check, criterion, dataset)
        yield from label_share(check, dataset, problem)
        nulls = dataset.polars().select(dataset.features).null_count()
        holed = [c for c in dataset.features if nulls[c][0]]
        decided = {
            c for k in asked_for(problem, "missing_share") for c in columns_asked_about(k, dataset)
        }
        warned = [
            *self._mostly_empty(check, dataset, [c for c in holed if c not in decided]),
            *self._by_label(check, dataset, problem, holed),
            *self._over_time(check, dataset, holed),
            *missing_patterns(check, dataset, holed, rng=np.random.default_rng(self.random_state)),
        ]
        yield from warned
        summary = f"{len(holed):,} of {len(dataset.features):,} features have missing values."
        yield holds(check, "missing_values", summary, n=len(dataset))

    def _mostly_empty(self, check: str, dataset: Dataset, holed: list[str]) -> Iterator[Finding]:
        for column in holed:
            share = estimate_share(missing(dataset.polars()[column]), units=dataset.units())
            if share.interval.low > self.mostly:
                yield Finding(
                    check=check,
                    name="mostly_missing",
                    verdict=Verdict.FAIL,
                    severity=Severity.WARNING,
                    summary=f"{share.value:.1%} of its values are missing.",
                    action="Mend its source or drop it; if missing means something, say so in a "
                    "column of its own.",
                    estimate=share.value,
                    interval=share.interval,
                    n=share.n,
                    threshold=self.mostly,
                    column=column,
                )

    def _by_label(
        self, check: str, dataset: Dataset, problem: Problem, holed: list[str]
    ) -> Iterator[Finding]:
        groups = _label_groups(dataset, problem)
        if groups is None:
            yield skipped(check, "missing_by_label", "fewer than two classes have labels")
            return
        for column in holed:
            flags = missing(dataset.polars()[column])
            shares = {name: (int(flags[rows].sum()), int(rows.sum())) for name, rows in groups}
            jump = self._largest_jump(shares, n_tests=len(holed), units=dataset.units())
            if jump is not None:
                low, high, effect, p_value = jump
                yield Finding(
                    check=check,
                    name="missing_by_label",
                    verdict=Verdict.FAIL,
                    severity=Severity.WARNING,
                    summary=f"It is missing in {_share(shares[high])} of the rows with label "
                    f"{high}, and in {_share(shares[low])} of those with {low}.",
                    action="See whether it is filled in once the outcome is known; if so, "
                    "drop it.",
                    estimate=effect,
                    n=len(dataset),
                    threshold=self.material,
                    column=column,
                    details={"p_value": p_value},
                )

    def _over_time(self, check: str, dataset: Dataset, holed: list[str]) -> Iterator[Finding]:
        if dataset.roles.time is None:
            yield skipped(check, "missing_over_time", "there is no prediction time")
            return
        times = dataset.times()
        order = np.argsort(times, kind="stable")
        blocks = [b for b in np.array_split(order, _BLOCKS) if b.size]
        for column in holed:
            flags = missing(dataset.polars()[column])
            counts = [(int(flags[b].sum()), b.size) for b in blocks]
            steps = np.array([abs(a / n - b / m) for (a, n), (b, m) in pairwise(counts)])
            if not steps.size or steps.max() <= self.material:
                continue
            at = int(steps.argmax())
            jump = self._largest_jump(
                {"before": counts[at], "after": counts[at + 1]},
                n_tests=len(holed) * len(steps), units=dataset.units(),
            )  # fmt: skip
            if jump is not None:
                when = str(times[blocks[at + 1][0]])[:16]
                yield Finding(
                    check=check,
                    name="missing_over_time",
                    verdict=Verdict.FAIL,
                    severity=Severity.WARNING,
                    summary=f"Its share of missing values went from {_share(counts[at])} to "
                    f"{_share(counts[at + 1])} about {when}.",
                    action="Ask what changed at its source then; learn from either side alone.",
                    estimate=jump[2],
                    n=len(dataset),
                    threshold=self.material,
                    column=column,
                    details={"p_value": jump[3]},
                )

    def _largest_jump(
        self,
        shares: dict[str, tuple[int, int]],
        *,
        n_tests: int,
        units: npt.NDArray[Any] | None,
    ) -> tuple[str, str, float, float] | None:
        """Return the groups that differ most, the difference and its p-value, if it matters."""
        by_share = sorted(shares, key=lambda name: shares[name][0] / shares[name][1])
        low, high = by_share[0], by_share[-1]
        scale = 1.0
        if units is not None:
            scale = len(np.unique(units.astype(str))) / len(units)
        (a, n), (b, m) = shares[low], shares[high]
        if b / m - a / n <= self.material:
            return None
        sizes = [max(round(x * scale), 1) for x in (n, m)]
        found = null_share_jump(
            n_missing_reference=round(a / n * sizes[0]), n_reference=sizes[0],
            n_missing_current=round(b / m * sizes[1]), n_current=sizes[1], limit=self.material / 2,
        )  # fmt: skip
        k = len(shares) * (len(shares) - 1) // 2 * n_tests
        p_value = min(1.0, found.p_value * k)
        return (low, high, b / m - a / n, p_value) if p_value <= self.alpha else None


def _share(counts: tuple[int, int]) -> str:
    return f"{counts[0] / counts[1]:.1%}"


def _judge(check: str, criterion: Criterion, dataset: Dataset) -> Iterator[Finding]:
    part = rows_asked_about(criterion, dataset)
    if part is None:
        yield skipped(check, criterion.metric.name, f"no row is in {criterion.where}")
        return
    for column in columns_asked_about(criterion, dataset):
        share = estimate_share(
            missing(part.polars()[column]), units=part.units(), confidence=criterion.confidence
        )
        yield Judge(check=check).judge_estimate(criterion, share, column=column, n_rows=len(part))


def _label_groups(
    dataset: Dataset, problem: Problem
) -> list[tuple[str, npt.NDArray[np.bool_]]] | None:
    """Return the rows of each class; of a number, those below and above its median."""
    label = dataset.polars()[problem.target]
    if not problem.task.is_classification:
        if not label.dtype.is_numeric() or label.null_count() == len(label):
            return None
        middle = float(label.cast(pl.Float64).median() or 0.0)  # type: ignore[arg-type]
        low = (label <= middle).fill_null(value=False).to_numpy()
        high = (label > middle).fill_null(value=False).to_numpy()
        groups = [(f"up to {middle:g}", low), (f"above {middle:g}", high)]
    else:
        levels = label.drop_nulls().value_counts(sort=True)[label.name].to_list()[:_LEVELS]
        groups = [(str(v), (label == v).fill_null(value=False).to_numpy()) for v in levels]
    groups = [(name, np.asarray(rows, dtype=bool)) for name, rows in groups if rows.any()]
    return groups if len(groups) > 1 else None

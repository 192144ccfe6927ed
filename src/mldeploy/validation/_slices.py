"""Slices in which a model is worse: searched on one half, confirmed on the other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias, final

import numpy as np
import numpy.typing as npt
import pandas as pd
from typing_extensions import override

from mldeploy.data import Dataset, row_digests
from mldeploy.evidence import Finding, Severity, Verdict, figure
from mldeploy.model import Model
from mldeploy.problem import Metric, MetricKind, Needs, Problem, ScoredRows, find_metric
from mldeploy.stats import Comparison, Estimate, holm, looks_alpha, looks_p_values, rows_needed
from mldeploy.validation._looks import LookingValidator
from mldeploy.validation._slice_cuts import Cut, cuts_of
from mldeploy.validation._slice_finder import FoundSlice, SliceFinder, found_by
from mldeploy.validation._slice_gap import Outcomes, gap_between
from mldeploy.validation._slice_search import Cell, cells_of, search

Part: TypeAlias = Cell | FoundSlice
_RELATIVE_GAP = 0.25
_MAX_PAIRED = 40


@final
@dataclass(frozen=True, kw_only=True)
class SliceValidator(LookingValidator):
    """Look for parts of the rows in which the model is worse than in the rest.

    The values of each sensitive column are tested on all rows, since they were named before
    anybody looked. All other columns are searched, alone and two by two, on one half of the
    units; what stands out is tested on the other half. A slice is reported when it is worse
    than the rest beyond chance, all tests of a report taken together, and FAILs when its whole
    interval lies above `gap`. Findings are warnings: a bound for a slice is set by a criterion.

    The metric is the problem's first quality metric that is measured row by row; without one,
    accuracy or the mean absolute error.

    Attributes
    ----------
    gap : float, optional
        How much worse than the rest is too much, in the metric's unit. By default 0.05 for
        shares, and a quarter of the metric's value otherwise.
    alpha : float
        Chance that a model without bad slices gets any finding.
    n_bins : int
        Parts into which numbers of many values are cut, at quantiles.
    max_levels : int
        Values of a column that are looked at, the most frequent ones; and the distinct numbers
        up to which a number is taken by its values.
    min_rows : int
        Rows that a slice must have in each half.
    max_suspects : int
        Slices that are tested on the second half at most.
    max_rows : int
        Rows that are looked at, drawn by their digests if there are more.
    finder : SliceFinder, optional
        What searches in place of the scan, such as a function of your own; what it finds on one
        half is confirmed on the other all the same.
    n_looks : int
        As of `CriteriaValidator`.

    Notes
    -----
    Without the second half 52 % of models without bad slices got one. Tested by Fisher's
    exact test, or by a t-test of units where rows carry weights, units or amounts, with Holm's
    correction; half of `alpha` goes to the sensitive columns, if there are any. Rows, or whole
    units, are dealt to the halves by the digests of their values: the halves of a table are
    made once, and there is no seed to try until they please.

    Examples
    --------
    >>> SliceValidator(gap=0.1).gap
    0.1
    """

    gap: float | None = None
    alpha: float = 0.05
    n_bins: int = 4
    max_levels: int = 20
    min_rows: int = 50
    max_suspects: int = 5
    max_rows: int = 100_000
    finder: SliceFinder | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.gap is not None and self.gap <= 0:
            raise ValueError(f"{self.gap=}: a slice is worse by a positive gap")
        if not 0 < self.alpha < 0.5:
            raise ValueError(f"{self.alpha=}: the chance of a false finding lies in (0, 0.5)")
        if self.n_bins < 2 or self.max_levels < 2 or self.max_suspects < 1:
            raise ValueError(
                f"{self.n_bins=}, {self.max_levels=}, {self.max_suspects=}: a column is cut in "
                "two or more parts, and a suspect or more is tested"
            )
        if self.min_rows < 10 or self.max_rows < 4 * self.min_rows:
            raise ValueError(
                f"{self.min_rows=}, {self.max_rows=}: a slice needs 10 rows in each half, and "
                "the search four times as many as a slice"
            )

    @override
    def _validate(
        self, model: Model, dataset: Dataset, problem: Problem, *, champion: Model | None
    ) -> Iterator[Finding]:
        digests = row_digests(dataset.polars())
        if len(dataset) > self.max_rows:
            drawn = np.sort(np.argsort(digests, kind="stable")[: self.max_rows])
            dataset, digests = dataset.take(drawn), digests[drawn]
        rows = model.scored_rows(dataset)
        metric = _metric_of(problem, model, rows)
        units = None if rows.unit is None else pd.factorize(rows.unit, use_na_sentinel=False)[0]
        outcomes = Outcomes.of(metric, rows, units)
        counted = np.flatnonzero(outcomes.below > 0)
        if len(counted) < 4 * self.min_rows:
            yield self._too_few(metric, len(counted))
            return
        gap = self._gap(metric, outcomes)
        task = _Task(metric=metric, outcomes=outcomes, gap=gap, counted=counted)
        declared = self._declared(task, dataset, problem)
        alpha = self.alpha / 2 if declared else self.alpha
        everyone = np.ones(len(outcomes), bool)
        yield from self._tested(task, declared, everyone, alpha=alpha)
        first = _half(outcomes, digests)
        yield from self._searched(task, dataset, problem, alpha=alpha, first=first)

    def _gap(self, metric: Metric, outcomes: Outcomes) -> float:
        if self.gap is not None:
            return self.gap
        return 0.05 if metric.is_share else max(abs(outcomes.value) * _RELATIVE_GAP, 1e-12)

    def _declared(self, task: _Task, dataset: Dataset, problem: Problem) -> list[Cell]:
        names = tuple(n for n in problem.sensitive if n in dataset.columns)
        cuts = cuts_of(dataset, names, n_bins=self.n_bins, max_levels=self.max_levels)
        return [cell for cut in cuts for cell in cells_of(cut, task.counted, self.min_rows)]

    def _searched(
        self,
        task: _Task,
        dataset: Dataset,
        problem: Problem,
        *,
        alpha: float,
        first: npt.NDArray[np.bool_],
    ) -> Iterator[Finding]:
        cuts = self._cuts(dataset, problem)
        counted = np.zeros(len(task.outcomes), bool)
        counted[task.counted] = True
        if self.finder is not None:
            yield from self._found(task, dataset, problem, first, alpha=alpha)
            return
        suspects = search(
            [cut for cut in cuts if cut.column not in problem.sensitive],
            cuts[:_MAX_PAIRED],
            task.outcomes,
            np.flatnonzero(counted & first),
            gap=task.gap,
            min_rows=self.min_rows,
            max_suspects=self.max_suspects,
        )
        found = list(self._tested(task, suspects.cells, ~first, alpha=alpha))
        yield from found
        unit = task.metric.unit
        yield Finding(
            check=type(self).__name__,
            name="slices_searched",
            verdict=Verdict.PASS if suspects.n_searched else Verdict.INSUFFICIENT,
            severity=Severity.INFO,
            summary=(
                f"Of {suspects.n_searched:,} slices, {len(suspects.cells)} looked worse than the "
                f"rest by more than {figure(task.gap, unit)} in {task.metric.name} on one half, "
                f"and {len(found)} of them are worse beyond chance on the other half."
            ),
            estimate=float(suspects.n_searched),
            n=len(task.counted),
            details={
                "suspects": len(suspects.cells),
                "confirmed": len(found),
                "searched_rows": int(first.sum()),
                "split": "by the digest of each row"
                if task.outcomes.units is None
                else "by the digest of each unit's first row",
            },
        )

    def _found(
        self,
        task: _Task,
        dataset: Dataset,
        problem: Problem,
        first: npt.NDArray[np.bool_],
        *,
        alpha: float,
    ) -> Iterator[Finding]:
        assert self.finder is not None, "the caller has looked"
        names = dict.fromkeys([*dataset.features, *problem.sensitive])
        suspects = found_by(
            self.finder,
            dataset.pandas(list(names)),
            task.outcomes.worse(),
            first,
            max_suspects=self.max_suspects,
            min_rows=self.min_rows,
        )
        found = list(self._tested(task, suspects, ~first, alpha=alpha))
        yield from found
        yield Finding(
            check=type(self).__name__,
            name="slices_searched",
            verdict=Verdict.PASS,
            severity=Severity.INFO,
            summary=(
                f"Of {len(suspects)} slices that were found on one half, {len(found)} are worse "
                "beyond chance on the other half."
            ),
            estimate=float(len(suspects)),
            n=len(task.counted),
            details={"suspects": len(suspects), "confirmed": len(found)},
        )

    def _cuts(self, dataset: Dataset, problem: Problem) -> list[Cut]:
        known = set(dataset.columns) - {problem.target}
        wanted = dict.fromkeys([*problem.sensitive, *dataset.features])
        names = tuple(name for name in wanted if name in known)
        return cuts_of(dataset, names, n_bins=self.n_bins, max_levels=self.max_levels)

    def _tested(
        self, task: _Task, cells: Sequence[Part], rows: npt.NDArray[np.bool_], *, alpha: float
    ) -> Iterator[Finding]:
        """Yield a finding for each slice that is worse beyond chance and may be so by the gap."""
        if not cells:
            return
        part = task.outcomes.take(rows)
        confidence = 1 - 2 * looks_alpha(self.n_looks, alpha / len(cells))
        tested = [
            (cell, gap_between(part, cell.mask()[rows], confidence=confidence)) for cell in cells
        ]
        p_values = [1.0 if c is None else c.p_value for _, c in tested]
        adjusted = holm(looks_p_values(self.n_looks, p_values, sides=1))
        for (cell, compared), p in zip(tested, adjusted, strict=True):
            if compared is not None and p <= alpha and compared.interval.high > task.gap:
                yield self._finding(task, cell, compared, float(p))

    def _finding(self, task: _Task, cell: Part, compared: Comparison, p: float) -> Finding:
        metric, inside = task.metric, cell.mask()
        fails = compared.interval.low > task.gap
        here = task.outcomes.take(inside)
        more = None if fails else _more_rows(compared, task.gap, len(here))
        value, rest = figure(here.value, metric.unit), task.outcomes.take(~inside).value
        return Finding(
            check=type(self).__name__,
            name=f"{metric.name} gap",
            verdict=Verdict.FAIL if fails else Verdict.INSUFFICIENT,
            severity=Severity.WARNING,
            summary=(
                f"{metric.name} is {value} for {cell.name}, and {figure(rest, metric.unit)} in "
                f"the rest; {'more' if fails else 'perhaps more'} than "
                f"{figure(task.gap, metric.unit)} worse."
            ),
            action=(
                "Look at these rows: collect more of them, add what tells them apart, or let "
                "people decide there."
                if fails
                else f"About {more:,} more rows of it would settle it."
                if more
                else ""
            ),
            estimate=compared.difference,
            interval=compared.interval,
            n=compared.n,
            threshold=task.gap,
            unit=metric.unit,
            slice=cell.name,
            rows_needed=more,
            details={
                "p_value": p,
                "method": compared.method,
                "in_slice": here.value,
                "in_rest": rest,
                "n_slice": len(here),
            },
        )

    def _too_few(self, metric: Metric, n: int) -> Finding:
        needed = 4 * self.min_rows
        return Finding(
            check=type(self).__name__,
            name="slices_searched",
            verdict=Verdict.INSUFFICIENT,
            severity=Severity.WARNING,
            summary=f"{n} rows count towards {metric.name}, too few to look for bad slices.",
            action=f"Validate on {needed:,} rows or more.",
            n=n,
            rows_needed=needed - n,
        )


@dataclass(frozen=True, kw_only=True)
class _Task:
    metric: Metric
    outcomes: Outcomes
    gap: float
    counted: npt.NDArray[np.int64]


def _metric_of(problem: Problem, model: Model, rows: ScoredRows) -> Metric:
    scored = rows.y_score is not None and model.signature.probabilistic
    for criterion in problem.criteria:
        metric = criterion.metric
        suits = metric.kind is MetricKind.QUALITY and metric.per_row is not None
        if suits and (scored or metric.needs is not Needs.SCORE) and metric.name != "bias":
            return metric
    name = "accuracy" if rows.task.is_classification else "mean_absolute_error"
    return find_metric(name)


def _half(outcomes: Outcomes, digests: npt.NDArray[np.uint64]) -> npt.NDArray[np.bool_]:
    """Return which rows are in the first half; rows of one unit stay together."""
    if outcomes.units is not None:
        of_unit = np.full(int(outcomes.units.max()) + 1, np.iinfo(np.uint64).max, np.uint64)
        np.minimum.at(of_unit, outcomes.units, digests)
        digests = of_unit[outcomes.units]
    return np.asarray(digests >> np.uint64(8) & np.uint64(1), dtype=bool)


def _more_rows(compared: Comparison, gap: float, n: int) -> int | None:
    estimate = Estimate(
        value=compared.difference, interval=compared.interval, n=compared.n, method="t"
    )
    total = rows_needed(estimate, threshold=gap, n=max(n, 1))
    return None if total is None else max(total - n, 1)

"""Are there values that cannot be: too far out, below zero, or the same for too long?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import final

import polars as pl
from typing_extensions import override

from mldeploy.assessment._base import DataAssessor
from mldeploy.assessment._say import holds, skipped
from mldeploy.assessment._stuck import Run, in_order, longest_run
from mldeploy.data import Dataset
from mldeploy.evidence import Finding, Severity, Verdict
from mldeploy.problem import Problem, Task
from mldeploy.stats import IsolatedTail, ValueCounts, holm, isolated_tail

_FACTORS = (10.0, 100.0, 1_000.0, 1_000_000.0, 1.609344, 2.54, 25.4, 1.8, 2.20462262, 60.0)
_RARE, _NEAR = 0.01, 0.05
_MOST_ORDERED = 500


@final
@dataclass(frozen=True, kw_only=True)
class ValuesAssessor(DataAssessor):
    """Look for numbers that stand apart, for counts below zero, and for sensors that are stuck.

    Of each numeric feature, and of the target of a regression, it warns of `outliers` (values
    beyond a gap that the tail before it makes hard to believe), `sentinel` (the same, all of one
    value: a code), `negative_values` (a few, just below zero, in whole numbers that are
    otherwise at least zero) and `stuck_values` (one uncommon value for many times longer than
    any other, in the order of time and within a unit).

    Attributes
    ----------
    alpha : float, default=0.01
        Chance of a false warning of outliers in a table, over all columns.
    stuck : float, default=5.0
        How many times longer than 99.9 % of the runs of equal values a run must be; above 1.

    Examples
    --------
    >>> import pandas as pd
    >>> from mldeploy.problem import Criterion
    >>> problem = Problem(name="rain", statement="Does it rain?", target="wet", positive=True,
    ...                   criteria=[Criterion("roc_auc", at_least=0.7)])
    >>> frame = pd.DataFrame({"temp": [15 + i * 7 % 13 for i in range(300)], "wet": True})
    >>> frame.loc[7, "temp"] = -999
    >>> report = ValuesAssessor().assess(Dataset.of(frame, target="wet"), problem)
    >>> report.alarms[0].name, report.alarms[0].estimate
    ('outliers', -999.0)
    """

    alpha: float = 0.01
    stuck: float = 5.0

    def __post_init__(self) -> None:
        if not 0 < self.alpha < 1 or self.stuck <= 1:
            raise ValueError(f"{self.alpha=} lies in (0, 1), {self.stuck=} above 1")

    @override
    def _assess(self, dataset: Dataset, problem: Problem) -> Iterator[Finding]:
        check = type(self).__name__
        asked = list(dataset.features)
        if problem.task is Task.REGRESSION:
            asked.append(problem.target)
        table = dataset.polars().select(asked)
        numbers = [c for c in table.get_columns() if c.dtype.is_numeric()]
        if not numbers:
            yield skipped(check, "values", "no feature is a number")
            return
        findings = [*self._outliers(check, numbers), *_negatives(check, numbers)]
        told = {f.column for f in findings}
        findings += self._stuck(check, dataset, [c for c in numbers if c.name not in told])
        yield from findings
        if dataset.roles.time is None:
            yield skipped(check, "stuck_values", "there is no prediction time, so no order")
        elif len(numbers) > _MOST_ORDERED:
            yield skipped(check, "stuck_values", f"{len(numbers):,} columns of numbers are many")
        if not findings:
            summary = f"No value of {len(numbers):,} columns of numbers stands apart."
            yield holds(check, "values", summary, n=len(dataset))

    def _outliers(self, check: str, numbers: list[pl.Series]) -> Iterator[Finding]:
        found = []
        for column in numbers:
            table = counts_of(column)
            for above in (False, True):
                tail = isolated_tail(table, above=above) if table.n else None
                if tail is not None:
                    found.append((column, table, tail))
        if not found:
            return
        n_looks = 2 * len(numbers)
        p_values = [tail.p_value for *_, tail in found] + [1.0] * (n_looks - len(found))
        for (column, table, tail), p_value in zip(found, holm(p_values), strict=False):
            if p_value <= self.alpha:
                yield _outlier(check, column, table, tail, float(p_value))

    def _stuck(self, check: str, dataset: Dataset, numbers: list[pl.Series]) -> Iterator[Finding]:
        if dataset.roles.time is None or len(numbers) > _MOST_ORDERED:
            return
        ordered = in_order(dataset, [c.name for c in numbers])
        for column in numbers:
            run = longest_run(ordered, column.name, times=self.stuck)
            if run is not None:
                yield _stuck(check, column.name, run, len(dataset))


def counts_of(column: pl.Series) -> ValueCounts:
    """Count the finite numbers of a column."""
    known = column.cast(pl.Float64).drop_nulls().alias("value")
    table = known.filter(known.is_finite()).value_counts(name="n").sort("value")
    return ValueCounts(values=table["value"].to_numpy(), counts=table["n"].to_numpy())


def _outlier(
    check: str, column: pl.Series, table: ValueCounts, tail: IsolatedTail, p_value: float
) -> Finding:
    code = tail.n_distinct == 1 and tail.n > 1
    side = "above" if tail.nearest > tail.last else "below"
    what = f"{tail.n:,} values are" if tail.n > 1 else "1 value is"
    where = f"{tail.farthest:,.10g}" if tail.n_distinct == 1 else (
        f"{tail.nearest:,.10g} or farther, up to {tail.farthest:,.10g}"
    )  # fmt: skip
    factor = _factor(table, tail)
    unit = f" Divided by {factor:g} they would be in the middle of the others." if factor else ""
    return Finding(
        check=check,
        name="sentinel" if code else "outliers",
        verdict=Verdict.FAIL,
        severity=Severity.WARNING,
        summary=f"{what} {where}; the next is {tail.last:,.10g}, {side} which nothing else "
        f"lies.{unit}",
        action=_do(code=code, unit=bool(factor)),
        estimate=tail.farthest,
        threshold=tail.last,
        n=len(column),
        column=column.name,
        details={"count": tail.n, "p_value": p_value, "ratio": tail.ratio},
    )


def _do(*, code: bool, unit: bool) -> str:
    if code:
        return "Read it as missing if it is a code for that; else see how it came about."
    mend = "Convert them if they are in another unit" if unit else "Mend or leave out these rows"
    return f"{mend}; state the range in the schema, so that such values are refused."


def _factor(table: ValueCounts, tail: IsolatedTail) -> float | None:
    """Return the factor by which the values are in the middle half of the others, if one does."""
    reached = table.counts.cumsum() / table.n
    low, high = (float(table.values[reached.searchsorted(q)]) for q in (0.25, 0.75))
    if low <= 0 or tail.nearest <= 0 or tail.n < 3:
        return None
    fits = [f for f in _FACTORS if low <= tail.nearest / f and tail.farthest / f <= high]
    return min(fits, default=None)


def _negatives(check: str, numbers: list[pl.Series]) -> Iterator[Finding]:
    for column in numbers:
        if not column.dtype.is_integer():
            continue
        below = column.filter(column < 0)
        high = column.quantile(0.99)
        if not len(below) or high is None or len(below) > _RARE * len(column):
            continue
        lowest = int(below.min())  # type: ignore[arg-type]
        if high > 0 and -lowest <= _NEAR * high:
            yield Finding(
                check=check,
                name="negative_values",
                verdict=Verdict.FAIL,
                severity=Severity.WARNING,
                summary=f"{len(below):,} of {len(column):,} values are below zero, down to "
                f"{lowest:,}; all others are whole numbers of at least 0.",
                action="If it counts something, mend or leave out these rows, and state the "
                "range in the schema.",
                estimate=len(below) / len(column),
                threshold=0.0,
                n=len(column),
                column=column.name,
                details={"count": len(below), "lowest": lowest},
            )


def _stuck(check: str, column: str, run: Run, n: int) -> Finding:
    whose = f" of {run.unit}" if run.unit else ""
    return Finding(
        check=check,
        name="stuck_values",
        verdict=Verdict.FAIL,
        severity=Severity.WARNING,
        summary=f"{run.length:,} successive values{whose} are {run.value:,.10g}, from "
        f"{run.start} to {run.end}; 99.9 % of such runs are no longer than {run.usual:,.0f}.",
        action="See whether its sensor still measured; leave these rows out.",
        estimate=float(run.length),
        threshold=run.limit,
        n=n,
        column=column,
        details={"value": run.value, "runs": run.n_longer},
    )

"""What does it take to have the features when a prediction is asked for, and is it worth it?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import final

import numpy as np
from typing_extensions import override

from mldeploy.assessment._base import DataAssessor
from mldeploy.assessment._neighbours import Learner
from mldeploy.assessment._outcome import halves, matrix_of, outcome_of, some_rows
from mldeploy.assessment._say import skipped, some
from mldeploy.data import Dataset
from mldeploy.errors import InvalidDataError
from mldeploy.evidence import Finding, Severity, Verdict, figure
from mldeploy.problem import Criterion, MetricKind, Problem
from mldeploy.stats import Comparison, corrected_resampled_t

_ROWS, _FEW, _REPEATS = 4_000, 400, 6
_MILLION = 1_000_000


@final
@dataclass(frozen=True, kw_only=True)
class FeatureCost:
    """What a source of features takes in production.

    Attributes
    ----------
    columns : tuple of str
        The features that come from it, at once.
    latency : timedelta, default=0
        Time until they are there; sources are asked at the same time.
    price : float, default=0.0
        Price of one row, in the currency of a criterion on ``cost_per_million``.
    """

    columns: tuple[str, ...]
    latency: timedelta = timedelta(0)
    price: float = 0.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "columns", tuple(self.columns))
        if not self.columns or self.latency < timedelta(0) or self.price < 0:
            raise ValueError("a source needs columns, and a latency and price of at least 0")


@final
@dataclass(frozen=True, kw_only=True)
class FeatureCostAssessor(DataAssessor):
    """Hold what features take in production against the criteria, and against what they bring.

    By the criteria on latency and cost it warns if getting the features alone exceeds the bound
    (`feature_latency`, `feature_price`), before a model has answered. Of each source with a cost
    it says how much a small model's score falls without it (`worth`), and warns if that is
    surely less than `gain`.

    Attributes
    ----------
    sources : mapping of str to FeatureCost
        What each source takes, by its name; features of no source cost nothing.
    gain : float, default=0.002
        Smallest fall of the score (AUC, R², accuracy over the largest class) that pays for a
        source, above 0.
    random_state : int, default=0
        Seed of rows and halves.
    """

    sources: Mapping[str, FeatureCost]
    gain: float = 0.002
    random_state: int = 0

    def __post_init__(self) -> None:
        if self.gain <= 0:
            raise ValueError(f"{self.gain=} must be above 0")

    @override
    def _assess(self, dataset: Dataset, problem: Problem) -> Iterator[Finding]:
        check = type(self).__name__
        used = {}
        for name, cost in self.sources.items():
            if gone := [c for c in cost.columns if c not in dataset.columns]:
                raise InvalidDataError(f"source {name!r} names {some(gone)}, which is not there")
            if any(c in dataset.features for c in cost.columns):
                used[name] = cost
        if not used:
            yield skipped(check, "feature_cost", "no feature comes from a source with a cost")
            return
        for criterion in problem.criteria:
            yield from _judged(check, criterion, used)
        yield from self._worth(check, dataset, problem, used)

    def _worth(
        self, check: str, dataset: Dataset, problem: Problem, used: Mapping[str, FeatureCost]
    ) -> Iterator[Finding]:
        known = ~np.asarray(dataset.polars()[problem.target].is_null().to_numpy(), dtype=bool)
        if known.sum() < _FEW:
            yield skipped(check, "worth", f"{int(known.sum()):,} rows have a label")
            return
        rng = np.random.default_rng(self.random_state)
        rows = some_rows(dataset.take(known), _ROWS, rng)
        outcome = outcome_of(rows, problem)
        for name, cost in used.items():
            left = [c for c in rows.features if c not in cost.columns]
            found = _fall(rows, problem, left, np.random.default_rng(self.random_state))
            if found is None:
                yield skipped(check, "worth", "some halves have one outcome only")
                return
            yield self._said(check, name, cost, found, outcome.score_name)

    def _said(
        self, check: str, name: str, cost: FeatureCost, fall: Comparison, score: str
    ) -> Finding:
        useless = fall.interval.high < self.gain
        return Finding(
            check=check,
            name="worth",
            verdict=Verdict.FAIL if useless else Verdict.PASS,
            severity=Severity.WARNING if useless else Severity.INFO,
            summary=f"Source {name!r} ({some(list(cost.columns))}) takes "
            f"{figure(cost.latency.total_seconds(), 's')} and {cost.price * _MILLION:,.6g} for a "
            f"million rows; without it the {score} of a small model falls by "
            f"{fall.difference:.4f} (95 %: {fall.interval.low:.4f} to {fall.interval.high:.4f}).",
            action="Leave it out." if useless else "",
            estimate=fall.difference,
            interval=fall.interval,
            threshold=self.gain,
            n=fall.n,
            slice=name,
            details={"latency": cost.latency.total_seconds(), "price": cost.price},
        )


def _judged(
    check: str, criterion: Criterion, used: Mapping[str, FeatureCost]
) -> Iterator[Finding]:
    bound, metric = criterion.at_most, criterion.metric
    if bound is None:
        return
    if metric.kind is MetricKind.LATENCY:
        slowest = max(used, key=lambda s: used[s].latency)
        total, name = used[slowest].latency.total_seconds(), "feature_latency"
        words = f"The features are there after {figure(total, 's')}, when {slowest!r} has answered"
    elif metric.name == "cost_per_million":
        total, name = _MILLION * sum(c.price for c in used.values()), "feature_price"
        words = f"The features of a million rows cost {total:,.6g}"
    else:
        return
    over = total > bound
    yield Finding(
        check=check,
        name=name,
        verdict=Verdict.FAIL if over else Verdict.PASS,
        severity=Severity.WARNING if over else Severity.INFO,
        summary=f"{words}; {str(criterion)!r} allows {figure(bound, metric.unit)}.",
        action="Leave a source out, fetch it beforehand, or allow more." if over else "",
        estimate=total,
        threshold=bound,
        unit=metric.unit,
        criterion=criterion.digest,
    )


def _fall(
    rows: Dataset, problem: Problem, left: list[str], rng: np.random.Generator
) -> Comparison | None:
    """Compare scores on random halves, learnt with all features and with those left."""
    outcome, learner = outcome_of(rows, problem), Learner(task=problem.task)
    X, smaller = (matrix_of(rows.polars().select(c)) for c in (rows.features, left))
    falls, sizes = [], []
    for _ in range(_REPEATS):
        train, test = halves(rows, rng)
        with_ = learner.score(X, outcome, train, test)
        constant = np.zeros((len(rows), 1))
        without = learner.score(smaller if left else constant, outcome, train, test)
        if with_ is None or without is None:
            return None
        falls.append(with_ - without)
        sizes.append((train.size, test.size))
    n_train, n_test = np.mean(sizes, axis=0)
    return corrected_resampled_t(falls, n_train=int(n_train), n_test=int(n_test))

"""Would the same training give the same answers, and does every column earn its place?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any, TypeAlias, final

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.base import clone
from tqdm import tqdm
from typing_extensions import override

from mldeploy.data import Dataset, default_split
from mldeploy.errors import InvalidDataError
from mldeploy.evidence import Finding, Severity, Verdict, figure
from mldeploy.model import Model, labels_of
from mldeploy.problem import Metric, Problem, ScoredRows, Task, point_value
from mldeploy.stats import (
    Comparison,
    Estimate,
    bootstrap_ratio,
    corrected_resampled_t,
    holm_confidence,
    rows_needed,
)
from mldeploy.validation._alike import alike_columns
from mldeploy.validation._base import Validator
from mldeploy.validation._refit import quality_metric, with_estimator
from mldeploy.validation._shuffled import answers_to, drawn, quoted

Array: TypeAlias = npt.NDArray[Any]
Fold: TypeAlias = tuple[Array, Array]


@final
@dataclass(frozen=True, kw_only=True)
class StabilityValidator(Validator):
    """Fit the estimator again with other seeds, and again without each column.

    The training rows are not at hand, so it is fitted on parts of the held-out rows. Between
    seeds, the share of decisions that differ is judged on its interval: what differs was
    decided by chance. Then the columns are made constant one after the other, those that tell
    much the same together; one without which the model is worse by less than `margin` on all
    folds earns nothing, and is named for the record: columns cost, break and drift.

    It takes as many fits as seeds, and as folds times columns: name it when there is time.

    Attributes
    ----------
    n_seeds : int
        Fits with different seeds.
    max_change : float
        Share of decisions that may differ between two seeds; in a regression the root mean
        square of the differences, in standard deviations of the answers.
    ablate : bool
        Whether columns are left out, too.
    n_folds : int
        Folds that a model without a column is compared on.
    margin : float, optional
        What a column must earn, in the metric's unit; 0.005 for shares by default, and 1 % of
        the metric's value otherwise.
    alike : float
        Cramér's V from which on columns are left out together.
    confidence : float
        Two-sided confidence of the intervals, of all columns together.
    max_rows : int
        Rows that are used.
    random_state : int
        Seed of the draw, of the folds and the first of the seeds.

    Notes
    -----
    Folds share rows, so differences are judged by the corrected resampled t-test of Nadeau and
    Bengio (Machine Learning 52, 2003), at a level that all columns share.

    Examples
    --------
    >>> StabilityValidator(n_seeds=3, ablate=False).max_change
    0.05
    """

    n_seeds: int = 5
    max_change: float = 0.05
    ablate: bool = True
    n_folds: int = 4
    margin: float | None = None
    alike: float = 0.7
    confidence: float = 0.95
    max_rows: int = 5_000
    random_state: int = 0

    def __post_init__(self) -> None:
        if self.n_seeds < 2 or self.n_folds < 3:
            raise ValueError(f"{self.n_seeds=}, {self.n_folds=}: two seeds, three folds or more")
        if not 0 < self.max_change < 1 or not 0.5 < self.confidence < 1 or not 0 < self.alike <= 1:
            raise ValueError(
                f"{self.max_change=}, {self.confidence=}, {self.alike=}: shares lie in (0, 1), a "
                "confidence in (0.5, 1)"
            )
        if (self.margin is not None and self.margin <= 0) or self.max_rows < 100:
            raise ValueError(f"{self.margin=}, {self.max_rows=}: above 0, and 100 rows or more")

    @override
    def _validate(
        self, model: Model, dataset: Dataset, problem: Problem, *, champion: Model | None
    ) -> Iterator[Finding]:
        dataset = drawn(dataset, self.max_rows, np.random.default_rng(self.random_state))
        X = dataset.pandas(model.signature.features)
        y = labels_of(dataset.y(), problem.task, problem.target)
        again = _Again(
            model=model, rows=model.scored_rows(dataset), units=dataset.units(), X=X, y=y
        )
        try:
            split = default_split(dataset, random_state=self.random_state)
            folds = list(split.folds(dataset, self.n_folds))
            yield self._seeds(again, folds[-1])
            if self.ablate:
                metric = quality_metric(problem, scored=model.signature.probabilistic)
                yield from self._ablation(again, folds, metric)
        except InvalidDataError as error:
            yield self._unknown(str(error))

    # --- seeds ----------------------------------------------------------------------------

    def _seeds(self, again: _Again, fold: Fold) -> Finding:
        names = [n for n in again.model.estimator.get_params(deep=True) if _is_seed(n)]
        if not names:
            return self._exact("it has no random_state")
        answers = []
        for seed in tqdm(range(self.n_seeds), desc="seeds", delay=1, leave=False):
            settings = dict.fromkeys(names, self.random_state + seed)
            fitted = again.fitted(
                clone(again.model.estimator).set_params(**settings), again.X, fold[0]
            )
            answers.append(np.asarray(fitted.predict(again.X.iloc[fold[1]])))
        change = _change(np.array(answers), again, fold[1], self.confidence)
        verdict = Verdict.INSUFFICIENT
        if change.interval.high <= self.max_change:
            verdict = Verdict.PASS
        elif change.interval.low > self.max_change:
            verdict = Verdict.FAIL
        total = None
        if verdict is Verdict.INSUFFICIENT:
            total = rows_needed(change, threshold=self.max_change, n=len(fold[1]))
        more = None if total is None else max(total - len(fold[1]), 1) * self.n_folds
        is_number = again.model.signature.task is Task.REGRESSION
        unit = "of their spread" if is_number else "of decisions"
        return Finding(
            check=type(self).__name__,
            name="seeds",
            verdict=verdict,
            severity=Severity.WARNING,
            summary=f"Two seeds differ in {change.value:.1%} {unit}, fitted on the same rows.",
            action=(
                "Average several fits, regularise it, or take more rows: chance decides there."
                if verdict is Verdict.FAIL
                else f"About {more:,} more rows would settle it."
                if more
                else ""
            ),
            estimate=change.value,
            interval=change.interval,
            n=change.n,
            threshold=self.max_change,
            rows_needed=more,
            details={"n_seeds": self.n_seeds, "method": change.method},
        )

    def _exact(self, why: str) -> Finding:
        return Finding(
            check=type(self).__name__,
            name="seeds",
            verdict=Verdict.PASS,
            severity=Severity.INFO,
            summary=f"Training repeats itself exactly: {why}.",
            estimate=0.0,
            threshold=self.max_change,
        )

    # --- columns --------------------------------------------------------------------------

    def _ablation(self, again: _Again, folds: list[Fold], metric: Metric) -> Iterator[Finding]:
        groups = alike_columns(again.X, at_least=self.alike)
        whole = np.array([again.score(metric, again.X, fold) for fold in folds])
        margin = self.margin
        if margin is None:
            margin = 0.005 if metric.is_share else max(0.01 * abs(float(whole.mean())), 1e-12)
        sizes = [round(np.mean([len(fold[i]) for fold in folds])) for i in (0, 1)]
        confidence = holm_confidence(len(groups), self.confidence)
        idle = []
        for columns in tqdm(groups, desc="ablation", delay=1, leave=False):
            X = again.X.assign(**{name: _constant(again.X[name]) for name in columns})
            without = np.array([again.score(metric, X, fold) for fold in folds])
            earned = corrected_resampled_t(
                whole - without, n_train=sizes[0], n_test=sizes[1], confidence=confidence
            )
            if earned.interval.high < margin:
                idle.append(columns)
            yield self._earned(metric, columns, earned, margin)
        names = [name for columns in idle for name in columns]
        yield Finding(
            check=type(self).__name__,
            name="columns_that_earn_nothing",
            verdict=Verdict.PASS,
            severity=Severity.INFO,
            summary=(
                f"{quoted(names)} earn less than {figure(margin, metric.unit)} in {metric.name}, "
                "each with the others there."
                if names
                else f"No column is sure to earn less than {figure(margin, metric.unit)}."
            ),
            action="Train without one of them and compare." if names else "",
            estimate=float(len(names)),
            n=len(again.X.columns),
        )

    def _earned(
        self, metric: Metric, columns: tuple[str, ...], earned: Comparison, margin: float
    ) -> Finding:
        verdict, told = Verdict.INSUFFICIENT, "the folds differ too much to tell"
        if earned.interval.low > 0:
            verdict, told = Verdict.PASS, "it earns its place"
        elif earned.interval.high < margin:
            verdict, told = Verdict.FAIL, "it earns nothing"
        return Finding(
            check=type(self).__name__,
            name="ablation",
            verdict=verdict,
            severity=Severity.INFO,
            summary=(
                f"Without {quoted(columns)} {metric.name} is worse by "
                f"{figure(earned.difference, metric.unit)}: {told}."
            ),
            estimate=earned.difference,
            interval=earned.interval,
            n=earned.n,
            threshold=margin,
            unit=metric.unit,
            column=" & ".join(columns),
            details={"p_value": earned.p_value, "method": earned.method},
        )

    def _unknown(self, why: str) -> Finding:
        return Finding(
            check=type(self).__name__,
            name="seeds",
            verdict=Verdict.INSUFFICIENT,
            severity=Severity.WARNING,
            summary=f"It cannot be told how stable the training is: {why}.",
            action="Validate on more rows, of all classes.",
        )


@dataclass(frozen=True, kw_only=True)
class _Again:
    """What an estimator is fitted on again."""

    model: Model
    rows: ScoredRows
    units: Array | None
    X: pd.DataFrame
    y: Array

    def fitted(self, estimator: Any, X: pd.DataFrame, rows: Array) -> Model:
        try:
            return with_estimator(self.model, estimator.fit(X.iloc[rows], self.y[rows]))
        except ValueError as error:
            raise InvalidDataError(f"it could not be fitted: {error}") from error

    def score(self, metric: Metric, X: pd.DataFrame, fold: Fold) -> float:
        """Return the metric on a fold's held-out rows, turned so that more is better."""
        fitted = self.fitted(clone(self.model.estimator), X, fold[0])
        rows = answers_to(fitted, X.iloc[fold[1]], self.rows.take(fold[1]))
        rows = replace(rows, classes=fitted.signature.classes)
        value = point_value(metric, rows)
        return value if metric.higher_is_better else -value


def _is_seed(name: str) -> bool:
    return name == "random_state" or name.endswith("__random_state")


def _change(answers: Array, again: _Again, rows: Array, confidence: float) -> Estimate:
    """Estimate how often, or by how much, two of several fits differ."""
    pairs = list(combinations(range(len(answers)), 2))
    if again.model.signature.task is Task.REGRESSION:
        spread = float(answers.mean(axis=0).std())
        apart = np.mean([(answers[i] - answers[j]) ** 2 for i, j in pairs], axis=0)
        apart = np.sqrt(apart) / max(spread, 1e-12)
    else:
        apart = np.mean([answers[i] != answers[j] for i, j in pairs], axis=0)
    return bootstrap_ratio(
        apart,
        np.ones(len(apart)),
        units=None if again.units is None else again.units[rows],
        n_resamples=1000,
        confidence=confidence,
        rng=np.random.default_rng(0),
    )


def _constant(column: pd.Series) -> pd.Series:
    """Return a column that tells nothing: its median, or its most frequent value."""
    known = column.dropna()
    if known.empty:
        return column
    if pd.api.types.is_numeric_dtype(known) and not pd.api.types.is_bool_dtype(known):
        value: Any = np.quantile(known, 0.5, method="nearest")
    else:
        value = known.mode().iloc[0]
    return pd.Series([value] * len(column), index=column.index, dtype=column.dtype)

"""Overfit, underfit or fine: judged against rivals on the same folds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
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
from mldeploy.problem import Metric, Problem, ScoredRows, point_value
from mldeploy.stats import Comparison, corrected_resampled_t
from mldeploy.validation._fit_rivals import richer_rival, simpler_rival
from mldeploy.validation._looks import LookingValidator
from mldeploy.validation._refit import quality_metric, with_estimator

Floats: TypeAlias = npt.NDArray[np.float64]
_RELATIVE_MARGIN = 0.02
_MOST_SEEN = 3_000
"""About how many training rows are scored again: they only tell the direction."""
_WORDS = {
    "overfit": "It learns its training rows by heart",
    "underfit": "It leaves out what could be learnt",
}
_ACTIONS = {
    "overfit": "Regularise it, drop columns, take more rows, or use the simpler estimator.",
    "underfit": "Give it more capacity or better columns, or take the richer estimator.",
}


@final
@dataclass(frozen=True, kw_only=True)
class FitValidator(LookingValidator):
    """Tell whether a simpler or a richer estimator would do better on the same rows.

    A model that loses to neither is fine, however much better it does on rows that it has seen.
    One that loses is overfit if it does better than the winner on its training rows only, and
    else underfit.

    The model's own training rows are not at hand here, so its estimator and both rivals are
    fitted anew on folds of the held-out rows: what is judged is the estimator with its
    settings, on that many rows. Weights count in the scores and not in the fits. With the
    default rivals it takes some seconds, so `default_validators` leaves it out.

    Attributes
    ----------
    simpler : estimator, optional
        A linear model of all columns by default.
    richer : estimator, optional
        Boosted trees with early stopping by default.
    n_folds : int
        Folds, in time where rows have a time, and of whole units where they have units.
    margin : float, optional
        How much worse is too much, in the metric's unit. By default 0.01 for shares, and 2 % of
        the metric's value otherwise.
    confidence : float
        Two-sided confidence of each interval.
    n_looks : int
        As of `CriteriaValidator`.
    max_rows : int
        Rows that are used, drawn at random if there are more.
    random_state : int
        Seed of the folds, of that draw and of the richer rival.

    Notes
    -----
    Differences are judged by the corrected resampled t-test of Nadeau and Bengio (Machine
    Learning 52, 2003). The difference between the scores on training and on held-out rows is
    not judged: by it 67 % of good models would be condemned.

    Examples
    --------
    >>> FitValidator(n_folds=4).n_folds
    4
    """

    simpler: Any = None
    richer: Any = None
    n_folds: int = 5
    margin: float | None = None
    confidence: float = 0.95
    max_rows: int = 20_000
    random_state: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.n_folds < 3:
            raise ValueError(f"{self.n_folds=} show no variation; use 3 or more")
        if self.margin is not None and self.margin < 0:
            raise ValueError(f"{self.margin=}: a margin is 0 or more")
        if not 0.5 < self.confidence < 1:
            raise ValueError(f"{self.confidence=}: a confidence lies in (0.5, 1)")
        if self.max_rows < 100:
            raise ValueError(f"{self.max_rows=} teach nothing; use 100 or more")

    @override
    def _validate(
        self, model: Model, dataset: Dataset, problem: Problem, *, champion: Model | None
    ) -> Iterator[Finding]:
        metric = quality_metric(problem, scored=model.signature.probabilistic)
        try:
            scores, sizes = self._scores(model, self._drawn(dataset), problem, metric)
        except InvalidDataError as error:
            yield self._unknown(metric, str(error))
            return
        own = scores["model"]
        compared = {
            name: corrected_resampled_t(
                own.held_out - scores[name].held_out,
                n_train=sizes[0],
                n_test=sizes[1],
                confidence=self._level(self.confidence),
            )
            for name in ("simpler", "richer")
        }
        margin = self._margin(metric, own)
        yield self._diagnosis(metric, scores, compared, margin)
        for name, comparison in compared.items():
            yield self._comparison(metric, name, comparison, scores[name], margin)

    def _drawn(self, dataset: Dataset) -> Dataset:
        """Return all rows, or as many as `max_rows` allows; of units, whole ones."""
        if len(dataset) <= self.max_rows:
            return dataset
        rng = np.random.default_rng(self.random_state)
        units = dataset.units()
        if units is None:
            return dataset.take(np.sort(rng.choice(len(dataset), self.max_rows, replace=False)))
        codes, _ = pd.factorize(units, use_na_sentinel=False)
        sizes = np.bincount(codes)
        order = rng.permutation(len(sizes))
        fits = np.cumsum(sizes[order]) <= self.max_rows
        fits[0] = True
        kept = np.zeros(len(sizes), bool)
        kept[order[fits]] = True
        return dataset.take(kept[codes])

    def _scores(
        self, model: Model, dataset: Dataset, problem: Problem, metric: Metric
    ) -> tuple[dict[str, _Scores], tuple[int, int]]:
        X = dataset.pandas(model.signature.features)
        y = labels_of(dataset.y(), problem.task, problem.target)
        rivals = {
            "model": model.estimator,
            "simpler": self.simpler or simpler_rival(X, problem.task),
            "richer": self.richer or richer_rival(X, problem.task, random_state=self.random_state),
        }
        split = default_split(dataset, random_state=self.random_state)
        folds = list(split.folds(dataset, self.n_folds))
        found: dict[str, list[tuple[float, float]]] = {name: [] for name in rivals}
        fits = [(fold, name) for fold in folds for name in rivals]
        for (train, test), name in tqdm(fits, desc="fit", delay=1, leave=False):
            try:
                estimator = clone(rivals[name]).fit(X.iloc[train], y[train])
            except ValueError as error:
                raise InvalidDataError(f"the {name} could not be fitted: {error}") from error
            fitted = with_estimator(model, estimator)
            seen = train[:: max(1, len(train) // _MOST_SEEN)]
            rows = fitted.scored_rows(dataset.take(np.concatenate([seen, test])))
            trained, held_out = (
                _score(metric, rows.take(side))
                for side in np.split(np.arange(len(rows)), [len(seen)])
            )
            found[name].append((trained, held_out))
        scores = {name: _Scores.of(pairs) for name, pairs in found.items()}
        sizes = [round(np.mean([len(fold[i]) for fold in folds])) for i in (0, 1)]
        return scores, (sizes[0], sizes[1])

    def _margin(self, metric: Metric, own: _Scores) -> float:
        if self.margin is not None:
            return self.margin
        return 0.01 if metric.is_share else _RELATIVE_MARGIN * abs(float(own.held_out.mean()))

    def _diagnosis(
        self,
        metric: Metric,
        scores: dict[str, _Scores],
        compared: dict[str, Comparison],
        margin: float,
    ) -> Finding:
        winner = min(compared, key=lambda name: compared[name].difference)
        best, own, theirs = compared[winner], scores["model"], scores[winner]
        verdict = Verdict.INSUFFICIENT
        if best.interval.high < 0 and best.difference < -margin:
            verdict = Verdict.FAIL
        elif all(c.interval.low > -margin for c in compared.values()):
            verdict = Verdict.PASS
        kind = "overfit" if own.trained.mean() > theirs.trained.mean() else "underfit"
        unit = metric.unit
        figures = (
            f"{metric.name} on training and on held-out rows: the model "
            f"{own.in_words(metric)}, the {winner} rival {theirs.in_words(metric)}."
        )
        said = {
            Verdict.PASS: f"No rival is better by more than {figure(margin, unit)};",
            Verdict.INSUFFICIENT: "The folds differ too much to tell;",
            Verdict.FAIL: f"{_WORDS[kind]}: the {winner} rival is better;",
        }
        return Finding(
            check=type(self).__name__,
            name="fit",
            verdict=verdict,
            severity=Severity.WARNING,
            summary=f"{said[verdict]} {figures}",
            action=_ACTIONS[kind] if verdict is Verdict.FAIL else "",
            estimate=best.difference,
            interval=best.interval,
            n=best.n,
            threshold=-margin,
            unit=unit,
            details={
                "diagnosis": {Verdict.PASS: "fine", Verdict.FAIL: kind}.get(verdict, "unknown"),
                "rival": winner,
                "p_value": best.p_value,
                "method": best.method,
            },
        )

    def _comparison(
        self, metric: Metric, name: str, comparison: Comparison, theirs: _Scores, margin: float
    ) -> Finding:
        return Finding(
            check=type(self).__name__,
            name=f"{metric.name} vs {name} rival",
            verdict=Verdict.PASS,
            severity=Severity.INFO,
            summary=f"The {name} rival reaches {theirs.in_words(metric)} on training and on "
            "held-out rows.",
            estimate=comparison.difference,
            interval=comparison.interval,
            n=comparison.n,
            threshold=-margin,
            unit=metric.unit,
        )

    def _unknown(self, metric: Metric, why: str) -> Finding:
        return Finding(
            check=type(self).__name__,
            name="fit",
            verdict=Verdict.INSUFFICIENT,
            severity=Severity.WARNING,
            summary=f"The fit cannot be judged by {metric.name}: {why}.",
            details={"diagnosis": "unknown"},
        )


@dataclass(frozen=True, kw_only=True)
class _Scores:
    """What one estimator reached on each fold, turned so that more is better."""

    trained: Floats
    held_out: Floats

    @classmethod
    def of(cls, pairs: list[tuple[float, float]]) -> _Scores:
        both = np.array(pairs, dtype=float)
        return cls(trained=both[:, 0], held_out=both[:, 1])

    def in_words(self, metric: Metric) -> str:
        sign = 1 if metric.higher_is_better else -1
        means = (sign * float(side.mean()) for side in (self.trained, self.held_out))
        return " and ".join(figure(float(f"{mean:.3g}"), metric.unit) for mean in means)


def _score(metric: Metric, rows: ScoredRows) -> float:
    value = point_value(metric, rows)
    return value if metric.higher_is_better else -value

"""How a model ages: by how much it is worse than a fresh one on the same days, by its age."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Final, TypeAlias, final

import numpy as np
import numpy.typing as npt
from scipy import stats as scipy_stats
from sklearn.base import clone
from sklearn.isotonic import isotonic_regression
from tqdm import tqdm

from mldeploy._record import Record
from mldeploy.data import Dataset
from mldeploy.errors import EmptyDataError, InvalidDataError
from mldeploy.evidence import Curve, CurveChart, figure
from mldeploy.model import Model, labels_of
from mldeploy.problem import Metric, point_value
from mldeploy.stats import Interval

Floats: TypeAlias = npt.NDArray[np.float64]
_DAY: Final = 86_400.0
_N_RESAMPLES: Final = 500
_FEWEST_BLOCKS: Final = 4


@final
class AgeQuality(Record):
    """By how much a model is worse than a fresh one, by its age.

    Attributes
    ----------
    metric : str
        What is measured.
    unit : str
        Unit of the metric.
    ages : tuple of timedelta
        Age at the beginning of the stretch that is scored; the first is 0.
    excess : tuple of float
        Mean by which a model of that age is worse than a fresh one on the same rows.
    low, high : tuple of float
        Interval of each mean, over the stretches of time.
    fitted : tuple of float
        The nearest curve that never falls: what ageing alone can look like.
    tolerance : float
        How much worse is too much, in the metric's unit.
    period : timedelta, optional
        The age at which the fitted curve crosses the tolerance: train anew by then. None if it
        does not do so within the ages that were tried.
    period_interval : Interval, optional
        Its interval in seconds, stretches of time drawn again; the upper end is infinite where
        some draws never cross.
    n : int
        Stretches of time on which every age was scored.
    """

    metric: str
    unit: str
    ages: tuple[timedelta, ...]
    excess: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    fitted: tuple[float, ...]
    tolerance: float
    period: timedelta | None
    period_interval: Interval | None
    n: int

    def chart(self) -> CurveChart:
        """Return the curve, with its band and the tolerance."""
        days = [age.total_seconds() / _DAY for age in self.ages]
        return CurveChart(
            title=f"What age costs: {self.metric} of older models less that of fresh ones",
            curves=[
                Curve(name="measured", x=days, y=self.excess, low=self.low, high=self.high),
                Curve(name="never falling", x=days, y=self.fitted),
                Curve(name="too much", x=days, y=[self.tolerance] * len(days)),
            ],
            x_name="age in days",
            y_name=f"worse by {self.unit}".strip(),
        )

    def _repr_html_(self) -> str:
        return self.chart().to_html()

    def in_words(self) -> str:
        """Return the recommendation as a sentence."""
        last = figure(self.ages[-1].total_seconds(), "s")
        margin = figure(self.tolerance, self.unit)
        if self.period is None:
            return f"No model up to {last} old is worse than a fresh one by more than {margin}."
        return (
            f"After {figure(self.period.total_seconds(), 's')} a model is worse than a fresh one "
            f"by more than {margin} in {self.metric}: train anew by then."
        )


@dataclass(frozen=True, kw_only=True)
class Backtest:
    """Train up to a moment, score later stretches; again and again, a step later each time."""

    step: timedelta
    window: timedelta
    n_ages: int
    gap: timedelta

    def excess(self, model: Model, dataset: Dataset, metric: Metric) -> tuple[Floats, float]:
        """Return by how much each age is worse than a fresh model, stretch by stretch.

        Returns
        -------
        ndarray of shape (n_blocks, n_ages)
            Positive where the older model is worse; the first column is 0.
        float
            The metric of fresh models.

        Raises
        ------
        InvalidDataError
            If the rows span too little time, or an estimator cannot be fitted.
        """
        blocks = self._blocks(dataset)
        n = len(blocks)
        if n - self.n_ages + 1 < _FEWEST_BLOCKS:
            raise InvalidDataError(
                f"{n} steps of {figure(self.step.total_seconds(), 's')} after the first window "
                f"do not let {self.n_ages} ages be compared on {_FEWEST_BLOCKS} of them; take a "
                "longer stretch of rows, a shorter step, or fewer ages"
            )
        quality = np.full((n, n), np.nan)
        origins = tqdm(range(n), desc="ageing", unit="fit", delay=1, leave=False)
        for origin in origins:
            fitted = self._fitted(model, dataset, blocks[origin][0])
            for block in range(origin, min(origin + self.n_ages, n)):
                rows = dataset.take(blocks[block][1])
                quality[origin, block] = point_value(metric, fitted.scored_rows(rows))
        sign = 1 if metric.higher_is_better else -1
        judged = range(self.n_ages - 1, n)
        compared = np.array(
            [
                [sign * (quality[b, b] - quality[b - age, b]) for age in range(self.n_ages)]
                for b in judged
            ]
        )
        return compared, float(np.mean([quality[b, b] for b in judged]))

    def _blocks(self, dataset: Dataset) -> list[tuple[np.datetime64, npt.NDArray[np.int64]]]:
        """Return start and rows of each stretch that has rows, after the first window."""
        times = dataset.times()
        step, window = np.timedelta64(self.step), np.timedelta64(self.window)
        start, end = times.min() + window, times.max()
        found = []
        while start + step <= end + np.timedelta64(1, "us"):
            inside = np.flatnonzero((times >= start) & (times < start + step))
            if inside.size:
                found.append((start, inside))
            start = start + step
        return found

    def _fitted(self, model: Model, dataset: Dataset, moment: np.datetime64) -> Model:
        """Return the model's estimator, fitted on what was known at a moment."""
        times, until = dataset.times(), moment - np.timedelta64(self.gap)
        known = np.flatnonzero((times >= moment - np.timedelta64(self.window)) & (times < until))
        if not known.size:
            raise EmptyDataError(f"no label was known within {self.window} before {moment}")
        rows = dataset.take(known)
        y = labels_of(rows.y(), model.signature.task, model.signature.target)
        try:
            estimator = clone(model.estimator).fit(rows.pandas(model.signature.features), y)
        except ValueError as error:
            raise InvalidDataError(f"it could not be fitted up to {moment}: {error}") from error
        return refitted(model, estimator)


def refitted(model: Model, estimator: Any) -> Model:
    """Return the model with another estimator, whose classes may be fewer."""
    classes = tuple(getattr(estimator, "classes_", np.array(())).tolist())
    signature = model.signature.model_copy(
        update={
            "classes": classes or model.signature.classes,
            "probabilistic": hasattr(estimator, "predict_proba"),
        }
    )
    return replace(model, estimator=estimator, signature=signature)


def age_quality(
    excess: Floats,
    metric: Metric,
    *,
    step: timedelta,
    tolerance: float,
    confidence: float,
    rng: np.random.Generator,
) -> AgeQuality:
    """Turn what each stretch of time tells into a curve and a period."""
    n, n_ages = excess.shape
    means = excess.mean(axis=0)
    spread = excess.std(axis=0, ddof=1) / np.sqrt(n)
    half = float(scipy_stats.t.ppf(0.5 + confidence / 2, n - 1)) * spread
    ages = tuple(step * age for age in range(n_ages))
    fitted = _never_falling(means)
    drawn = rng.integers(0, n, (_N_RESAMPLES, n))
    draws = [_crossing(_never_falling(excess[rows].mean(axis=0)), tolerance) for rows in drawn]
    crossed = _crossing(fitted, tolerance)
    period, interval = None, None
    if np.isfinite(crossed):
        tails = [(1 - confidence) / 2, (1 + confidence) / 2]
        ends = np.quantile(draws, tails, method="nearest") * step.total_seconds()
        period = step * crossed
        at = period.total_seconds()
        interval = Interval(
            low=float(min(ends[0], at)), high=float(max(ends[1], at)), confidence=confidence
        )
    return AgeQuality(
        metric=metric.name,
        unit=metric.unit,
        ages=ages,
        excess=tuple(means.tolist()),
        low=tuple((means - half).tolist()),
        high=tuple((means + half).tolist()),
        fitted=tuple(fitted.tolist()),
        tolerance=tolerance,
        period=period,
        period_interval=interval,
        n=n,
    )


def _never_falling(means: Floats) -> Floats:
    """Return the nearest curve that never falls and starts at 0, as a fresh model does."""
    later: Floats = isotonic_regression(means[1:], y_min=0.0)
    return np.concatenate([[0.0], later])


def _crossing(fitted: Floats, tolerance: float) -> float:
    """Return the age, in steps, at which a curve crosses a level; infinite if it does not."""
    above = np.flatnonzero(fitted > tolerance)
    if not above.size:
        return float("inf")
    age = int(above[0])
    before, after = fitted[age - 1], fitted[age]
    return age - 1 + float((tolerance - before) / (after - before))


def steps_in_words(ages: AgeQuality) -> Iterator[tuple[str, float]]:
    """Yield the excess of each age under a name that sorts by age."""
    for age, excess in zip(ages.ages, ages.excess, strict=True):
        yield f"worse_at_{age.total_seconds() / _DAY:.4g}_days", excess

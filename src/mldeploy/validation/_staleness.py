"""How long a model keeps: trained up to a moment, scored on what came later."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import final

import numpy as np
from typing_extensions import override

from mldeploy.data import Dataset
from mldeploy.errors import InvalidDataError
from mldeploy.evidence import Finding, Report, Severity, Verdict
from mldeploy.model import Model
from mldeploy.problem import Metric, MetricKind, Needs, Problem, find_metric
from mldeploy.validation._ageing import AgeQuality, Backtest, age_quality, steps_in_words
from mldeploy.validation._base import Validator

_NAME = "retraining_period"
_STEPS = 20
_WINDOW_STEPS = 8
_RELATIVE_TOLERANCE = 0.02


@final
@dataclass(frozen=True, kw_only=True)
class StalenessValidator(Validator):
    """Find out how long a model keeps, and so how often to train anew.

    The model's estimator is fitted on a window of time, with the labels that were known at its
    end, and scored on the steps that follow; then a step later, and so on. Each step of time is
    so scored by models of several ages, and an older one is compared with the fresh one *on the
    same rows*: hard days do not look like ageing. It takes a fit for each step, and a long
    stretch of rows with times, so `default_validators` leaves it out.

    Attributes
    ----------
    step : timedelta, optional
        Length of the stretches that are scored; a twentieth of the time that the rows span by
        default.
    n_ages : int
        Ages that are compared: 0, 1, … steps.
    window : timedelta, optional
        How far back a fit looks; eight steps by default.
    tolerance : float, optional
        How much worse than a fresh model is too much, in the metric's unit. By default 0.01 for
        shares, and 2 % of the metric's value otherwise.
    keeps : timedelta, optional
        How long a model must keep, since nobody trains more often; by default nothing is asked.
    confidence : float
        Two-sided confidence of the intervals.
    random_state : int
        Seed of the draws behind the period's interval.

    Notes
    -----
    The period is read off the nearest curve that never falls (isotonic regression), since a
    model does not get better by waiting; its interval comes from drawing stretches of time
    again. Backtesting with a rolling origin: L. Tashman, "Out-of-sample tests of forecasting
    accuracy", International Journal of Forecasting 16, 2000.

    Examples
    --------
    >>> StalenessValidator(step=timedelta(days=30), keeps=timedelta(days=90)).n_ages
    6
    """

    step: timedelta | None = None
    n_ages: int = 6
    window: timedelta | None = None
    tolerance: float | None = None
    keeps: timedelta | None = None
    confidence: float = 0.95
    random_state: int = 0

    def __post_init__(self) -> None:
        if self.n_ages < 3:
            raise ValueError(f"{self.n_ages=} make no curve; compare 3 or more")
        for name in ("step", "window", "keeps"):
            if (value := getattr(self, name)) is not None and value <= timedelta(0):
                raise ValueError(f"{name}={value}: a length of time is positive")
        if self.tolerance is not None and self.tolerance <= 0:
            raise ValueError(f"{self.tolerance=}: what is too much is positive")
        if not 0.5 < self.confidence < 1:
            raise ValueError(f"{self.confidence=}: a confidence lies in (0.5, 1)")

    def curve(self, model: Model, dataset: Dataset, problem: Problem) -> AgeQuality:
        """Return what age costs, as a curve that shows itself in a notebook.

        Parameters
        ----------
        model : Model
            Its estimator is fitted anew, with its settings.
        dataset : Dataset
            Labelled rows with times.
        problem : Problem
            Names the metric: its first one of quality.

        Raises
        ------
        InvalidDataError
            If rows have no times, span too little of it, or cannot be learnt from.
        """
        times = dataset.times()
        span = timedelta(seconds=float((times.max() - times.min()) / np.timedelta64(1, "s")))
        step = self.step or span / _STEPS
        if step <= timedelta(0):
            raise InvalidDataError("all rows are of one moment, so that nothing can age")
        metric = _metric_of(problem, model)
        backtest = Backtest(
            step=step,
            window=self.window or step * _WINDOW_STEPS,
            n_ages=self.n_ages,
            gap=problem.label_delay,
        )
        excess, level = backtest.excess(model, dataset, metric)
        tolerance = self.tolerance
        if tolerance is None:
            tolerance = 0.01 if metric.is_share else _RELATIVE_TOLERANCE * abs(level)
        return age_quality(
            excess,
            metric,
            step=step,
            tolerance=tolerance,
            confidence=self.confidence,
            rng=np.random.default_rng(self.random_state),
        )

    @override
    def _validate(
        self, model: Model, dataset: Dataset, problem: Problem, *, champion: Model | None
    ) -> Iterator[Finding]:
        try:
            found = self.curve(model, dataset, problem)
        except InvalidDataError as error:
            yield self._unknown(str(error))
            return
        verdict = self._verdict(found)
        period = float("inf") if found.period is None else found.period.total_seconds()
        asked = self.keeps
        yield Finding(
            check=type(self).__name__,
            name=_NAME,
            verdict=verdict,
            severity=Severity.INFO if asked is None else Severity.WARNING,
            summary=found.in_words(),
            action=_ACTIONS[verdict],
            estimate=period,
            interval=found.period_interval,
            n=found.n,
            threshold=None if asked is None else asked.total_seconds(),
            unit="s",
            details={
                "metric": found.metric,
                "tolerance": found.tolerance,
                **dict(steps_in_words(found)),
                "age_quality": found.to_json(),
            },
        )

    def _verdict(self, found: AgeQuality) -> Verdict:
        if self.keeps is None:
            return Verdict.PASS
        asked = self.keeps.total_seconds()
        if found.period_interval is None:
            reached = found.ages[-1] >= self.keeps
            return Verdict.PASS if reached else Verdict.INSUFFICIENT
        if found.period_interval.low >= asked:
            return Verdict.PASS
        return Verdict.FAIL if found.period_interval.high < asked else Verdict.INSUFFICIENT

    def _unknown(self, why: str) -> Finding:
        return Finding(
            check=type(self).__name__,
            name=_NAME,
            verdict=Verdict.INSUFFICIENT,
            severity=Severity.WARNING,
            summary=f"It cannot be told how long the model keeps: {why}.",
        )


def age_quality_from(report: Report) -> AgeQuality | None:
    """Return the curve that a `StalenessValidator` found; None if there is none."""
    kept = [f.details.get("age_quality") for f in report.select(name=_NAME)]
    return next((AgeQuality.model_validate_json(str(k)) for k in kept if k is not None), None)


_ACTIONS = {
    Verdict.PASS: "",
    Verdict.FAIL: "Train anew more often, or use columns that age less.",
    Verdict.INSUFFICIENT: "Take a longer stretch of rows.",
}


def _metric_of(problem: Problem, model: Model) -> Metric:
    """Return the first metric of quality that the estimator's answers allow."""
    scored = model.signature.probabilistic
    for criterion in problem.criteria:
        metric = criterion.metric
        suits = metric.kind is MetricKind.QUALITY and metric.name != "bias"
        if suits and (scored or metric.needs is not Needs.SCORE):
            return metric
    return find_metric("accuracy" if problem.task.is_classification else "mean_absolute_error")

"""How long a model keeps, and that rows from before its training's end prove nothing."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.dummy import DummyRegressor
from sklearn.ensemble import HistGradientBoostingRegressor
from tests.realdata import appliances, bikes

from mldeploy.data import Dataset, RandomSplit, TimeSplit, dataset_for
from mldeploy.evidence import Finding, Severity, Verdict
from mldeploy.model import Model
from mldeploy.problem import Criterion, Problem, find_metric, point_value
from mldeploy.training import EstimatorTrainer
from mldeploy.validation import AgeQuality, CriteriaValidator, StalenessValidator

DAY = timedelta(days=1)


def problem_of(target: str, time: str, **more: Any) -> Problem:
    return Problem(
        name="ageing",
        statement="How much?",
        target=target,
        task="regression",
        prediction_time=time,
        **{"criteria": [Criterion("mean_absolute_error", at_most=1000)], **more},
    )


def rising(per_day: float) -> pd.DataFrame:
    """Every fourth hour, whose label rises by so much a day, and a column that says nothing."""
    hours = np.arange(0, 100 * 24, 4)
    at = pd.Timestamp("2030-01-01", tz="UTC") + pd.to_timedelta(hours, unit="h")
    return pd.DataFrame({"at": at, "x": hours % 7, "y": per_day * hours / 24})


def staleness(per_day: float, **settings: Any) -> tuple[Finding, Any]:
    """Judge a model that answers the mean of the last 40 days: it lags by 20, and its age."""
    problem = problem_of("y", "at")
    data = dataset_for(rising(per_day), problem)
    trainer = EstimatorTrainer(DummyRegressor(), baselines={})
    model = trainer.train(data.take(range(120)), problem)
    validator = StalenessValidator(step=5 * DAY, window=40 * DAY, **settings)
    (finding,) = validator.validate(model, data, problem).findings
    return finding, validator.curve(model, data, problem)


def test_the_period_is_the_age_at_which_a_rising_label_is_missed_by_too_much() -> None:
    """After d days the answer is too low by d more: 7 too low after 7 days, whatever the noise."""
    finding, curve = staleness(1.0, tolerance=7.0)

    assert curve.excess == pytest.approx([0, 5, 10, 15, 20, 25])
    assert finding.estimate == pytest.approx((7 * DAY).total_seconds())
    assert finding.interval is not None
    assert finding.interval.low == pytest.approx(finding.estimate)
    assert finding.interval.high == pytest.approx(finding.estimate)
    assert finding.n == 6  # of 11 whole steps after the first window, 5 have no oldest model
    assert finding.verdict is Verdict.PASS
    assert finding.severity is Severity.INFO
    assert "train anew by then" in finding.summary
    assert "age in days" in curve._repr_html_()
    assert AgeQuality.model_validate_json(str(finding.details["age_quality"])) == curve


@pytest.mark.parametrize(
    ("per_day", "keeps", "verdict"),
    [
        (1.0, 5 * DAY, Verdict.PASS),
        (1.0, 10 * DAY, Verdict.FAIL),
        (0.0, 20 * DAY, Verdict.PASS),  # it never crosses, and 25 days were tried
        (0.0, 60 * DAY, Verdict.INSUFFICIENT),
    ],
)
def test_how_long_it_must_keep_is_judged(
    per_day: float, keeps: timedelta, verdict: Verdict
) -> None:
    finding, _ = staleness(per_day, tolerance=7.0, keeps=keeps)

    assert finding.verdict is verdict
    assert finding.severity is Severity.WARNING
    assert finding.threshold == keeps.total_seconds()


def test_labels_that_were_not_known_yet_are_not_learnt_from() -> None:
    """With labels ten days late a fresh model lags by ten days more; ageing adds the same."""
    frame = rising(1.0)
    late = problem_of("y", "at", label_delay=10 * DAY)
    data = dataset_for(frame, late)
    model = EstimatorTrainer(DummyRegressor(), baselines={}).train(data.take(range(120)), late)

    curve = StalenessValidator(step=5 * DAY, window=40 * DAY).curve(model, data, late)

    # The mean of the first 30 of 40 days lies 25 days back, and the middle of a step 2.5 ahead.
    assert curve.tolerance == pytest.approx(0.02 * 27.5, rel=0.01)
    assert curve.excess[1] == pytest.approx(5)


def test_too_short_a_stretch_leaves_it_open() -> None:
    problem = problem_of("y", "at")
    data = dataset_for(rising(1.0).head(6 * 30), problem)
    model = EstimatorTrainer(DummyRegressor(), baselines={}).train(data.take(range(50)), problem)

    (finding,) = StalenessValidator(step=5 * DAY).validate(model, data, problem).findings

    assert finding.verdict is Verdict.INSUFFICIENT
    assert "longer stretch" in finding.summary


@pytest.mark.parametrize(
    "wrong",
    [{"n_ages": 2}, {"step": -DAY}, {"tolerance": 0.0}, {"keeps": 0 * DAY}, {"confidence": 0.5}],
)
def test_settings_without_sense_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="="):
        StalenessValidator(**wrong)


# --- real tables ------------------------------------------------------------------------------


def hourly_bikes() -> tuple[pd.DataFrame, Problem]:
    frame = bikes()
    at = frame["ts"].dt
    frame = frame.assign(hour=at.hour, weekday=at.day_of_week, day=at.day_of_year)
    features = ("hour", "weekday", "day", "tmin", "tmax", "pn")
    return frame.drop(columns="date"), problem_of("count", "ts", features=features)


def trained_until(frame: pd.DataFrame, problem: Problem, moment: pd.Timestamp) -> Model:
    """Return a model of the 365 days before a moment."""
    known = frame[(frame["ts"] < moment) & (frame["ts"] >= moment - 365 * DAY)]
    estimator = HistGradientBoostingRegressor(max_iter=30, random_state=0)
    data = dataset_for(known, problem)
    return EstimatorTrainer(estimator, baselines={}).train(data, problem)


@pytest.mark.slow
def test_following_the_period_that_bikes_recommend_beats_not_following_it() -> None:
    """The curve sees 2010 to 2014 only; 2015 and 2016 tell whether it was right."""
    frame, problem = hourly_bikes()
    start = pd.Timestamp("2015-01-01", tz="UTC")
    before = frame[frame["ts"] < start]
    model = trained_until(frame, problem, start)
    validator = StalenessValidator(step=90 * DAY, window=365 * DAY, tolerance=7.0)

    curve = validator.curve(model, dataset_for(before, problem), problem)
    assert curve.period is not None
    assert 90 * DAY < curve.period < 360 * DAY, curve.in_words()

    metric = find_metric("mean_absolute_error")
    kept, renewed = [], []
    fresh, due = model, start + curve.period
    for month in pd.date_range(start, periods=24, freq="MS"):
        inside = (frame["ts"] >= month) & (frame["ts"] < month + pd.DateOffset(months=1))
        if month >= due:
            fresh, due = trained_until(frame, problem, month), month + curve.period
        rows = dataset_for(frame[inside], problem)
        kept.append(point_value(metric, model.scored_rows(rows)))
        renewed.append(point_value(metric, fresh.scored_rows(rows)))
    better = np.array(kept) - np.array(renewed)
    later = better[better != 0]  # since the first time that the advice was followed
    assert len(later) > 12
    assert later.mean() > curve.tolerance
    assert np.mean(later > 0) > 0.7


@pytest.mark.slow
def test_a_random_split_of_appliances_is_refused_as_evidence() -> None:
    """Ten minutes are like the ten before: shuffled rows flatter by more than a third."""
    frame = appliances()
    frame = frame.assign(date=frame["date"].dt.tz_localize("UTC"))
    problem = problem_of("Appliances", "date", criteria=[Criterion("r2", at_least=0.3)])
    data = dataset_for(frame, problem)

    shuffled = judged(data, RandomSplit(), problem)
    in_time = judged(data, TimeSplit(), problem)

    (flattering,) = [f for f in shuffled if f.name == "r2"]
    assert flattering.verdict is Verdict.PASS  # by itself it would have shipped
    (refused,) = [f for f in shuffled if f.name == "rows_before_training_ended"]
    assert refused.verdict is Verdict.INSUFFICIENT
    assert refused.severity is Severity.BLOCKER
    assert refused.estimate == pytest.approx(1.0, abs=0.01)
    assert Verdict.combine(f.verdict for f in shuffled) is Verdict.INSUFFICIENT
    assert [(f.name, f.verdict) for f in in_time] == [("r2", Verdict.FAIL)]


def judged(data: Dataset, split: Any, problem: Problem) -> tuple[Finding, ...]:
    parts = split.split(data)
    estimator = HistGradientBoostingRegressor(max_iter=60, random_state=0)
    model = EstimatorTrainer(estimator, baselines={}).train(parts.train, problem)
    return CriteriaValidator().validate(model, parts.test, problem).findings

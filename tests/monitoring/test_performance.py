"""Criteria as alarms on matured labels, and the search for a slow decay."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from mldeploy.errors import InvalidDataError
from mldeploy.evidence import Severity, Verdict
from mldeploy.monitoring import MetricEstimate, PerformanceMonitor, WindowSummary, default_monitors
from mldeploy.monitoring._decay import search_decay
from mldeploy.problem import Criterion
from mldeploy.stats import ShiryaevRoberts

GAP_AFTER_THE_DROP = 0.783
"""Normal scores of classes 1 sd apart have an AUC of .760, .783 sd apart one of .710."""


def _estimates(values: list[float], error: float = 0.02) -> list[MetricEstimate]:
    return [
        MetricEstimate(criterion="c", metric="roc_auc", value=v, standard_error=error, n=900)
        for v in values
    ]


def test_criteria_alarm_under_their_metric_with_their_digest(world: Any) -> None:
    """AUC .5 against a bound of .7: with 900 rows the interval ends near .54."""
    rng = np.random.default_rng(0)

    report = PerformanceMonitor().check(world.day(rng, gap=0.0), world.reference(rng))

    (alarm,) = [f for f in report.alarms if f.name == "roc_auc"]
    assert alarm.criterion == world.problem.criteria[0].digest
    assert alarm.severity is Severity.BLOCKER
    assert alarm.threshold == 0.7
    assert report.verdict is Verdict.FAIL


def test_rivals_are_not_asked_in_production(world: Any) -> None:
    rng = np.random.default_rng(0)

    report = PerformanceMonitor().check(world.day(rng), world.reference(rng))

    assert not [f for f in report.findings if "vs" in f.name]
    assert {f.name for f in report.findings} == {"roc_auc", "recall", "roc_auc decay"}


def test_slices_are_judged_with_their_correction(world: Any) -> None:
    """Four carriers at a confidence of .95: each at 1 - .05 / 4."""
    rng = np.random.default_rng(0)

    recalls = (
        PerformanceMonitor().check(world.day(rng), world.reference(rng)).select(name="recall")
    )

    assert [f.slice for f in recalls] == [f"carrier={c}" for c in ("AA", "B6", "OO", "UA")]
    assert [f.interval.confidence for f in recalls] == pytest.approx([0.9875] * 4)


def test_immature_labels_are_never_judged(world: Any) -> None:
    rng = np.random.default_rng(0)
    day = world.day(rng, gap=-3.0)
    early = replace(day, as_of=day.end + timedelta(hours=7, minutes=59))

    (finding,) = PerformanceMonitor().check(early, world.reference(rng)).findings

    assert (finding.name, finding.verdict) == ("labels", Verdict.INSUFFICIENT)
    assert finding.severity is Severity.INFO
    assert "2030-01-02 08:00" in finding.summary
    with pytest.raises(InvalidDataError, match="due until"):
        world.reference(rng).after(early)


def test_a_stopped_label_feed_is_told(world: Any) -> None:
    rng = np.random.default_rng(0)
    day = world.day(rng)
    silent = replace(day, answers=day.answers.with_columns(label=pl.lit(None, pl.Boolean)))

    (finding,) = PerformanceMonitor().check(silent, world.reference(rng)).findings

    assert finding.verdict is Verdict.INSUFFICIENT
    assert finding.severity is Severity.WARNING
    assert "feed" in finding.action


def test_criteria_are_judged_on_the_last_windows_together(world: Any) -> None:
    rng = np.random.default_rng(0)
    reference = world.reference(rng)
    for i in range(4):
        reference = reference.after(world.day(rng, i))

    report = PerformanceMonitor(n_windows=3).check(world.day(rng, 4), reference)

    (found,) = report.select(name="roc_auc")
    assert (found.n, found.details["windows"]) == (2700, 3)


def test_windows_are_added_in_order_and_once(world: Any) -> None:
    rng = np.random.default_rng(0)
    day = world.day(rng, 3)
    reference = world.reference(rng).after(day)

    assert len(reference.past) == len(reference.summaries) == 1
    assert reference.after(world.day(rng, 4), keep=1).past[0] is not reference.past[0]
    with pytest.raises(InvalidDataError, match="in order"):
        reference.after(day)


def test_a_day_without_answers_does_not_spoil_the_days_after(world: Any) -> None:
    """An empty log has no columns for features or scores; later days have them all the same."""
    unanswered = pl.DataFrame(
        schema={
            "time": pl.Datetime("us", "UTC"),
            "prediction": pl.Null,
            "score": pl.Float64,
            "error": pl.String,
            "latency_s": pl.Float64,
            "label": pl.Null,
        }
    )
    rng = np.random.default_rng(0)
    empty = replace(world.day(rng), answers=unanswered)
    reference = world.reference(rng).after(empty)

    told = default_monitors(world.problem).check(empty, reference)
    report = PerformanceMonitor().check(world.day(rng, 1), reference)

    assert not told.alarms
    assert [f.n for f in report.findings if f.name == "roc_auc"] == [900]


def test_summaries_are_stored_and_read_back(world: Any) -> None:
    summary = world.day(np.random.default_rng(0)).summary

    assert WindowSummary.model_validate_json(summary.to_json()) == summary
    assert [e.metric for e in summary.estimates] == ["roc_auc"]


def test_summaries_are_made_from_past_rows_if_none_were_kept(world: Any) -> None:
    rng = np.random.default_rng(0)
    reference, day = world.reference(rng), world.day(rng, 3)
    for i in range(3):
        reference = reference.after(world.day(rng, i))
    monitor = PerformanceMonitor()

    kept = monitor.check(day, reference)
    made = monitor.check(day, replace(reference, summaries=(), validated=()))

    assert made.findings == kept.findings


def test_spread_of_earlier_windows_widens_the_standard_error() -> None:
    """Two neighbours .08 apart at errors of .02: ratio 8; with ten pairs of trust (10+8)/11."""
    decay = search_decay(
        _estimates([0.70, 0.78, 0.74]), bound=0.7, higher_is_better=True,
        detector=ShiryaevRoberts(),
    )  # fmt: skip

    assert decay.spread == pytest.approx(np.sqrt(18 / 11))


def test_lower_is_better_metrics_decay_upwards() -> None:
    worse = {"bound": 0.5, "detector": ShiryaevRoberts()}

    rising = search_decay(_estimates([0.6] * 9), higher_is_better=False, **worse)
    falling = search_decay(_estimates([0.6] * 9), higher_is_better=True, **worse)

    assert rising.detector.alarm
    assert not falling.detector.alarm


def test_the_margin_is_the_criterions_towards_the_champion(make_world: Callable[..., Any]) -> None:
    world = make_world(Criterion("roc_auc", not_worse_than="champion", by=0.05))
    rng = np.random.default_rng(0)
    reference = world.reference(rng)

    (finding,) = PerformanceMonitor().check(world.day(rng), reference).findings

    assert finding.name == "roc_auc decay"
    assert finding.threshold == pytest.approx(reference.validated[0].value - 0.05)


def _days(world: Any, rng: np.random.Generator, n: int, **changes: Any) -> list[MetricEstimate]:
    return [world.day(rng, **changes).summary.estimates[0] for _ in range(n)]


def test_calm_years_keep_their_budget_and_a_five_point_drop_is_found_in_a_week(
    make_world: Callable[..., Any],
) -> None:
    """More than 4 false years of 30 at 2 % each have probability .0003; median of 20 delays.

    Days are drawn from 150 simulated ones of 900 answers, the validated value is the true one.
    """
    world = make_world(Criterion("roc_auc", at_least=0.6))
    rng = np.random.default_rng(1)
    calm, worse = _days(world, rng, 150), _days(world, rng, 100, gap=GAP_AFTER_THE_DROP)

    def alarm(days: list[MetricEstimate]) -> int | None:
        settings = {"bound": 0.760 - 0.01, "higher_is_better": True}
        return search_decay(days, detector=ShiryaevRoberts(), **settings).detector.alarm_block

    def drawn(days: list[MetricEstimate], n: int) -> list[MetricEstimate]:
        return [days[i] for i in rng.integers(0, len(days), n)]

    false_years = sum(alarm(drawn(calm, 365)) is not None for _ in range(30))
    alarms = [alarm(drawn(calm, 60) + drawn(worse, 60)) for _ in range(20)]
    delays = [np.inf if block is None else block - 60 for block in alarms]

    assert false_years <= 4
    assert np.median(delays) <= 7


def test_nonsense_is_refused() -> None:
    for settings in ({"n_windows": 0}, {"margin": 1.0}, {"false_alarms_per_year": 0.0}):
        with pytest.raises(ValueError, match=r"must|at least"):
            PerformanceMonitor(**settings)

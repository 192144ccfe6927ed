"""Resampled intervals: what they compute, and that they refuse what they cannot know."""

from __future__ import annotations

import math
import tracemalloc
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as reference

from mldeploy.stats import (
    Comparison,
    bootstrap,
    bootstrap_auc,
    bootstrap_ratio,
    delong,
    paired_bootstrap,
    roc_auc,
)


def mean_of(values: np.ndarray):
    return lambda weights: float(values @ weights / weights.sum())


def test_interval_agrees_with_scipys_bca() -> None:
    """Ends from 20,000 resamples of a mean with sd .19: noise sqrt(.025 * .975 / 20,000) over
    a density of .3 is .0037, that of the bias 2 * 1.25 / sqrt(20,000) * .19 = .0034; four
    standard errors of a difference of two such ends are .03."""
    values = np.random.default_rng(0).exponential(size=40)
    theirs = reference.bootstrap(
        (values,), np.mean, n_resamples=20_000, method="BCa", rng=np.random.default_rng(1)
    ).confidence_interval

    ours = bootstrap_ratio(values, n_resamples=20_000, rng=np.random.default_rng(2)).interval

    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=0.03)


def test_sums_per_unit_give_what_weighted_rows_give() -> None:
    """Both paths draw the same units from the same generator."""
    rng = np.random.default_rng(0)
    values, units = rng.exponential(size=300), np.repeat(np.arange(60), 5)

    general = bootstrap(mean_of(values), n_rows=300, units=units, rng=np.random.default_rng(5))
    fast = bootstrap_ratio(values, units=units, rng=np.random.default_rng(5))

    assert fast.interval.low == pytest.approx(general.interval.low, abs=0.01)
    assert fast.interval.high == pytest.approx(general.interval.high, abs=0.01)
    assert fast.value == pytest.approx(general.value)
    assert (fast.n, fast.method) == (general.n, general.method) == (60, "cluster bootstrap")


@pytest.mark.parametrize("decimals", [0, 8])
def test_one_sort_gives_what_a_sort_per_resample_gives(decimals: int) -> None:
    rng = np.random.default_rng(1)
    y = rng.random(200) < 0.4
    score = np.round(rng.normal(size=200) + y, decimals)
    units = np.repeat(np.arange(50), 4)

    general = bootstrap(
        lambda w: roc_auc(y, score, w), n_rows=200, units=units, rng=np.random.default_rng(5)
    )
    fast = bootstrap_auc(y, score, units=units, rng=np.random.default_rng(5))

    assert fast.interval.low == pytest.approx(general.interval.low, abs=0.01)
    assert fast.interval.high == pytest.approx(general.interval.high, abs=0.01)


def test_resampled_area_confirms_delong() -> None:
    rng = np.random.default_rng(2)
    y = np.arange(2000) % 5 == 0
    score = rng.normal(size=2000) + y

    resampled = bootstrap_auc(y, score, n_resamples=4000, rng=rng).interval
    ranked = delong(y, score).interval

    assert (resampled.low, resampled.high) == pytest.approx((ranked.low, ranked.high), abs=0.003)


def test_many_clustered_rows_get_the_interval_of_clustered_delong() -> None:
    """30,000 rows in 6,000 units, pooled into 2,000 groups and bins. The ends of 500 resamples
    stray by sqrt(1.6 / 500) of half the width each, four of these."""
    rng, units = np.random.default_rng(11), np.repeat(np.arange(6000), 5)
    y = rng.random(30_000) < 0.3
    score = y + rng.normal(size=6000)[units] + rng.normal(size=30_000)

    resampled = bootstrap_auc(y, score, units=units, n_resamples=500, rng=rng)
    ranked = delong(y, score, units=units)

    slack = 4 * math.sqrt(1.6 / 500) * ranked.interval.width / 2
    assert resampled.value == ranked.value
    assert resampled.interval.low == pytest.approx(ranked.interval.low, abs=slack)
    assert resampled.interval.high == pytest.approx(ranked.interval.high, abs=slack)


def test_many_rows_pooled_at_random_keep_their_standard_error() -> None:
    """50,000 rows in 10,000 groups: width within 4 * sqrt(1 / 20,000 + 1.6 / 1,000) = 16 %."""
    values = np.random.default_rng(3).normal(size=50_000)

    interval = bootstrap_ratio(values, rng=np.random.default_rng(4)).interval

    assert interval.width == pytest.approx(2 * 1.96 / math.sqrt(50_000), rel=0.16)


def test_same_generator_gives_the_same_interval() -> None:
    values = np.arange(30.0)

    first, second = (bootstrap_ratio(values, rng=np.random.default_rng(7)) for _ in range(2))

    assert first == second


@settings(max_examples=30)
@given(st.lists(st.integers(0, 50), min_size=5, max_size=40), st.integers(0, 99))
def test_a_shifted_and_scaled_metric_has_a_shifted_and_scaled_interval(
    values: list[int], seed: int
) -> None:
    array = np.array(values, dtype=float) + np.arange(len(values))

    plain = bootstrap_ratio(array, n_resamples=200, rng=np.random.default_rng(seed))
    scaled = bootstrap_ratio(3 * array + 7, n_resamples=200, rng=np.random.default_rng(seed))

    assert scaled.interval.low == pytest.approx(3 * plain.interval.low + 7)
    assert scaled.interval.high == pytest.approx(3 * plain.interval.high + 7)


def test_a_share_without_a_failure_keeps_an_honest_interval() -> None:
    """Resampling a hundred successes only ever gives successes: Wilson's low is .963."""
    rows = bootstrap_ratio(np.ones(100), rng=np.random.default_rng(0))
    units = bootstrap_ratio(np.ones(100), units=np.arange(100) // 10, rng=np.random.default_rng(0))
    none = bootstrap_ratio(np.zeros(100), rng=np.random.default_rng(0))

    assert rows.interval.low == pytest.approx(0.963, abs=5e-4)
    assert units.interval.low == pytest.approx(0.722, abs=5e-4)
    assert none.interval.high == pytest.approx(1 - 0.963, abs=5e-4)


def test_a_model_compared_with_itself_differs_by_nothing() -> None:
    values = np.arange(40.0)
    metric = mean_of(values)

    comparison = paired_bootstrap(metric, metric, n_rows=40, rng=np.random.default_rng(0))

    assert (comparison.difference, comparison.interval.width, comparison.p_value) == (0, 0, 1)


@pytest.mark.parametrize("shift", [0.05, 0.1, 0.15, 0.2, 0.25, 0.3])
def test_p_value_is_the_level_at_which_the_interval_excludes_zero(shift: float) -> None:
    rng = np.random.default_rng(0)
    a, b = rng.exponential(size=(2, 100))
    b += shift - 0.1

    def compare(confidence: float) -> Comparison:
        return paired_bootstrap(
            mean_of(a), mean_of(b), n_rows=100, confidence=confidence, rng=np.random.default_rng(1)
        )

    p_value = compare(0.95).p_value

    assert compare(min(0.999, 1 - p_value + 0.03)).interval.contains(0)
    assert not compare(max(0.001, 1 - p_value - 0.03)).interval.contains(0)


def test_a_rare_undefined_resample_is_left_out_and_many_are_refused() -> None:
    rng, values = np.random.default_rng(0), np.arange(50.0)

    def undefined_where(limit: float) -> Callable[[np.ndarray], float]:
        return lambda w: math.nan if w[0] >= limit else float(values @ w / w.sum())

    assert bootstrap(undefined_where(5), n_rows=50, rng=rng).interval.contains(24.5)
    with pytest.raises(ValueError, match=r"undefined on \d+ of 1000 resamples"):
        bootstrap(undefined_where(2), n_rows=50, rng=rng)


def test_too_few_rows_of_a_class_are_refused() -> None:
    with pytest.raises(ValueError, match="too few rows or units"):
        bootstrap_auc([1] + [0] * 30, [15.5, *range(30)], rng=np.random.default_rng(0))


def test_perfect_separation_gets_the_interval_of_delong() -> None:
    y, score = [0] * 20 + [1] * 20, range(40)

    assert bootstrap_auc(y, score, rng=np.random.default_rng(0)) == delong(y, score)


def test_infinite_scores_are_ranked_like_any_other() -> None:
    y = np.tile([0, 1, 1, 0, 1], 20)
    score = np.tile([-math.inf, math.inf, 1.0, 2.0, math.inf], 20)

    infinite = bootstrap_auc(y, score, rng=np.random.default_rng(0))
    ranked = bootstrap_auc(y, np.clip(score, -9, 9), rng=np.random.default_rng(0))

    assert infinite == ranked


@pytest.mark.parametrize(
    "units",
    [
        [1.0, math.nan, 2.0, 2.0],
        ["a", None, "b", "b"],
        np.array(["2026-01-01", "NaT", "2026-01-02", "2026-01-02"], dtype="datetime64[D]"),
    ],
)
def test_rows_of_an_unknown_unit_are_refused(units: object) -> None:
    with pytest.raises(ValueError, match="missing on 1 of 4 rows"):
        bootstrap_ratio([1.0, 2.0, 3.0, 4.0], units=units, rng=np.random.default_rng(0))


def test_bad_input_is_refused_with_a_reason() -> None:
    rng = np.random.default_rng(0)
    for call, reason in (
        (lambda: bootstrap(mean_of(np.ones(1)), n_rows=1, rng=rng), "at least two"),
        (lambda: bootstrap(lambda w: math.nan, n_rows=9, rng=rng), "nan on all rows"),
        (lambda: bootstrap_ratio([], rng=rng), "empty"),
        (lambda: bootstrap_ratio([1.0, math.nan], rng=rng), "NaN"),
        (lambda: bootstrap_ratio([1.0, 2.0], [1.0], rng=rng), "expected"),
        (lambda: bootstrap_ratio([1.0, 2.0], [0.0, 0.0], rng=rng), "on all rows"),
        (lambda: bootstrap_ratio([1.0, 2.0], n_resamples=10, rng=rng), "take 50 or more"),
        (lambda: bootstrap_ratio([1.0, 2.0], confidence=2, rng=rng), "is no level"),
        (lambda: bootstrap_ratio([1.0, 2.0], units=["a", "a"], rng=rng), "one unit"),
    ):
        with pytest.raises(ValueError, match=reason):
            call()


def test_memory_stays_bounded_however_many_resamples() -> None:
    """1,000 resamples of 40,000 rows as one matrix would take 320 MB; chunks take 16 MB each,
    a few of which are alive at once."""
    values = np.random.default_rng(0).normal(size=40_000)
    y = values > 0.5
    tracemalloc.start()
    try:
        bootstrap_ratio(values, units=np.arange(40_000) // 4, rng=np.random.default_rng(1))
        bootstrap_auc(y, values**2, n_resamples=60, rng=np.random.default_rng(1))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert peak < 150e6

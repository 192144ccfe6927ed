"""The number of rows that is reported is the number that is needed."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import special
from scipy.stats import binom

from mldeploy.stats import (
    Comparison,
    Estimate,
    Interval,
    delong,
    hanley_mcneil_variance,
    mean_interval,
    n_for_auc,
    n_for_difference,
    n_for_mean,
    n_for_proportion,
    paired_proportions,
    quantile_interval,
    rows_needed,
    wilson,
)

shares = st.floats(0.01, 0.99)


@given(shares, shares)
def test_wilson_excludes_the_bound_at_the_reported_rows_and_not_before(
    p: float, bound: float
) -> None:
    assume(abs(p - bound) > 1e-3)

    n = n_for_proportion(p, bound=bound)
    fewer = max(n - 1, 1)
    at, before = (wilson(p * k, k).interval for k in (n, fewer))

    rounding = 1e-9
    assert not at.low + rounding < bound < at.high - rounding
    assert n == 1 or before.low - rounding < bound < before.high + rounding


@given(shares, st.floats(0.005, 0.3))
def test_wilson_is_as_narrow_as_asked_at_the_reported_rows_and_not_before(
    p: float, half_width: float
) -> None:
    n = n_for_proportion(p, half_width=half_width)

    assert wilson(p * n, n).interval.width <= 2 * half_width
    if n > 1:
        assert wilson(p * (n - 1), n - 1).interval.width > 2 * half_width


def test_rows_for_a_perfect_share_match_the_value_worked_by_hand() -> None:
    """1 - 0 failures clears .95 when n > 1.96^2 * .95 * .05 / .05^2 = 72.99."""
    assert n_for_proportion(1.0, bound=0.95) == 73


@given(st.floats(1, 4), st.floats(0.2, 10))
def test_students_interval_is_as_narrow_as_asked(sd: float, half_width: float) -> None:
    def width(n: int) -> float:
        values = np.resize([-1.0, 1.0], n)
        return mean_interval(values / values.std(ddof=1) * sd).interval.width

    n = n_for_mean(sd, half_width=half_width)

    assert width(n) <= 2 * half_width * (1 + 1e-9)
    if n > 2:
        assert width(n - 1) > 2 * half_width * (1 - 1e-9)


def test_hanley_and_mcneils_standard_error_matches_the_value_worked_by_hand() -> None:
    """A = .8, Q1 = 2/3, Q2 = .7111: (.16 + 49 * .02667 + 49 * .07111) / 2500 = .0019804."""
    variance = hanley_mcneil_variance(0.8, n_positive=50, n_negative=50)

    assert variance == pytest.approx(0.00198, abs=5e-6)


CASES = [(0.75, 0.7, 0.2), (0.65, 0.6, 0.5), (0.9, 0.85, 0.1), (0.7, 0.75, 0.3)]


def end_towards(bound: float, *, auc: float, positive: np.ndarray, negative: np.ndarray) -> float:
    y = np.repeat([1, 0], [positive.size, negative.size])
    interval = delong(y, np.concatenate([positive, negative])).interval
    return interval.low if bound < auc else interval.high


@pytest.mark.parametrize(("auc", "bound", "prevalence"), CASES)
def test_delong_clears_the_bound_just_at_the_reported_rows(
    auc: float, bound: float, prevalence: float
) -> None:
    """Exponential scores, for which Hanley and McNeil's error is exact, at their quantiles;
    positives have A / (1 - A) times the mean. The grid's tails are a little short: a tenth."""
    n = n_for_auc(auc, bound=bound, prevalence=prevalence)
    m = round(n * prevalence)
    positive, negative = (-np.log1p(-(np.arange(k) + 0.5) / k) for k in (m, n - m))

    end = end_towards(bound, auc=auc, positive=positive * auc / (1 - auc), negative=negative)

    assert end == pytest.approx(bound, abs=0.1 * abs(auc - bound))


@pytest.mark.parametrize(("auc", "bound", "prevalence"), CASES)
def test_normal_scores_never_need_more_rows_than_reported(
    auc: float, bound: float, prevalence: float
) -> None:
    n = n_for_auc(auc, bound=bound, prevalence=prevalence)
    m = round(n * prevalence)
    positive, negative = (special.ndtri((np.arange(k) + 0.5) / k) for k in (m, n - m))

    end = end_towards(
        bound, auc=auc, positive=positive + math.sqrt(2) * special.ndtri(auc), negative=negative
    )

    assert abs(end - auc) <= 1.02 * abs(bound - auc)


def test_area_excludes_the_threshold_after_as_many_rows_as_reported() -> None:
    """The same rows k times over have the same area and 1 / sqrt(k) of the width."""
    rng = np.random.default_rng(0)
    y = np.arange(200) % 4 == 0
    score = rng.normal(size=200) + y
    estimate = delong(y, score)
    threshold = estimate.value - 0.02

    needed = rows_needed(estimate, threshold=threshold, n=200)

    assert needed is not None
    assert needed > 2000
    times = needed // 200
    assert delong(np.tile(y, times - 1), np.tile(score, times - 1)).interval.contains(threshold)
    assert not delong(np.tile(y, times + 2), np.tile(score, times + 2)).interval.contains(
        threshold
    )


@given(st.integers(1, 99), shares)
def test_wilsons_rows_needed_are_exact(successes: int, threshold: float) -> None:
    estimate = wilson(successes, 100)
    assume(abs(estimate.value - threshold) > 1e-3)

    needed = rows_needed(estimate, threshold=threshold, n=100)

    assert needed is not None
    assert needed >= 100
    if needed > 100:
        assert not wilson(estimate.value * (needed + 1), needed + 1).interval.contains(threshold)
        assert wilson(estimate.value * (needed - 1), needed - 1).interval.contains(threshold)


def test_rows_of_units_are_counted_as_rows() -> None:
    """A clustered estimate on 100 units of ten rows needs four times the rows for half the
    width: raw scale, distance .5 of a half width of 1."""
    estimate = Estimate(
        value=5.0,
        interval=Interval(low=4.0, high=6.0, confidence=0.95),
        n=100,
        method="cluster bootstrap",
    )

    assert rows_needed(estimate, threshold=4.5, n=1000) in {4000, 4001}
    assert rows_needed(estimate, threshold=5.5, n=1000) in {4000, 4001}


def test_an_interval_that_reaches_the_edge_of_shares_is_taken_as_it_is() -> None:
    """The logit of 0 has no distance; on the raw scale .1 of .2 needs four times the rows."""
    estimate = Estimate(
        value=0.2,
        interval=Interval(low=0.0, high=0.4, confidence=0.95),
        n=50,
        method="BCa bootstrap",
    )

    assert rows_needed(estimate, threshold=0.1, n=50) in {200, 201}


def test_a_threshold_already_excluded_needs_no_more_rows() -> None:
    assert rows_needed(wilson(90, 100), threshold=0.5, n=100) == 100
    assert rows_needed(wilson(50, 100), threshold=0.9, n=100) == 100


def test_hopeless_cases_have_no_number() -> None:
    """The estimate is the threshold, too close to it, or without a limit on that side."""
    unlimited = quantile_interval(range(20), 0.99)

    assert rows_needed(wilson(60, 100), threshold=0.6, n=100) is None
    assert rows_needed(wilson(60, 100), threshold=0.6 + 1e-9, n=100) is None
    assert rows_needed(unlimited, threshold=25.0, n=20) is None


def test_bad_input_is_refused_with_a_reason() -> None:
    for call, reason in (
        (lambda: n_for_proportion(0.5), "either"),
        (lambda: n_for_proportion(0.5, bound=0.4, half_width=0.1), "either"),
        (lambda: n_for_proportion(0.5, bound=0.5), "no number of rows"),
        (lambda: n_for_proportion(1.5, bound=0.5), "no share"),
        (lambda: n_for_proportion(0.5, half_width=0), "half_width=0"),
        (lambda: n_for_auc(0.7, bound=0.7, prevalence=0.5), "no number of rows"),
        (lambda: n_for_auc(1.0, bound=0.7, prevalence=0.5), "strictly"),
        (lambda: n_for_auc(0.8, bound=0.7, prevalence=0.5, confidence=95), "is no level"),
        (lambda: n_for_mean(-1, half_width=1), "negative"),
        (lambda: n_for_mean(1, half_width=0), "positive"),
        (lambda: n_for_mean(1, half_width=1e-9), "more than a million million"),
        (lambda: hanley_mcneil_variance(0.8, n_positive=0, n_negative=5), "both classes"),
        (lambda: rows_needed(wilson(1, 2), threshold=math.nan, n=2), "need a row and a number"),
        (lambda: rows_needed(wilson(1, 2), threshold=0.9, n=0), "need a row and a number"),
    ):
        with pytest.raises(ValueError, match=reason):
            call()


def test_power_is_the_share_of_samples_that_are_decided() -> None:
    """742 rows are told for .65 against .60 with power .8: exact, by the binomial law."""
    n = n_for_proportion(0.65, bound=0.60, power=0.8)
    successes = np.arange(n + 1)
    lows = np.array([wilson(k, n).interval.low for k in successes.tolist()])

    power = binom.pmf(successes[lows > 0.60], n, 0.65).sum()

    assert power == pytest.approx(0.8, abs=0.02)


def test_rows_for_a_difference_are_those_of_statsmodels_and_connor() -> None:
    """Discordant .10 and .06: statsmodels 0.15.0, TTestPower, says 779.0 with Student's t;
    Connor's formula 782.5."""
    sd = math.sqrt(0.16 - 0.04**2)

    n = n_for_difference(sd, difference=0.04)

    assert n == pytest.approx(779.0, abs=2)
    assert n == pytest.approx(782.5, abs=6)
    assert n_for_difference(sd, difference=0.0, margin=-0.04) == n


def test_paired_models_are_told_apart_at_the_power_asked_for() -> None:
    """1,000 samples at the n told: .8 +- 4 * sqrt(.16 / 1,000) = .05, and a point of slack."""
    rng = np.random.default_rng(0)
    n = n_for_difference(math.sqrt(0.16 - 0.04**2), difference=0.04)
    kinds = rng.choice(4, size=(1000, n), p=[0.7, 0.10, 0.06, 0.14])

    told = sum(
        paired_proportions((k == 0) | (k == 1), (k == 0) | (k == 2)).interval.low > 0
        for k in kinds
    )

    assert told / 1000 == pytest.approx(0.8, abs=0.06)


def test_rows_needed_for_a_comparison_shrink_its_interval_to_the_margin() -> None:
    """A half width of .04 around .02 must fall to .02: four times the rows; with power .8
    ((1.96 + .8416) / 1.96)**2 = 2.043 times more."""
    comparison = Comparison(
        difference=0.02,
        interval=Interval(low=-0.02, high=0.06, confidence=0.95),
        p_value=0.33,
        n=500,
        method="paired DeLong",
    )

    assert rows_needed(comparison, threshold=0.0, n=500) == pytest.approx(2000, abs=1)
    assert rows_needed(comparison, threshold=0.0, n=500, power=0.8) == pytest.approx(
        2000 * 2.043, rel=1e-3
    )
    assert rows_needed(comparison, threshold=-0.03, n=500) == 500


def test_more_power_needs_more_rows_and_less_than_half_is_refused() -> None:
    few, many = (n_for_auc(0.75, bound=0.7, prevalence=0.2, power=p) for p in (0.5, 0.9))

    assert few < many
    for power in (0.4, 1.0, math.nan):
        with pytest.raises(ValueError, match="power"):
            n_for_proportion(0.65, bound=0.60, power=power)
    with pytest.raises(ValueError, match="positive"):
        n_for_difference(0.0, difference=0.1)
    with pytest.raises(ValueError, match="not margin"):
        n_for_difference(1.0, difference=0.1, margin=0.1)

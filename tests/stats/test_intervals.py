"""Shares, means and quantiles with their intervals."""

from __future__ import annotations

import math

import numpy as np
import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as reference

from mldeploy.stats import (
    Estimate,
    Interval,
    mean_interval,
    quantile_interval,
    rule_of_three,
    wilson,
)

confidences = st.sampled_from([0.5, 0.8, 0.9, 0.95, 0.999])


@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_reproduces_the_values_newcombe_published(
    successes: int, n: int, low: float, high: float
) -> None:
    """Newcombe (1998), table I, method 3."""
    interval = wilson(successes, n).interval

    assert (interval.low, interval.high) == pytest.approx((low, high), abs=5e-5)


@given(st.integers(1, 5000), st.floats(0, 1), confidences)
def test_wilson_agrees_with_scipy(n: int, share: float, confidence: float) -> None:
    successes = round(share * n)
    theirs = reference.binomtest(successes, n).proportion_ci(confidence, method="wilson")

    ours = wilson(successes, n, confidence=confidence).interval

    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=1e-12)


@given(st.floats(0.01, 1e9), st.floats(0, 1), confidences)
def test_wilson_holds_its_share_and_mirrors(n: float, share: float, confidence: float) -> None:
    estimate = wilson(share * n, n, confidence=confidence)
    mirrored = wilson(n - share * n, n, confidence=confidence)

    assert 0 <= estimate.interval.low <= estimate.interval.high <= 1
    assert estimate.interval.low - 1e-9 <= estimate.value <= estimate.interval.high + 1e-9
    assert mirrored.interval.low == pytest.approx(1 - estimate.interval.high, abs=1e-9)


def test_wilson_covers_what_it_promises() -> None:
    """Exact, no simulation: binomial weights of every outcome of 60 trials, over 91 shares."""
    n, shares = 60, np.linspace(0.05, 0.95, 91)
    ends = [wilson(k, n).interval for k in range(n + 1)]
    hit = np.array([[i.low <= p <= i.high for i in ends] for p in shares])
    coverage = (hit * reference.binom.pmf(np.arange(n + 1), n, shares[:, None])).sum(axis=1)

    assert 0.945 <= coverage.mean() <= 0.96
    assert coverage.min() >= 0.92


def test_rule_of_three_is_three_over_n() -> None:
    """The upper end of the exact one-sided interval; -ln 0.05 = 2.9957."""
    assert rule_of_three(1000) == pytest.approx(2.9957 / 1000, rel=2e-3)
    assert (1 - rule_of_three(17, confidence=0.9)) ** 17 == pytest.approx(0.1)


def test_mean_interval_matches_the_value_worked_by_hand() -> None:
    """Mean 2, sd 1, three values: 2 +- 4.30265 / sqrt(3)."""
    interval = mean_interval([1, 2, 3]).interval

    assert interval.high - 2 == pytest.approx(4.30265 / math.sqrt(3), abs=1e-5)


def test_one_value_bounds_no_mean() -> None:
    interval = mean_interval([3.0]).interval

    assert (interval.low, interval.high) == (-math.inf, math.inf)


def test_quantile_interval_takes_the_order_statistics_worked_by_hand() -> None:
    """Median of ten: P(B <= 1) = 11/1024 = .0107 and P(B <= 2) = .0547, so ranks 2 and 9."""
    estimate = quantile_interval(range(1, 11), 0.5)

    assert (estimate.value, estimate.interval.low, estimate.interval.high) == (5, 2, 9)


def test_a_high_quantile_has_an_upper_end_only_when_rows_suffice() -> None:
    """0.99 ** 367 = 0.02501 is still above 0.025, 0.99 ** 368 is below."""
    assert quantile_interval(range(367), 0.99).interval.high == math.inf
    assert quantile_interval(range(368), 0.99).interval.high == 367


@pytest.mark.parametrize("q", [0.01, 0.5, 0.9, 0.99])
def test_quantile_intervals_never_cover_less_than_promised(q: float) -> None:
    """Exact: the count of 500 uniform values below q is binomial, ranks are its bounds."""
    n = 500
    interval = quantile_interval(np.arange(1.0, n + 1), q).interval
    low, high = max(interval.low, 0), min(interval.high, n + 1)

    coverage = reference.binom.cdf(high - 1, n, q) - reference.binom.cdf(low - 1, n, q)

    assert 0.95 <= coverage <= 0.99


def test_infinite_latencies_are_values_and_nan_is_not() -> None:
    assert quantile_interval([1, 2, math.inf], 0.9).value == math.inf
    with pytest.raises(ValueError, match="holds NaN in 1 of 2 rows"):
        quantile_interval([1, math.nan], 0.5)


def test_intervals_survive_json_with_infinite_ends() -> None:
    estimate = mean_interval([3.0])

    assert Estimate.model_validate_json(estimate.to_json()) == estimate
    assert '"Infinity"' in estimate.to_json()


@pytest.mark.parametrize(("low", "high"), [(2, 1), (math.nan, 1), (0, math.nan)])
def test_an_interval_that_runs_backwards_is_refused(low: float, high: float) -> None:
    with pytest.raises(pydantic.ValidationError, match="cannot run from"):
        Interval(low=low, high=high, confidence=0.95)


@pytest.mark.parametrize("confidence", [0.0, 1.0, 95.0, -0.1, math.nan])
def test_a_confidence_that_is_no_level_is_refused(confidence: float) -> None:
    for call in (
        lambda: wilson(1, 2, confidence=confidence),
        lambda: mean_interval([1, 2], confidence=confidence),
        lambda: quantile_interval([1, 2], 0.5, confidence=confidence),
        lambda: rule_of_three(5, confidence=confidence),
    ):
        with pytest.raises(ValueError, match="is no level"):
            call()


@pytest.mark.parametrize(
    ("successes", "n"), [(0, 0), (3, 2), (-1, 2), (1, math.inf), (math.nan, 3)]
)
def test_impossible_counts_are_refused(successes: float, n: float) -> None:
    with pytest.raises(ValueError, match=r"impossible|no interval"):
        wilson(successes, n)


def test_bad_values_are_refused() -> None:
    with pytest.raises(ValueError, match="empty"):
        mean_interval([])
    with pytest.raises(ValueError, match="dimensions"):
        mean_interval([[1.0, 2.0]])
    with pytest.raises(ValueError, match="infinite"):
        mean_interval([1.0, math.inf])
    with pytest.raises(ValueError, match="no share"):
        quantile_interval([1.0], 99)
    with pytest.raises(ValueError, match="extreme"):
        quantile_interval([1.0], 1.0)
    with pytest.raises(ValueError, match="at least one"):
        rule_of_three(0)

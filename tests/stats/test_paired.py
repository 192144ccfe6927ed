"""Two classifiers on the same rows."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as reference

from mldeploy.stats import (
    bonett_price,
    mcnemar_midp,
    paired_bootstrap,
    paired_bootstrap_ratio,
    paired_proportions,
)

counts = st.integers(0, 60)


@pytest.mark.parametrize(("b", "c", "p"), [(1, 7, 0.039), (6, 16, 0.035)])
def test_midp_reproduces_the_values_fagerland_published(b: int, c: int, p: float) -> None:
    """Fagerland, Lydersen and Laake (2013): airway hyper-responsiveness (exact test .070)
    and complete response (exact test .052)."""
    assert mcnemar_midp(b, c) == pytest.approx(p, abs=5e-4)


@given(counts, counts)
def test_midp_is_the_exact_test_less_half_of_what_was_seen(b: int, c: int) -> None:
    exact = reference.binomtest(b, b + c, 0.5).pvalue if b + c else 1.0
    seen = reference.binom.pmf(b, b + c, 0.5)

    expected = exact - seen if b != c else 1.0

    assert mcnemar_midp(b, c) == pytest.approx(expected)
    assert mcnemar_midp(b, c) == mcnemar_midp(c, b)


def test_bonett_price_matches_the_value_worked_by_hand() -> None:
    """(20 + 1) / 102 - (10 + 1) / 102 = .09804; variance (.31373 - .00961) / 102 = .0029815,
    so half of the width is 1.95996 * .054603 = .10702."""
    interval = bonett_price(50, 20, 10, 20)

    assert (interval.low, interval.high) == pytest.approx((-0.00898, 0.20506), abs=2e-5)


@given(counts, counts, counts, st.integers(1, 60), st.sampled_from([0.8, 0.95, 0.99]))
def test_bonett_price_mirrors_and_stays_a_difference_of_shares(
    n11: int, n10: int, n01: int, n00: int, confidence: float
) -> None:
    ab = bonett_price(n11, n10, n01, n00, confidence=confidence)
    ba = bonett_price(n11, n01, n10, n00, confidence=confidence)

    assert (ab.low, ab.high) == pytest.approx((-ba.high, -ba.low))
    assert -1 <= ab.low < ab.high <= 1


def test_comparison_counts_what_only_one_got_right() -> None:
    a, b = [1, 1, 1, 1, 0, 0, 1, 1], [1, 0, 0, 0, 1, 0, 1, 0]

    comparison = paired_proportions(a, b)

    assert comparison.difference == pytest.approx((4 - 1) / 8)
    assert comparison.p_value == pytest.approx(mcnemar_midp(4, 1))
    assert comparison.interval == bonett_price(2, 4, 1, 1)


def test_units_make_the_interval_wider_where_rows_are_alike() -> None:
    rng = np.random.default_rng(0)
    a = np.repeat(rng.random(60) < 0.7, 10)
    b = np.repeat(rng.random(60) < 0.6, 10)

    rows = paired_proportions(a, b)
    units = paired_proportions(a, b, units=np.repeat(np.arange(60), 10), rng=rng)

    assert units.difference == pytest.approx(rows.difference)
    assert units.interval.width > 2.5 * rows.interval.width
    assert (rows.n, units.n) == (600, 60)


def test_models_that_never_differ_are_equal_only_up_to_the_number_of_units() -> None:
    right, units = np.ones(1000), np.repeat(np.arange(10), 100)

    rows = paired_proportions(right, right)
    clustered = paired_proportions(right, right, units=units, rng=np.random.default_rng(0))

    assert clustered.p_value == rows.p_value == 1
    assert rows.interval.high == pytest.approx(bonett_price(1000, 0, 0, 0).high)
    assert clustered.interval.high == pytest.approx(bonett_price(10, 0, 0, 0).high)


def test_bad_input_is_refused_with_a_reason() -> None:
    for call, reason in (
        (lambda: paired_proportions([], []), "empty"),
        (lambda: paired_proportions([1, 0], [1]), "expected"),
        (lambda: paired_proportions([1, 0.5], [1, 1]), "other than 0 and 1"),
        (lambda: paired_proportions([1, 0], [1, 1], confidence=1), "is no level"),
        (lambda: paired_proportions([1, 0], [1, 1], units=[1, 2]), "pass rng="),
        (lambda: mcnemar_midp(-1, 2), "negative"),
        (lambda: bonett_price(0, 0, 0, 0), "no rows"),
        (lambda: bonett_price(1, -1, 0, 0), "negative"),
    ):
        with pytest.raises(ValueError, match=reason):
            call()


def simulate(
    rng: np.random.Generator, *, a: float, b: float, n: int, n_samples: int
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Models that are right on rows by a shared difficulty: they agree on about 80 %."""
    difficulty = rng.normal(size=(n_samples, 1, n))
    skill = np.sqrt(2) * reference.norm.ppf([[a], [b]])
    right = difficulty + rng.normal(size=(n_samples, 2, n)) < skill
    return [(pair[0], pair[1]) for pair in right]


def test_equal_models_are_told_apart_no_more_often_than_allowed() -> None:
    """3,000 samples of 300 rows; 221 alarms or more at a rate of .06 have probability .001."""
    samples = simulate(np.random.default_rng(1), a=0.8, b=0.8, n=300, n_samples=3000)

    alarms = sum(paired_proportions(a, b).p_value <= 0.05 for a, b in samples)

    assert alarms / 3000 <= 0.06 + 0.0137


def test_a_model_two_points_worse_is_rarely_shipped() -> None:
    """Shipped when the one-sided .95 bound is above the margin of two points it just misses.

    At a true rate of .05 the share of 3,000 samples exceeds .0625 with probability .001. The
    point estimate ships about every second one.
    """
    samples = simulate(np.random.default_rng(2), a=0.78, b=0.80, n=1000, n_samples=3000)
    compared = [paired_proportions(a, b, confidence=0.90) for a, b in samples]

    shipped = np.mean([c.interval.low > -0.02 for c in compared])
    by_points = np.mean([c.difference > -0.02 for c in compared])

    assert shipped <= 0.05 + 0.0125
    assert by_points > 0.4


def test_bonett_price_covers_what_it_promises() -> None:
    """3,000 samples; a true .95 strays by .0125 with probability .002."""
    samples = simulate(np.random.default_rng(3), a=0.85, b=0.80, n=200, n_samples=3000)

    covered = np.mean([paired_proportions(a, b).interval.contains(0.05) for a, b in samples])

    assert 0.93 <= covered <= 0.97


def test_clustered_comparison_keeps_its_error_rate_where_rows_come_in_tens() -> None:
    """600 samples of 60 units; 54 alarms at a rate of .06 have probability .002. Row by row
    the same samples must alarm far more often, or the units would not matter here."""
    rng, units = np.random.default_rng(4), np.repeat(np.arange(60), 10)
    clustered = naive = 0
    for _ in range(600):
        shared = np.repeat(rng.normal(size=(2, 60)), 10, axis=1)
        a, b = shared + rng.normal(size=(2, 600)) < 1
        by_units = paired_proportions(a, b, units=units, n_resamples=400, rng=rng)
        clustered += by_units.p_value <= 0.05
        naive += paired_proportions(a, b).p_value <= 0.05

    assert clustered / 600 <= 0.06 + 0.03
    assert naive / 600 > 0.2


def test_ratio_comparison_is_the_difference_of_the_ratios() -> None:
    rng = np.random.default_rng(5)
    a, b, cases = rng.random(100), rng.random(100), rng.integers(1, 5, 100)

    comparison = paired_bootstrap_ratio(a, b, cases, rng=rng)

    assert comparison.difference == pytest.approx((a.sum() - b.sum()) / cases.sum())
    assert comparison.interval.contains(comparison.difference)


def test_precision_of_two_models_is_compared_over_their_own_denominators() -> None:
    """Both paths draw the same units from the same generator."""
    rng = np.random.default_rng(6)
    y = rng.random(120) < 0.4
    a, b = (rng.random((2, 120)) < 0.3) | y
    units = np.arange(120) // 2

    def precision_of(said: np.ndarray) -> Callable[[np.ndarray], float]:
        return lambda weights: float((said & y) @ weights / (said @ weights))

    general = paired_bootstrap(
        precision_of(a), precision_of(b), n_rows=120, units=units, rng=np.random.default_rng(7)
    )
    fast = paired_bootstrap_ratio(a & y, b & y, a, b, units=units, rng=np.random.default_rng(7))

    assert fast.difference == pytest.approx(general.difference)
    assert fast.interval.low == pytest.approx(general.interval.low, abs=0.01)
    assert fast.interval.high == pytest.approx(general.interval.high, abs=0.01)
    assert fast.p_value == pytest.approx(general.p_value, abs=0.02)


def test_a_model_that_never_says_yes_has_no_precision_to_compare() -> None:
    with pytest.raises(ValueError, match="on all rows"):
        paired_bootstrap_ratio(
            [1, 0, 1], [0, 0, 0], [1, 1, 1], [0, 0, 0], rng=np.random.default_rng(0)
        )

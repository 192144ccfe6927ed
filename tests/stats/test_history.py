"""A window judged by the reference's own past, and the three rules."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from mldeploy.errors import EmptyDataError, InvalidDataError
from mldeploy.stats import (
    ValueCounts,
    history_limit,
    jensen_shannon,
    judge_against_history,
    judge_rule_against_history,
    leave_one_out_distances,
    new_values,
    null_share_jump,
    psi_test,
    range_breach,
)


def _dependent_window(rng: np.random.Generator, n: int = 3000) -> np.ndarray:
    """Counts of a window whose rows share their week's weather: shares vary from week to week."""
    return rng.multinomial(n, rng.dirichlet(np.full(10, 80.0)))


def test_distances_match_the_values_worked_by_hand() -> None:
    """Left out [8, 2]: pooled [10, 10], |.8 - .5| = .3; left out [5, 5]: [13, 7], .15."""
    distances = leave_one_out_distances([[5, 5], [5, 5], [8, 2]])

    assert distances.tolist() == pytest.approx([0.15, 0.15, 0.3])


def test_limit_is_mean_plus_four_sd_and_never_below_the_floor() -> None:
    """Mean .03 and sd .01: .03 + 4 * .01."""
    assert history_limit([0.02, 0.03, 0.04]) == pytest.approx(0.07)
    assert history_limit([0.02, 0.03, 0.04], n_sd=1) == pytest.approx(0.04)
    assert history_limit([0.001, 0.002]) == 0.03


def test_decision_tells_what_it_rests_on() -> None:
    past = [[5, 5], [5, 5], [8, 2]]
    decision = judge_against_history([0, 9], past, distance=jensen_shannon)

    distances = leave_one_out_distances(past, distance=jensen_shannon)
    assert decision.n_windows == 3
    assert decision.distance == pytest.approx(jensen_shannon([18, 12], [0, 9]))
    assert decision.limit == pytest.approx(history_limit(distances))
    assert decision.past_mean == pytest.approx(distances.mean())


@given(st.permutations(range(6)))
def test_order_of_past_windows_does_not_matter(order: list[int]) -> None:
    past = [[50, 50], [52, 48], [49, 51], [50, 50], [47, 53], [51, 49]]
    shuffled = judge_against_history([60, 40], [past[i] for i in order])

    assert shuffled.limit == pytest.approx(judge_against_history([60, 40], past).limit)


def test_history_is_silent_where_rows_depend_and_the_exchangeable_test_is_not() -> None:
    """300 ordinary windows, each judged by its 10 predecessors, whose weeks differ.

    Were these distances Gaussian, a new one would exceed mean + 4 sd of ten with probability
    .0021 (Student's t, 9 degrees of freedom, 4 / sqrt(1.1)). They are skewed, so 2 % is allowed:
    more than 14 of 300 then have probability .0012.
    """
    rng = np.random.default_rng(0)
    windows = [_dependent_window(rng) for _ in range(310)]
    judged = [judge_against_history(windows[i], windows[i - 10 : i]).alarm for i in range(10, 310)]
    exchangeable = [
        psi_test(sum(windows[i - 10 : i]), windows[i], epsilon=0).p_value < 0.05
        for i in range(10, 310)
    ]

    assert sum(judged) <= 14
    assert sum(exchangeable) > 150


def test_history_finds_a_tenth_of_the_rows_moved() -> None:
    """Fewer than 13 of 20 found, when each is found with .9, has probability .0004."""
    rng = np.random.default_rng(1)
    n_found = 0
    for _ in range(20):
        past = [rng.multinomial(3000, np.full(10, 0.1)) for _ in range(8)]
        current = rng.multinomial(3000, [0.2, *[0.8 / 9] * 9])
        n_found += judge_against_history(current, past).alarm

    assert n_found >= 13


def test_windows_that_cannot_be_a_past_are_refused() -> None:
    with pytest.raises(EmptyDataError, match="at least two windows"):
        leave_one_out_distances([[1, 2]])
    with pytest.raises(EmptyDataError, match="1 of them empty"):
        leave_one_out_distances([[1, 2], [0, 0]])
    with pytest.raises(InvalidDataError, match="different bins"):
        leave_one_out_distances([[1, 2], [1, 2, 3]])
    with pytest.raises(EmptyDataError, match="at least two past windows"):
        history_limit([0.1])


def test_a_jump_in_nulls_is_measured_with_its_evidence() -> None:
    jump = null_share_jump(
        n_missing_reference=0, n_reference=5000, n_missing_current=100, n_current=1000
    )

    assert jump.effect == pytest.approx(0.1)
    assert jump.exceeds
    assert jump.p_value < 1e-9


def test_nulls_that_vanish_are_a_jump_too() -> None:
    jump = null_share_jump(
        n_missing_reference=500, n_reference=5000, n_missing_current=0, n_current=1000
    )

    assert jump.effect == pytest.approx(-0.1)
    assert jump.exceeds
    assert jump.p_value < 1e-9


def test_immaterial_changes_of_nulls_are_seldom_significant() -> None:
    """True change .01 = the limit: more than 7 of 100 at 2 % each have probability .0009."""
    rng = np.random.default_rng(2)
    p_values = [
        null_share_jump(
            n_missing_reference=int(rng.binomial(5000, 0.05)),
            n_reference=5000,
            n_missing_current=int(rng.binomial(2000, 0.06)),
            n_current=2000,
        ).p_value
        for _ in range(100)
    ]

    assert sum(p <= 0.02 for p in p_values) <= 7


def test_new_values_beyond_what_the_reference_lets_expect() -> None:
    """Two of 100 reference rows are seen once: 2 % new values are ordinary. 7 of 100 are new."""
    reference = {"a": 98, "b": 1, "c": 1, None: 7}
    outcome = new_values(reference, {"a": 93, "x": 4, "y": 3, None: 50})

    assert outcome.effect == pytest.approx(0.05)
    assert outcome.n_current == 100
    assert outcome.p_value == pytest.approx(scipy_stats.binom.sf(6, 100, 0.025))


def test_columns_of_identifiers_bring_new_values_without_an_alarm() -> None:
    """Every reference value is seen once: new values are what is expected."""
    outcome = new_values({f"id{i}": 1 for i in range(50)}, {f"new{i}": 1 for i in range(50)})

    assert outcome.effect == 0
    assert not outcome.exceeds
    assert outcome.p_value == 1


def test_a_thousandth_of_absurd_outliers_is_a_breach() -> None:
    """5 exceedances among 5,000 rows after 20,000 without: about 2 * (1/5)^5 = .00064."""
    reference = ValueCounts.of(np.linspace(0, 100, 20000))
    current = ValueCounts.of(np.r_[np.linspace(0, 100, 4995), np.full(5, 1e4)])

    breach = range_breach(reference, current)

    assert breach.effect == pytest.approx(0.001)
    assert breach.exceeds
    assert breach.p_value == pytest.approx(0.00064, rel=0.01)


def test_values_just_outside_the_range_are_no_breach() -> None:
    breach = range_breach(ValueCounts.of([0.0, 10.0]), ValueCounts.of([-9.0, 19.0]))

    assert (breach.effect, breach.p_value) == (0, 1)


def test_exceedances_have_the_exact_chance_without_slack() -> None:
    """One reference and one current value: the current is the larger, or smaller, always."""
    breach = range_breach(ValueCounts.of([0.0]), ValueCounts.of([1.0]), slack=0)

    assert breach.p_value == 1.0


def test_a_rule_is_judged_by_its_own_past() -> None:
    """Past |effects| .02, .03, .04: .03 + 4 * .01 = .07."""
    jump = null_share_jump(
        n_missing_reference=0, n_reference=5000, n_missing_current=60, n_current=1000
    )

    decision = judge_rule_against_history(jump, [0.02, -0.03, 0.04])

    assert decision.distance == pytest.approx(0.06)
    assert decision.limit == pytest.approx(0.07)
    assert not decision.alarm
    assert judge_rule_against_history(jump, [0.0, 0.0, 0.0]).alarm


def test_rules_refuse_empty_and_impossible_samples() -> None:
    with pytest.raises(EmptyDataError, match="no rows"):
        new_values({None: 3}, {"a": 1})
    with pytest.raises(EmptyDataError, match="no rows"):
        range_breach(ValueCounts.of([1.0]), ValueCounts.of([float("nan")]))
    with pytest.raises(InvalidDataError, match="5 of 3 rows"):
        null_share_jump(n_missing_reference=5, n_reference=3, n_missing_current=0, n_current=1)

"""Learn-then-Test: p-values of a risk, the walk over candidates, and promises that are kept."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as reference

from mldeploy.errors import EmptyDataError, InvalidDataError
from mldeploy.stats import learn_then_test, risk_p_value, safe_threshold

p_values = st.lists(st.floats(0, 1), max_size=30)


@given(st.integers(1, 200), st.floats(0, 1), st.floats(0.01, 0.99))
def test_errors_are_tested_by_the_exact_binomial_test(n: int, share: float, risk: float) -> None:
    losses = (np.arange(n) < round(share * n)).astype(float)
    theirs = reference.binomtest(int(losses.sum()), n, risk, alternative="less").pvalue

    assert risk_p_value(losses, max_risk=risk) == pytest.approx(theirs)


@pytest.mark.parametrize(
    ("mean", "n", "risk", "theirs"),
    [
        (0.05, 200, 0.1, 0.02193993208590663),
        (0.08, 500, 0.1, 0.20411385159207474),
        (0.2, 40, 0.3, 0.3017542238737499),
        (0.001, 100, 0.05, 0.009725073560461466),
    ],
)
def test_losses_are_tested_as_mapie_tests_them(
    mean: float, n: int, risk: float, theirs: float
) -> None:
    """MAPIE 1.6.0, compute_hoeffding_bentkus_p_value."""
    assert risk_p_value(np.full(n, mean), max_risk=risk) == pytest.approx(theirs, rel=1e-9)


def test_the_p_value_of_a_broken_promise_is_seldom_small() -> None:
    """Beta losses of mean .1 at a promise of .1; 3,000 samples, 190 at .05 have chance 1e-3."""
    rng = np.random.default_rng(0)
    losses = rng.beta(0.5, 4.5, size=(3000, 60))

    assert sum(risk_p_value(row, max_risk=0.1) <= 0.05 for row in losses) <= 190


def test_the_walk_stops_at_the_first_candidate_that_fails() -> None:
    assert learn_then_test([0.01, 0.05, 0.06, 0.001], delta=0.05).tolist() == [0, 1]
    assert learn_then_test([0.06, 0.001], delta=0.05).tolist() == []


def test_a_second_start_halves_the_level_and_gets_it_back_by_walking() -> None:
    """Two starts of .025: .03 fails at the first; .02 holds at the second. If all hold, the
    third candidate has both halves and .04 suffices."""
    assert learn_then_test([0.03, 0.9, 0.02], starts=[0, 2]).tolist() == [2]
    assert learn_then_test([0.02, 0.02, 0.04], starts=[0, 2]).tolist() == [0, 1, 2]


@given(p_values, st.integers(1, 4))
def test_no_candidate_is_safe_above_the_level_and_smaller_values_lose_nothing(
    values: list[float], n_starts: int
) -> None:
    starts = list(range(min(n_starts, max(len(values), 1))))
    safe = learn_then_test(values, delta=0.05, starts=starts)

    assert all(values[i] <= 0.05 for i in safe)
    assert set(safe) <= set(learn_then_test(np.array(values) / 2, delta=0.05, starts=starts))


def test_any_false_claim_among_dependent_candidates_keeps_the_level() -> None:
    """20 candidates that all break the promise, with p-values from one random walk: any claim
    at all is false. 2,000 samples; 139 false at .05 have probability 6e-5."""
    rng = np.random.default_rng(1)
    z = rng.normal(size=(2000, 20)).cumsum(axis=1) / np.sqrt(np.arange(1, 21))
    p = reference.norm.cdf(z)

    assert sum(learn_then_test(row, starts=[0, 5, 12]).size > 0 for row in p) <= 138


def test_threshold_on_answers_worked_by_hand() -> None:
    """100 sure answers without an error, 100 unsure ones all wrong. At .05 the first test is at
    3 * 59 > 100 rows, and so at all 200, where half are wrong; at .1 it is at 87."""
    confidence = np.repeat([0.9, 0.6], 100)
    wrong = np.repeat([0, 1], 100)

    assert safe_threshold(confidence, wrong, max_error=0.05) is None
    found = safe_threshold(confidence, wrong, max_error=0.1)
    assert found is not None
    assert (found.threshold, found.coverage, found.error, found.n) == (0.9, 0.5, 0.0, 200)


def _broken(seed: int, n_samples: int) -> float:
    """Share of promises broken by answers that are 2 points less sure than they say."""
    rng, broken = np.random.default_rng(seed), 0
    for _ in range(n_samples):
        p = rng.uniform(0.5, 1, size=1000)
        found = safe_threshold(p, rng.random(1000) < 1.02 - p, max_error=0.1)
        # The mean error above t is 1.02 - (1 + t) / 2, above .1 for t below .84.
        broken += found is not None and found.threshold < 0.84
    return broken / n_samples


def test_the_promise_is_broken_no_more_often_than_delta() -> None:
    """300 samples; 28 broken at a rate of .05 have probability .002."""
    assert _broken(2, 300) <= 27 / 300


def test_with_units_the_promise_holds_where_rows_alone_break_it() -> None:
    """All rows of a unit share one fate. An error of .105 above every threshold is too
    much; 200 samples of 60 units of ten: 22 broken at .05 have probability 4e-4."""
    rng, units = np.random.default_rng(3), np.repeat(np.arange(60), 10)
    by_rows = by_units = 0
    for _ in range(200):
        confidence = rng.random(600)
        wrong = (rng.random(60) < 0.105)[units]
        by_rows += safe_threshold(confidence, wrong, max_error=0.1) is not None
        by_units += (
            safe_threshold(confidence, wrong, max_error=0.1, units=units, n_candidates=20, rng=rng)
            is not None
        )

    assert by_units <= 21
    assert by_rows > 21


def test_units_that_are_all_right_are_found_safe() -> None:
    rng, units = np.random.default_rng(4), np.repeat(np.arange(400), 5)

    found = safe_threshold(
        rng.random(2000), np.zeros(2000), max_error=0.1, units=units, n_candidates=20, rng=rng
    )

    assert found is not None
    assert (found.coverage, found.n) == (1.0, 400)


@pytest.mark.parametrize(
    "wrong",
    [np.ones(500), np.arange(500) % 2],
    ids=["always wrong", "half wrong"],
)
def test_constant_confidence_and_bad_models_leave_everything_to_people(wrong: np.ndarray) -> None:
    assert safe_threshold(np.full(500, 0.7), wrong, max_error=0.1) is None


def test_few_rows_show_nothing() -> None:
    assert safe_threshold([0.9] * 20, [0] * 20, max_error=0.1) is None


def test_nonsense_is_refused() -> None:
    with pytest.raises(EmptyDataError):
        safe_threshold([], [], max_error=0.1)
    with pytest.raises(InvalidDataError, match="NaN"):
        safe_threshold([np.nan], [1], max_error=0.1)
    with pytest.raises(InvalidDataError, match="other than 0 and 1"):
        safe_threshold([0.5], [2], max_error=0.1)
    with pytest.raises(ValueError, match="rng"):
        safe_threshold([0.5, 0.6], [0, 0], max_error=0.1, units=[1, 2])
    with pytest.raises(ValueError, match="max_error"):
        safe_threshold([0.5], [0], max_error=1.0)
    with pytest.raises(ValueError, match="at least one threshold"):
        safe_threshold([0.5], [0], max_error=0.1, n_candidates=0)
    with pytest.raises(InvalidDataError):
        learn_then_test([0.5, np.nan])
    with pytest.raises(ValueError, match="no positions"):
        learn_then_test([0.5], starts=[1])
    with pytest.raises(InvalidDataError, match=r"\[0, 1\]"):
        risk_p_value([0.2, 1.5], max_risk=0.1)

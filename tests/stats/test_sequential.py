"""Always-valid tests of a canary: false rollbacks, power, and the guards beside them."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate
from scipy import stats as scipy_stats

from mldeploy.errors import InvalidDataError
from mldeploy.stats import (
    OutageGuard,
    SafeTwoByTwo,
    TEProcess,
    safe_two_by_two,
    sample_ratio_p_value,
)

ALPHA = 0.01
BASE_RATE = 0.02
PER_ARM = 500
"""1,000 requests a minute, split in half."""
MARGIN = BASE_RATE / 4
values = st.lists(st.floats(-5, 5), min_size=1, max_size=30)


def _failures(rng: np.random.Generator, n: int, rate: float, clump: int, size: int) -> np.ndarray:
    """Failures a minute; in clumps they come in bursts of `clump` on average (geometric)."""
    if clump == 1:
        return rng.binomial(n, rate, size)
    bursts = rng.poisson(n * rate / clump, size)
    more = rng.negative_binomial(np.maximum(bursts, 1), 1 / clump)
    return np.minimum(np.where(bursts > 0, bursts + more, 0), n)


def _rollback_minute(
    rng: np.random.Generator,
    *,
    times: float = 1,
    clump: int = 1,
    n_looks: int = 240,
    n_canary: int = PER_ARM,
) -> float:
    """Minute of the rollback, looking after every minute; infinite if there is none."""
    n_champion = 2 * PER_ARM - n_canary
    champion = _failures(rng, n_champion, BASE_RATE, clump, n_looks) / n_champion
    canary = _failures(rng, n_canary, BASE_RATE * times, clump, n_looks) / n_canary
    state = TEProcess(margin=MARGIN)
    for minute, difference in enumerate(canary - champion, start=1):
        state = state.update(difference)
        if state.rejects(ALPHA):
            return minute
    return np.inf


def _n_rollbacks(seed: int, n_canaries: int, *, clump: int, n_canary: int = PER_ARM) -> int:
    rng = np.random.default_rng(seed)
    minutes = [_rollback_minute(rng, clump=clump, n_canary=n_canary) for _ in range(n_canaries)]
    return int(np.isfinite(minutes).sum())


@given(values, st.sampled_from([0.25, 1.0, 4.0]))
def test_e_value_is_the_ratio_of_the_two_integrals(blocks: list[float], effect: float) -> None:
    x = np.array(blocks)
    n, q = x.size, float((x**2).sum())
    z = float(x.sum() / np.sqrt(q)) if q > 0 else 0.0

    def integrand(v: float, delta: float) -> float:
        """Scaled by the chi density's constant and bounded by the Gaussian in v."""
        if v <= 0:
            return 0.0
        log_chi = (n - 1) * math.log(v) - v**2 / 2 - (n / 2 - 1) * math.log(2) - math.lgamma(n / 2)
        return math.exp((delta * z) * v - n * delta**2 / 2 + log_chi)

    peak = max((effect * z + np.sqrt((effect * z) ** 2 + 4 * n)) / 2, 0.1)
    ratio = sum(
        integrate.quad(integrand, a, b, args=(effect,))[0]
        for a, b in [(0, peak), (peak, peak + 15)]
    )

    ours = TEProcess(effects=(effect,)).update(x).e_value
    assert ours == pytest.approx(ratio, rel=1e-5, abs=1e-12)


@given(values, values)
def test_updating_twice_is_updating_once_with_both(a: list[float], b: list[float]) -> None:
    twice = TEProcess().update(a).update(b)
    once = TEProcess().update(a + b)

    assert twice.log_e_value == pytest.approx(once.log_e_value, abs=1e-6)


@given(values, st.floats(0.1, 10))
def test_e_value_does_not_depend_on_the_unit(blocks: list[float], scale: float) -> None:
    rounded = np.round(blocks, 3)
    state, scaled = TEProcess().update(rounded), TEProcess().update(rounded * scale)

    assert state.log_e_value == pytest.approx(scaled.log_e_value, abs=1e-6)


def test_e_value_averages_at_most_one_without_a_difference() -> None:
    """4,000 Gaussian streams of 3 blocks: the e-value's mean is 1.

    One e-value is at most 9 here (its supremum for n = 3 and effect 1 is below), so that the mean
    of 4,000 exceeds 1.3 with probability below .001 (Hoeffding: exp(-2 * 4000 * .09 / 81) = e-9).
    """
    rng = np.random.default_rng(0)
    state = TEProcess(effects=(1.0,))
    assert state.update([1.0, 1.0, 1.0]).e_value < 9

    e_values = [state.update(rng.normal(size=3)).e_value for _ in range(4000)]

    assert 0.8 < np.mean(e_values) < 1.3


def test_a_believed_spread_only_lowers_the_evidence() -> None:
    blocks = [0.03, 0.03, 0.03, 0.03]

    assert TEProcess().update(blocks).rejects(ALPHA)
    assert TEProcess(min_sd=0.02).update(blocks).e_value < TEProcess().update(blocks).e_value
    assert TEProcess(min_sd=1e-9).update([0.1, -0.3]).e_value == pytest.approx(
        TEProcess().update([0.1, -0.3]).e_value
    )


def test_a_state_is_stored_and_read_back() -> None:
    state = TEProcess(margin=0.1).update([0.2, 0.1, 0.4])

    assert TEProcess.model_validate_json(state.to_json()) == state


def test_no_blocks_and_blocks_at_the_margin_are_no_evidence() -> None:
    assert TEProcess().e_value == 1.0
    assert TEProcess().update([]).e_value == 1.0
    assert TEProcess(margin=0.5).update([0.5] * 10).e_value < 1.0


def test_overwhelming_evidence_overflows_nothing() -> None:
    state = TEProcess().update(np.tile([0.9, 1.1], 500))

    assert state.log_e_value > 700
    assert np.isfinite(state.e_value)


@pytest.mark.parametrize("clump", [1, 10])
def test_few_healthy_canaries_are_rolled_back(clump: int) -> None:
    """More than 2 rollbacks of 20 at 1 % each have probability .001."""
    assert _n_rollbacks(clump, 20, clump=clump) <= 2


def test_a_doubled_failure_rate_is_found_in_twenty_minutes() -> None:
    """Fewer than 13 of 20 found, when each is found with .9, has probability .0004."""
    rng = np.random.default_rng(5)
    minutes = [_rollback_minute(rng, times=2, n_looks=20) for _ in range(20)]

    assert np.isfinite(minutes).sum() >= 13
    assert np.median(minutes) <= 20


def test_a_fivefold_failure_rate_is_found_in_five_minutes() -> None:
    """Fewer than 13 of 20 found, when each is found with .9, has probability .0004."""
    rng = np.random.default_rng(6)
    minutes = [_rollback_minute(rng, times=5, n_looks=5) for _ in range(20)]

    assert np.isfinite(minutes).sum() >= 13
    assert np.median(minutes) <= 5


@pytest.mark.slow
@pytest.mark.parametrize(("n_canary", "clump"), [(500, 30), (100, 5), (10, 1)])
def test_healthy_canaries_stay_whatever_their_share_and_clumps(n_canary: int, clump: int) -> None:
    """240 looks. More than 3 rollbacks of 30 at 1 % each have probability .0002."""
    assert _n_rollbacks(100 + clump, 30, clump=clump, n_canary=n_canary) <= 3


def test_a_test_that_counts_rows_rolls_back_clumped_canaries() -> None:
    """Why the block is the unit: rows in clumps break the safe 2x2 test in a third of cases.

    Fewer than 3 rollbacks of 30, when each has probability .3, have probability .002.
    """
    rng = np.random.default_rng(7)
    n_rolled_back = 0
    for _ in range(30):
        a, b = (_failures(rng, PER_ARM, BASE_RATE, 10, 240) for _ in range(2))
        n_rolled_back += bool(
            (safe_two_by_two(a, [PER_ARM] * 240, b, [PER_ARM] * 240) >= 100).any()
        )

    assert n_rolled_back >= 3


def test_safe_two_by_two_matches_the_value_worked_by_hand() -> None:
    """Second block of one row each, one failure in B; prior 1: rates 1/3 and 2/3 after a first
    block with a success in A and a failure in B, null 1/2: (2/3)(2/3) / (1/2)(1/2) = 16/9.
    """
    state = SafeTwoByTwo(prior=1.0).update(failures_a=0, n_a=1, failures_b=1, n_b=1)
    assert state.e_value == 1.0

    state = state.update(failures_a=0, n_a=1, failures_b=1, n_b=1)

    assert state.e_value == pytest.approx(16 / 9)


def test_safe_two_by_two_rolls_back_few_healthy_canaries_with_independent_rows() -> None:
    """More than 5 rollbacks of 100 at 1 % each have probability .0005."""
    rng = np.random.default_rng(8)
    n = [PER_ARM] * 60
    n_rolled_back = 0
    for _ in range(100):
        a, b = (rng.binomial(PER_ARM, BASE_RATE, 60) for _ in range(2))
        n_rolled_back += bool((safe_two_by_two(a, n, b, n) >= 100).any())

    assert n_rolled_back <= 5


def test_a_better_canary_is_never_evidence_against_it() -> None:
    assert safe_two_by_two([30] * 9, [500] * 9, [1] * 9, [500] * 9).tolist() == [1.0] * 9


def test_outage_needs_conspicuous_blocks_in_a_row() -> None:
    guard = OutageGuard(conspicuous=0.5, block_chance=0.01, n_in_a_row=2)
    for failures in (60, 10, 60):
        guard = guard.update(failures=failures, total=100)
    assert not guard.outage

    guard = guard.update(failures=0, total=0).update(failures=50, total=100)

    assert guard.outage
    assert guard.update(failures=0, total=100).outage


def test_an_outage_of_both_streams_is_not_the_canarys() -> None:
    guard = OutageGuard(conspicuous=0.5, n_in_a_row=1)

    assert not guard.update(failures=90, total=100, comparison_share=0.85).outage


def test_chance_of_a_false_outage_is_exact() -> None:
    """Runs of two heads in four fair tosses: 8 of 16 sequences hold one."""
    guard = OutageGuard(block_chance=0.5, n_in_a_row=2)

    assert guard.false_alarm_probability(1) == 0
    assert guard.false_alarm_probability(2) == pytest.approx(0.25)
    assert guard.false_alarm_probability(4) == pytest.approx(0.5)
    assert OutageGuard().false_alarm_probability(240) < 0.001


@given(st.integers(0, 300), st.integers(0, 300), st.floats(0.01, 0.99))
def test_sample_ratio_is_the_exact_binomial_test(n_a: int, n_b: int, share: float) -> None:
    if n_a + n_b:
        expected = scipy_stats.binomtest(n_a, n_a + n_b, 1 - share).pvalue
        assert sample_ratio_p_value(n_a, n_b, share) == pytest.approx(expected, rel=1e-6)


def test_nonsense_is_refused() -> None:
    with pytest.raises(InvalidDataError, match="NaN"):
        TEProcess().update([float("nan")])
    with pytest.raises(ValueError, match="all positive"):
        TEProcess(effects=(0.0,))
    with pytest.raises(ValueError, match="at least 0"):
        TEProcess(min_sd=-1)
    with pytest.raises(ValueError, match="between 0 and 1"):
        TEProcess().rejects(0)
    with pytest.raises(InvalidDataError, match="5 failures in 3 rows"):
        SafeTwoByTwo().update(failures_a=5, n_a=3, failures_b=0, n_b=1)
    with pytest.raises(ValueError, match="positive"):
        SafeTwoByTwo(prior=0)
    with pytest.raises(ValueError, match="share"):
        OutageGuard(conspicuous=0)
    with pytest.raises(ValueError, match="at least one block"):
        OutageGuard(n_in_a_row=0)
    with pytest.raises(ValueError, match="intended share"):
        sample_ratio_p_value(1, 1, 0)
    with pytest.raises(InvalidDataError, match="at least one"):
        sample_ratio_p_value(0, 0, 0.5)

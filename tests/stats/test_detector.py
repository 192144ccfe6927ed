"""A drop of a metric over a year: false alarms within the budget, and quick detection."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from mldeploy.errors import InvalidDataError
from mldeploy.stats import ShiryaevRoberts

REFERENCE_AUC, MARGIN = 0.75, 0.005
N_ROWS, POSITIVE_SHARE = 900, 0.22


def _auc_z(rng: np.random.Generator, auc: float) -> float:
    """A day's AUC, standardised by DeLong's standard error against the reference less a margin."""
    n_pos = int(rng.binomial(N_ROWS, POSITIVE_SHARE))
    n_neg = N_ROWS - n_pos
    pos = rng.normal(np.sqrt(2) * scipy_stats.norm.ppf(auc), 1, n_pos)
    neg = rng.normal(size=n_neg)
    ranks = scipy_stats.rankdata(np.r_[pos, neg])
    wins = (ranks[:n_pos] - scipy_stats.rankdata(pos)) / n_neg
    losses = 1 - (ranks[n_pos:] - scipy_stats.rankdata(neg)) / n_pos
    error = np.sqrt(wins.var(ddof=1) / n_pos + losses.var(ddof=1) / n_neg)
    return float((REFERENCE_AUC - MARGIN - wins.mean()) / error)


def _n_false_years(rng: np.random.Generator, days: np.ndarray, n_years: int) -> int:
    detector = ShiryaevRoberts(blocks_per_year=365, false_alarms_per_year=0.02)
    return sum(detector.update(rng.choice(days, 365)).alarm for _ in range(n_years))


def _delays(rng: np.random.Generator, calm: np.ndarray, worse: np.ndarray, n: int) -> np.ndarray:
    """Days from the drop to the alarm, after 60 calm days."""
    detector = ShiryaevRoberts(blocks_per_year=365, false_alarms_per_year=0.02)
    delays = []
    for _ in range(n):
        after = detector.update(rng.choice(calm, 60)).update(rng.choice(worse, 60))
        delays.append(after.alarm_block - 60 if after.alarm_block else np.inf)
    return np.array(delays)


def test_evidence_follows_the_recursion_worked_by_hand() -> None:
    """Effect 1: e = exp(z - .5). z = .5, 1.5: M = 1, then (1 + 1) e."""
    detector = ShiryaevRoberts(effects=(1.0,)).update(0.5)
    assert detector.m == pytest.approx(1.0)

    assert detector.update(1.5).m == pytest.approx(2 * np.e)


def test_threshold_is_the_mean_time_between_false_alarms() -> None:
    assert ShiryaevRoberts(blocks_per_year=365, false_alarms_per_year=0.02).threshold == 18250


@given(st.lists(st.floats(-3, 3), max_size=20), st.lists(st.floats(-3, 3), max_size=20))
def test_updating_twice_is_updating_once_with_both(a: list[float], b: list[float]) -> None:
    assert ShiryaevRoberts().update(a).update(b) == ShiryaevRoberts().update(a + b)


def test_a_fresh_detector_has_no_evidence() -> None:
    assert ShiryaevRoberts().m == 0
    assert not ShiryaevRoberts().update([]).alarm


def test_an_alarm_stays_until_the_restart() -> None:
    alarmed = ShiryaevRoberts().update([5.0] * 4)
    assert alarmed.alarm
    assert alarmed.alarm_block is not None

    calm = alarmed.update([-5.0] * 30)

    assert calm.alarm_block == alarmed.alarm_block
    assert calm.restart() == ShiryaevRoberts()


def test_a_state_is_stored_and_read_back() -> None:
    state = ShiryaevRoberts().update([1.0, -2.0, 9.0])

    assert ShiryaevRoberts.model_validate_json(state.to_json()) == state


def test_evidence_in_calm_averages_the_number_of_blocks() -> None:
    """E[M_n] = n: 4,000 streams of 5 blocks with effect .25, whose M has sd below 5."""
    rng = np.random.default_rng(0)
    detector = ShiryaevRoberts(effects=(0.25,))
    m = [detector.update(rng.normal(size=5)).m for _ in range(4000)]

    assert np.mean(m) == pytest.approx(5, abs=4 * 5 / np.sqrt(4000))


def test_years_at_the_margin_itself_keep_the_budget() -> None:
    """The model sits at the worst value that does not matter, all year.

    More than 6 false years of 60 at 2 % each have probability .0002.
    """
    rng = np.random.default_rng(2)
    days = np.array([_auc_z(rng, REFERENCE_AUC - MARGIN) for _ in range(600)])

    assert _n_false_years(rng, days, 60) <= 6


def test_a_drop_of_five_points_is_found_in_a_week_on_average() -> None:
    """Mean of 60 delays with sd about 3: standard error .4."""
    rng = np.random.default_rng(3)
    calm = np.array([_auc_z(rng, REFERENCE_AUC) for _ in range(400)])
    worse = np.array([_auc_z(rng, REFERENCE_AUC - 0.05) for _ in range(300)])
    delays = _delays(rng, calm, worse, 60)

    assert np.mean(delays) <= 7
    assert np.quantile(delays, 0.95) <= 14


def test_nonsense_is_refused() -> None:
    with pytest.raises(InvalidDataError, match="NaN"):
        ShiryaevRoberts().update(float("nan"))
    with pytest.raises(ValueError, match="all positive"):
        ShiryaevRoberts(effects=())
    with pytest.raises(ValueError, match="at least 1"):
        ShiryaevRoberts(blocks_per_year=0)
    with pytest.raises(ValueError, match="lies in"):
        ShiryaevRoberts(false_alarms_per_year=0)
    with pytest.raises(ValueError, match="start afresh"):
        ShiryaevRoberts(effects=(1.0,), log_evidence=(0.0, 0.0))

"""Bets on the mean of bounded values: fair without a difference, and soon rich with one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mldeploy.errors import InvalidDataError
from mldeploy.stats import BoundedMeanEProcess
from mldeploy.stats._bounded import log_peak

shares = st.lists(st.floats(0, 1), max_size=20)


def test_wealth_is_the_product_worked_by_hand() -> None:
    """A stake of .4 on "above .5": a value of 1 pays 1.4, one of .25 leaves .8."""
    state = BoundedMeanEProcess(limit=0.5, bets=(0.4,)).update([1.0, 0.25])

    assert state.e_value == pytest.approx(1.4 * 0.8)


def test_the_best_game_is_fair() -> None:
    """Exact: over all 2**10 outcomes of fair coins at the limit the e-value averages 1."""
    coins = (np.arange(1024)[:, None] >> np.arange(10)) & 1
    e_values = [BoundedMeanEProcess(limit=0.5).update(row).e_value for row in coins]

    assert np.mean(e_values) == pytest.approx(1.0)


@given(shares, shares)
def test_updating_twice_is_updating_once_with_both(a: list[float], b: list[float]) -> None:
    twice = BoundedMeanEProcess(limit=0.3).update(a).update(b)
    once = BoundedMeanEProcess(limit=0.3).update(a + b)

    assert twice.log_e_value == pytest.approx(once.log_e_value, abs=1e-9)
    assert BoundedMeanEProcess.model_validate_json(twice.to_json()) == twice


@given(shares, st.floats(0.1, 10), st.floats(-5, 5))
def test_unit_and_origin_do_not_matter(values: list[float], scale: float, shift: float) -> None:
    x = np.round(values, 3)
    moved = np.clip(x * scale + shift, shift, scale + shift)
    other = BoundedMeanEProcess(limit=0.3 * scale + shift, low=shift, high=scale + shift)

    ours = BoundedMeanEProcess(limit=0.3).update(x).log_e_value
    assert other.update(moved).log_e_value == pytest.approx(ours, abs=1e-5)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_peak_is_the_largest_of_all_looks(values: list[float]) -> None:
    state, looks = BoundedMeanEProcess(limit=0.3), [0.0]
    for value in values:
        state = state.update(value)
        looks.append(state.log_e_value)

    peak = log_peak(np.array(values), limit=0.3, low=0.0, high=1.0)
    assert peak == pytest.approx(max(looks), abs=1e-9)


def test_looking_at_every_value_keeps_the_level() -> None:
    """Skewed shares of mean .1 at a limit of .1, 300 looks each; 2,000 streams: 138 alarms at
    .05 have probability 8e-5."""
    streams = np.random.default_rng(0).beta(0.3, 2.7, size=(2000, 300))
    peaks = [log_peak(s, limit=0.1, low=0.0, high=1.0) for s in streams]

    assert np.mean(np.array(peaks) >= np.log(20)) <= 137 / 2000


def test_a_raised_mean_is_found() -> None:
    """Shares of mean .2 at a limit of .1: all of 200 streams are found within 300 values."""
    streams = np.random.default_rng(1).beta(0.6, 2.4, size=(200, 300))
    peaks = [log_peak(s, limit=0.1, low=0.0, high=1.0) for s in streams]

    assert np.mean(np.array(peaks) >= np.log(20)) > 0.95


def test_nonsense_is_refused() -> None:
    with pytest.raises(ValueError, match="lies between"):
        BoundedMeanEProcess(limit=1.0)
    with pytest.raises(ValueError, match="not bounded"):
        BoundedMeanEProcess(limit=0.5, high=np.inf)
    with pytest.raises(ValueError, match="bets"):
        BoundedMeanEProcess(limit=0.5, bets=(1.0,))
    with pytest.raises(InvalidDataError, match="outside"):
        BoundedMeanEProcess(limit=0.5).update([1.5])
    with pytest.raises(InvalidDataError, match="NaN"):
        BoundedMeanEProcess(limit=0.5).update([np.nan])
    with pytest.raises(ValueError, match="start afresh"):
        BoundedMeanEProcess(limit=0.5, log_wealth=(0.0,))

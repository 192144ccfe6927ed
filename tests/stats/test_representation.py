"""Standardised differences, effective rows and raking, by hand and by law."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mldeploy.errors import EmptyDataError, InvalidDataError
from mldeploy.stats import kish_n, rake, standardised_difference

weights = st.lists(st.floats(1e-3, 1e3), min_size=1, max_size=40)


@given(weights)
def test_effective_rows_lie_between_one_and_all_and_ignore_the_scale(w: list[float]) -> None:
    n = kish_n(w)

    assert 1 - 1e-9 <= n <= len(w) + 1e-9
    assert kish_n(np.multiply(w, 7)) == pytest.approx(n)


def test_standardised_difference_has_the_value_worked_by_hand() -> None:
    """Means 2 and 4, variances 1 and 4: -2 / sqrt(2.5) = -1.2649.

    Its variance is 1/3 + 1/3 + 1.6 / 12 = 0.8; 1.95996 * sqrt(0.8) = 1.75305.
    """
    found = standardised_difference([1, 2, 3], [2, 4, 6])

    assert found.value == pytest.approx(-1.264911, abs=1e-6)
    assert found.interval.low == pytest.approx(-1.264911 - 1.753045, abs=1e-5)


def test_interval_of_the_difference_covers_it() -> None:
    """Of 400 intervals at 0.95, fewer than 366 or more than 393 cover with a chance of 0.002."""
    rng = np.random.default_rng(0)
    n_covered = 0
    for _ in range(400):
        interval = standardised_difference(rng.normal(0.3, 1, 60), rng.normal(0, 1, 90)).interval
        n_covered += interval.low <= 0.3 <= interval.high

    assert 366 <= n_covered <= 393


def test_constants_that_differ_are_far_apart_and_equal_ones_are_not() -> None:
    assert standardised_difference([1, 1], [1, 1]).value == 0
    assert standardised_difference([2, 2], [1, 1]).value == 100


def test_raking_of_two_margins_has_the_values_worked_by_hand() -> None:
    """One row of each of four cells, shares .75/.25 and .6/.4: independent, so their products."""
    raked = rake([[0, 0, 1, 1], [0, 1, 0, 1]], [[0.75, 0.25], [0.6, 0.4]])

    assert (raked.weights / 4).round(6).tolist() == [0.45, 0.3, 0.15, 0.1]
    assert raked.largest_gap < 1e-6


@given(st.integers(0, 1_000))
def test_raked_shares_are_the_targets_and_rows_without_a_level_keep_theirs(seed: int) -> None:
    rng = np.random.default_rng(seed)
    code = np.append(rng.integers(-1, 3, 60), [0, 1, 2])
    other = np.append(rng.integers(0, 2, 60), [0, 1, 0])
    targets = rng.dirichlet([3, 3, 3]), rng.dirichlet([3, 3])

    raked = rake([code, other], targets)

    for level, share in enumerate(targets[1]):
        assert raked.weights[other == level].sum() / raked.weights.sum() == pytest.approx(
            share, abs=1e-4
        )
    assert raked.effective_n <= code.size + 1e-9
    assert raked.weights.mean() == pytest.approx(1)


def test_what_no_weight_can_make_up_for_is_refused() -> None:
    with pytest.raises(InvalidDataError, match="have no row"):
        rake([[0, 0]], [[0.5, 0.5]])
    with pytest.raises(InvalidDataError, match="at least 0"):
        kish_n([1, -1])
    with pytest.raises(EmptyDataError, match="two of each"):
        standardised_difference([1], [1, 2])
    with pytest.raises(InvalidDataError, match="one code for each row"):
        rake([], [])

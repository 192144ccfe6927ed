"""Distances between two distributions."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as scipy_stats
from scipy.spatial import distance as scipy_distance

from mldeploy.errors import EmptyDataError, InvalidDataError
from mldeploy.stats import (
    ValueCounts,
    jensen_shannon,
    ks_statistic,
    psi,
    total_variation,
    wasserstein_1d,
)

DISTANCES = [psi, jensen_shannon, total_variation, ks_statistic]
Pair = tuple[list[int], list[int]]


def _pairs() -> st.SearchStrategy[Pair]:
    def of_size(n: int) -> st.SearchStrategy[Pair]:
        counts = st.lists(st.integers(0, 50), min_size=n, max_size=n).filter(any)
        return st.tuples(counts, counts)

    return st.integers(1, 12).flatmap(of_size)


samples = st.lists(st.integers(-30, 30), min_size=1, max_size=40)


def test_index_matches_the_value_worked_by_hand() -> None:
    """Shares 50.5/101 and 25.5/101: 0.24752 * (ln 1.98039 + ln 1.49505) = 0.26868."""
    assert psi([25, 75], [50, 50]) == pytest.approx(0.26868, abs=5e-6)


def test_index_of_a_bin_that_empties_is_finite() -> None:
    """Shares 10.5/21 twice and .5/21, 20.5/21: 10/21 * (ln 21 + ln(20.5/10.5))."""
    expected = 10 / 21 * (math.log(21) + math.log(20.5 / 10.5))

    assert psi([10, 10], [0, 20]) == pytest.approx(expected)


@pytest.mark.parametrize("distance", DISTANCES)
@given(pair=_pairs())
def test_distances_are_symmetric_and_never_negative(
    distance: Callable[[list[int], list[int]], float], pair: Pair
) -> None:
    a, b = pair

    assert distance(a, b) == pytest.approx(distance(b, a), abs=1e-12)
    assert distance(a, b) >= 0
    assert distance(a, a) == pytest.approx(0, abs=1e-7)


@pytest.mark.parametrize("distance", [psi, jensen_shannon, total_variation])
@given(pair=_pairs(), seed=st.integers(0, 99))
def test_unordered_distances_ignore_the_order_of_bins(
    distance: Callable[[list[int], list[int]], float], pair: Pair, seed: int
) -> None:
    order = np.random.default_rng(seed).permutation(len(pair[0]))
    a, b = (np.array(counts)[order].tolist() for counts in pair)

    assert distance(a, b) == pytest.approx(distance(*pair), abs=1e-12)


@given(_pairs())
def test_bounded_distances_lie_between_zero_and_one(pair: Pair) -> None:
    for distance in (jensen_shannon, total_variation, ks_statistic):
        assert 0 <= distance(*pair) <= 1
    assert ks_statistic(*pair) <= total_variation(*pair) + 1e-12


@given(_pairs())
def test_jensen_shannon_agrees_with_scipy(pair: Pair) -> None:
    """Absolute 1e-7: the square root of a rounding error near 0."""
    expected = float(np.nan_to_num(scipy_distance.jensenshannon(*pair, base=2)))

    assert jensen_shannon(*pair) == pytest.approx(expected, abs=1e-7)


@pytest.mark.filterwarnings("ignore::RuntimeWarning:scipy")
@given(samples, samples)
def test_kolmogorov_smirnov_agrees_with_scipy(a: list[int], b: list[int]) -> None:
    values = sorted({*a, *b})
    counts = [[sample.count(v) for v in values] for sample in (a, b)]

    assert ks_statistic(*counts) == pytest.approx(
        scipy_stats.ks_2samp(a, b, method="asymp").statistic
    )


@given(samples, samples)
def test_wasserstein_agrees_with_scipy(a: list[int], b: list[int]) -> None:
    ours = wasserstein_1d(ValueCounts.of(a), ValueCounts.of(b))

    assert ours == pytest.approx(scipy_stats.wasserstein_distance(a, b), abs=1e-9)


@given(samples, st.integers(-9, 9))
def test_wasserstein_of_a_shift_is_the_shift(a: list[int], shift: int) -> None:
    moved = ValueCounts.of([x + shift for x in a])

    assert wasserstein_1d(ValueCounts.of(a), moved) == pytest.approx(abs(shift), abs=1e-9)


@pytest.mark.parametrize("distance", DISTANCES)
def test_nonsense_is_refused(distance: Callable[[object, object], float]) -> None:
    with pytest.raises(EmptyDataError, match="no counts at all"):
        distance([0, 0], [1, 2])
    with pytest.raises(InvalidDataError, match="same bins"):
        distance([1, 2, 3], [1, 2])
    with pytest.raises(InvalidDataError, match="negative"):
        distance([1, -1], [1, 2])
    with pytest.raises(InvalidDataError, match="fractional"):
        distance([1, 0.5], [1, 2])
    with pytest.raises(InvalidDataError, match="one count for each bin"):
        distance([[1, 2]], [[1, 2]])


def test_wasserstein_refuses_empty_and_infinite_samples() -> None:
    with pytest.raises(EmptyDataError, match="no known values"):
        wasserstein_1d(ValueCounts.of([float("nan")]), ValueCounts.of([1.0]))
    with pytest.raises(InvalidDataError, match="infinite"):
        wasserstein_1d(ValueCounts.of([np.inf]), ValueCounts.of([1.0]))

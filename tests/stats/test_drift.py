"""The drift test: effect and evidence, over many columns."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats as scipy_stats

from mldeploy.stats import ValueCounts, align_numbers, psi, psi_test

N_REFERENCE, N_CURRENT = 5000, 2000


def _p_values(rng: np.random.Generator, shifts: np.ndarray) -> np.ndarray:
    p_values = []
    for shift in shifts:
        reference = ValueCounts.of(rng.normal(size=N_REFERENCE))
        current = ValueCounts.of(rng.normal(shift, 1, size=N_CURRENT))
        both = align_numbers(reference, current)
        p_values.append(psi_test(both.reference, both.current).p_value)
    return np.array(p_values)


def test_p_value_is_the_noncentral_tail_of_the_two_sample_index() -> None:
    """Samples of 100 and 400: (1/100 + 1/400)^-1 = 80; three bins leave 2 degrees of freedom."""
    reference, current = [30, 40, 30], [160, 160, 80]

    test = psi_test(reference, current, epsilon=0.02)

    assert test.psi == psi(reference, current)
    assert test.p_value == pytest.approx(scipy_stats.ncx2.sf(80 * test.psi, 2, 80 * 0.02))
    assert (test.n_reference, test.n_current, test.n_bins) == (100, 400, 3)


def test_without_tolerance_it_is_close_to_the_two_sample_chi_squared() -> None:
    reference, current = [2500, 2500, 5000], [270, 230, 500]
    chi_squared = scipy_stats.chi2_contingency([reference, current], correction=False)

    assert psi_test(reference, current, epsilon=0).p_value == pytest.approx(
        chi_squared.pvalue, rel=0.05
    )


def test_p_values_are_uniform_when_nothing_changed_and_nothing_is_tolerated() -> None:
    """KS against uniform over 400 columns: p below .001 has chance .001, seed fixed."""
    rng = np.random.default_rng(3)
    shares = np.full(10, 0.1)
    p_values = [
        psi_test(rng.multinomial(3000, shares), rng.multinomial(2000, shares), epsilon=0).p_value
        for _ in range(400)
    ]

    assert scipy_stats.kstest(p_values, "uniform").pvalue > 0.001


def test_one_filled_bin_cannot_drift() -> None:
    test = psi_test([9, 0], [4, 0])

    assert (test.psi, test.p_value, test.n_bins) == (0.0, 1.0, 1)


def test_bins_empty_in_both_samples_change_nothing() -> None:
    assert psi_test([5, 0, 9], [7, 0, 3]) == psi_test([5, 9], [7, 3])


def test_a_small_sample_proves_nothing_however_large_its_index() -> None:
    test = psi_test([5000, 5000], [2, 5])

    assert test.psi > 0.1
    assert test.p_value > 0.05


def test_negative_tolerance_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 0"):
        psi_test([1, 1], [1, 1], epsilon=-0.1)


def test_columns_that_moved_just_as_far_as_is_tolerated_are_seldom_significant() -> None:
    """A shift of .14 sd has PSI .0196, epsilon is .02; reports over columns are simulated by
    ``make simulate``. More than 37 of 400 at 5 % have probability .0001."""
    p_values = _p_values(np.random.default_rng(4), np.full(400, 0.14))

    assert (p_values <= 0.05).sum() <= 37

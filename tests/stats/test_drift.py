"""The drift test: effect and evidence, over many columns."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats as scipy_stats

from mldeploy.stats import ValueCounts, align_numbers, holm, psi, psi_test

N_COLUMNS, N_REFERENCE, N_CURRENT = 40, 5000, 2000


def _p_values(rng: np.random.Generator, shifts: np.ndarray) -> np.ndarray:
    p_values = []
    for shift in shifts:
        reference = ValueCounts.of(rng.normal(size=N_REFERENCE))
        current = ValueCounts.of(rng.normal(shift, 1, size=N_CURRENT))
        both = align_numbers(reference, current)
        p_values.append(psi_test(both.reference, both.current).p_value)
    return holm(p_values)


def _n_reports_with_alarm(seed: int, n_reports: int, *, shift: float) -> int:
    rng = np.random.default_rng(seed)
    shifts = np.full(N_COLUMNS, shift)
    return sum(bool((_p_values(rng, shifts) <= 0.01).any()) for _ in range(n_reports))


def _n_found(seed: int, n_reports: int) -> int:
    """Reports that flag the one column shifted by .3 sd, and no other."""
    rng = np.random.default_rng(seed)
    shifts = np.zeros(N_COLUMNS)
    shifts[7] = 0.3
    flagged = [np.flatnonzero(_p_values(rng, shifts) <= 0.01) for _ in range(n_reports)]
    return sum(f.tolist() == [7] for f in flagged)


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


def test_few_reports_over_forty_columns_alarm_for_nothing() -> None:
    """More than 3 false alarms in 40 reports at 1 % each have probability .0007."""
    assert _n_reports_with_alarm(1, 20, shift=0.0) + _n_reports_with_alarm(2, 20, shift=0.12) <= 3


def test_one_shifted_column_of_forty_is_found() -> None:
    """Fewer than 13 of 20 found, when each is found with .9, has probability .0004."""
    assert _n_found(3, 20) >= 13


@pytest.mark.slow
@pytest.mark.parametrize("shift", [0.0, 0.12, 0.14], ids=["none", "psi .014", "psi .0196"])
def test_reports_without_material_drift_alarm_at_most_one_in_a_hundred(shift: float) -> None:
    """A shift of s sd has PSI s squared, at most; epsilon is .02, all columns are shifted.

    More than 4 alarms in 60 reports at 1 % each have probability .0004.
    """
    assert _n_reports_with_alarm(4, 60, shift=shift) <= 4


@pytest.mark.slow
def test_the_shifted_column_and_no_other_is_found_in_most_reports() -> None:
    """Fewer than 45 of 60 found, when each is found with .9, has probability .0002."""
    assert _n_found(5, 60) >= 45

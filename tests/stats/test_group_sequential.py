"""Planned looks: the published tables, and what they promise."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as reference

from mldeploy.errors import InvalidDataError
from mldeploy.stats import GroupSequential, crossing_probabilities, obrien_fleming, pocock


def test_repeated_looks_cost_what_armitage_published() -> None:
    """Armitage, McPherson and Rowe (1969), table 2: nominal 5 %, up to 50 looks."""
    published = {1: 0.05, 2: 0.083, 3: 0.107, 4: 0.126, 5: 0.142, 10: 0.193, 20: 0.248, 50: 0.320}

    found = crossing_probabilities([1.959964] * 50)

    # With equal steps the first k of 50 looks are k looks.
    assert {k: round(found[k - 1], 3) for k in published} == published


@pytest.mark.parametrize(
    ("alpha", "constants"),
    [
        (0.05, {2: 2.178, 3: 2.289, 4: 2.361, 5: 2.413, 10: 2.555}),
        (0.01, {2: 2.772, 3: 2.873, 4: 2.939, 5: 2.986, 10: 3.117}),
    ],
)
def test_pocock_bounds_are_the_published_ones(alpha: float, constants: dict[int, float]) -> None:
    """C. Jennison and B. W. Turnbull, "Group Sequential Methods" (2000), table 2.1."""
    for n_looks, constant in constants.items():
        assert pocock(n_looks, alpha=alpha).bounds == pytest.approx([constant] * n_looks, abs=6e-4)


@pytest.mark.parametrize(
    ("alpha", "constants"),
    [
        (0.05, {2: 1.977, 3: 2.004, 4: 2.024, 5: 2.040, 10: 2.087}),
        (0.01, {2: 2.580, 3: 2.595, 4: 2.609, 5: 2.621, 10: 2.660}),
    ],
)
def test_obrien_fleming_bounds_are_the_published_ones(
    alpha: float, constants: dict[int, float]
) -> None:
    """The same, table 2.3: the last bound; others are larger by the root of n / k."""
    for n_looks, constant in constants.items():
        bounds = np.array(obrien_fleming(n_looks, alpha=alpha).bounds)

        assert bounds[-1] == pytest.approx(constant, abs=6e-4)
        assert bounds * np.sqrt(np.arange(1, n_looks + 1) / n_looks) == pytest.approx(bounds[-1])


def test_one_look_is_the_plain_test() -> None:
    z = reference.norm.isf(0.025)

    assert pocock(1).bounds == pytest.approx((z,))
    assert obrien_fleming(1).power(3.0) == pytest.approx(
        reference.norm.sf(z - 3) + reference.norm.cdf(-z - 3)
    )


@given(st.lists(st.floats(0.5, 4), min_size=2, max_size=2), st.floats(0.1, 0.9), st.floats(-2, 4))
def test_two_uneven_looks_agree_with_the_bivariate_normal(
    bounds: list[float], first: float, drift: float
) -> None:
    law = reference.multivariate_normal(
        [drift * np.sqrt(first), drift], [[1, np.sqrt(first)], [np.sqrt(first), 1]]
    )
    inside = law.cdf(bounds, lower_limit=[-b for b in bounds])

    found = crossing_probabilities(bounds, information=[first, 1.0], drift=drift)

    assert found[-1] == pytest.approx(1 - inside, abs=2e-5)


def test_rejections_without_a_difference_are_as_many_as_planned() -> None:
    """20,000 paths of five looks at t-like sums: .05 +- 4 * sqrt(.0475 / 20,000) = .0062."""
    z = np.random.default_rng(0).normal(size=(20_000, 5)).cumsum(axis=1) / np.sqrt(np.arange(1, 6))

    for plan in (pocock(5), obrien_fleming(5)):
        crossed = (np.abs(z) >= plan.bounds).any(axis=1)
        assert crossed.mean() == pytest.approx(0.05, abs=0.0062)
        assert plan.spent()[-1] == pytest.approx(0.05, abs=1e-9)
        assert [plan.rejects(row) for row in z[:50]] == crossed[:50].tolist()


def test_nonsense_is_refused() -> None:
    with pytest.raises(ValueError, match="at least once"):
        pocock(0)
    with pytest.raises(ValueError, match="no level"):
        obrien_fleming(3, alpha=1.0)
    with pytest.raises(ValueError, match="increases"):
        crossing_probabilities([2.0, 2.0], information=[0.5, 0.9])
    with pytest.raises(ValueError, match="one for each"):
        crossing_probabilities([2.0], information=[0.5, 1.0])
    with pytest.raises(InvalidDataError, match="NaN"):
        pocock(2).rejects([float("nan")])
    with pytest.raises(ValueError, match="were planned"):
        pocock(2).rejects([1.0, 1.0, 1.0])
    with pytest.raises(ValueError, match="positive"):
        GroupSequential(bounds=(0.0,), information=(1.0,))
    with pytest.raises(ValueError, match="same looks"):
        GroupSequential(bounds=(2.0,), information=(0.5, 1.0))

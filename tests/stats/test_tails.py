"""Values apart from all others are found; the ends of heavy tails are not."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from mldeploy.stats import ValueCounts, isolated_tail

Draw = Callable[[np.random.Generator, int], np.ndarray]


def test_a_far_value_has_the_p_value_worked_by_hand() -> None:
    """Distances 1 to 50 from 0 beside it, all 50 of them its tail; the grain is 1.

    Hill: the mean of ln(d / 1) over d = 1..50 is ln(50!) / 50 = 2.969553; times 1 + 2/sqrt(50)
    is 3.809472. A gap of 1000 / 50 = 20: 2 * exp(-ln 20 / 3.809472) = 0.911.
    """
    found = isolated_tail(ValueCounts.of([*range(-51, 51), 1_000]), above=True)

    assert found is not None
    assert (found.n, found.last, found.ratio) == (1, 50.0, 20.0)
    assert found.p_value == pytest.approx(0.911, abs=0.001)


@pytest.mark.parametrize(
    "draw",
    [
        lambda rng, n: rng.standard_cauchy(n),
        lambda rng, n: rng.pareto(0.8, n),
        lambda rng, n: rng.lognormal(0, 1.5, n),
        lambda rng, n: rng.poisson(0.2, n),
        lambda rng, n: np.minimum(rng.zipf(1.5, n), 1e15),
        lambda rng, n: rng.normal(size=n),
    ],
    ids=["cauchy", "pareto", "lognormal", "poisson", "zipf", "normal"],
)
def test_ends_of_tails_are_called_apart_no_more_often_than_stated(draw: Draw) -> None:
    """At 0.05 a rate, more than 22 of 200 samples have a chance of 0.0003."""
    n_false = 0
    for seed in range(200):
        sample = draw(np.random.default_rng(seed), 1_000)
        found = isolated_tail(ValueCounts.of(sample), above=True)
        n_false += found is not None and found.p_value <= 0.05

    assert n_false <= 22


@pytest.mark.parametrize("above", [True, False])
def test_a_code_among_ordinary_numbers_is_found_on_its_side(*, above: bool) -> None:
    rng, sign = np.random.default_rng(0), 1 if above else -1
    sample = np.append(rng.normal(15, 8, 2_000), [sign * 9_999.0] * 5)

    found = isolated_tail(ValueCounts.of(sample), above=above)
    other = isolated_tail(ValueCounts.of(sample), above=not above)

    assert found is not None
    assert (found.n, found.n_distinct, found.nearest) == (5, 1, sign * 9_999.0)
    assert found.p_value < 1e-6
    assert other is None or other.p_value > 0.01


def test_too_few_values_have_no_tail_and_extremes_do_no_harm() -> None:
    assert isolated_tail(ValueCounts.of([1.0, 2.0, 1e9]), above=True) is None
    assert isolated_tail(ValueCounts.of([np.inf] * 60), above=True) is None
    wide = ValueCounts.of([-1.7e308, *range(200), 1.7e308])
    assert isolated_tail(wide, above=True) is not None


def test_a_ratio_that_is_no_gap_is_refused() -> None:
    with pytest.raises(ValueError, match="least_ratio"):
        isolated_tail(ValueCounts.of([1.0]), above=True, least_ratio=1.0)

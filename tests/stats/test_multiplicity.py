"""Many tests or intervals at once."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mldeploy.stats import holm, holm_confidence, wilson

p_values = st.lists(st.floats(0, 1), max_size=30)


def test_holm_matches_the_values_worked_by_hand() -> None:
    """Sorted .01, .02, .03, .04 times 4, 3, 2, 1 is .04, .06, .06, .04, never falling."""
    assert holm([0.03, 0.01, 0.04, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06])


@given(p_values)
def test_holm_keeps_the_order_and_lies_between_raw_and_bonferroni(values: list[float]) -> None:
    raw = np.array(values)
    adjusted = holm(raw)

    assert (adjusted >= raw).all()
    assert (adjusted <= np.minimum(1, raw * len(values)) + 1e-15).all()
    assert (np.diff(adjusted[np.argsort(raw, kind="stable")]) >= 0).all()


@given(st.permutations([0.01, 0.2, 0.04, 0.04, 0.9]))
def test_holm_does_not_depend_on_the_order(values: list[float]) -> None:
    assert dict(zip(values, holm(values), strict=True)) == pytest.approx(
        {0.01: 0.05, 0.04: 0.16, 0.2: 0.4, 0.9: 0.9}
    )


def test_a_family_of_true_nulls_is_rarely_accused() -> None:
    """2,000 families of 20; 130 at a rate of .05 have probability .002."""
    p = np.random.default_rng(0).random((2000, 20))

    accused = sum(bool((holm(row) <= 0.05).any()) for row in p)

    assert accused / 2000 <= 0.05 + 0.015


def test_intervals_at_the_corrected_level_hold_together() -> None:
    """1,000 families of ten slices; all ten hold with .95, below .93 with probability .002."""
    rng, level = np.random.default_rng(1), holm_confidence(10, 0.95)
    hits = rng.binomial(200, 0.7, size=(1000, 10))

    held = [
        all(wilson(k, 200, confidence=level).interval.contains(0.7) for k in family)
        for family in hits
    ]

    assert 0.93 <= np.mean(held) <= 0.975


def test_one_interval_needs_no_correction() -> None:
    assert holm_confidence(1, 0.9) == pytest.approx(0.9)
    assert holm_confidence(4, 0.8) == pytest.approx(0.95)


def test_bad_input_is_refused_with_a_reason() -> None:
    for call, reason in (
        (lambda: holm([0.5, float("nan")]), "outside"),
        (lambda: holm([1.5]), "outside"),
        (lambda: holm([[0.5]]), "dimensions"),
        (lambda: holm_confidence(0), "need no level"),
        (lambda: holm_confidence(3, 95), "is no level"),
    ):
        with pytest.raises(ValueError, match=reason):
            call()

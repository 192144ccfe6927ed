"""A change of unit, a shift and another spread are told from each other, and from none."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mldeploy.errors import EmptyDataError
from mldeploy.stats import Cause, ValueCounts, explain_change

RNG = np.random.default_rng(0)
SKEWED = RNG.gamma(4.0, 3.0, 4_000)
AGAIN = RNG.gamma(4.0, 3.0, 4_000)
RAIN = np.where(RNG.random(20_000) < 0.8, 0.0, RNG.gamma(2.0, 2.0, 20_000))


def explained(before: np.ndarray, after: np.ndarray):  # type: ignore[no-untyped-def]
    return explain_change(ValueCounts.of(before), ValueCounts.of(after))


@pytest.mark.parametrize(
    ("factor", "offset", "words"),
    [
        (1.609344, 0.0, "miles became kilometres"),
        (1 / 33.863886, 0.0, "hPa became inHg"),
        (1.8, 32.0, "degrees Celsius became Fahrenheit"),
        (1.0, 273.15, "degrees Celsius became kelvin"),
        (1_000.0, 0.0, "a unit became a thousandth of it"),
        (60.0, 0.0, "hours or minutes became minutes or seconds"),
    ],
)
def test_a_known_conversion_is_named(factor: float, offset: float, words: str) -> None:
    found = explained(SKEWED, AGAIN * factor + offset)

    assert (found.cause, found.words) == (Cause.UNITS, words)
    assert (found.factor, found.offset) == (factor, offset)


@given(st.floats(-20, 20).filter(lambda x: abs(x) > 0.5))
def test_a_shift_is_measured(offset: float) -> None:
    found = explained(SKEWED, AGAIN + offset)

    assert found.cause is Cause.SHIFT
    assert found.offset == pytest.approx(offset, abs=0.3)


@pytest.mark.parametrize("factor", [0.5, 1.4, 2.0])
def test_another_spread_is_told_with_its_factor(factor: float) -> None:
    found = explained(SKEWED, SKEWED.mean() + factor * (AGAIN - SKEWED.mean()))

    assert found.cause is Cause.SPREAD
    assert found.factor == pytest.approx(factor, rel=0.05)


def test_what_most_rows_have_does_not_hide_the_unit_of_the_others() -> None:
    """Four hours in five are dry; inches became millimetres in the others."""
    found = explained(RAIN[:10_000], RAIN[10_000:] * 25.4)

    assert (found.cause, found.words) == (Cause.UNITS, "inches became millimetres")


def test_a_value_that_most_rows_have_and_that_did_not_move_along_is_another_change() -> None:
    wet = RAIN[10_000:].copy()
    wet[wet == 0] = 3.0

    assert explained(RAIN[:10_000], wet).cause is Cause.OTHER


def test_a_mixture_is_no_single_change() -> None:
    half = AGAIN.copy()
    half[::2] += 40

    assert explained(SKEWED, half).cause is Cause.OTHER


def test_equal_samples_did_not_change() -> None:
    found = explained(SKEWED, SKEWED)

    assert (found.cause, found.distance, found.left) == (Cause.OTHER, 0.0, 0.0)


@given(
    st.lists(st.floats(allow_nan=False), min_size=1, max_size=80),
    st.lists(st.floats(allow_nan=False), min_size=1, max_size=80),
)
def test_any_two_samples_are_explained_somehow(before: list[float], after: list[float]) -> None:
    found = explained(np.array(before), np.array(after))

    assert found.left >= 0
    assert np.isfinite([found.factor, found.offset, found.distance, found.left]).all()


def test_samples_without_values_are_refused() -> None:
    with pytest.raises(EmptyDataError, match="no known value"):
        explained(SKEWED, np.array([np.nan]))

"""Shares of two groups of people: the published intervals, and coverage in small samples."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as reference

from mldeploy.errors import InvalidDataError
from mldeploy.stats import ratio_of_proportions, two_proportions

counts = st.tuples(st.integers(0, 30), st.integers(0, 30)).map(lambda t: (t[0], t[0] + t[1] + 1))


@pytest.mark.parametrize(
    ("a", "b", "low", "high"),
    [
        ((56, 70), (48, 80), 0.0524, 0.3339),
        ((9, 10), (3, 10), 0.1705, 0.8090),
        ((6, 7), (2, 7), 0.0582, 0.8062),
        ((5, 56), (0, 29), -0.0381, 0.1926),
        ((0, 10), (0, 20), -0.1611, 0.2775),
        ((0, 10), (0, 10), -0.2775, 0.2775),
        ((10, 10), (0, 20), 0.6791, 1.0),
        ((10, 10), (0, 10), 0.6075, 1.0),
    ],
)
def test_difference_has_the_interval_that_newcombe_published(
    a: tuple[int, int], b: tuple[int, int], low: float, high: float
) -> None:
    """Newcombe (1998), "Interval estimation for the difference", table II, method 10."""
    interval = two_proportions(*a, *b).interval

    assert (interval.low, interval.high) == pytest.approx((low, high), abs=5e-5)


@given(counts, counts)
def test_difference_mirrors_and_its_p_value_is_pearsons(
    a: tuple[int, int], b: tuple[int, int]
) -> None:
    ours, mirrored = two_proportions(*a, *b), two_proportions(*b, *a)

    assert ours.interval.low == pytest.approx(-mirrored.interval.high)
    table = np.array([[a[0], a[1] - a[0]], [b[0], b[1] - b[0]]])
    if (table.sum(axis=0) > 0).all():
        theirs = reference.chi2_contingency(table, correction=False).pvalue
        assert ours.p_value == pytest.approx(theirs)
    else:
        assert ours.p_value == 1


@given(st.integers(1, 30), st.integers(1, 30), st.integers(1, 30), st.integers(1, 30))
def test_ratio_agrees_with_scipys_relative_risk(x: int, x2: int, y: int, y2: int) -> None:
    theirs = reference.contingency.relative_risk(x, x + x2, y, y + y2)
    ends = theirs.confidence_interval(0.95)

    ours = ratio_of_proportions(x, x + x2, y, y + y2)

    assert ours.value == pytest.approx(theirs.relative_risk)
    assert (ours.interval.low, ours.interval.high) == pytest.approx((ends.low, ends.high))


@pytest.mark.parametrize(
    ("counts", "value"),
    [((0, 20, 5, 20), 0), ((5, 20, 0, 20), math.inf), ((20, 20, 30, 30), 1), ((9, 9, 1, 9), 9)],
)
def test_nobody_or_everybody_is_no_certainty(
    counts: tuple[int, int, int, int], value: float
) -> None:
    found = ratio_of_proportions(*counts)

    assert found.value == value
    assert 0 <= found.interval.low <= value
    assert found.interval.high >= value
    assert found.interval.width > 0.1


def test_half_as_many_as_all_worked_by_hand() -> None:
    """10 of 20 (Wilson .2993 to .7007) and 20 of 20 (.8389 to 1): the ratio .5 lies between
    (.5 - sqrt(.25 - .2993 * .7007)) / 1 = .2993 and .5 + sqrt(.25 - .7007 * .8389 * .2993 *
    1.1611) over .9740 = .7328."""
    interval = ratio_of_proportions(10, 20, 20, 20).interval

    assert interval.low == pytest.approx(0.2993, abs=1e-4)
    assert interval.high == pytest.approx(0.7328, abs=1e-3)


def test_difference_covers_in_small_samples() -> None:
    """Exact, no simulation: all outcomes of 15 and 25 trials, over 15 by 15 shares."""
    a, b = np.arange(16), np.arange(26)
    ends = [[two_proportions(int(x), 15, int(y), 25).interval for y in b] for x in a]
    low, high = (np.array([[getattr(i, end) for i in row] for row in ends]) for end in INTERVAL)
    coverage = []
    for p in np.linspace(0.05, 0.95, 15):
        for q in np.linspace(0.05, 0.95, 15):
            chance = np.outer(reference.binom.pmf(a, 15, p), reference.binom.pmf(b, 25, q))
            coverage.append(chance[(low <= p - q) & (p - q <= high)].sum())

    assert 0.945 <= np.mean(coverage) <= 0.97
    assert min(coverage) >= 0.91


INTERVAL = ("low", "high")


def test_nonsense_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        two_proportions(0, 0, 1, 2)
    with pytest.raises(ValueError, match="impossible"):
        ratio_of_proportions(3, 2, 1, 2)
    with pytest.raises(InvalidDataError, match="neither"):
        ratio_of_proportions(0, 2, 0, 2)

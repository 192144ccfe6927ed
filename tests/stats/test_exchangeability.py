"""Conformal test martingales: those of crepes, fair while nothing changes, rich after."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as reference

from mldeploy.errors import EmptyDataError, InvalidDataError
from mldeploy.stats import conformal_martingale, online_p_values


def test_capital_is_that_of_crepes() -> None:
    """crepes 0.9.1, SimpleJumper() on p-values by a formula whose second half is squared."""
    p = ((np.arange(1, 201) * 37) % 101 + 0.5) / 102
    p[100:] **= 2

    capital = np.exp(conformal_martingale(p))

    assert capital[[0, 9, 199]] == pytest.approx([1.0, 0.8520523264613409, 1853.348152665301])


def test_p_values_match_the_ranks_worked_by_hand() -> None:
    """Of 1, 2, 3, .5 each lies in its slot of 1/t: none above, none, none, three above."""
    p = online_p_values([1, 2, 3, 0.5], rng=np.random.default_rng(0))
    slots = np.floor(p * [1, 2, 3, 4] - 1e-12)

    assert slots.tolist() == [0, 0, 0, 3]


@given(st.lists(st.integers(0, 3), min_size=1, max_size=30), st.integers(0, 99))
def test_only_the_order_of_scores_matters(scores: list[int], seed: int) -> None:
    a = online_p_values(scores, rng=np.random.default_rng(seed))
    b = online_p_values(np.exp(scores), rng=np.random.default_rng(seed))

    assert np.array_equal(a, b)
    assert ((a > 0) & (a <= 1)).all()


def test_p_values_are_uniform_and_independent_with_ties_everywhere() -> None:
    """3,000 of five distinct scores: Kolmogorov-Smirnov, and neighbours uncorrelated."""
    rng = np.random.default_rng(1)

    p = online_p_values(rng.integers(0, 5, size=3000), rng=rng)

    assert reference.kstest(p, "uniform").pvalue > 1e-4
    assert abs(np.corrcoef(p[1:], p[:-1])[0, 1]) < 4 / np.sqrt(3000)


def test_an_even_stream_seldom_makes_rich_and_a_worse_one_soon_does() -> None:
    """200 streams of 400 rows at alpha .05: 23 alarms have probability 1e-4. After 200 rows of
    calm, errors twice as large are found within 200 more in nearly all of 50."""
    rng = np.random.default_rng(2)
    calm = [
        conformal_martingale(online_p_values(rng.exponential(size=400), rng=rng)).max()
        for _ in range(200)
    ]
    worse = [
        conformal_martingale(
            online_p_values(
                np.r_[rng.exponential(size=200), 2 * rng.exponential(size=200)], rng=rng
            )
        ).max()
        for _ in range(50)
    ]

    assert np.sum(np.array(calm) >= np.log(20)) <= 22
    assert np.sum(np.array(worse) >= np.log(20)) >= 45


def test_overwhelming_evidence_overflows_nothing() -> None:
    assert np.isfinite(conformal_martingale(np.zeros(5000))).all()
    assert conformal_martingale(np.zeros(5000))[-1] > 710


def test_nonsense_is_refused() -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(EmptyDataError):
        online_p_values([], rng=rng)
    with pytest.raises(InvalidDataError, match="NaN"):
        online_p_values([np.nan], rng=rng)
    with pytest.raises(InvalidDataError, match=r"outside \[0, 1\]"):
        conformal_martingale([1.5])
    with pytest.raises(ValueError, match="jump"):
        conformal_martingale([0.5], jump=0.0)

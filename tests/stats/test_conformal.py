"""Conformal quantiles and p-values: exact ranks, two packages that agree, coverage as promised."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as reference

from mldeploy.errors import EmptyDataError, InvalidDataError
from mldeploy.stats import conformal_p_values, conformal_quantile, mondrian_quantiles

scores = st.lists(st.integers(-5, 5), min_size=1, max_size=40)


def test_quantile_takes_the_order_statistic_worked_by_hand() -> None:
    """(9 + 1) * .7 = 7 and (9 + 1) * .75 = 7.5: the seventh and the eighth of nine."""
    assert conformal_quantile(range(1, 10), confidence=0.7) == 7
    assert conformal_quantile(range(1, 10), confidence=0.75) == 8


@pytest.mark.parametrize(("confidence", "rank"), [(0.8, 80), (0.9, 90), (0.95, 95)])
def test_quantile_is_the_one_that_mapie_takes(confidence: float, rank: int) -> None:
    """Of the scores 1 to 99 MAPIE 1.6.0 (SplitConformalRegressor, absolute residuals) takes
    the 80th, 90th and 95th; crepes 0.9.1 the same or, by its rounding, the next."""
    assert conformal_quantile(range(1, 100), confidence=confidence) == rank


def test_p_values_are_those_of_crepes() -> None:
    """crepes 0.9.1, p_values_batch without smoothing."""
    found = conformal_p_values([1, 2, 2, 3, 5, 8, 13], [0, 2, 4, 13, 20])

    assert found.tolist() == [1.0, 0.875, 0.5, 0.25, 0.125]


@given(scores, st.floats(0.05, 0.95))
def test_a_score_is_kept_where_its_p_value_is_above_the_rest(
    values: list[int], confidence: float
) -> None:
    """Set and test are one: s <= quantile if and only if p > 1 - confidence."""
    candidates = np.arange(-6, 7)
    quantile = conformal_quantile(values, confidence=confidence)
    p_values = conformal_p_values(values, candidates)
    at_level = np.isclose(p_values, 1 - confidence)

    kept = candidates <= quantile
    assert (kept == (p_values > 1 - confidence))[~at_level].all()


@given(scores, st.integers(1, 3))
def test_random_ties_lie_between_zero_and_the_careful_p_value(
    values: list[int], seed: int
) -> None:
    candidates = np.arange(-6, 7)
    careful = conformal_p_values(values, candidates)
    smoothed = conformal_p_values(values, candidates, rng=np.random.default_rng(seed))

    assert ((smoothed > 0) & (smoothed <= careful)).all()


def test_coverage_is_the_one_that_order_statistics_have() -> None:
    """Of uniform scores the coverage is the quantile itself: Beta(46, 5) for 50 rows at .9,
    mean 46 / 51. The mean of 4,000 strays from it by 4 standard errors with chance 6e-5."""
    rng = np.random.default_rng(0)

    coverage = [conformal_quantile(rng.random(50), confidence=0.9) for _ in range(4000)]

    law = reference.beta(46, 5)
    assert np.mean(coverage) == pytest.approx(law.mean(), abs=4 * law.std() / 4000**0.5)
    assert reference.kstest(coverage, law.cdf).pvalue > 1e-4


def test_a_promise_with_delta_is_seldom_broken() -> None:
    """2,000 samples of 200 rows: more than 140 broken at .05 have probability 4e-5; without
    delta about half of them are."""
    rng = np.random.default_rng(1)
    samples = rng.random((2000, 200))

    broken = sum(conformal_quantile(s, confidence=0.9, delta=0.05) < 0.9 for s in samples)
    on_average = sum(conformal_quantile(s, confidence=0.9) < 0.9 for s in samples)

    assert broken <= 140
    assert 0.35 < on_average / 2000 < 0.55


def test_rank_with_delta_is_the_smallest_that_keeps_the_promise() -> None:
    n, confidence, delta = 200, 0.9, 0.05
    rank = int(conformal_quantile(range(1, n + 1), confidence=confidence, delta=delta))

    assert reference.beta(rank, n + 1 - rank).cdf(confidence) <= delta
    assert reference.beta(rank - 1, n + 2 - rank).cdf(confidence) > delta


def test_too_few_rows_keep_every_answer() -> None:
    assert conformal_quantile([1.0], confidence=0.9) == math.inf
    assert conformal_quantile(range(20), confidence=0.9, delta=0.05) == math.inf
    assert conformal_quantile([2.0] * 50, confidence=0.9) == 2.0


def test_each_group_is_covered_where_one_quantile_fails_the_small_one() -> None:
    """A tenth of the rows is three times as noisy: .9 for all covers it Phi-wise by about .49.

    2,000 rows a group: .9 is missed by .03 with probability 4e-6."""
    rng = np.random.default_rng(2)
    groups = np.where(np.arange(20_000) % 10 == 0, "rare", "common")
    score = np.abs(rng.normal(size=20_000)) * np.where(groups == "rare", 3.0, 1.0)
    fresh = np.abs(rng.normal(size=20_000)) * 3.0

    alone = conformal_quantile(score, confidence=0.9)
    each = mondrian_quantiles(score, groups, confidence=0.9)

    assert np.mean(fresh <= alone) < 0.6
    assert np.mean(fresh <= each["rare"]) == pytest.approx(0.9, abs=0.03)


@pytest.mark.parametrize("bad", [[1.0, math.nan], [[1.0]], ["high"]])
def test_bad_scores_are_refused(bad: list[object]) -> None:
    with pytest.raises(InvalidDataError):
        conformal_quantile(bad)
    with pytest.raises(InvalidDataError):
        conformal_p_values([1.0], bad)


def test_nonsense_is_refused() -> None:
    with pytest.raises(EmptyDataError):
        conformal_quantile([])
    with pytest.raises(ValueError, match="no level"):
        conformal_quantile([1.0], confidence=1.0)
    with pytest.raises(ValueError, match="no level"):
        conformal_quantile([1.0], delta=0.0)
    with pytest.raises(InvalidDataError, match="one for each"):
        mondrian_quantiles([1.0, 2.0], ["a"])
    with pytest.raises(InvalidDataError, match="missing"):
        mondrian_quantiles([1.0, 2.0], np.array(["a", None], dtype=object))

"""Who cannot be told apart from the best."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mldeploy.stats import corrected_resampled_t, rank_by_folds


def searches(n: int, *, k: int, n_folds: int, gap: float = 0.0) -> list[np.ndarray]:
    """Scores whose folds share rows: fold errors correlate by 1 / n_folds, as in CV."""
    rng, rho = np.random.default_rng(0), 1 / n_folds
    found = []
    for _ in range(n):
        own = rng.normal(size=(k, 1)) * np.sqrt(rho)
        noise = rng.normal(size=(k, n_folds)) * np.sqrt(1 - rho)
        scores = own + noise + 2 * rng.normal(size=(1, n_folds))
        scores[0] += gap
        found.append(scores)
    return found


def false_claims(n: int) -> int:
    ranks = [
        rank_by_folds(s, n_train=90, n_test=10) for s in searches(n, k=10, n_folds=10)
    ]  # fmt: skip
    return sum(not all(r.is_tied for r in rank) for rank in ranks)


def test_equal_learners_are_told_apart_no_more_often_than_promised() -> None:
    """More than 33 of 400 at 0.05 has probability 0.002."""
    assert false_claims(400) <= 33


def test_a_learner_that_is_far_better_is_told_apart_from_all() -> None:
    """Six standard deviations of a fold: all nine others are behind in nine of ten searches."""
    ranks = [
        rank_by_folds(s, n_train=90, n_test=10) for s in searches(100, k=10, n_folds=10, gap=6.0)
    ]

    assert sum([r.is_tied for r in rank] == [True] + [False] * 9 for rank in ranks) >= 90


def test_two_learners_are_compared_as_by_the_corrected_t() -> None:
    a, b = np.array([0.8, 0.9, 0.7, 0.85]), np.array([0.7, 0.85, 0.72, 0.8])

    _, second = rank_by_folds([b, a], n_train=75, n_test=25)

    expected = corrected_resampled_t(a - b, n_train=75, n_test=25)
    assert second.index == 0
    assert second.behind is not None
    assert second.behind.p_value == pytest.approx(expected.p_value)
    assert second.behind.interval.low == pytest.approx(expected.interval.low)


@given(
    st.integers(1, 6).flatmap(
        lambda k: st.lists(
            st.lists(st.floats(-1, 1), min_size=3, max_size=3), min_size=k, max_size=k
        )
    )
)
def test_the_ranks_are_in_the_order_of_the_means_and_the_best_is_tied(
    scores: list[list[float]],
) -> None:
    ranked = rank_by_folds(scores, n_train=2, n_test=1)

    assert sorted(r.index for r in ranked) == list(range(len(scores)))
    assert [r.mean for r in ranked] == sorted((r.mean for r in ranked), reverse=True)
    assert ranked[0].is_tied
    assert all(r.behind is None or r.behind.difference >= 0 for r in ranked)


def test_equal_scores_are_tied_and_constant_gaps_are_not() -> None:
    tied, apart = [[0.5, 0.6]] * 2, [[0.5, 0.75], [0.25, 0.5]]

    assert [r.is_tied for r in rank_by_folds(tied, n_train=1, n_test=1)] == [True, True]
    assert [r.is_tied for r in rank_by_folds(apart, n_train=1, n_test=1)] == [True, False]


@pytest.mark.parametrize("scores", [[], [[1.0]], [1.0, 2.0], [[1.0, float("nan")]]])
def test_what_cannot_be_ranked_is_refused(scores: list[object]) -> None:
    with pytest.raises(ValueError, match="score"):
        rank_by_folds(scores, n_train=1, n_test=1)

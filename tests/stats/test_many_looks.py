"""Rows that judged many models are worth less, and their intervals say so."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import special

from mldeploy.errors import InvalidDataError
from mldeploy.stats import (
    looks_alpha,
    looks_confidence,
    looks_p_values,
    wilson,
    worth_after_looks,
)


def test_levels_match_tables_of_chi_squared() -> None:
    """The 95 % points of 2 and 10 degrees of freedom are 5.991 and 18.307 (any table).

    The normal deviates 2.4477 and 4.2787 leave 0.01438 and 1.880e-5 on both sides.
    """
    assert looks_confidence(2) == pytest.approx(1 - 0.01438, abs=5e-6)
    assert 1 - looks_confidence(10) == pytest.approx(1.880e-5, rel=1e-3)
    assert worth_after_looks(10) == pytest.approx(3.841 / 18.307, rel=1e-3)


def test_levels_rise_with_looks_and_worth_falls() -> None:
    levels = [looks_confidence(k, 0.9) for k in range(1, 30)]
    worths = [worth_after_looks(k, 0.9) for k in range(1, 30)]

    assert levels == sorted(levels)
    assert len(set(levels)) == 29
    assert worths == sorted(worths, reverse=True)
    assert (levels[0], worths[0]) == (0.9, 1.0)


def test_a_model_made_of_earlier_scores_does_not_beat_the_interval() -> None:
    """Coins are weighed by their scores on the same rows, round by round (Dwork et al.).

    No model can be better than chance. The ordinary interval excludes 0.5 in most of 400
    repetitions; at the level of the 12th look it may in 5 %: more than 33 has probability 0.001.
    """
    rng = np.random.default_rng(0)
    ordinary = corrected = 0
    for _ in range(400):
        n, k = 500, 12
        y = rng.integers(0, 2, n)
        tried = rng.integers(0, 2, (k - 1, n))
        edges = (tried == y).mean(axis=1) - 0.5
        said = (edges @ (2 * tried - 1) > 0).astype(int)
        right = float((said == y).sum())
        ordinary += wilson(right, n).interval.low > 0.5
        corrected += wilson(right, n, confidence=looks_confidence(k)).interval.low > 0.5

    assert ordinary > 200
    assert corrected <= 33


@pytest.mark.parametrize(("n_looks", "confidence"), [(0, 0.95), (2, 1.0), (2, 0.0)])
def test_what_is_no_count_or_level_is_refused(n_looks: int, confidence: float) -> None:
    with pytest.raises(ValueError, match=r"looks|confidence"):
        looks_confidence(n_looks, confidence)


def test_p_values_match_tails_that_are_worked_by_hand() -> None:
    """Two degrees of freedom leave exp(-z^2 / 2): 0.1465 at 1.96, and 0.2585 at 1.6449.

    On one side half of that, and half of what one degree leaves at 1.6449, which is 0.1.
    """
    assert looks_p_values(2, [0.05]) == pytest.approx([0.1465], abs=5e-5)
    assert looks_p_values(2, [0.05], sides=1) == pytest.approx([(0.2585 + 0.1) / 2], abs=5e-5)


@pytest.mark.parametrize("k", [1, 2, 5, 20])
def test_p_values_levels_and_intervals_agree(k: int) -> None:
    level = looks_alpha(k, 0.05)

    assert looks_p_values(k, [1 - looks_confidence(k, 0.9)]) == pytest.approx([0.1])
    assert looks_p_values(k, [level], sides=1) == pytest.approx([0.05])
    assert level <= 0.05
    assert looks_p_values(k, [0.0, 1.0]).tolist() == [0.0, 1.0]


def test_one_sided_tests_of_a_steered_model_keep_their_level() -> None:
    """The worst mixture of what five looks told, in 20,000 draws: 5 % within 4 standard errors.

    Nobody knows the sign of the sixth coordinate: it counts only where it helps.
    """
    z = np.random.default_rng(0).normal(size=(20_000, 6))
    z[:, 5] = np.maximum(z[:, 5], 0)
    false = (special.ndtr(-np.linalg.norm(z, axis=1)) <= looks_alpha(6, 0.05)).mean()

    assert false == pytest.approx(0.05, abs=4 * np.sqrt(0.05 * 0.95 / 20_000))


def test_what_is_no_p_value_is_refused() -> None:
    with pytest.raises(InvalidDataError, match="p_values"):
        looks_p_values(2, [0.5, np.nan])

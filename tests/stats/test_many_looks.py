"""Rows that judged many models are worth less, and their intervals say so."""

from __future__ import annotations

import numpy as np
import pytest

from mldeploy.stats import looks_confidence, wilson, worth_after_looks


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

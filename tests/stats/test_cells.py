"""Metrics of many weightings: of a ranking sorted once, and of a table of counts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special
from sklearn.metrics import average_precision_score, roc_auc_score

from mldeploy.stats import (
    Ranking,
    bootstrap,
    bootstrap_cells,
    paired_bootstrap,
    paired_bootstrap_cells,
)


@given(st.integers(2, 60), st.integers(1, 8), st.randoms(use_true_random=False))
def test_a_ranking_agrees_with_scikit_learn_for_any_weights_and_ties(
    n: int, n_scores: int, source: Any
) -> None:
    rng = np.random.default_rng(source.randrange(2**32))
    y, score = rng.integers(0, 2, n), rng.integers(0, n_scores, n) / 8
    y[:2] = 0, 1
    weights = rng.integers(0, 4, n).astype(float)
    weights[:2] += 1
    ranking = Ranking(y, score)

    precision = average_precision_score(y, score, sample_weight=weights)
    assert ranking.average_precision(weights) == pytest.approx(precision)
    assert ranking.roc_auc(weights) == pytest.approx(
        roc_auc_score(y, score, sample_weight=weights)
    )
    assert ranking.average_precision() == pytest.approx(average_precision_score(y, score))


def test_a_ranking_without_a_class_has_no_value() -> None:
    ranking = Ranking([0, 1], [0.2, 0.8])

    assert np.isnan(ranking.average_precision(np.array([1.0, 0.0])))
    assert np.isnan(ranking.roc_auc(np.array([0.0, 1.0])))


def kappa(table: Any) -> float:
    """Cohen's kappa of counts (0,0), (0,1), (1,0), (1,1)."""
    n = table.sum()
    right = (table[0] + table[3]) / n
    rows, columns = table[0] + table[1], table[0] + table[2]
    chance = (rows * columns + (n - rows) * (n - columns)) / n**2
    return float((right - chance) / (1 - chance))


@pytest.mark.parametrize(
    ("weighted", "grouped"), [(False, False), (True, False), (False, True), (True, True)]
)
def test_counts_give_the_interval_that_rows_give(weighted: bool, grouped: bool) -> None:
    """Both are the same bootstrap: over 4,000 resamples ends differ by 4 standard errors at most.

    A quantile at 2.5 % of 4,000 normal resamples has a standard error of
    sqrt(.025 * .975 / 4,000) / .0584 = 0.042 standard deviations; two of them differ by 0.06.
    """
    rng = np.random.default_rng(5)
    n = 400
    y = rng.integers(0, 2, n)
    said = np.where(rng.random(n) < 0.75, y, 1 - y)
    cells = 2 * y + said
    weights = rng.integers(1, 3, n).astype(float) if weighted else None
    units = rng.integers(0, 60, n) if grouped else None
    own = np.ones(n) if weights is None else weights

    by_cell = bootstrap_cells(
        kappa, cells, n_cells=4, weights=weights, units=units, n_resamples=4000, rng=rng
    )
    by_row = bootstrap(
        lambda w: kappa(np.bincount(cells, w * own, 4)),
        n_rows=n,
        units=units,
        n_resamples=4000,
        rng=rng,
    )

    spread = (by_row.interval.high - by_row.interval.low) / (2 * special.ndtri(0.975))
    assert by_cell.value == pytest.approx(by_row.value)
    assert by_cell.n == by_row.n
    assert abs(by_cell.interval.low - by_row.interval.low) < 0.24 * spread
    assert abs(by_cell.interval.high - by_row.interval.high) < 0.24 * spread


def test_pairs_of_counts_give_the_comparison_that_rows_give() -> None:
    rng = np.random.default_rng(6)
    cells = rng.choice(3, 300, p=[0.7, 0.2, 0.1])

    by_cell = paired_bootstrap_cells(
        lambda w: float((w[1] - w[2]) / w.sum()), cells, n_cells=3, n_resamples=4000, rng=rng
    )
    by_row = paired_bootstrap(
        lambda w: float(w @ (cells == 1) - w @ (cells == 2)) / float(w.sum()),
        lambda _: 0.0,
        n_rows=300,
        n_resamples=4000,
        rng=rng,
    )

    assert by_cell.difference == pytest.approx(by_row.difference)
    assert by_cell.interval.low == pytest.approx(by_row.interval.low, abs=0.008)
    assert by_cell.interval.high == pytest.approx(by_row.interval.high, abs=0.008)


def test_a_level_that_no_resample_reaches_is_still_told_apart() -> None:
    """A share of 0.5 in 10,000 rows has a standard error of 0.005: 5 of them are 0.025."""
    cells = np.arange(10_000) % 2
    level = 1 - 2 * float(special.ndtr(-5.0))

    found = bootstrap_cells(
        lambda w: float(w[1] / w.sum()),
        cells,
        n_cells=2,
        n_resamples=400,
        confidence=level,
        rng=np.random.default_rng(0),
    )

    assert found.interval.high - 0.5 == pytest.approx(0.025, rel=0.15)
    assert 0.5 - found.interval.low == pytest.approx(0.025, rel=0.15)


@pytest.mark.parametrize("n_resamples", [0, 49])
def test_too_few_resamples_are_refused(n_resamples: int) -> None:
    with pytest.raises(ValueError, match="resamples"):
        bootstrap_cells(
            kappa, [0, 1, 2, 3], n_cells=4, n_resamples=n_resamples, rng=np.random.default_rng(0)
        )

"""Resampled intervals cover what they promise, and would not if units were ignored.

With R samples the observed share strays from a true .95 by .02 with a chance below
2 * Phi(-.02 / sqrt(.0475 / R)): 5e-3 at R = 1,000, 4e-5 at R = 2,000.
"""

from __future__ import annotations

import numpy as np
import pytest

from mldeploy.stats import bootstrap_auc, bootstrap_ratio, paired_bootstrap_ratio, wilson


def shares(rng: np.random.Generator, *, n_units: int, mean: float) -> np.ndarray:
    """Hits of units of ten rows whose own rates vary: intra-class correlation .377."""
    total = 1 / 0.377 - 1
    rate = rng.beta(mean * total, (1 - mean) * total, size=n_units)
    return (rng.random((n_units, 10)) < rate[:, None]).astype(float)


def test_cluster_bootstrap_covers_where_rows_come_in_tens() -> None:
    """Rows in tens correlated .377: the row-wise interval is too short by sqrt(1 + 9 * .377)
    = 2.1 and covers 2 * Phi(1.96 / 2.1) - 1 = .65."""
    rng, units = np.random.default_rng(0), np.repeat(np.arange(100), 10)
    clustered = naive = 0
    for _ in range(1000):
        hits = shares(rng, n_units=100, mean=0.7).reshape(-1)
        interval = bootstrap_ratio(hits, units=units, n_resamples=500, rng=rng).interval
        clustered += interval.contains(0.7)
        naive += wilson(hits.sum(), 1000).interval.contains(0.7)

    assert 0.93 <= clustered / 1000 <= 0.97
    assert 0.58 <= naive / 1000 <= 0.72


@pytest.mark.slow
def test_bca_covers_a_skewed_ratio() -> None:
    """F1 = 2 TP / (2 TP + FP + FN) with prevalence .2, recall .7 and false positives .1:
    2 * .14 / (2 * .14 + .08 + .06) = 2/3."""
    rng, covered = np.random.default_rng(1), 0
    for _ in range(2000):
        y = rng.random(250) < 0.2
        said = rng.random(250) < np.where(y, 0.7, 0.1)
        twice_hits, wrong = 2.0 * (y & said), (y != said).astype(float)
        estimate = bootstrap_ratio(twice_hits, twice_hits + wrong, n_resamples=600, rng=rng)
        covered += estimate.interval.contains(2 / 3)

    assert 0.93 <= covered / 2000 <= 0.97


@pytest.mark.slow
def test_bca_covers_a_mean_of_skewed_errors() -> None:
    """Exponential errors, skewness 2: a percentile interval misses one side twice as often."""
    rng, covered = np.random.default_rng(2), 0
    for _ in range(2000):
        estimate = bootstrap_ratio(rng.exponential(size=150), n_resamples=600, rng=rng)
        covered += estimate.interval.contains(1.0)

    assert 0.93 <= covered / 2000 <= 0.97


@pytest.mark.slow
def test_resampled_area_covers() -> None:
    """Normal scores one sd apart: the area is Phi(1 / sqrt 2) = .7602."""
    rng, covered, y = np.random.default_rng(3), 0, np.arange(150) < 50
    for _ in range(1000):
        area = bootstrap_auc(y, rng.normal(size=150) + y, n_resamples=500, rng=rng)
        covered += area.interval.contains(0.76025)

    assert 0.925 <= covered / 1000 <= 0.975


def test_paired_cluster_bootstrap_keeps_its_error_rate() -> None:
    """1,000 samples of equal models on 60 units of five; 84 alarms at a rate of .06 have
    probability .001."""
    rng, units, alarms = np.random.default_rng(4), np.repeat(np.arange(60), 5), 0
    for _ in range(1000):
        shared = np.repeat(rng.normal(size=(2, 60)), 5, axis=1)
        a, b = shared + rng.exponential(size=(2, 300))
        alarms += (
            paired_bootstrap_ratio(a, b, units=units, n_resamples=400, rng=rng).p_value <= 0.05
        )

    assert alarms / 1000 <= 0.06 + 0.0232

"""Intervals of one model's metric, and promises about single rows."""

from __future__ import annotations

import numpy as np
from scipy import special

from mldeploy.stats import (
    bootstrap_auc,
    bootstrap_ratio,
    conformal_quantile,
    delong,
    mondrian_quantiles,
    n_for_proportion,
    quantile_interval,
    two_proportions,
    wilson,
)
from simulations._bar import Bar

DECISION = "metric interval"
UNITS = np.repeat(np.arange(100), 10)


def _hits(rng: np.random.Generator) -> np.ndarray:
    """Hits of 100 units of ten rows whose own rates vary: correlation .377, mean .7."""
    total = 1 / 0.377 - 1
    rate = rng.beta(0.7 * total, 0.3 * total, size=100)
    return (rng.random(1000) < rate[UNITS]).astype(float)


def _wilson(rng: np.random.Generator) -> bool:
    share = rng.uniform(0.05, 0.95)
    return wilson(rng.binomial(60, share), 60).interval.contains(share)


def _delong(rng: np.random.Generator) -> bool:
    y = np.arange(150) < 50
    area = delong(y, rng.normal(size=150) + y)
    return area.interval.contains(float(special.ndtr(1 / np.sqrt(2))))


def _clustered_delong(rng: np.random.Generator) -> bool:
    y = rng.random(1000) < 0.3
    score = y + (rng.normal(size=100)[UNITS] + rng.normal(size=1000)) / np.sqrt(2)
    area = delong(y, score, units=UNITS)
    return area.interval.contains(float(special.ndtr(1 / np.sqrt(2))))


def _bca_f1(rng: np.random.Generator) -> bool:
    y = rng.random(250) < 0.2
    said = rng.random(250) < np.where(y, 0.7, 0.1)
    hits, wrong = 2.0 * (y & said), (y != said).astype(float)
    return bootstrap_ratio(hits, hits + wrong, n_resamples=600, rng=rng).interval.contains(2 / 3)


def _bca_error(rng: np.random.Generator) -> bool:
    errors = rng.exponential(size=150)
    return bootstrap_ratio(errors, n_resamples=600, rng=rng).interval.contains(1.0)


def _bootstrap_auc(rng: np.random.Generator) -> bool:
    y = np.arange(150) < 50
    area = bootstrap_auc(y, rng.normal(size=150) + y, n_resamples=400, rng=rng)
    return area.interval.contains(float(special.ndtr(1 / np.sqrt(2))))


def _clustered(rng: np.random.Generator) -> bool:
    found = bootstrap_ratio(_hits(rng), units=UNITS, n_resamples=500, rng=rng)
    return found.interval.contains(0.7)


def _row_wise(rng: np.random.Generator) -> bool:
    return wilson(_hits(rng).sum(), 1000).interval.contains(0.7)


def _quantile(rng: np.random.Generator) -> bool:
    latency = rng.lognormal(size=500)
    return quantile_interval(latency, 0.95).interval.contains(float(np.exp(special.ndtri(0.95))))


def _newcombe(rng: np.random.Generator) -> bool:
    p, q = rng.uniform(0.05, 0.95, size=2)
    found = two_proportions(rng.binomial(40, p), 40, rng.binomial(25, q), 25)
    return found.interval.contains(p - q)


def _enough(rng: np.random.Generator) -> bool:
    n = n_for_proportion(0.65, bound=0.60)
    return wilson(rng.binomial(n, 0.65), n).interval.low > 0.60


def _conformal(rng: np.random.Generator) -> bool:
    scores = rng.standard_t(3, size=201)
    return bool(scores[0] <= conformal_quantile(scores[1:], confidence=0.9))


def _mondrian(rng: np.random.Generator) -> bool:
    groups = np.arange(400) % 4
    scores = np.abs(rng.normal(size=400)) * (1 + groups)
    quantile = mondrian_quantiles(scores, groups, confidence=0.9)[3]
    return bool(np.abs(rng.normal()) * 4 <= quantile)


def _conformal_delta(rng: np.random.Generator) -> bool:
    return conformal_quantile(rng.random(200), confidence=0.9, delta=0.05) < 0.9


BARS = (
    Bar(
        decision=DECISION,
        promise="Wilson covers, 60 rows",
        trial=_wilson,
        low=0.93,
        high=0.97,
        quick=400,
    ),
    Bar(
        decision=DECISION,
        promise="DeLong (logit) covers, 50 positives of 150",
        trial=_delong,
        low=0.93,
        high=0.97,
        quick=400,
    ),
    Bar(
        decision=DECISION,
        promise="clustered DeLong covers, 100 units of ten",
        trial=_clustered_delong,
        low=0.93,
        high=0.97,
        quick=200,
    ),
    Bar(
        decision=DECISION,
        promise="BCa covers F1, 250 rows",
        trial=_bca_f1,
        low=0.93,
        high=0.97,
        quick=200,
    ),
    Bar(
        decision=DECISION,
        promise="BCa covers a mean of exponential errors, 150 rows",
        trial=_bca_error,
        low=0.93,
        high=0.97,
        quick=200,
    ),
    Bar(
        decision=DECISION,
        promise="BCa covers the AUC, 50 positives of 150",
        trial=_bootstrap_auc,
        low=0.93,
        high=0.97,
        quick=200,
    ),
    Bar(
        decision=DECISION,
        promise="cluster bootstrap covers, 100 units of ten rows",
        trial=_clustered,
        low=0.93,
        high=0.97,
        quick=200,
    ),
    Bar(
        decision=DECISION,
        promise="rows taken for independent cover, the same 100 units",
        trial=_row_wise,
        low=0.60,
        high=0.70,
        quick=400,
        warning=True,
    ),
    Bar(
        decision=DECISION,
        promise="order statistics cover the 95th percentile, 500 rows",
        trial=_quantile,
        low=0.95,
        high=0.98,
        quick=400,
    ),
    Bar(
        decision=DECISION,
        promise="Newcombe covers a difference, 40 and 25 rows",
        trial=_newcombe,
        low=0.93,
        high=0.97,
        quick=400,
    ),
    Bar(
        decision="enough rows to judge",
        promise="the interval clears the bound at the n told",
        trial=_enough,
        low=0.47,
        high=0.56,
        quick=400,
    ),
    Bar(
        decision="prediction sets",
        promise="conformal set holds a new row, 200 rows, .9",
        trial=_conformal,
        low=0.9,
        high=0.92,
        quick=400,
    ),
    Bar(
        decision="prediction sets",
        promise="Mondrian set holds a new row of its group, .9",
        trial=_mondrian,
        low=0.9,
        high=0.92,
        quick=300,
    ),
    Bar(
        decision="prediction sets",
        promise="coverage with delta = .05 is below .9",
        trial=_conformal_delta,
        high=0.05,
        quick=400,
    ),
)

"""What is watched in operation: canaries, drift, decay, and labels that come late."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from scipy import special, stats

from mldeploy.stats import (
    SafeTwoByTwo,
    ShiryaevRoberts,
    TEProcess,
    ValueCounts,
    align_numbers,
    conformal_martingale,
    delong,
    domain_classifier,
    holm,
    judge_against_history,
    online_p_values,
    psi_test,
    reporting_weights,
    weighted_mean,
)
from simulations._bar import Bar, Trial

CANARY = "canary or A/B"
BASE_RATE, PER_ARM = 0.02, 500


def _failures(rng: np.random.Generator, n: int, rate: float, clump: int, size: int) -> np.ndarray:
    """Failures a minute; in clumps they come in bursts of `clump` on average (geometric)."""
    if clump == 1:
        return rng.binomial(n, rate, size)
    bursts = rng.poisson(n * rate / clump, size)
    more = rng.negative_binomial(np.maximum(bursts, 1), 1 / clump)
    return np.minimum(np.where(bursts > 0, bursts + more, 0), n)


def _rolled_back(
    rng: np.random.Generator, *, times: float = 1, clump: int = 1, n_looks: int = 240
) -> bool:
    """Look after every minute at 1,000 requests, half of which the canary gets."""
    champion = _failures(rng, PER_ARM, BASE_RATE, clump, n_looks)
    canary = _failures(rng, PER_ARM, BASE_RATE * times, clump, n_looks)
    state = TEProcess(margin=BASE_RATE / 4)
    for difference in (canary - champion) / PER_ARM:
        state = state.update(difference)
        if state.rejects(0.01):
            return True
    return False


def _clumped(rng: np.random.Generator) -> bool:
    return _rolled_back(rng, clump=10)


def _doubled(rng: np.random.Generator) -> bool:
    return _rolled_back(rng, times=2, n_looks=20)


def _fivefold(rng: np.random.Generator) -> bool:
    return _rolled_back(rng, times=5, n_looks=5)


def _by_request(rng: np.random.Generator) -> bool:
    """The safe two-by-two test counts requests; healthy canaries whose failures clump."""
    a, b = (_failures(rng, PER_ARM, BASE_RATE, 10, 240) for _ in range(2))
    state = SafeTwoByTwo()
    for one, two in zip(a.tolist(), b.tolist(), strict=True):
        state = state.update(failures_a=one, n_a=PER_ARM, failures_b=two, n_b=PER_ARM)
        if state.rejects(0.01):
            return True
    return False


# --- drift ----------------------------------------------------------------------------------


def _report(rng: np.random.Generator, shifts: np.ndarray) -> list[int]:
    """Flagged columns of a report on normal columns, 5,000 reference and 2,000 current rows."""
    p_values = []
    for shift in shifts:
        reference = ValueCounts.of(rng.normal(size=5000))
        current = ValueCounts.of(rng.normal(shift, 1, size=2000))
        both = align_numbers(reference, current)
        p_values.append(psi_test(both.reference, both.current).p_value)
    return np.flatnonzero(holm(p_values) <= 0.01).tolist()


def _no_drift(rng: np.random.Generator) -> bool:
    return bool(_report(rng, np.zeros(40)))


def _immaterial(rng: np.random.Generator) -> bool:
    return bool(_report(rng, np.full(40, 0.05)))


def _one_column(rng: np.random.Generator) -> bool:
    return _report(rng, np.where(np.arange(40) == 7, 0.3, 0.0)) == [7]


def _any_column(rng: np.random.Generator) -> bool:
    """The rule of many monitors: any of 40 columns with a Kolmogorov-Smirnov p below .05."""
    pairs = ((rng.normal(size=5000), rng.normal(size=2000)) for _ in range(40))
    return any(stats.ks_2samp(a, b, method="asymp").pvalue < 0.05 for a, b in pairs)


def _joint(rng: np.random.Generator, *, turned: bool) -> bool:
    """Ten columns; two of them turn their correlation from .7 to -.7, or stay."""
    before, after = rng.normal(size=(2, 500, 10))
    for table, sign in ((before, 1), (after, -1 if turned else 1)):
        table[:, 1] = sign * 0.7 * table[:, 0] + np.sqrt(0.51) * table[:, 1]
    return domain_classifier(before, after, n_folds=3, rng=rng).shifted


def _joint_unchanged(rng: np.random.Generator) -> bool:
    return _joint(rng, turned=False)


def _joint_turned(rng: np.random.Generator) -> bool:
    return _joint(rng, turned=True)


def _weeks(rng: np.random.Generator, *, moved: float) -> bool:
    """Ten weeks of 2,000 rows whose shares wander by chance as weeks do; then one more."""
    shares = rng.dirichlet(np.full(10, 100.0), size=11)
    shares[10] = (1 - moved) * shares[10] + moved * np.eye(10)[0]
    counts = [rng.multinomial(2000, row) for row in shares]
    return judge_against_history(counts[10], counts[:10]).alarm


def _ordinary_week(rng: np.random.Generator) -> bool:
    return _weeks(rng, moved=0.0)


def _moved_week(rng: np.random.Generator) -> bool:
    return _weeks(rng, moved=0.15)


def _calm_stream(rng: np.random.Generator) -> bool:
    p_values = online_p_values(rng.exponential(size=500), rng=rng)
    return bool(conformal_martingale(p_values).max() >= np.log(100))


def _changed_stream(rng: np.random.Generator) -> bool:
    errors = np.r_[rng.exponential(size=250), 2 * rng.exponential(size=250)]
    return bool(conformal_martingale(online_p_values(errors, rng=rng)).max() >= np.log(100))


# --- decay over a year ----------------------------------------------------------------------


def _day(rng: np.random.Generator, auc: float) -> float:
    """A day's AUC of 900 rows against .75 less a margin, over DeLong's standard error."""
    y = rng.random(900) < 0.22
    score = rng.normal(size=900) + y * np.sqrt(2) * special.ndtri(auc)
    found = delong(y, score)
    low, high = special.logit([found.interval.low, found.interval.high])
    error = (high - low) / (2 * 1.959964) * found.value * (1 - found.value)
    return float((0.745 - found.value) / error)


@cache
def _days() -> np.ndarray:
    """20,000 days at the margin, of which years are drawn."""
    rng = np.random.default_rng(0)
    return np.array([_day(rng, 0.745) for _ in range(20_000)])


def _calm_year(rng: np.random.Generator) -> bool:
    days = rng.choice(_days(), size=365)
    return ShiryaevRoberts(blocks_per_year=365, false_alarms_per_year=0.02).update(days).alarm


def _drop(rng: np.random.Generator) -> float:
    """Days from a drop of five points to the alarm, after 60 calm days."""
    detector = ShiryaevRoberts(blocks_per_year=365, false_alarms_per_year=0.02)
    detector = detector.update([_day(rng, 0.75) for _ in range(60)]).restart()
    for day in range(1, 61):
        detector = detector.update(_day(rng, 0.70))
        if detector.alarm:
            return float(day)
    return 61.0


# --- late labels ----------------------------------------------------------------------------


def _late(rng: np.random.Generator, *, weighted: bool) -> float:
    """Error of the prevalence over the newest week: positives take .3 days, negatives 8."""
    n = 6000
    ages, y = rng.uniform(0, 60, n), rng.random(n) < 0.2
    delays = np.where(y, 0.3, 8.0) * rng.exponential(size=n)
    come = (delays <= ages) & (rng.random(n) > 0.028)
    recent, truth = ages[come] < 7, y[ages < 7].mean()
    if not weighted:
        return float(y[come][recent].mean() - truth)
    weights = reporting_weights(y[come], delays[come], ages[come])
    return weighted_mean(y[come][recent], weights[recent]).estimate - float(truth)


def _weighted(rng: np.random.Generator) -> float:
    return _late(rng, weighted=True)


def _so_far(rng: np.random.Generator) -> float:
    return _late(rng, weighted=False)


def _bar(decision: str, promise: str, trial: Trial, **more: Any) -> Bar:
    return Bar(decision=decision, promise=promise, trial=trial, **more)


DRIFT, DECAY, LATE = "drift, many columns", "metric drop over time", "metric with late labels"
BARS = (
    _bar(CANARY, "healthy canary rolled back within 240 looks", _rolled_back, high=0.01, quick=8),
    _bar(CANARY, "the same, failures in clumps of ten", _clumped, high=0.01, quick=8),
    _bar(CANARY, "twice the failures found in 20 minutes", _doubled, low=0.9, quick=20),
    _bar(CANARY, "five times the failures found in 5 minutes", _fivefold, low=0.9, quick=20),
    _bar(
        CANARY,
        "a test that counts requests rolls back healthy clumped canaries",
        _by_request,
        low=0.13,
        high=0.8,
        quick=20,
        warning=True,
    ),
    _bar(DRIFT, "report of 40 columns alarms without drift", _no_drift, high=0.01, quick=10),
    _bar(
        DRIFT, "report of 40 columns alarms for .05 sd in each", _immaterial, high=0.01, quick=10
    ),
    _bar(
        DRIFT, "one column moved by .3 sd is flagged, and no other", _one_column, low=0.9, quick=10
    ),
    _bar(
        DRIFT,
        "KS p < .05 on any column alarms without drift",
        _any_column,
        low=0.8,
        high=0.95,
        quick=10,
        warning=True,
    ),
    _bar(DRIFT, "domain classifier alarms without drift, 500 rows", _joint_unchanged, high=0.01),
    _bar(DRIFT, "domain classifier sees a correlation turn its sign", _joint_turned, low=0.95),
    _bar(
        DRIFT,
        "an ordinary eleventh week alarms, weeks that wander",
        _ordinary_week,
        high=0.02,
        quick=200,
    ),
    _bar(DRIFT, "15 % of the week moved into one bin is seen", _moved_week, low=0.9, quick=200),
    _bar(
        "drift, stream",
        "conformal martingale alarms within 500 rows, at .01",
        _calm_stream,
        high=0.01,
        quick=100,
    ),
    _bar(
        "drift, stream",
        "errors twice as large after 250 rows are found within 250 more",
        _changed_stream,
        low=0.95,
        quick=60,
    ),
    _bar(DECAY, "a year at the margin itself alarms", _calm_year, high=0.02),
    _bar(DECAY, "mean days until a drop of five points is found", _drop, high=7.0, quick=20),
    _bar(
        LATE,
        "bias of the newest week's prevalence, weighted",
        _weighted,
        low=-0.02,
        high=0.02,
        quick=20,
    ),
    _bar(LATE, "the same of labels so far", _so_far, low=0.1, high=0.5, quick=20, warning=True),
)

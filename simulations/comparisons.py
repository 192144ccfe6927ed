"""One model against another, one learner against another, many looks and many slices."""

from __future__ import annotations

import numpy as np
from scipy import special

from mldeploy.stats import (
    BoundedMeanEProcess,
    corrected_resampled_t,
    cox_calibration,
    debiased_ece,
    delong_difference,
    holm,
    hommel,
    mean_interval,
    obrien_fleming,
    paired_bootstrap_ratio,
    paired_proportions,
    true_discoveries,
)
from simulations._bar import Bar

BETTER = "better than baseline or champion"
REPEATED = "the same from repeated CV"
CALIBRATION = "calibration"
PLAN = obrien_fleming(5)


def _mcnemar(rng: np.random.Generator) -> bool:
    both = rng.random(300) < 0.7
    a, b = (both ^ (rng.random(300) < 0.1) for _ in range(2))
    return paired_proportions(a, b).p_value <= 0.05


def _paired_delong(rng: np.random.Generator) -> bool:
    y = np.arange(200) < 60
    shared = rng.normal(size=200) + y
    a, b = shared + rng.normal(size=(2, 200))
    return delong_difference(y, a, b).p_value <= 0.05


def _paired_clusters(rng: np.random.Generator) -> bool:
    units = np.repeat(np.arange(60), 5)
    a, b = np.repeat(rng.normal(size=(2, 60)), 5, axis=1) + rng.exponential(size=(2, 300))
    found = paired_bootstrap_ratio(a, b, units=units, n_resamples=400, rng=rng)
    return found.p_value <= 0.05


def _ships_by_interval(rng: np.random.Generator) -> bool:
    challenger, champion = _two_points_worse(rng)
    return paired_proportions(challenger, champion, confidence=0.9).interval.low > -0.02


def _ships_by_point(rng: np.random.Generator) -> bool:
    challenger, champion = _two_points_worse(rng)
    return bool(challenger.mean() - champion.mean() > -0.02)


def _two_points_worse(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Of 2,000 rows the challenger alone gets 4 % right, the champion alone 6 %."""
    kind = rng.choice(4, size=2000, p=[0.79, 0.04, 0.06, 0.11])
    return (kind == 0) | (kind == 1), (kind == 0) | (kind == 2)


def _fold_differences(rng: np.random.Generator) -> np.ndarray:
    """Ten times ten folds of 100 rows; each learner cuts one of two features that are alike."""
    n = 100
    y = np.arange(n) % 2
    x = rng.normal(size=(n, 2)) + y[:, None]
    tested = np.zeros((100, n), dtype=bool)
    order = np.array([rng.permutation(n) for _ in range(10)]).reshape(100, 10)
    np.put_along_axis(tested, order, values=True, axis=1)
    trained = ~tested
    means = [trained[:, y == c] @ x[y == c] / trained[:, y == c].sum(1)[:, None] for c in (0, 1)]
    right = (x[None] > (means[0] + means[1])[:, None] / 2) == (y[None, :, None] == 1)
    scores = (right * tested[:, :, None]).sum(axis=1) / 10
    return np.asarray(scores[:, 0] - scores[:, 1])


def _corrected(rng: np.random.Generator) -> bool:
    differences = _fold_differences(rng)
    return corrected_resampled_t(differences, n_train=90, n_test=10).p_value <= 0.05


def _naive(rng: np.random.Generator) -> bool:
    return not mean_interval(_fold_differences(rng)).interval.contains(0.0)


def _perfect(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    p = rng.beta(1, 3, size=n)
    return rng.random(n) < p, p


def _cox(rng: np.random.Generator) -> bool:
    return cox_calibration(*_perfect(rng, 300)).p_value <= 0.05


def _cox_finds(rng: np.random.Generator) -> bool:
    y, p = _perfect(rng, 1000)
    said = special.expit(1.5 * special.logit(np.clip(p, 1e-9, 1 - 1e-9)))
    return cox_calibration(y, said).p_value <= 0.05


def _ece(rng: np.random.Generator) -> bool:
    y, p = _perfect(rng, 300)
    bins = np.minimum((p * 10).astype(int), 9)
    gaps = [
        np.abs(y[bins == b].mean() - p[bins == b].mean()) * (bins == b).sum()
        for b in np.unique(bins)
    ]
    return bool(sum(gaps) / 300 > 0.05)


def _debiased(rng: np.random.Generator) -> float:
    return debiased_ece(*_perfect(rng, 3000)) ** 2


def _slices(rng: np.random.Generator, n_bad: int) -> np.ndarray:
    z = 0.6 * rng.normal() + 0.8 * rng.normal(size=20)
    z[:n_bad] -= 2.5
    return np.asarray(special.ndtr(z))


def _true_discoveries(rng: np.random.Generator) -> bool:
    p = _slices(rng, 5)
    order = np.argsort(p)
    return any(
        true_discoveries(p, np.isin(np.arange(20), order[:k])) > (order[:k] < 5).sum()
        for k in (1, 3, 5, 8, 20)
    )


def _hommel(rng: np.random.Generator) -> bool:
    return bool((hommel(_slices(rng, 5))[5:] <= 0.05).any())


def _holm(rng: np.random.Generator) -> bool:
    return bool((holm(_slices(rng, 5))[5:] <= 0.05).any())


def _planned_looks(rng: np.random.Generator) -> bool:
    return _looks(rng, PLAN.bounds)


def _repeated_looks(rng: np.random.Generator) -> bool:
    return _looks(rng, (1.959964,) * 5)


def _looks(rng: np.random.Generator, bounds: tuple[float, ...]) -> bool:
    sums = rng.normal(size=(5, 60)).sum(axis=1).cumsum()
    return bool((np.abs(sums) / np.sqrt(60 * np.arange(1, 6)) >= bounds).any())


def _bounded(rng: np.random.Generator) -> bool:
    state = BoundedMeanEProcess(limit=0.1)
    for value in rng.beta(0.3, 2.7, size=200):
        state = state.update(value)
        if state.rejects(0.05):
            return True
    return False


BARS = (
    Bar(
        decision=BETTER,
        promise="McNemar mid-p tells equal models apart, 300 rows",
        trial=_mcnemar,
        high=0.06,
        quick=400,
    ),
    Bar(
        decision=BETTER,
        promise="paired DeLong tells equal models apart, 200 rows",
        trial=_paired_delong,
        high=0.06,
        quick=400,
    ),
    Bar(
        decision=BETTER,
        promise="paired cluster bootstrap tells equal models apart",
        trial=_paired_clusters,
        high=0.06,
        quick=300,
    ),
    Bar(
        decision=BETTER,
        promise="ships a model at the margin of 2 points, by the interval",
        trial=_ships_by_interval,
        high=0.05,
        quick=400,
    ),
    Bar(
        decision=BETTER,
        promise="ships a model at the margin of 2 points, by the estimate",
        trial=_ships_by_point,
        low=0.4,
        high=0.6,
        quick=400,
        warning=True,
    ),
    Bar(
        decision=REPEATED,
        promise="corrected t tells equal learners apart",
        trial=_corrected,
        high=0.05,
        quick=200,
    ),
    Bar(
        decision=REPEATED,
        promise="plain t tells equal learners apart",
        trial=_naive,
        low=0.35,
        high=0.6,
        quick=200,
        warning=True,
    ),
    Bar(
        decision=CALIBRATION,
        promise="Cox condemns perfect probabilities, 300 rows",
        trial=_cox,
        high=0.08,
        quick=300,
    ),
    Bar(
        decision=CALIBRATION,
        promise="Cox finds log odds 1.5 times too large, 1,000 rows",
        trial=_cox_finds,
        low=0.95,
        quick=100,
    ),
    Bar(
        decision=CALIBRATION,
        promise="ECE > .05 condemns perfect probabilities, 300 rows",
        trial=_ece,
        low=0.2,
        high=0.7,
        quick=200,
        warning=True,
    ),
    Bar(
        decision=CALIBRATION,
        promise="debiased squared ECE of perfect probabilities",
        trial=_debiased,
        low=0.0,
        high=0.0005,
        quick=50,
    ),
    Bar(
        decision="slices",
        promise="Holm names a good slice, 5 bad of 20 that overlap",
        trial=_holm,
        high=0.05,
        quick=400,
    ),
    Bar(
        decision="slices",
        promise="closed test names a good slice, the same",
        trial=_hommel,
        high=0.05,
        quick=400,
    ),
    Bar(
        decision="slices",
        promise="too many bad slices claimed of any selection, the same",
        trial=_true_discoveries,
        high=0.05,
        quick=200,
    ),
    Bar(
        decision="planned looks",
        promise="O'Brien-Fleming rejects without a difference",
        trial=_planned_looks,
        high=0.05,
        quick=40,
    ),
    Bar(
        decision="planned looks",
        promise="1.96 at each of five looks, Armitage's .142",
        trial=_repeated_looks,
        low=0.13,
        high=0.155,
        quick=400,
        warning=True,
    ),
    Bar(
        decision="looks without a plan",
        promise="bounded-mean e-process, 200 looks at .1",
        trial=_bounded,
        high=0.05,
        quick=60,
    ),
)

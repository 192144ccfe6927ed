"""What is told of rows without labels: shares of classes, and metrics."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from scipy import special

from mldeploy.stats import LabelShift, cbpe, label_shift, roc_auc
from simulations._bar import Bar, Trial

PRIOR, NONE = "prior shift", "no labels"
N = 20_000


class _Shifted(NamedTuple):
    found: LabelShift
    share: float


def _shifted(
    rng: np.random.Generator, *, n: int = N, share: float = 0.4, moved: float = 0.0
) -> _Shifted:
    """Normal classes 2 sd apart, a fifth positive, said 1.5 times too surely; then `share` are
    positive, and negatives have moved by `moved` sd."""
    y, later = rng.random(n) < 0.2, rng.random(n) < share
    x, now = rng.normal(size=n) + 2.0 * y, rng.normal(size=n) + np.where(later, 2.0, moved)
    said, says = (special.expit(1.5 * (2 * v - 2 + np.log(0.25))) for v in (x, now))
    return _Shifted(label_shift(y, said, says), float(later.mean()))


def _error(rng: np.random.Generator) -> float:
    found, share = _shifted(rng)
    return abs(found.prior[1].value - share) if not found.refused else 1.0


def _covered(rng: np.random.Generator) -> bool:
    found, _ = _shifted(rng, n=3000)
    return not found.refused and found.prior[1].interval.contains(0.4)


def _refused(rng: np.random.Generator) -> bool:
    return _shifted(rng, n=3000)[0].refused


def _refuses(rng: np.random.Generator) -> bool:
    return _shifted(rng, n=3000, share=0.2, moved=1.0)[0].refused


def _said_so_far(rng: np.random.Generator) -> float:
    """Error of the mean probability, which takes the old shares for granted."""
    later = rng.random(N) < 0.4
    now = rng.normal(size=N) + 2.0 * later
    return abs(float(special.expit(2 * now - 2 + np.log(0.25)).mean() - later.mean()))


def _without_labels(rng: np.random.Generator, *, metric: str, turned: float = 0.0) -> float:
    """Other rows than before, and probabilities that are too extreme; `turned` changes labels."""
    x, now = rng.normal(size=5000), rng.normal(0.6, 1.3, size=5000)
    y = rng.random(5000) < special.expit(1.5 * x - 1)
    later = rng.random(5000) < special.expit(1.5 * now - 1 - turned)
    says = special.expit(2.2 * now - 1.2)
    found = cbpe(y, special.expit(2.2 * x - 1.2), says)
    truth = roc_auc(later, says) if metric == "roc_auc" else np.mean(later == (says >= 0.5))
    return abs(float(getattr(found, metric).value - truth))


def _accuracy(rng: np.random.Generator) -> float:
    return _without_labels(rng, metric="accuracy")


def _area(rng: np.random.Generator) -> float:
    return _without_labels(rng, metric="roc_auc")


def _concept(rng: np.random.Generator) -> float:
    return _without_labels(rng, metric="accuracy", turned=2.0)


def _bar(decision: str, promise: str, trial: Trial, **more: Any) -> Bar:
    return Bar(decision=decision, promise=promise, trial=trial, **more)


BARS = (
    _bar(
        PRIOR,
        "mean error of a share that went from .2 to .4, 20,000 rows",
        _error,
        high=0.01,
        quick=6,
    ),
    _bar(PRIOR, "its interval covers, 3,000 rows", _covered, low=0.92, high=0.97, quick=20),
    _bar(PRIOR, "refused although only the shares changed", _refused, high=0.02, quick=20),
    _bar(PRIOR, "refused where a class moved by 1 sd", _refuses, low=0.95, quick=20),
    _bar(
        PRIOR,
        "mean error of the mean probability, the same",
        _said_so_far,
        low=0.03,
        high=0.3,
        quick=6,
        warning=True,
    ),
    _bar(
        NONE, "mean error of the accuracy under covariate shift", _accuracy, high=0.015, quick=20
    ),
    _bar(NONE, "mean error of the AUC under covariate shift", _area, high=0.015, quick=20),
    _bar(
        NONE,
        "mean error of the accuracy where the concept changed",
        _concept,
        low=0.05,
        high=0.3,
        quick=20,
        warning=True,
    ),
)

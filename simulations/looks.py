"""What is claimed of the twelfth model that the same rows judge, made of what eleven showed."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from typing import Any

import numpy as np
import pandas as pd
from scipy import special
from sklearn.base import BaseEstimator, ClassifierMixin

from mldeploy.data import dataset_for
from mldeploy.evidence import Finding, Verdict
from mldeploy.model import Model
from mldeploy.problem import Criterion, Problem, ReviewUncertain
from mldeploy.training import EstimatorTrainer
from mldeploy.validation import (
    AutonomyValidator,
    BaselineValidator,
    CalibrationValidator,
    FairnessValidator,
    SliceValidator,
    Validator,
    routing_from,
)
from simulations._bar import Bar

N, LOOKS = 2000, 12
GROUP = np.arange(N) % 2 == 1
Score = Callable[[np.ndarray], float]


class Says(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Promises the probability in a column, so that a simulation decides what is promised."""

    def fit(self, X: pd.DataFrame, y: Any) -> Says:  # noqa: ARG002 - scikit-learn's
        """Learn the classes."""
        self.classes_ = np.unique(y)
        return self

    def predict_proba(self, X: pd.DataFrame) -> Any:
        """Return the column, and what is left of 1."""
        p = X["says"].to_numpy()
        return np.column_stack([1 - p, p])

    def predict(self, X: pd.DataFrame) -> Any:
        """Return the class that is more probable."""
        return self.classes_[(X["says"].to_numpy() >= 0.5).astype(int)]


PROBLEM = Problem(
    name="late",
    statement="Which flights land late?",
    target="late",
    positive=1,
    criteria=(Criterion("accuracy", at_least=0.4),),
    sensitive=("group",),
    autonomy=ReviewUncertain(max_error=0.1),
)


@cache
def _model() -> Model:
    coins = np.random.default_rng(0).integers(0, 2, (2, 100))
    frame = _frame(0.5 + 0.1 * coins[0], coins[1], np.arange(100) % 2)
    return EstimatorTrainer(Says()).train(_data(frame), PROBLEM)


def _frame(says: np.ndarray, late: np.ndarray, group: np.ndarray = GROUP) -> pd.DataFrame:
    names = np.where(group, "b", "a")
    return pd.DataFrame({"says": says, "late": np.asarray(late).astype(int), "group": names})


def _data(frame: pd.DataFrame) -> Any:
    return dataset_for(frame, PROBLEM).with_roles(features=("says",))


def _steered(rng: np.random.Generator, score: Score) -> np.ndarray:
    """Weigh eleven models by their scores on the rows that judge the twelfth (Dwork et al.).

    Each is a standard normal number for each row, and so is the mixture on rows that nobody
    has looked at: what is true of one is true of all.
    """
    tried = rng.normal(size=(LOOKS - 1, N))
    weights = np.array([score(model) for model in tried])
    return np.asarray(weights @ tried / np.linalg.norm(weights))


def _findings(
    validator: Validator, frame: pd.DataFrame, *, name: str, of: str | None = None
) -> list[Finding]:
    report = validator.validate(_model(), _data(frame), PROBLEM)
    return [f for f in report.select(name=name) if of is None or f.slice == of]


# --- what is claimed, and is not true -----------------------------------------------------------


def _fair(rng: np.random.Generator, *, n_looks: int = LOOKS) -> bool:
    """Positive answers for half of one group, and for four fifths of that in the other: the
    bound itself, at which nothing may be called alike."""
    rate = np.where(GROUP, 0.4, 0.5)
    bound = special.ndtri(1 - rate)

    def score(model: np.ndarray) -> float:
        excess = np.subtract(model > bound, rate)
        return float(excess[GROUP].mean() - excess[~GROUP].mean())

    says = 0.25 + 0.5 * (_steered(rng, score) > bound)
    validator = FairnessValidator(definitions=["demographic_parity"], n_looks=n_looks)
    found = _findings(validator, _frame(says, rng.integers(0, 2, N)), name="demographic_parity")
    return any(f.verdict is Verdict.PASS for f in found)


def _calibrated(rng: np.random.Generator, *, n_looks: int = LOOKS) -> bool:
    """Fair coins, and probabilities that are off by 0.05 on average, which is the bound."""
    late = rng.integers(0, 2, N)
    says = special.expit(0.2534 * _steered(rng, lambda m: float(m @ (late - 0.5))))
    validator = CalibrationValidator(n_looks=n_looks)
    found = _findings(validator, _frame(says, late), name="calibration_error")
    return any(f.verdict is Verdict.PASS for f in found)


def _beats(rng: np.random.Generator, *, n_looks: int = LOOKS) -> bool:
    """Fair coins, told by a model; a baseline that tells as many of them is not beaten."""
    late = rng.integers(0, 2, N)
    says = special.expit(_steered(rng, lambda m: float(np.sign(m) @ (late - 0.5))))
    frame = _frame(says, late).assign(people=rng.integers(0, 2, N))
    validator = BaselineValidator(people="people", n_looks=n_looks)
    (found,) = _findings(validator, frame, name="accuracy vs people")
    return found.interval is not None and found.interval.low > 0


def _worse_in_a_slice(rng: np.random.Generator, *, n_looks: int = LOOKS) -> bool:
    """Seven of ten answers are right in both groups."""
    bound = special.ndtri(0.3)

    def score(model: np.ndarray) -> float:
        return float((model < bound)[GROUP].mean() - (model < bound)[~GROUP].mean())

    late = rng.integers(0, 2, N)
    right = _steered(rng, score) >= bound
    frame = _frame(np.where(right == (late == 1), 0.75, 0.25), late)
    found = _findings(SliceValidator(n_looks=n_looks), frame, name="accuracy gap", of="group=b")
    return bool(found)


def _routed(rng: np.random.Generator, *, n_looks: int = LOOKS) -> bool:
    """.1 is promised, and .1 of the answers are wrong at any confidence: a touch too many."""
    bound = special.ndtri(0.1)
    wrong = _steered(rng, lambda m: 0.1 - float((m < bound).mean())) < bound
    says = rng.uniform(0.5, 1.0, N)
    validator = AutonomyValidator(n_looks=n_looks)
    report = validator.validate(_model(), _data(_frame(says, ~wrong)), PROBLEM)
    routing = routing_from(report)
    return routing is not None and routing.coverage > 0


def _bar(promise: str, trial: Any, **more: Any) -> Bar:
    return Bar(decision="several looks at the same rows", promise=promise, trial=trial, **more)


BARS = (
    _bar("called fair at the bound, the twelfth look", _fair, high=0.05, quick=10),
    _bar("called calibrated at the bound, the twelfth look", _calibrated, high=0.05, quick=10),
    _bar("called better than people who do as well, the same", _beats, high=0.05),
    _bar("a slice called worse that is not, the same", _worse_in_a_slice, high=0.05),
    _bar("promise of .1 broken by the routing, the same", _routed, high=0.05),
    _bar("called fair at the bound, as if nobody had looked", partial(_fair, n_looks=1),
         low=0.3, warning=True),
    _bar("called calibrated at the bound, the same", partial(_calibrated, n_looks=1),
         low=0.3, warning=True),
    _bar("called better than people who do as well, as if nobody had looked",
         partial(_beats, n_looks=1), low=0.2, warning=True),
    _bar("a slice called worse that is not, as if nobody had looked",
         partial(_worse_in_a_slice, n_looks=1), low=0.2, warning=True),
    _bar("promise of .1 broken, as if nobody had looked", partial(_routed, n_looks=1),
         low=0.07, warning=True),
)  # fmt: skip

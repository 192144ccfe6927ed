"""What is claimed of the twelfth model that the same rows judge, made of what eleven showed."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from typing import Any

import numpy as np
import pandas as pd
from scipy import special
from sklearn.base import BaseEstimator, ClassifierMixin
from typing_extensions import override

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
    FitValidator,
    Probe,
    RobustnessValidator,
    SliceValidator,
    UncertaintyValidator,
    Validator,
    ValueValidator,
    routing_from,
)
from simulations._bar import Bar

N, LOOKS = 2000, 12
GROUP = np.arange(N) % 2 == 1
Score = Callable[[np.ndarray], float]


class Says(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Promises the probability in a column, so that a simulation decides what is promised."""

    def __init__(self, column: str = "says") -> None:
        self.column = column

    def fit(self, X: pd.DataFrame, y: Any) -> Says:  # noqa: ARG002 - scikit-learn's
        """Learn the classes."""
        self.classes_ = np.unique(y)
        return self

    def predict_proba(self, X: pd.DataFrame) -> Any:
        """Return the column, and what is left of 1."""
        p = X[self.column].to_numpy()
        return np.column_stack([1 - p, p])

    def predict(self, X: pd.DataFrame) -> Any:
        """Return the class that is more probable."""
        return self.classes_[(X[self.column].to_numpy() >= 0.5).astype(int)]


class Doubted(Probe):
    """Takes .3 off each promise: .9 stays an alarm, and .7 does not."""

    at_most = 0.5

    @override
    def _change(self, rows: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
        return rows.assign(says=rows["says"] - 0.3)


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
def _model(features: tuple[str, ...] = ("says",)) -> Model:
    coins = np.random.default_rng(0).integers(0, 2, (2, 100))
    frame = _frame(0.5 + 0.1 * coins[0], coins[1], np.arange(100) % 2)
    return EstimatorTrainer(Says()).train(_data(frame.assign(rival=0.5), features), PROBLEM)


def _frame(says: np.ndarray, late: np.ndarray, group: np.ndarray = GROUP) -> pd.DataFrame:
    names = np.where(group, "b", "a")
    return pd.DataFrame({"says": says, "late": np.asarray(late).astype(int), "group": names})


def _data(frame: pd.DataFrame, features: tuple[str, ...] = ("says",)) -> Any:
    return dataset_for(frame, PROBLEM).with_roles(features=features)


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


def _covers(rng: np.random.Generator, *, n_looks: int = LOOKS) -> bool:
    """Sets of .55 hold the truth always in one group, and in half of the rows of the other: the
    bound itself."""
    late = rng.integers(0, 2, N)
    held = ~GROUP | (_steered(rng, lambda m: float((m < 0)[GROUP].mean()) - 0.5) < 0)
    frame = _frame(np.where(held == (late == 1), 0.7, 0.3), late).assign(row=np.arange(N))
    validator = UncertaintyValidator(confidence=0.55, n_looks=n_looks)
    (found,) = _findings(validator, frame, name="coverage", of="group=b")
    return found.verdict is Verdict.PASS


def _robust(rng: np.random.Generator, *, n_looks: int = LOOKS) -> bool:
    """Half of the answers turn, which is the bound."""
    says = np.where(_steered(rng, lambda m: 0.5 - float((m < 0).mean())) < 0, 0.7, 0.9)
    validator = RobustnessValidator(probes=[Doubted()], max_flip_rows=0, n_looks=n_looks)
    (found,) = _findings(validator, _frame(says, rng.integers(0, 2, N)), name="Doubted")
    return found.verdict is Verdict.PASS


def _worthwhile(rng: np.random.Generator, *, n_looks: int = LOOKS) -> bool:
    """Fair coins: half of the alarms gain what the other half cost, as if there were none."""
    late = rng.integers(0, 2, N)
    says = special.expit(_steered(rng, lambda m: float((m > 0) @ (late - 0.5))))
    validator = ValueValidator(true_positive=1.0, false_positive=-1.0, n_looks=n_looks)
    (found,) = _findings(validator, _frame(says, late), name="value")
    return found.verdict is Verdict.PASS


def _fits(rng: np.random.Generator, *, n_looks: int = LOOKS) -> bool:
    """Fair coins, and a rival that knows them: the model is worse by the margin of a half."""
    late, columns = rng.integers(0, 2, N), ("says", "rival")
    says = special.expit(_steered(rng, lambda m: float(np.sign(m) @ (late - 0.5))))
    data = _data(_frame(says, late).assign(rival=0.25 + 0.5 * late), columns)
    rival = Says("rival")
    validator = FitValidator(simpler=rival, richer=rival, margin=0.5, n_folds=10, n_looks=n_looks)
    (found,) = validator.validate(_model(columns), data, PROBLEM).select(name="fit")
    return found.verdict is Verdict.PASS


def _bar(promise: str, trial: Any, **more: Any) -> Bar:
    return Bar(decision="several looks at the same rows", promise=promise, trial=trial, **more)


BARS = (
    _bar("called fair at the bound, the twelfth look", _fair, high=0.05, quick=10),
    _bar("called calibrated at the bound, the twelfth look", _calibrated, high=0.05, quick=10),
    _bar("called better than people who do as well, the same", _beats, high=0.05),
    _bar("a slice called worse that is not, the same", _worse_in_a_slice, high=0.05),
    _bar("promise of .1 broken by the routing, the same", _routed, high=0.05),
    _bar("a group called covered at the bound, the same", _covers, high=0.05, quick=10),
    _bar("called robust at the bound, the same", _robust, high=0.05, quick=10),
    _bar("called worth its cost that is not, the same", _worthwhile, high=0.05, quick=10),
    _bar("called fitted well at the margin, the same", _fits, high=0.05, quick=10),
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
    _bar("a group called covered at the bound, as if nobody had looked",
         partial(_covers, n_looks=1), low=0.08, warning=True),
    _bar("called robust at the bound, as if nobody had looked", partial(_robust, n_looks=1),
         low=0.3, warning=True),
    _bar("called worth its cost that is not, as if nobody had looked",
         partial(_worthwhile, n_looks=1), low=0.15, warning=True),
    _bar("called fitted well at the margin, as if nobody had looked",
         partial(_fits, n_looks=1), low=0.06, warning=True),
)  # fmt: skip

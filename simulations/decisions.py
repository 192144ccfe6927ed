"""What validators decide: slices, fairness, routing, the fit, and the worth of more data."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeClassifier

from mldeploy.data import dataset_for
from mldeploy.evidence import Verdict
from mldeploy.model import Model
from mldeploy.problem import Criterion, Judge, Problem, ReviewUncertain, ScoredRows, Task
from mldeploy.stats import fit_learning_curve, mean_interval, safe_threshold
from mldeploy.training import EstimatorTrainer
from mldeploy.validation import FitValidator, SliceValidator
from simulations._bar import Bar, Trial

UNITS = np.repeat(np.arange(60), 10)
SIZES = np.array([125, 250, 500, 1000, 2000, 4000])
CURVES = ((0.1, 2.0, 0.5), (0.2, 1.0, 0.3), (0.15, 5.0, 0.8), (0.1, 0.0, 0.5), (0.05, 20.0, 1.0))


class Oracle(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Answers what a column says, so that a simulation decides where the model is wrong."""

    def fit(self, X: pd.DataFrame, y: Any) -> Oracle:  # noqa: ARG002 - scikit-learn's
        """Learn the classes."""
        self.classes_ = np.unique(y)
        return self

    def predict(self, X: pd.DataFrame) -> Any:
        """Return the column."""
        return X["answer"].to_numpy()


def _problem(metric: str) -> Problem:
    return Problem(
        name="late",
        statement="Which flights land late?",
        target="late",
        positive=1,
        criteria=(Criterion(metric, at_least=0.6),),
    )


# --- slices ---------------------------------------------------------------------------------


def _answers(rng: np.random.Generator, n: int, *, bad: bool) -> pd.DataFrame:
    """Twelve columns; answers are right 85 times in 100, and 65 times where c2 is c."""
    frame = pd.DataFrame({f"x{i}": rng.normal(size=n) for i in range(6)})
    for i in range(6):
        frame[f"c{i}"] = rng.choice(list("abcd"), size=n, p=[0.4, 0.3, 0.2, 0.1])
    right = np.where(frame["c2"] == "c", 0.65 if bad else 0.85, 0.85)
    frame["late"] = rng.integers(0, 2, n)
    frame["answer"] = np.where(rng.random(n) < right, frame["late"], 1 - frame["late"])
    return frame


@cache
def _oracle() -> Model:
    frame = _answers(np.random.default_rng(0), 100, bad=False)
    problem = _problem("accuracy")
    return EstimatorTrainer(Oracle()).train(dataset_for(frame, problem), problem)


def _slices(rng: np.random.Generator, *, bad: bool) -> set[str | None]:
    problem, frame = _problem("accuracy"), _answers(rng, 4000, bad=bad)
    features = tuple(name for name in frame.columns if name not in {"late", "answer"})
    dataset = dataset_for(frame, problem).with_roles(features=features)
    report = SliceValidator().validate(_oracle(), dataset, problem)
    return {finding.slice for finding in report.select(name="accuracy gap")}


def _clean_slices(rng: np.random.Generator) -> bool:
    return bool(_slices(rng, bad=False))


def _bad_slice(rng: np.random.Generator) -> bool:
    return "c2=c" in _slices(rng, bad=True)


# --- fairness -------------------------------------------------------------------------------

GAP = Criterion("demographic_parity_difference", at_most=0.1, slices=["group"])
GROUPS = np.repeat(list("abc"), [400, 150, 60])


def _decided(rng: np.random.Generator, rates: dict[str, float]) -> ScoredRows:
    said = (rng.random(GROUPS.size) < [rates[g] for g in GROUPS]).astype(int)
    return ScoredRows(
        task=Task.BINARY,
        y_true=said,
        y_pred=said,
        columns={"group": GROUPS},
    )


def _equal_groups(rng: np.random.Generator) -> bool:
    """The largest true gap is the declared one exactly: a FAIL is false."""
    rows = _decided(rng, {"a": 0.4, "b": 0.4, "c": 0.3})
    return any(f.verdict is Verdict.FAIL for f in Judge(check="simulation").judge(GAP, rows))


def _unequal_groups(rng: np.random.Generator) -> bool:
    """Thirty points between the two larger groups: a PASS is false."""
    rows = _decided(rng, {"a": 0.5, "b": 0.2, "c": 0.35})
    return any(f.verdict is Verdict.FAIL for f in Judge(check="simulation").judge(GAP, rows))


def _four_fifths(rng: np.random.Generator) -> bool:
    """Rates are equal; the rule on points condemns a ratio below .8."""
    said = rng.random(GROUPS.size) < 0.3
    rates = [said[group == GROUPS].mean() for group in "abc"]
    return bool(min(rates) / max(rates) < 0.8)


# --- routing --------------------------------------------------------------------------------


def _unsure(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """1,000 answers that are right two points less often than they say."""
    confidence = rng.uniform(0.5, 1, size=1000)
    return confidence, rng.random(1000) < 1.02 - confidence


def _broken(threshold: float | None) -> bool:
    """The mean error from t on is 1.02 - (1 + t) / 2, above .1 below .84."""
    return threshold is not None and threshold < 0.84


def _routing(rng: np.random.Generator) -> bool:
    confidence, wrong = _unsure(rng)
    rows = ScoredRows(
        task=Task.BINARY,
        y_true=(~wrong).astype(int),
        y_pred=np.ones(1000, dtype=int),
        y_score=confidence,
    )
    routing = ReviewUncertain(max_error=0.1).calibrate(rows)
    return routing.coverage > 0 and _broken(routing.min_confidence)


def _safe(rng: np.random.Generator) -> bool:
    found = safe_threshold(*_unsure(rng), max_error=0.1)
    return _broken(found and found.threshold)


def _trusted(rng: np.random.Generator) -> bool:
    """The lowest threshold whose observed error keeps the promise."""
    confidence, wrong = _unsure(rng)
    order = np.argsort(-confidence)
    kept = np.flatnonzero(np.cumsum(wrong[order]) / np.arange(1, 1001) <= 0.1)
    return kept.size > 0 and _broken(float(confidence[order][kept[-1]]))


def _safe_units(rng: np.random.Generator) -> bool:
    """Rows of a unit share one fate, and .105 of the units are wrong throughout."""
    confidence, wrong = rng.random(600), (rng.random(60) < 0.105)[UNITS]
    found = safe_threshold(confidence, wrong, max_error=0.1, units=UNITS, n_candidates=20, rng=rng)
    return found is not None


# --- over- and underfit, more data ----------------------------------------------------------

RICHER = HistGradientBoostingClassifier(max_iter=40, max_leaf_nodes=8, random_state=0)
FITS = (
    (LogisticRegression(), False, "fine"),
    (DecisionTreeClassifier(random_state=0), False, "overfit"),
    (DecisionTreeClassifier(max_depth=1), False, "underfit"),
    (LogisticRegression(), True, "underfit"),
    (DecisionTreeClassifier(random_state=0), True, "overfit"),
    (RICHER, True, "fine"),
)


def _sums(rng: np.random.Generator, *, crossed: bool) -> pd.DataFrame:
    x = rng.normal(size=(3000, 4))
    eta = 4.0 * ((x[:, 0] > 0) ^ (x[:, 1] > 0)) - 2 if crossed else 1.5 * (x[:, 0] - x[:, 1])
    frame = pd.DataFrame(x, columns=list("abcd"))
    frame["late"] = (rng.random(3000) < 1 / (1 + np.exp(-eta))).astype(int)
    return frame


def _fit(rng: np.random.Generator) -> bool:
    """Labels that follow a sum, or that a sum cannot follow; one of six estimators."""
    estimator, crossed, diagnosis = FITS[rng.integers(len(FITS))]
    problem = _problem("roc_auc")
    train, test = (dataset_for(_sums(rng, crossed=crossed), problem) for _ in range(2))
    model = EstimatorTrainer(estimator, baselines={}).train(train, problem)
    report = FitValidator(richer=RICHER).validate(model, test, problem)
    return bool(report.select(name="fit")[0].details["diagnosis"] == diagnosis)


def _more_data(rng: np.random.Generator) -> bool:
    """Whether a clear question, four times the data for a point, is answered wrongly."""
    a, b, c = CURVES[rng.integers(len(CURVES))]
    spread = 0.01 * (SIZES / SIZES[-1]) ** -0.3
    errors = (a + b * SIZES**-c)[:, None] + rng.normal(size=(SIZES.size, 10)) * spread[:, None]
    answer = fit_learning_curve(SIZES, errors, rng=rng).decide(16_000, gain=0.01).answer
    truth = "yes" if b * (4000.0**-c - 16_000.0**-c) > 0.01 else "no"
    return answer not in {truth, "cannot tell"}


def _skewed_mean(rng: np.random.Generator) -> bool:
    return mean_interval(rng.exponential(size=200)).interval.contains(1.0)


def _bar(decision: str, promise: str, trial: Trial, **more: Any) -> Bar:
    return Bar(decision=decision, promise=promise, trial=trial, **more)


BARS = (
    _bar(
        "slices",
        "a model without bad slices gets one, 4,000 rows of 12 columns",
        _clean_slices,
        high=0.05,
    ),
    _bar(
        "slices",
        "a slice of 20 % that is 20 points worse is named",
        _bad_slice,
        low=0.95,
    ),
    _bar(
        "fairness",
        "a gap that is just allowed FAILs, groups of 400, 150 and 60",
        _equal_groups,
        high=0.05,
        quick=100,
    ),
    _bar(
        "fairness",
        "thirty points where ten are allowed FAIL",
        _unequal_groups,
        low=0.95,
        quick=100,
    ),
    _bar(
        "fairness",
        "four-fifths on points condemns equal groups",
        _four_fifths,
        low=0.25,
        high=0.8,
        quick=300,
        warning=True,
    ),
    _bar(
        "route to a person",
        "promise of .1 broken by ReviewUncertain, delta .05, 1,000 rows",
        _routing,
        high=0.05,
        quick=200,
    ),
    _bar(
        "route to a person",
        "promise of .1 broken by safe_threshold, the same",
        _safe,
        high=0.05,
        quick=300,
    ),
    _bar(
        "route to a person",
        "promise broken by the lowest threshold that kept it",
        _trusted,
        low=0.25,
        high=0.7,
        quick=300,
        warning=True,
    ),
    _bar(
        "route to a person",
        "broken where rows come in tens of one fate, by units",
        _safe_units,
        high=0.05,
        quick=60,
    ),
    _bar("over- or underfit", "the diagnosis is right, six estimators", _fit, low=0.95),
    _bar(
        "more data worth it?",
        "answered wrongly, noise of a point",
        _more_data,
        high=0.05,
        quick=40,
    ),
    _bar(
        "metric interval",
        "Student covers a mean of exponential errors, 200 rows",
        _skewed_mean,
        low=0.93,
        high=0.97,
        quick=400,
    ),
)

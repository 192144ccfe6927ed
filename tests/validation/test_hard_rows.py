"""Rows on which little can be said: a finding or a typed error, no warning, and no empty PASS."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin

from mldeploy.data import dataset_for
from mldeploy.errors import MLDeployError
from mldeploy.evidence import Finding, Severity, Verdict
from mldeploy.problem import Criterion, Problem
from mldeploy.validation import (
    AutonomyValidator,
    BaselineValidator,
    CalibrationValidator,
    CriteriaValidator,
    ExplanationValidator,
    FairnessValidator,
    LeakageValidator,
    RobustnessValidator,
    SliceValidator,
    StabilityValidator,
    UncertaintyValidator,
    Validator,
    ValueValidator,
)

VALIDATORS = (
    *(CriteriaValidator(), BaselineValidator(), SliceValidator(), AutonomyValidator()),
    *(FairnessValidator(), CalibrationValidator(), LeakageValidator(), UncertaintyValidator()),
    *(RobustnessValidator(max_flip_rows=20), ExplanationValidator()),
    *(StabilityValidator(n_seeds=2, n_folds=3), ValueValidator(true_positive=1.0, at_least=0.01)),
)


class Told(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Says the probability that stands in a column."""

    def fit(self, X: pd.DataFrame, y: Any, sample_weight: Any = None) -> Told:
        self.classes_ = np.array([0, 1])
        return self

    def predict(self, X: pd.DataFrame) -> Any:
        return (X["p"].to_numpy() > 0.5).astype(int)

    def predict_proba(self, X: pd.DataFrame) -> Any:
        p = X["p"].to_numpy()
        return np.column_stack([1 - p, p])


def ordinary(n: int = 200) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    p = rng.uniform(size=n)
    return pd.DataFrame(
        {"p": p, "x": rng.normal(size=n), "sex": rng.choice(["f", "m"], n), "w": 1.0,
         "u": np.arange(n), "late": (rng.random(n) < p).astype(int)}
    )  # fmt: skip


HARD = {
    "all of one class": ordinary().assign(late=1),
    "none of it": ordinary().assign(late=0),
    "perfect": ordinary().assign(p=lambda t: t["late"].astype(float)),
    "always wrong": ordinary().assign(p=lambda t: 1.0 - t["late"]),
    "constant": ordinary().assign(p=0.5),
    "ties everywhere": ordinary().assign(p=lambda t: t["p"].round(1), x=1.0),
    "NaN scores": ordinary().assign(p=np.nan),
    "a NaN score": ordinary().assign(p=lambda t: t["p"].where(t.index != 3)),
    "weights of zero": ordinary().assign(w=0.0),
    "many weights of zero": ordinary().assign(w=lambda t: (t.index < 5).astype(float)),
    "three rows": ordinary(3),
    "one row": ordinary(1),
    "a group of three": ordinary().assign(sex=lambda t: np.where(t.index < 3, "f", "m")),
    "no group": ordinary().assign(sex=None),
    "one unit": ordinary().assign(u=0),
}


@pytest.mark.parametrize("validator", VALIDATORS, ids=lambda v: type(v).__name__)
@pytest.mark.parametrize("name", HARD)
def test_hard_rows_are_judged_or_refused_in_words(
    make_model: Any, validator: Validator, name: str
) -> None:
    """Warnings are errors here, as everywhere in the tests."""
    frame = HARD[name]
    problem = Problem(
        name="late", statement="Late?", target="late", positive=1, features=["p", "x"],
        sensitive=["sex"], weight="w" if "weight" in name else None,
        unit="u" if "unit" in name else None,
        criteria=[Criterion("roc_auc", at_least=0.6), Criterion("recall", at_least=0.5)],
    )  # fmt: skip
    model = make_model(Told(), ordinary(), problem)

    try:
        report = validator.validate(model, dataset_for(frame, problem), problem)
    except MLDeployError:
        return

    assert all(isinstance(f, Finding) and f.summary for f in report.findings)
    empty = name in {"three rows", "one row", "weights of zero", "NaN scores"}
    judged = [f for f in report.findings if f.severity is not Severity.INFO]
    if empty:
        assert all(f.verdict is not Verdict.PASS for f in judged), [
            (f.name, f.summary) for f in judged if f.verdict is Verdict.PASS
        ]

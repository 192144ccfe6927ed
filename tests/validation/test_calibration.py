"""Probabilities that are right hold, wrong ones fail, and few rows are told so."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import special
from sklearn.base import BaseEstimator, ClassifierMixin

from mldeploy.data import dataset_for
from mldeploy.evidence import Report, Severity, Verdict
from mldeploy.problem import Criterion, Problem
from mldeploy.stats import cox_calibration, debiased_ece
from mldeploy.testing import ValidatorConformance
from mldeploy.validation import (
    CalibrationValidator,
    Validator,
    reliability_diagram,
    reliability_from,
)
from mldeploy.validation._calibration_fit import Promised, binned_error, cox_line


class Says(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Says the probability that stands in a column."""

    def fit(self, X: pd.DataFrame, y: Any) -> Says:
        self.classes_ = np.unique(y)
        return self

    def predict(self, X: pd.DataFrame) -> Any:
        return self.classes_[(X["p"].to_numpy() > 0.5).astype(int)]

    def predict_proba(self, X: pd.DataFrame) -> Any:
        p = X["p"].to_numpy()
        return np.column_stack([1 - p, p])


def promised(n: int, *, seed: int = 0, shift: float = 0.0, slope: float = 1.0) -> pd.DataFrame:
    """Probabilities, and what happens with the log odds shifted and stretched."""
    rng = np.random.default_rng(seed)
    p = rng.beta(1, 3, n)
    truth = special.expit(shift + slope * special.logit(p))
    return pd.DataFrame({"p": p, "late": (rng.random(n) < truth).astype(int)})


def plain(frame: pd.DataFrame, *, units: Any = None) -> Promised:
    n = len(frame)
    return Promised(
        y=frame["late"].to_numpy(float), p=frame["p"].to_numpy(), weight=np.ones(n),
        units=np.arange(n) if units is None else units, is_plain=units is None,
    )  # fmt: skip


@pytest.fixture
def judged(make_model: Any, make_problem: Any) -> Any:
    def judge(frame: pd.DataFrame, *, roles: Any = None, **settings: Any) -> Report:
        problem = make_problem(features=["p"], **(roles or {}))
        model = make_model(Says(), promised(50).assign(w=1.0, u=0), problem)
        data = dataset_for(frame, problem)
        return CalibrationValidator(**settings).validate(model, data, problem)

    return judge


def test_the_line_and_the_bins_are_those_of_the_statistics() -> None:
    frame = promised(3000)
    known, line = cox_calibration(frame["late"], frame["p"]), cox_line(plain(frame))

    assert (line.intercept, line.slope) == pytest.approx((known.intercept, known.slope), abs=1e-6)
    assert line.p_value == pytest.approx(known.p_value, abs=1e-6)
    off = promised(3000, shift=1.0)
    ours = binned_error(plain(off), n_bins=10, confidence=0.95)
    assert ours.value == pytest.approx(debiased_ece(off["late"], off["p"], n_bins=10), abs=2e-3)


@pytest.mark.parametrize(
    ("n", "shift", "slope", "verdict"),
    [
        (5000, 0.0, 1.0, "PASS"),
        (5000, 1.0, 1.0, "FAIL"),
        (5000, 0.0, 0.5, "FAIL"),
        (150, 0.0, 1.0, "INSUFFICIENT"),
    ],
)
def test_probabilities_hold_when_they_are_right_and_rows_suffice(
    judged: Any, n: int, shift: float, slope: float, verdict: str
) -> None:
    """Off by .17 with a shift of 1, by .10 with half the slope; 0.05 is allowed."""
    report = judged(promised(n, shift=shift, slope=slope))

    line, bins = report.findings
    assert str(line.verdict) == str(bins.verdict) == verdict
    assert line.interval is not None
    assert line.interval.contains(line.estimate)
    assert line.severity is Severity.WARNING
    assert (line.rows_needed is not None) == (verdict == "INSUFFICIENT")


def test_perfect_probabilities_are_not_condemned() -> None:
    """100 tables of 300 rows: none fails; by "ECE at most 0.05" 61 would."""
    n_failed = 0
    for seed in range(100):
        frame = promised(300, seed=seed)
        bins = binned_error(plain(frame), n_bins=10, confidence=0.95)
        line = cox_line(plain(frame))
        error = line.error(plain(frame), confidence=0.95, rng=np.random.default_rng(0))
        n_failed += bins.interval.low > 0.05 or (error.interval.low > 0.05 >= line.p_value)

    assert n_failed <= 2


def test_the_usual_error_is_told_beside_what_chance_gives_it(judged: Any) -> None:
    (finding,) = judged(promised(400)).select(name="expected_calibration_error")

    assert finding.details["ece"] > 0.02
    assert finding.details["null_ece"] == pytest.approx(finding.details["ece"], abs=0.03)
    assert finding.estimate < finding.details["ece"]


def test_rows_of_a_unit_tell_less_and_weightless_rows_nothing(judged: Any) -> None:
    once = promised(300)
    frame = pd.concat([once] * 10, ignore_index=True)
    frame["u"], frame["w"] = np.tile(np.arange(300), 10), np.repeat([1.0, 0.0], [300, 2700])

    alone, repeated, weighted = (
        judged(table, roles=roles).findings[0]
        for table, roles in ((once, {}), (frame, {"unit": "u"}), (frame, {"weight": "w"}))
    )

    assert repeated.interval.width == pytest.approx(alone.interval.width, rel=0.2)
    assert weighted.estimate == pytest.approx(alone.estimate, abs=1e-6)


@pytest.mark.parametrize(
    ("frame", "words"),
    [
        (promised(300).assign(late=0), "same outcome"),
        (promised(300).assign(p=0.3), "every probability is 0.3"),
        (promised(300).assign(p=lambda t: 0.1 + 0.8 * t["late"]), "separate the outcomes"),
        (promised(3), "3 rows are too few"),
    ],
    ids=["one class", "constant", "perfect", "three rows"],
)
def test_what_no_line_can_be_drawn_through_is_open(
    judged: Any, frame: pd.DataFrame, words: str
) -> None:
    report = judged(frame)

    assert report.findings[0].verdict is Verdict.INSUFFICIENT
    assert words in report.findings[0].summary


@pytest.mark.parametrize("score", [np.nan, 1.5, -0.1])
def test_scores_that_are_no_probabilities_fail(judged: Any, score: float) -> None:
    frame = promised(300)
    frame.loc[7, "p"] = score

    (finding,) = judged(frame).findings

    assert finding.verdict is Verdict.FAIL
    assert "1 of 300 scores are no probabilities" in finding.summary


def test_of_several_classes_the_answered_one_is_judged(make_model: Any) -> None:
    rng = np.random.default_rng(0)
    n = 4000
    p = rng.uniform(0.4, 1, n)
    truth = np.where(rng.random(n) < p, "a", rng.choice(["b", "c"], n))
    frame = pd.DataFrame({"p": p, "late": truth})
    problem = Problem(
        name="late", statement="When?", target="late", task="multiclass", features=["p"],
        criteria=[Criterion("accuracy", at_least=0.4)],
    )  # fmt: skip
    model = make_model(OfThree(), frame, problem)

    report = CalibrationValidator().validate(model, dataset_for(frame, problem), problem)

    assert {f.verdict for f in report.findings} == {Verdict.PASS}


class OfThree(Says):
    """Says "a" with the probability of a column, and shares the rest."""

    def predict(self, X: pd.DataFrame) -> Any:
        return np.full(len(X), "a")

    def predict_proba(self, X: pd.DataFrame) -> Any:
        p = X["p"].to_numpy()
        return np.column_stack([p, (1 - p) / 2, (1 - p) / 2])


def test_the_diagram_is_read_back_from_the_report(judged: Any) -> None:
    report = Report.model_validate_json(judged(promised(1000)).to_json())

    curve = reliability_from(report)

    assert curve is not None
    assert len(curve.bins) == 10
    assert sum(b.observed.n for b in curve.bins) == 1000
    assert reliability_diagram(curve).to_svg().startswith("<svg")


@pytest.mark.slow
class TestCalibrationValidator(ValidatorConformance):
    @pytest.fixture
    def validator(self) -> Validator:
        return CalibrationValidator()

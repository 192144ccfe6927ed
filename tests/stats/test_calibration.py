"""Are probabilities what they say."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import brier_score_loss

from mldeploy.stats import (
    brier,
    cox_calibration,
    debiased_ece,
    null_ece,
    reliability_curve,
)

seeds = st.integers(0, 1000)


@given(seeds)
def test_brier_equals_scikit_learns_with_and_without_weights(seed: int) -> None:
    rng = np.random.default_rng(seed)
    y, p, weight = np.arange(30) % 2, rng.random(30), rng.random(30)

    assert brier(y, p) == pytest.approx(brier_score_loss(y, p))
    assert brier(y, p, weight) == pytest.approx(brier_score_loss(y, p, sample_weight=weight))


def test_cox_matches_the_values_worked_by_hand() -> None:
    """Two probabilities, two shares: the line through (logit .25, logit .5) and (logit .75,
    logit .75) has slope 1.0986 / 2.1972 = .5 and intercept .5493. The likelihood ratio is
    2 * 40 * (.5 ln(.5 / .25) + .5 ln(.5 / .75)) = 11.507, p = exp(-5.7536) = .00317."""
    p = np.repeat([0.25, 0.75], 40)
    y = np.repeat([1, 0, 1, 0], [20, 20, 30, 10])

    result = cox_calibration(y, p)

    assert (result.intercept, result.slope) == pytest.approx((0.54931, 0.5), abs=1e-4)
    assert result.statistic == pytest.approx(11.507, abs=1e-3)
    assert result.p_value == pytest.approx(0.00317, abs=1e-5)


@settings(max_examples=10, deadline=None)
@given(seeds)
def test_cox_agrees_with_an_unpenalised_logistic_regression(seed: int) -> None:
    rng = np.random.default_rng(seed)
    p = rng.beta(2, 3, size=200)
    y = rng.random(200) < np.clip(p * 1.2, 0, 1)
    logit = np.log(p / (1 - p))[:, None]
    theirs = LogisticRegression(C=np.inf, tol=1e-9, max_iter=1000).fit(logit, y)

    ours = cox_calibration(y, p)

    assert ours.slope == pytest.approx(theirs.coef_[0, 0], abs=1e-4)
    assert ours.intercept == pytest.approx(theirs.intercept_[0], abs=1e-4)


def test_perfect_probabilities_are_rarely_condemned() -> None:
    """400 samples of 300 rows; at a rate of .05 more than 37 have probability .0001."""
    rng, condemned = np.random.default_rng(0), 0
    for _ in range(400):
        p = rng.beta(1, 3, size=300)
        condemned += cox_calibration(rng.random(300) < p, p).p_value <= 0.05

    assert condemned <= 37


def test_too_extreme_probabilities_are_found() -> None:
    """Log odds twice too large on 1,000 rows: slope .5, found in every one of 50 samples."""
    rng, p_values = np.random.default_rng(1), []
    for _ in range(50):
        logit = rng.normal(size=1000)
        y = rng.random(1000) < 1 / (1 + np.exp(-logit))
        p_values.append(cox_calibration(y, 1 / (1 + np.exp(-2 * logit))).p_value)

    assert max(p_values) < 0.001


def test_debiased_error_matches_the_value_worked_by_hand() -> None:
    """Gaps 0 and .4; noise .09 / 99 and .25 / 99: (-.000909 + .157475) / 2 = .078283."""
    y = np.repeat([0, 1, 0, 1], [90, 10, 50, 50])
    p = np.repeat([0.1, 0.9], [100, 100])

    assert debiased_ece(y, p, n_bins=2) == pytest.approx(math.sqrt(0.078283), abs=1e-5)


def test_perfect_probabilities_have_the_null_error_and_no_debiased_one() -> None:
    """400 samples of 300 rows; the mean of the plain error has a standard error of .0008."""
    rng, plain, debiased, over = np.random.default_rng(2), [], [], 0
    for _ in range(400):
        p = np.sort(rng.random(300))
        y = rng.random(300) < p
        gaps = [abs(np.mean(y[b]) - np.mean(p[b])) for b in np.split(np.arange(300), 15)]
        plain.append(np.mean(gaps))
        debiased.append(debiased_ece(y, p))
        over += plain[-1] > 0.05

    assert np.mean(plain) == pytest.approx(null_ece(p), abs=0.004)
    assert np.mean(debiased) < null_ece(p) / 2
    assert over / 400 > 0.6, "the usual cut-off condemns most perfect models"


def test_curve_has_bins_of_equal_size_with_wilson_intervals() -> None:
    p = np.linspace(0, 1, 100)
    y = p > 0.5

    curve = reliability_curve(y, p, n_bins=4)

    assert [b.observed.n for b in curve.bins] == [25] * 4
    assert [b.observed.value for b in curve.bins] == [0, 0, 1, 1]
    assert curve.bins[0].low == 0
    assert curve.bins[-1].high == 1
    assert curve.bins[0].observed.interval.high == pytest.approx(0.1332, abs=5e-4)
    assert type(curve).model_validate_json(curve.to_json()) == curve


@pytest.mark.parametrize("call", [brier, cox_calibration, debiased_ece, reliability_curve])
def test_bad_input_is_refused_with_a_reason(call: object) -> None:
    assert callable(call)
    for y, p, reason in (
        ([], [], "empty"),
        ([0, 1], [0.5, math.nan], "NaN"),
        ([0, 1], [0.5, 1.5], "outside"),
        ([0, 3], [0.5, 0.5], "other than 0 and 1"),
        ([0, 1], [0.5], "expected"),
    ):
        with pytest.raises(ValueError, match=reason):
            call(y, p)


def test_what_cannot_be_judged_is_refused() -> None:
    for call, reason in (
        (lambda: cox_calibration([1, 1], [0.5, 0.6]), "only one"),
        (lambda: cox_calibration([0, 1], [0.5, 0.5]), "fixes no slope"),
        (lambda: cox_calibration([0, 0, 1, 1], [0.1, 0.2, 0.3, 0.4]), "separate"),
        (lambda: cox_calibration([1, 1, 0, 0], [0.1, 0.2, 0.3, 0.4]), "separate"),
        (lambda: debiased_ece([0, 1], [0.5, 0.5], n_bins=2), "fewer bins"),
        (lambda: null_ece([0.5], n_bins=2), "fewer bins"),
        (lambda: null_ece([1.5], n_bins=1), "outside"),
        (lambda: reliability_curve([0, 1], [0.5, 0.5], n_bins=0), "fewer bins"),
        (lambda: reliability_curve([0, 1], [0.5, 0.5], n_bins=1, confidence=9), "is no level"),
        (lambda: brier([0, 1], [0.5, 0.5], [0, 0]), "sample_weight"),
    ):
        with pytest.raises(ValueError, match=reason):
            call()


def test_probabilities_of_zero_and_one_are_taken_as_nearly_so() -> None:
    y = np.array([0, 1, 0, 1, 1, 0])

    result = cox_calibration(y, [0.0, 1.0, 1.0, 0.0, 0.6, 0.4])

    assert math.isfinite(result.slope)
    assert result.p_value < 0.001

"""Learners compared over repeated cross-validation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats as reference
from sklearn.datasets import make_moons
from sklearn.model_selection import RepeatedStratifiedKFold, cross_val_score
from sklearn.svm import SVC

from mldeploy.stats import corrected_resampled_t


def test_statistic_matches_the_value_worked_by_hand() -> None:
    """Mean .2, variance .01, factor 1/3 + 1/9 = 4/9: t = .2 / (.1 * 2/3) = 3 with 2 degrees
    of freedom, whose two-sided p is 1 - 3 / sqrt(11) = .09546."""
    comparison = corrected_resampled_t([0.1, 0.2, 0.3], n_train=90, n_test=10)

    assert comparison.p_value == pytest.approx(1 - 3 / np.sqrt(11))
    assert comparison.interval.low == pytest.approx(0.2 - 4.30265 * 0.2 / 3, abs=1e-5)


def test_scikit_learns_gallery_example_is_reproduced() -> None:
    """ "Statistical comparison of models using grid search": t = .750, one-sided p = .227 for
    the two best kernels, ten times ten folds of 100 rows."""
    X, y = make_moons(noise=0.352, random_state=1, n_samples=100)
    folds = RepeatedStratifiedKFold(n_splits=10, n_repeats=10, random_state=0)
    rbf, linear = (
        cross_val_score(SVC(kernel=kernel, random_state=0), X, y, scoring="roc_auc", cv=folds)
        for kernel in ("rbf", "linear")
    )

    comparison = corrected_resampled_t(rbf - linear, n_train=90, n_test=10)

    assert comparison.p_value / 2 == pytest.approx(0.227, abs=5e-4)
    assert reference.t.isf(comparison.p_value / 2, 99) == pytest.approx(0.750, abs=5e-4)


def test_equal_folds_are_no_difference_and_a_constant_one_is_certain() -> None:
    same = corrected_resampled_t([0.0, 0.0], n_train=9, n_test=1)
    shifted = corrected_resampled_t([0.5, 0.5], n_train=9, n_test=1)

    assert (same.p_value, same.interval.width) == (1, 0)
    assert (shifted.p_value, shifted.difference) == (0, 0.5)


def test_equal_learners_are_rarely_told_apart_where_the_naive_test_often_does() -> None:
    """200 data sets of 100 rows with two features that are alike: each learner cuts between
    the class means of one of them, so neither is better. Ten times ten folds.

    More than 22 claims at a rate of .05 have probability .0001.
    """
    rng, n = np.random.default_rng(0), 100
    y = np.arange(n) % 2
    corrected = naive = 0
    for _ in range(200):
        x = rng.normal(size=(n, 2)) + y[:, None]
        order = np.array([rng.permutation(n) for _ in range(10)])
        tested = np.zeros((100, n), dtype=bool)
        np.put_along_axis(tested, order.reshape(100, 10), True, axis=1)
        trained = ~tested
        means = [
            trained[:, y == c] @ x[y == c] / trained[:, y == c].sum(1)[:, None] for c in (0, 1)
        ]
        right = (x[None] > (means[0] + means[1])[:, None] / 2) == (y[None, :, None] == 1)
        scores = (right * tested[:, :, None]).sum(axis=1) / 10
        difference = scores[:, 0] - scores[:, 1]
        corrected += corrected_resampled_t(difference, n_train=90, n_test=10).p_value <= 0.05
        naive += reference.ttest_1samp(difference, 0).pvalue <= 0.05

    assert corrected <= 22
    assert naive > 60


def test_bad_input_is_refused_with_a_reason() -> None:
    for differences, n_train, n_test, reason in (
        ([0.1], 9, 1, "one fold"),
        ([0.1, float("nan")], 9, 1, "NaN"),
        ([0.1, 0.2], 0, 1, "n_train=0"),
        ([], 9, 1, "empty"),
    ):
        with pytest.raises(ValueError, match=reason):
            corrected_resampled_t(differences, n_train=n_train, n_test=n_test)

"""Shares of classes without labels, probabilities set right, and metrics without labels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, f1_score, precision_score, recall_score, roc_auc_score

from mldeploy.errors import EmptyDataError, InvalidDataError
from mldeploy.stats import adjust_prior, cbpe, cox_calibration, label_shift, recalibrate

seeds = st.integers(0, 10_000)


@dataclass(frozen=True)
class Rows:
    """Labelled reference rows and current rows, whose labels only the test knows."""

    y: np.ndarray
    said: np.ndarray
    later: np.ndarray
    says: np.ndarray


def shifted(
    rng: np.random.Generator, *, n: int = 2000, share: float = 0.5, moved: float = 0.0
) -> Rows:
    """Two normal classes 2 sd apart, a fifth positive, said 1.5 times too surely; then `share`
    are positive, and the negatives have moved by `moved` sd."""
    y, later = rng.random(n) < 0.2, rng.random(n) < share
    x, now = rng.normal(size=n) + 2.0 * y, rng.normal(size=n) + np.where(later, 2.0, moved)
    said, says = (special.expit(1.5 * (2 * v - 2 + np.log(0.25))) for v in (x, now))
    return Rows(y=y, said=said, later=later, says=says)


def test_a_known_mixture_is_solved_by_hand() -> None:
    """Scores of .8 and .2 only: positives .8, negatives .2 have the high one. 56 % of current
    rows have it: .2 + .6 pi = .56, pi = .6."""
    y = np.repeat([1, 1, 0, 0], [80, 20, 20, 80])
    said = np.repeat([0.8, 0.2, 0.8, 0.2], [80, 20, 20, 80])

    found = label_shift(y, said, np.repeat([0.8, 0.2], [56, 44]))

    assert found.prior[1].value == pytest.approx(0.6, abs=1e-5)
    assert found.check[1] == pytest.approx(0.6, abs=1e-5)
    assert found.reference_prior == (0.5, 0.5)
    assert found.p_value == 1.0


@pytest.mark.slow
def test_shares_sum_to_one_and_intervals_cover() -> None:
    """50 samples: 41 of them covered or fewer have probability 8e-4 at .95."""
    rng, covered, refused = np.random.default_rng(0), 0, 0
    for _ in range(50):
        rows = shifted(rng, n=800)
        found = label_shift(rows.y, rows.said, rows.says)
        refused += found.refused
        assert sum(e.value for e in found.prior) == pytest.approx(0 if found.refused else 1)
        covered += not found.refused and found.prior[1].interval.contains(0.5)

    assert refused <= 3
    assert covered >= 42 - refused


def test_a_class_that_moved_is_refused() -> None:
    """Negatives moved by 1 sd lie where neither class was: 4,000 rows show it each time."""
    rng = np.random.default_rng(1)
    for _ in range(10):
        rows = shifted(rng, n=4000, share=0.2, moved=1.0)
        found = label_shift(rows.y, rows.said, rows.says)

        assert found.refused
        assert found.prior == ()
        assert found.misfit > 0.02


def test_one_row_tells_nothing_and_none_of_a_class_leaves_room_above() -> None:
    rng = np.random.default_rng(8)
    rows = shifted(rng, n=1000, share=0.0)

    (single,) = (e for e in label_shift(rows.y, rows.said, [0.3]).prior[1:])
    none = label_shift(rows.y, rows.said, rows.says).prior[1]

    assert (single.interval.low, single.interval.high) == (0, 1)
    assert none.interval.low == pytest.approx(0, abs=1e-6)
    assert 0.001 < none.interval.high < 0.1


def test_three_classes_are_told_apart() -> None:
    """Normal classes in the plane; 4,000 rows: standard errors of about .013, four of them."""
    rng, means = np.random.default_rng(2), np.array([[0.0, 0.0], [2.0, 0.0], [0.0, 2.0]])
    y, later = rng.choice(3, 4000, p=[0.5, 0.3, 0.2]), rng.choice(3, 4000, p=[0.2, 0.3, 0.5])
    said, says = (
        special.softmax(
            -((means[k] + rng.normal(size=(4000, 2)))[:, None] - means).__pow__(2).sum(axis=2) / 2
            + np.log([0.5, 0.3, 0.2]),
            axis=1,
        )
        for k in (y, later)
    )

    found = label_shift(y, said, says)

    assert [e.value for e in found.prior] == pytest.approx([0.2, 0.3, 0.5], abs=0.052)
    assert found.check == pytest.approx((0.2, 0.3, 0.5), abs=0.052)


def test_repeated_rows_widen_nothing_when_they_are_units() -> None:
    rows = shifted(np.random.default_rng(3), n=400)
    once = label_shift(rows.y, rows.said, rows.says)
    units = np.repeat(np.arange(400), 5)
    often = label_shift(
        *(np.repeat(part, 5) for part in (rows.y, rows.said, rows.says)),
        reference_units=units,
        current_units=units + 400,
    )

    assert often.prior[1].n == 400
    assert often.prior[1].value == pytest.approx(once.prior[1].value, abs=1e-5)
    assert often.prior[1].interval.width == pytest.approx(once.prior[1].interval.width, rel=0.02)


@given(seeds)
def test_recalibration_is_coxs_and_averages_to_the_shares(seed: int) -> None:
    rng = np.random.default_rng(seed)
    p = rng.beta(1, 2, size=300)
    y = (rng.random(300) < p).astype(int)
    cox, right = cox_calibration(y, p), recalibrate(y, p)

    assert right.slope == pytest.approx(cox.slope, abs=1e-3)
    assert right.biases[1] == pytest.approx(cox.intercept, abs=1e-3)
    assert right.apply(p).mean(axis=0) == pytest.approx(right.prior, abs=1e-5)


def test_recalibration_of_separated_classes_stays_finite() -> None:
    right = recalibrate([0, 0, 1, 1], [0.1, 0.2, 0.8, 0.9])

    assert np.isfinite(right.apply([0.0, 0.5, 1.0])).all()


def test_prior_is_turned_by_bayes_rule_and_back() -> None:
    p = np.random.default_rng(0).dirichlet([1, 2, 3], size=20)
    before, after = [0.2, 0.3, 0.5], [0.6, 0.3, 0.1]

    turned = adjust_prior(p, before=before, after=after)

    assert turned[:, 0] / turned[:, 2] == pytest.approx(p[:, 0] / p[:, 2] * (0.6 / 0.2) * 5)
    assert adjust_prior(turned, before=after, after=before) == pytest.approx(p)


def test_metrics_without_labels_worked_by_hand() -> None:
    """Calibrated .8 and .2, 60 and 40 rows: tp 48, fp 12, fn 8, tn 32. A pair of rows ranks
    right with 48 * 32 + (48 * 12 + 8 * 32 - 40 * .16) / 2 and so on: see the sums."""
    y = np.repeat([1, 1, 0, 0], [80, 20, 20, 80])
    said = np.repeat([0.8, 0.2, 0.8, 0.2], [80, 20, 20, 80])

    found = cbpe(y, said, np.repeat([0.8, 0.2], [60, 40]))

    assert found.precision is not None
    assert found.recall is not None
    assert found.f1 is not None
    assert found.roc_auc is not None
    assert found.accuracy.value == pytest.approx(0.8, abs=1e-5)
    assert found.precision.value == pytest.approx(48 / 60, abs=1e-5)
    assert found.recall.value == pytest.approx(48 / 56, abs=1e-5)
    assert found.f1.value == pytest.approx(96 / 116, abs=1e-5)
    own = 100 * 0.16
    right = 48 * 32 + (48 * 12 + 8 * 32 - own) / 2
    assert found.roc_auc.value == pytest.approx(right / (56 * 44 - own), abs=1e-5)


@pytest.mark.slow
def test_intervals_cover_what_the_labels_show_on_other_rows() -> None:
    """Covariate shift and probabilities that are too extreme. 30 samples, five metrics each:
    of one metric 23 or fewer covered have probability 6e-4 at .95."""
    rng, n_covered = np.random.default_rng(4), dict.fromkeys(METRICS, 0)
    for _ in range(30):
        x, now = rng.normal(size=1500), rng.normal(0.6, 1.3, size=1500)
        y, later = (rng.random(1500) < special.expit(1.5 * v - 1) for v in (x, now))
        said, says = (special.expit(2.2 * v - 1.2) for v in (x, now))
        found = cbpe(y, said, says)
        for name, metric in METRICS.items():
            shown = metric(later, says if name == "roc_auc" else says >= 0.5)
            n_covered[name] += getattr(found, name).interval.contains(shown)

    assert min(n_covered.values()) >= 24


METRICS = {
    "accuracy": accuracy_score,
    "precision": precision_score,
    "recall": recall_score,
    "f1": f1_score,
    "roc_auc": roc_auc_score,
}


def test_a_changed_concept_misleads_as_its_docstring_says() -> None:
    """Labels turned for half of the rows: the estimate stays, the truth is .5."""
    rng = np.random.default_rng(5)
    p = rng.beta(0.5, 0.5, size=2000)

    found = cbpe(rng.random(2000) < p, p, p)

    assert found.accuracy.value > 0.7


def test_what_is_undefined_is_left_out() -> None:
    y, p = np.arange(100) % 2, np.linspace(0.01, 0.4, 100)

    found = cbpe(y, p, p)

    assert found.precision is None
    assert found.recall is not None
    assert found.recall.value == 0
    assert cbpe(y, p, [0.5]).roc_auc is None


@pytest.mark.parametrize("constant", [0.0, 0.5, 1.0])
def test_constant_probabilities_tell_no_shares_and_raise_no_warning(constant: float) -> None:
    y = np.arange(200) % 2

    found = label_shift(y, np.full(200, constant), np.full(300, constant))

    assert (found.prior[1].interval.low, found.prior[1].interval.high) == (0, 1)
    assert found.check[1] == pytest.approx(0.5, abs=0.01)


def test_logistic_probabilities_need_no_recalibration() -> None:
    rng = np.random.default_rng(6)
    X = rng.normal(size=(3000, 2))
    y = rng.random(3000) < special.expit(X @ [1.0, -1.0])
    p = LogisticRegression(C=1e6).fit(X, y).predict_proba(X)

    assert recalibrate(y, p).slope == pytest.approx(1, abs=1e-2)


def test_nonsense_is_refused() -> None:
    good = [0.2, 0.8, 0.4]
    with pytest.raises(InvalidDataError, match="no rows"):
        label_shift([0, 0, 0], good, good)
    with pytest.raises(InvalidDataError, match="columns of their classes"):
        label_shift([0, 1, 2], good, good)
    with pytest.raises(InvalidDataError, match=r"\[0, 1\]"):
        label_shift([0, 1, 1], [0.2, np.nan, 0.4], good)
    with pytest.raises(InvalidDataError, match=r"\[0, 1\]"):
        cbpe([0, 1, 1], good, [1.2])
    with pytest.raises(EmptyDataError):
        cbpe([0, 1, 1], good, [])
    with pytest.raises(InvalidDataError, match="both, or neither"):
        label_shift([0, 1, 1], good, good, reference_units=[1, 2, 3])
    with pytest.raises(InvalidDataError, match="a unit for each"):
        label_shift([0, 1, 1], good, good, reference_units=[1], current_units=[1])
    with pytest.raises(InvalidDataError, match="a column for each"):
        label_shift([0, 1, 1], good, [[0.2, 0.3, 0.5]])
    with pytest.raises(InvalidDataError, match="one per row"):
        recalibrate([0, 1], good)
    with pytest.raises(InvalidDataError, match="no number"):
        recalibrate([0, 1], ["a", "b"])
    with pytest.raises(InvalidDataError, match="shares"):
        adjust_prior(good, before=[0.5, 0.5], after=[1.0])
    with pytest.raises(InvalidDataError, match="negative"):
        adjust_prior(good, before=[0.0, 1.0], after=[0.5, 0.5])

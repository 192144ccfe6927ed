"""The area under the ROC curve, its intervals, and paired comparisons of two."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special
from sklearn.metrics import roc_auc_score

from mldeploy.stats import delong, delong_difference, roc_auc

seeds = st.integers(0, 10_000)


def sample(seed: int, *, n: int = 40, ties: int = 8) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, n)
    y[:2] = [0, 1]
    return y, rng.integers(0, ties, n).astype(float), rng.random(n)


@given(seeds)
def test_area_equals_scikit_learns_with_and_without_weights(seed: int) -> None:
    y, score, weight = sample(seed)

    assert roc_auc(y, score) == pytest.approx(roc_auc_score(y, score))
    assert roc_auc(y, score, weight) == pytest.approx(
        roc_auc_score(y, score, sample_weight=weight)
    )


@given(seeds)
def test_area_ignores_the_scale_and_mirrors_with_the_sign(seed: int) -> None:
    y, score, _ = sample(seed)

    assert roc_auc(y, np.exp(score)) == pytest.approx(roc_auc(y, score))
    assert roc_auc(y, -score) == pytest.approx(1 - roc_auc(y, score))


@given(seeds)
def test_a_weight_of_two_is_a_row_twice(seed: int) -> None:
    y, score, weight = sample(seed)
    times = np.r_[1, 1, np.floor(weight[2:] * 4).astype(int)]

    assert roc_auc(y, score, times) == pytest.approx(
        roc_auc(np.repeat(y, times), np.repeat(score, times))
    )


def test_delong_matches_the_value_worked_by_hand() -> None:
    """Placements 2/3, 1, 1 on both sides: variance 2 * (0.0741 / 2) / 3 = 0.02469, so the
    logit 2.0794 +- 1.96 * 0.15713 / 0.09877 = 3.1183."""
    estimate = delong([0, 0, 0, 1, 1, 1], [1, 2, 4, 3, 5, 6])

    assert estimate.value == pytest.approx(8 / 9)
    assert special.logit(estimate.interval.low) == pytest.approx(2.0794 - 3.1182, abs=5e-4)
    assert special.logit(estimate.interval.high) == pytest.approx(2.0794 + 3.1182, abs=5e-4)


def test_delong_difference_matches_the_value_worked_by_hand() -> None:
    """Areas .9375 and .6875; placements differ by 0, 0, 1, 0 over the positives (variance
    .25) and by .25 over every negative (variance 0): z = .25 / sqrt(.25 / 4) = 1."""
    y = [0, 0, 0, 0, 1, 1, 1, 1]

    comparison = delong_difference(y, [1, 2, 3, 5, 4, 6, 7, 8], [1, 2, 3, 5, 4, 6, 0, 8])

    assert comparison.difference == pytest.approx(0.25)
    assert comparison.p_value == pytest.approx(0.3173, abs=5e-5)


def formula_rows() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """400 labels and two scores by a formula, so that any package can be given the same."""
    k = np.arange(400)
    y = ((k * k * 7 + k) % 11 < 4).astype(int)
    return y, (k * 37 % 101) / 101 + 0.35 * y, ((k * 53 + 17) % 97) / 97 + 0.2 * y


@pytest.mark.parametrize(
    ("decimals", "z", "p_value", "areas", "variance"),
    [
        (
            9,
            -3.5996911225970356,
            0.0003185953959082198,
            (0.7579588791245233, 0.583651135798375),
            0.0023447842412030553,
        ),
        (
            1,
            -3.597299047897651,
            0.0003215387341700043,
            (0.7544354170121041, 0.5819101309898856),
            0.0023001302343158793,
        ),
    ],
)
def test_delong_is_that_of_an_independent_package_to_nine_digits(
    decimals: int, z: float, p_value: float, areas: tuple[float, float], variance: float
) -> None:
    """MLstatkit 0.1.91, Delong_test: statistic, p-value, areas, variance; then with ties."""
    y, a, b = formula_rows()
    a, b = a.round(decimals), b.round(decimals)

    found = delong_difference(y, a, b)

    assert (delong(y, a).value, delong(y, b).value) == pytest.approx(areas, abs=1e-9)
    assert found.p_value == pytest.approx(p_value, rel=1e-9)
    half = found.interval.width / 2
    assert (half / special.ndtri(0.975)) ** 2 == pytest.approx(variance, rel=1e-9)
    assert found.difference / (half / special.ndtri(0.975)) == pytest.approx(-z, rel=1e-9)


@given(seeds)
def test_delong_difference_is_antisymmetric_and_agrees_with_its_interval(seed: int) -> None:
    y, score, other = sample(seed)

    ab, ba = delong_difference(y, score, other), delong_difference(y, other, score)

    assert ab.difference == pytest.approx(roc_auc(y, score) - roc_auc(y, other))
    assert ab.difference == pytest.approx(-ba.difference)
    assert ab.interval.low == pytest.approx(-ba.interval.high)
    assert ab.p_value == pytest.approx(ba.p_value)
    if ab.interval.low > -1 and ab.interval.high < 1:
        assert (ab.p_value <= 0.05) == (not ab.interval.contains(0))


@given(seeds, st.integers(1, 40))
def test_the_interval_is_never_nan_nor_of_zero_width(seed: int, n_levels: int) -> None:
    y, score, _ = sample(seed, n=12, ties=n_levels)

    estimate = delong(y, score)

    assert 0 <= estimate.interval.low <= estimate.value <= estimate.interval.high <= 1
    assert estimate.interval.width > 0.01


@pytest.mark.parametrize(
    ("y", "score"),
    [
        ([0, 1], [1, 2]),
        ([0, 1], [2, 1]),
        ([0, 0, 1, 1], [1, 1, 1, 1]),
        ([0] * 50 + [1], range(51)),
    ],
)
def test_edges_of_the_area_keep_an_honest_interval(y: list[int], score: list[float]) -> None:
    estimate = delong(y, score)

    assert estimate.interval.contains(estimate.value)
    assert estimate.interval.width > 0.05
    assert estimate.method == "Newcombe score"


def test_two_perfect_models_are_not_known_to_be_equal() -> None:
    """Few rows that both rank perfectly leave room for a difference; one model does not."""
    y = [0, 0, 1, 1]

    unlike = delong_difference(y, [0, 1, 2, 3], [0, 1, 2, 9])
    same = delong_difference(y, [0, 1, 2, 3], [0, 1, 2, 3])

    assert unlike.interval.low < -0.3
    assert unlike.interval.high > 0.3
    assert (same.interval.low, same.interval.high, same.p_value) == (0, 0, 1)


def test_units_of_one_row_change_almost_nothing() -> None:
    y, _, score = sample(3, n=2000)

    rows, units = delong(y, score), delong(y, score, units=np.arange(2000))

    assert units.value == rows.value
    assert units.interval.low == pytest.approx(rows.interval.low, abs=2e-4)


def test_repeating_every_row_leaves_the_clustered_interval_alone() -> None:
    y, _, score = sample(5, n=200)
    thrice = np.repeat(np.arange(200), 3)

    once = delong(y, score, units=np.arange(200))
    again = delong(y[thrice], score[thrice], units=thrice)

    assert again.interval.low == pytest.approx(once.interval.low)
    assert again.n == 200


@pytest.mark.parametrize("call", [roc_auc, delong])
def test_bad_input_is_refused_with_a_reason(call: object) -> None:
    assert callable(call)
    for y, score, reason in (
        ([], [], "empty"),
        ([1, 1], [0.1, 0.2], "only one"),
        ([0, 2], [0.1, 0.2], "other than 0 and 1"),
        ([0, 1], [0.1, math.nan], "NaN"),
        ([0, 1], [0.1], "expected"),
    ):
        with pytest.raises(ValueError, match=reason):
            call(y, score)


def test_bad_weights_units_and_levels_are_refused() -> None:
    with pytest.raises(ValueError, match="negative"):
        roc_auc([0, 1], [0, 1], [1, -1])
    with pytest.raises(ValueError, match="one unit"):
        delong([0, 1, 0, 1], [1, 2, 3, 4], units=["a"] * 4)
    with pytest.raises(ValueError, match="units has shape"):
        delong([0, 1, 0, 1], [1, 2, 3, 4], units=["a"])
    with pytest.raises(ValueError, match="is no level"):
        delong([0, 1], [1, 2], confidence=95)
    with pytest.raises(ValueError, match="one row only"):
        delong_difference([0, 1, 1], [1, 2, 3], [1, 2, 3])


def test_delong_covers_what_it_promises() -> None:
    """1,500 samples of 150 rows; at a true .95 the share strays .02 with probability 4e-4."""
    rng = np.random.default_rng(1)
    truth = special.ndtr(1 / math.sqrt(2))
    hits = 0
    for _ in range(1500):
        y = np.arange(150) < 45
        hits += delong(y, rng.normal(size=150) + y).interval.contains(truth)

    assert 0.93 <= hits / 1500 <= 0.97


def test_clustered_delong_covers_where_rows_of_a_unit_are_alike() -> None:
    """600 samples of 60 units of ten, a shared effect of sd 1 each on score and class.

    At a true .95 the share falls below .92 with probability 4e-4. Rows taken for
    independent must be seen to fail, or the units would not matter here.
    """
    rng, hits, naive, units = np.random.default_rng(2), 0, 0, np.repeat(np.arange(60), 10)
    # Truth by one large sample of the same kind: 2 million rows, off by less than .001.
    truth = roc_auc(*_clumped(rng, n_units=200_000))
    for _ in range(600):
        y, score = _clumped(rng, n_units=60)
        hits += delong(y, score, units=units).interval.contains(truth)
        naive += delong(y, score).interval.contains(truth)

    assert 0.92 <= hits / 600 <= 0.98
    assert naive / 600 < 0.85


def test_delong_difference_keeps_its_error_rate() -> None:
    """1,500 samples of two equally good models; 119 alarms or more at a rate of .06 have
    probability .001."""
    rng = np.random.default_rng(3)
    y = np.arange(200) < 60
    alarms = 0
    for _ in range(1500):
        signal = rng.normal(size=200) + 1.5 * y
        a, b = signal + rng.normal(size=(2, 200))
        alarms += delong_difference(y, a, b).p_value <= 0.05

    assert alarms / 1500 <= 0.06 + 0.0194


def _clumped(rng: np.random.Generator, *, n_units: int) -> tuple[np.ndarray, np.ndarray]:
    shared = np.repeat(rng.normal(size=(2, n_units)), 10, axis=1)
    y = shared[0] + rng.normal(size=shared.shape[1]) > 0.5
    return y, y + shared[1] + 0.5 * rng.normal(size=shared.shape[1])

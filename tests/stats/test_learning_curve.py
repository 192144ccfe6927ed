"""Is more data worth it?"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mldeploy.errors import InvalidDataError
from mldeploy.stats import fit_learning_curve

SIZES = np.array([125, 250, 500, 1000, 2000, 4000])
CURVES = [(0.1, 2.0, 0.5), (0.2, 1.0, 0.3), (0.15, 5.0, 0.8), (0.1, 0.0, 0.5), (0.05, 20.0, 1.0)]


def _errors(
    rng: np.random.Generator, curve: tuple[float, float, float], noise: float
) -> np.ndarray:
    """Ten repeats a size around a true curve; the spread shrinks with the size."""
    a, b, c = curve
    spread = noise * (SIZES / SIZES[-1]) ** -0.3
    return (a + b * SIZES**-c)[:, None] + rng.normal(size=(SIZES.size, 10)) * spread[:, None]


def _answers(seed: int, n: int, *, gain: float, noise: float) -> tuple[int, int, int]:
    """Right, wrong and open answers about four times the data, over all curves."""
    rng = np.random.default_rng(seed)
    right = wrong = still_open = 0
    for a, b, c in CURVES * n:
        fit = fit_learning_curve(SIZES, _errors(rng, (a, b, c), noise), rng=rng)
        answer = fit.decide(16_000, gain=gain).answer
        truth = "yes" if b * (4000.0**-c - 16_000.0**-c) > gain else "no"
        right += answer == truth
        still_open += answer == "cannot tell"
        wrong += answer not in {truth, "cannot tell"}
    return right, wrong, still_open


def test_a_curve_without_noise_is_found_again() -> None:
    errors = np.tile((0.1 + 2.0 * SIZES**-0.5)[:, None], 3)

    fit = fit_learning_curve(SIZES, errors, rng=np.random.default_rng(0))

    assert fit.predict(16_000) == pytest.approx(0.1 + 2.0 * 16_000**-0.5, abs=5e-4)
    assert fit.n_largest == 4000


def test_a_flat_curve_is_flat() -> None:
    fit = fit_learning_curve(SIZES, np.full((6, 5), 0.3), rng=np.random.default_rng(0))

    assert fit.predict(100_000) == pytest.approx(0.3)
    assert fit.decide(16_000, gain=0.01).answer == "no"


@given(st.integers(0, 10_000))
def test_curves_never_rise_nor_fall_below_zero(seed: int) -> None:
    rng = np.random.default_rng(seed)
    fit = fit_learning_curve(SIZES, rng.uniform(0, 1, (6, 3)), n_replicas=20, rng=rng)

    assert fit.a >= 0
    assert fit.predict(1000) >= fit.predict(100_000) >= 0
    assert (fit.replicas >= 0).all()


def test_the_same_seed_gives_the_same_band() -> None:
    errors = _errors(np.random.default_rng(1), CURVES[0], 0.01)
    first, second = (
        fit_learning_curve(SIZES, errors, rng=np.random.default_rng(2)).band(8000)
        for _ in range(2)
    )

    assert first == second
    assert first.low <= first.high


def test_bands_cover_the_true_error() -> None:
    """Bands at twice the largest size: fewer than 46 of 60, at .9 each, has probability .0006."""
    rng = np.random.default_rng(3)
    n_covered = 0
    for a, b, c in CURVES[:3] * 20:
        fit = fit_learning_curve(SIZES, _errors(rng, (a, b, c), 0.005), rng=rng)
        band = fit.band(8000)
        n_covered += band.low <= a + b * 8000.0**-c <= band.high

    assert n_covered >= 46


def test_decisions_on_clear_curves_are_right() -> None:
    """More than 8 of 50 not right, at 5 % each, has probability .0008."""
    right, wrong, _ = _answers(4, 10, gain=0.01, noise=0.002)

    assert right >= 42
    assert wrong <= 2


@pytest.mark.slow
@pytest.mark.parametrize("gain", [0.002, 0.01])
@pytest.mark.parametrize("noise", [0.002, 0.01, 0.03])
def test_answers_are_seldom_wrong_however_noisy(gain: float, noise: float) -> None:
    """More than 8 of 40 wrong at 5 % each have probability .0001."""
    _, wrong, _ = _answers(5, 8, gain=gain, noise=noise)

    assert wrong <= 8


def test_noise_leaves_the_question_open() -> None:
    _, wrong, still_open = _answers(6, 4, gain=0.01, noise=0.05)

    assert still_open >= 10
    assert wrong <= 4


def test_nonsense_is_refused() -> None:
    rng = np.random.default_rng(0)
    fit = fit_learning_curve(SIZES, np.full((6, 3), 0.1), rng=rng)
    with pytest.raises(ValueError, match="larger size"):
        fit.decide(4000, gain=0.1)
    with pytest.raises(ValueError, match="positive fall"):
        fit.decide(8000, gain=0)
    with pytest.raises(ValueError, match="between 0 and 1"):
        fit.band(8000, confidence=1)
    with pytest.raises(InvalidDataError, match="at least four"):
        fit_learning_curve([1, 2, 3], np.ones((3, 3)), rng=rng)
    with pytest.raises(InvalidDataError, match="three repeats"):
        fit_learning_curve(SIZES, np.ones((6, 2)), rng=rng)
    with pytest.raises(InvalidDataError, match="NaN"):
        fit_learning_curve(SIZES, np.full((6, 3), np.nan), rng=rng)

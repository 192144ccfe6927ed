"""Many tests or intervals at once."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special

from mldeploy.errors import InvalidDataError
from mldeploy.stats import holm, holm_confidence, hommel, true_discoveries, wilson

p_values = st.lists(st.floats(0, 1), max_size=30)


def test_holm_matches_the_values_worked_by_hand() -> None:
    """Sorted .01, .02, .03, .04 times 4, 3, 2, 1 is .04, .06, .06, .04, never falling."""
    assert holm([0.03, 0.01, 0.04, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06])


@given(p_values)
def test_holm_keeps_the_order_and_lies_between_raw_and_bonferroni(values: list[float]) -> None:
    raw = np.array(values)
    adjusted = holm(raw)

    assert (adjusted >= raw).all()
    assert (adjusted <= np.minimum(1, raw * len(values)) + 1e-15).all()
    assert (np.diff(adjusted[np.argsort(raw, kind="stable")]) >= 0).all()


@given(st.permutations([0.01, 0.2, 0.04, 0.04, 0.9]))
def test_holm_does_not_depend_on_the_order(values: list[float]) -> None:
    assert dict(zip(values, holm(values), strict=True)) == pytest.approx(
        {0.01: 0.05, 0.04: 0.16, 0.2: 0.4, 0.9: 0.9}
    )


def test_a_family_of_true_nulls_is_rarely_accused() -> None:
    """2,000 families of 20; 130 at a rate of .05 have probability .002."""
    p = np.random.default_rng(0).random((2000, 20))

    accused = sum(bool((holm(row) <= 0.05).any()) for row in p)

    assert accused / 2000 <= 0.05 + 0.015


def test_intervals_at_the_corrected_level_hold_together() -> None:
    """1,000 families of ten slices; all ten hold with .95, below .93 with probability .002."""
    rng, level = np.random.default_rng(1), holm_confidence(10, 0.95)
    hits = rng.binomial(200, 0.7, size=(1000, 10))

    held = [
        all(wilson(k, 200, confidence=level).interval.contains(0.7) for k in family)
        for family in hits
    ]

    assert 0.93 <= np.mean(held) <= 0.975


def test_one_interval_needs_no_correction() -> None:
    assert holm_confidence(1, 0.9) == pytest.approx(0.9)
    assert holm_confidence(4, 0.8) == pytest.approx(0.95)


def test_bad_input_is_refused_with_a_reason() -> None:
    for call, reason in (
        (lambda: holm([0.5, float("nan")]), "outside"),
        (lambda: holm([1.5]), "outside"),
        (lambda: holm([[0.5]]), "dimensions"),
        (lambda: holm_confidence(0), "need no level"),
        (lambda: holm_confidence(3, 95), "is no level"),
    ):
        with pytest.raises(ValueError, match=reason):
            call()


@pytest.mark.parametrize(
    ("raw", "theirs"),
    [
        ([0.01, 0.04, 0.03], [0.03, 0.04, 0.04]),
        ([0.001, 0.012, 0.02, 0.03, 0.045, 0.2, 0.5], [0.007, 0.06, 0.08, 0.09, 0.135, 0.4, 0.5]),
        ([0.011, 0.012, 0.013, 0.014, 0.9], [0.022, 0.024, 0.026, 0.028, 0.9]),
    ],
)
def test_hommel_gives_what_statsmodels_gives(raw: list[float], theirs: list[float]) -> None:
    """statsmodels 0.15.0, multipletests(method="hommel")."""
    assert hommel(raw) == pytest.approx(theirs)


@given(p_values)
def test_hommel_rejects_whatever_holm_does(values: list[float]) -> None:
    closed = hommel(values)

    assert (closed <= holm(values) + 1e-12).all()
    assert (closed >= np.array(values)).all()


def _rejected_sets(p: np.ndarray, alpha: float) -> set[tuple[int, ...]]:
    """All sets that the closed test rejects, by looking at every set of hypotheses."""
    sets = [c for size in range(1, p.size + 1) for c in combinations(range(p.size), size)]
    local = {
        c: bool((np.sort(p[list(c)]) <= np.arange(1, len(c) + 1) * alpha / len(c)).any())
        for c in sets
    }
    return {c for c in sets if all(local[d] for d in sets if set(c) <= set(d))}


@pytest.mark.parametrize("seed", range(20))
def test_shortcuts_give_what_all_sets_give(seed: int) -> None:
    """The closed test is defined on all 63 sets of six hypotheses; no shortcut may differ."""
    rng = np.random.default_rng(seed)
    p = rng.beta(0.3, 3, size=6) * rng.choice([0.1, 1])
    chosen = rng.random(6) < 0.6
    rejected = _rejected_sets(p, 0.05)
    among = [c for size in range(7) for c in combinations(np.flatnonzero(chosen).tolist(), size)]
    largest_unrejected = max(len(c) for c in among if c not in rejected)

    assert (hommel(p) <= 0.05).tolist() == [(i,) in rejected for i in range(6)]
    assert true_discoveries(p, chosen, alpha=0.05) == chosen.sum() - largest_unrejected


def test_a_count_of_bad_slices_is_seldom_too_high_however_they_are_chosen() -> None:
    """20 overlapping slices, 5 truly bad; of the k smallest p-values, for every k, too many are
    claimed in at most .05 of 1,000 samples: 76 have probability 3e-4."""
    rng, wrong = np.random.default_rng(0), 0
    shared = 0.6 * rng.normal(size=(1000, 1)) + 0.8 * rng.normal(size=(1000, 20))
    shared[:, :5] -= 2.5
    for p in special.ndtr(shared):
        order = np.argsort(p)
        claims = [
            (true_discoveries(p, np.isin(np.arange(20), order[:k])), (order[:k] < 5).sum())
            for k in (1, 3, 5, 8, 20)
        ]
        wrong += any(claimed > true for claimed, true in claims)

    assert wrong <= 75


def test_no_tests_and_bad_selections() -> None:
    assert hommel([]).size == 0
    assert true_discoveries([]) == 0
    assert true_discoveries([0.001], [False]) == 0
    with pytest.raises(InvalidDataError, match="one per test"):
        true_discoveries([0.1, 0.2], [True])
    with pytest.raises(InvalidDataError, match="NaN"):
        hommel([float("nan")])
    with pytest.raises(ValueError, match="no level"):
        true_discoveries([0.1], alpha=0.0)

"""Confident learning by hand, and the flags that chance makes."""

from __future__ import annotations

import numpy as np
import pytest

from mldeploy.errors import EmptyDataError, InvalidDataError
from mldeploy.stats import flags_by_chance, suspect_labels


def drawn(seed: int, n: int = 2_000, n_classes: int = 2) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities, and labels that chance decides by them: none is wrong."""
    rng = np.random.default_rng(seed)
    p = rng.dirichlet(np.full(n_classes, 0.6), n)
    labels = (rng.random((n, 1)) > p.cumsum(axis=1)).sum(axis=1)
    return np.minimum(labels, n_classes - 1), p


def test_flags_have_the_values_worked_by_hand() -> None:
    """Own members: class 0 has .9, .6 and .2 of it, .5667 in the mean; class 1 has .8, .7: .75.

    Row 2 is labelled 0 and has .8 of class 1, which reaches .75: flagged, margin .2 - .8. Row 4,
    labelled 1 with .7 of it, reaches neither threshold: nobody is sure of it.
    """
    p = np.array([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8], [0.2, 0.8], [0.3, 0.7]])

    found = suspect_labels([0, 0, 0, 1, 1], p)

    assert found.flagged.tolist() == [False, False, True, False, False]
    assert found.margin[2] == pytest.approx(-0.6)
    assert found.joint.tolist() == [[2, 1], [0, 1]]
    assert found.order.tolist() == [2]


def test_the_lowest_margin_comes_first() -> None:
    labels, p = drawn(0)

    found = suspect_labels(labels, p)

    assert (np.diff(found.margin[found.order]) >= 0).all()
    assert found.joint.sum() - np.trace(found.joint) == len(found.order)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_flags_on_clean_labels_are_as_many_as_foretold(n_classes: int) -> None:
    """More than `highest` of 100 draws has a chance of 1/101: twice or more in 8 has 0.003."""
    n_above = 0
    for seed in range(8):
        labels, p = drawn(seed, n_classes=n_classes)
        chance = flags_by_chance(labels, p, n_draws=100, rng=np.random.default_rng(seed))
        share = float(suspect_labels(labels, p).flagged.mean())
        n_above += share > chance.highest
        assert share == pytest.approx(chance.mean, abs=0.03)

    assert n_above < 2


def test_overconfident_probabilities_are_cooled_first() -> None:
    labels, p = drawn(1)
    sharp = p**3 / (p**3).sum(axis=1, keepdims=True)

    chance = flags_by_chance(labels, sharp, rng=np.random.default_rng(0))

    assert chance.temperature == pytest.approx(3, abs=0.4)


def test_what_cannot_be_looked_at_is_refused() -> None:
    with pytest.raises(EmptyDataError, match="class has no row"):
        suspect_labels([0, 0], [[0.5, 0.5], [0.5, 0.5]])
    with pytest.raises(EmptyDataError, match="no label"):
        suspect_labels([], np.empty((0, 2)))
    with pytest.raises(InvalidDataError, match="sum to 1"):
        suspect_labels([0, 1], [[0.5, 0.6], [0.5, 0.5]])
    with pytest.raises(InvalidDataError, match="shape"):
        suspect_labels([0, 1, 1], [[0.5, 0.5]])

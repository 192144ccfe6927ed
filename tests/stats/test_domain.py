"""A classifier that tells two tables apart, and one that cannot."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from mldeploy.errors import EmptyDataError, InvalidDataError
from mldeploy.stats import domain_classifier


def test_a_shift_that_no_single_column_shows_is_seen_and_named() -> None:
    """Two of four columns turn their correlation from .8 to -.8: each alone is as before."""
    rng, turn = np.random.default_rng(0), np.sqrt(1 - 0.64)
    before, after = rng.normal(size=(2, 600, 4))
    before[:, 1] = 0.8 * before[:, 0] + turn * before[:, 1]
    after[:, 1] = -0.8 * after[:, 0] + turn * after[:, 1]

    found = domain_classifier(before, after, n_folds=3, rng=rng)

    assert found.shifted
    assert set(found.columns[:2]) == {0, 1}
    assert (found.n_reference, found.n_current) == (600, 600)


def test_area_of_one_shifted_column_is_the_one_that_theory_gives() -> None:
    """A normal column moved by 1 sd: the best area is Phi(1 / sqrt 2) = .760, and a logistic
    regression is the best classifier here. 4,000 rows: standard error .0075, four of them."""
    rng = np.random.default_rng(1)

    found = domain_classifier(
        rng.normal(size=(2000, 1)),
        rng.normal(1.0, size=(2000, 1)),
        estimator=LogisticRegression(),
        n_folds=2,
        rng=rng,
    )

    assert found.auc.value == pytest.approx(0.760, abs=0.03)


def test_unchanged_tables_are_seldom_told_apart() -> None:
    """Immaterial or none: 60 pairs; one alarm at a rate of 1e-3 has probability .06, two .002."""
    rng = np.random.default_rng(2)
    alarms = sum(
        domain_classifier(
            *rng.normal(size=(2, 200, 3)), estimator=LogisticRegression(), n_folds=3, rng=rng
        ).shifted
        for _ in range(60)
    )

    assert alarms <= 1


def test_customers_of_one_table_only_do_not_give_it_away() -> None:
    """Rows of a customer are nearly alike, and each table has its own customers."""
    rng, units = np.random.default_rng(3), np.repeat(np.arange(60), 10)
    before, after = (
        rng.normal(size=(60, 3))[units] + 0.05 * rng.normal(size=(600, 3)) for _ in range(2)
    )

    by_rows = domain_classifier(before, after, n_folds=3, rng=rng)
    by_units = domain_classifier(
        before, after, reference_units=units, current_units=units + 60, n_folds=3, rng=rng
    )

    assert by_rows.auc.value > 0.9
    assert by_rows.shifted
    assert not by_units.shifted
    assert by_units.auc.n == 120


def test_missing_values_that_come_up_are_a_shift() -> None:
    rng = np.random.default_rng(4)
    before, after = rng.normal(size=(2, 500, 2))
    after[:200, 1] = np.nan

    found = domain_classifier(before, after, n_folds=3, rng=rng)

    assert found.shifted
    assert found.columns[0] == 1


def test_same_generator_gives_the_same_answer_and_rows_are_drawn() -> None:
    tables = np.random.default_rng(5).normal(size=(2, 400, 2))
    units = np.repeat(np.arange(80), 5)
    one, two = (
        domain_classifier(
            *tables,
            reference_units=units,
            current_units=units,
            max_rows=100,
            n_folds=2,
            estimator=LogisticRegression(),
            rng=np.random.default_rng(0),
        )
        for _ in range(2)
    )

    assert one == two
    assert (one.n_reference, one.n_current) == (100, 100)


@pytest.mark.parametrize("table", [np.zeros((60, 2)), np.full((60, 2), np.nan)])
def test_constant_and_missing_columns_cannot_be_told_apart(table: np.ndarray) -> None:
    found = domain_classifier(table, table, n_folds=3, rng=np.random.default_rng(0))

    assert found.auc.value == 0.5
    assert not found.shifted
    assert found.columns == ()


def test_infinite_values_are_the_largest_there_are() -> None:
    rng = np.random.default_rng(6)
    table = rng.normal(size=(100, 2))
    table[0, 0] = np.inf

    assert not domain_classifier(table, table, n_folds=2, rng=rng).shifted


def test_nonsense_is_refused() -> None:
    rng, table = np.random.default_rng(0), np.zeros((10, 2))
    with pytest.raises(EmptyDataError):
        domain_classifier(np.zeros((0, 2)), table, rng=rng)
    with pytest.raises(InvalidDataError, match="columns"):
        domain_classifier(np.zeros((10, 3)), table, rng=rng)
    with pytest.raises(InvalidDataError, match="dimensions"):
        domain_classifier([1.0], table, rng=rng)
    with pytest.raises(InvalidDataError, match="no number"):
        domain_classifier([["a", "b"]], table, rng=rng)
    with pytest.raises(InvalidDataError, match="both, or neither"):
        domain_classifier(table, table, reference_units=range(10), rng=rng)
    with pytest.raises(InvalidDataError, match="one per row"):
        domain_classifier(table, table, reference_units=[1], current_units=[2], rng=rng)
    with pytest.raises(InvalidDataError, match="too few"):
        domain_classifier(np.zeros((3, 2)), table, n_folds=5, rng=rng)
    with pytest.raises(ValueError, match="material"):
        domain_classifier(table, table, material=0.4, rng=rng)
    with pytest.raises(ValueError, match="n_folds"):
        domain_classifier(table, table, n_folds=1, rng=rng)

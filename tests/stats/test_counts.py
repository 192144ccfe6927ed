"""Count tables over shared bins."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mldeploy.errors import EmptyDataError, InvalidDataError
from mldeploy.stats import (
    ValueCounts,
    align_categories,
    align_numbers,
    bin_counts,
    kept_levels,
    level_counts,
    quantile_edges,
)

numbers = st.lists(st.integers(-20, 20) | st.just(float("nan")), min_size=1, max_size=60)


def test_values_are_counted_and_missing_ones_apart() -> None:
    table = ValueCounts.of([3.0, 1.0, float("nan"), 3.0])

    assert table.values.tolist() == [1.0, 3.0]
    assert table.counts.tolist() == [1, 2]
    assert (table.n, table.n_missing) == (3, 1)


@given(numbers, numbers)
def test_adding_tables_counts_both_samples(a: list[float], b: list[float]) -> None:
    pooled, whole = ValueCounts.of(a) + ValueCounts.of(b), ValueCounts.of(a + b)

    assert pooled.values.tolist() == whole.values.tolist()
    assert pooled.counts.tolist() == whole.counts.tolist()
    assert pooled.n_missing == whole.n_missing


@given(st.lists(st.integers(-20, 20), min_size=1, max_size=80), st.integers(2, 7))
def test_edges_depend_on_shares_only(values: list[int], times: int) -> None:
    once, often = ValueCounts.of(values), ValueCounts.of(values * times)

    assert quantile_edges(once).tolist() == quantile_edges(often).tolist()


@given(st.lists(st.integers(-20, 20), min_size=1, max_size=80), st.integers(1, 12))
def test_every_bin_holds_half_its_due_share(values: list[int], n_bins: int) -> None:
    table = ValueCounts.of(values)
    edges = quantile_edges(table, n_bins=n_bins)
    counts = bin_counts(table, edges)[:-1]

    assert counts.size <= n_bins
    assert counts.min() * 2 * n_bins >= table.n
    assert counts.sum() == table.n


@pytest.mark.parametrize("n", [1000, 1003, 1007, 1009])
def test_bins_stay_equal_whatever_the_remainder_of_n(n: int) -> None:
    counts = bin_counts(ValueCounts.of(range(n)), quantile_edges(ValueCounts.of(range(n))))

    assert counts[:-1].max() - counts[:-1].min() <= 1


def test_edges_belong_to_the_bin_below() -> None:
    assert bin_counts(ValueCounts.of([1, 2, 3, 9]), [1.0, 3.0]).tolist() == [1, 2, 1, 0]


def test_infinite_values_fall_into_the_outer_bins() -> None:
    table = ValueCounts.of([-np.inf, 0.0, np.inf])

    assert bin_counts(table, [0.0]).tolist() == [2, 1, 0]


def test_rare_levels_share_a_bin_and_missing_has_its_own() -> None:
    both = align_categories({"a": 50, "b": 49, "c": 1, None: 10}, {"a": 3, "z": 4}, min_share=0.02)

    assert both.labels == ("a", "b", "other", "missing")
    assert both.reference.tolist() == [50, 49, 1, 10]
    assert both.current.tolist() == [3, 0, 4, 0]


def test_four_thousand_rare_levels_are_one_bin() -> None:
    """Each tail number has .025 % of the rows, below the smallest share of 1 %."""
    tails = {f"N{i}": 5 for i in range(4000)}

    assert kept_levels(tails) == ()
    assert level_counts(tails, ()).tolist() == [20000, 0]


def test_most_frequent_levels_win_and_ties_go_by_name() -> None:
    assert kept_levels({"d": 1, "c": 5, "b": 5, "a": 2}, max_levels=3) == ("b", "c", "a")


def test_bins_empty_in_both_samples_are_left_out() -> None:
    both = align_numbers(ValueCounts.of([1, 1]), ValueCounts.of([1, float("nan")]))

    assert both.labels == ("any", "missing")
    assert both.reference.tolist() == [2, 0]
    assert both.current.tolist() == [1, 1]


def test_a_reference_of_missing_values_only_leaves_two_bins() -> None:
    both = align_numbers(ValueCounts.of([float("nan")] * 3), ValueCounts.of([1.0, 2.0]))

    assert both.labels == ("any", "missing")
    assert both.reference.tolist() == [0, 3]


def test_nonsense_is_refused() -> None:
    with pytest.raises(EmptyDataError, match="no quantiles"):
        quantile_edges(ValueCounts.of([float("nan")]))
    with pytest.raises(ValueError, match="at least one bin"):
        quantile_edges(ValueCounts.of([1.0]), n_bins=0)
    with pytest.raises(InvalidDataError, match="increase"):
        ValueCounts(values=np.array([2.0, 1.0]), counts=np.array([1, 1]))
    with pytest.raises(InvalidDataError, match="one count each"):
        ValueCounts(values=np.array([2.0]), counts=np.array([1, 1]))
    with pytest.raises(InvalidDataError, match="negative"):
        ValueCounts(values=np.array([2.0]), counts=np.array([-1]))

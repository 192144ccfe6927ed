"""What each column tells of the target."""

from __future__ import annotations

import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import mutual_info_score

from mldeploy.data import Association, Dataset, associations_of
from mldeploy.errors import InvalidDataError


def of(frame: pl.DataFrame, **options: int) -> dict[str, Association]:
    found = associations_of(Dataset.of(frame, target="y"), **options)
    return {one.column: one for one in found}


def test_the_information_worked_by_hand() -> None:
    """A table of 40, 10, 10, 40: G / 2n = 0.8 ln 1.6 + 0.2 ln 0.4 = 0.192745; bias 1 / 200."""
    x = ["a"] * 50 + ["b"] * 50
    y = ["c"] * 40 + ["d"] * 10 + ["c"] * 10 + ["d"] * 40

    found = of(pl.DataFrame({"x": x, "y": y}))["x"]

    assert found.mutual_information == pytest.approx(0.192745 - 0.005, abs=1e-6)
    assert found.share == pytest.approx((0.192745 - 0.005) / math.log(2), abs=1e-6)
    assert found.p_value == pytest.approx(stats.chi2.sf(200 * 0.192745, 1), rel=1e-4)
    assert (found.pearson, found.spearman) == (None, None)


pairs = st.lists(
    st.tuples(st.sampled_from("abc"), st.sampled_from("xyz")), min_size=2, max_size=40
)


@given(pairs)
def test_the_information_is_that_of_scikit_learn_less_its_bias(pairs: list[list[str]]) -> None:
    x, y = zip(*pairs, strict=True)

    found = of(pl.DataFrame({"x": x, "y": y}))["x"]

    bias = (len(set(x)) - 1) * (len(set(y)) - 1) / 2 / len(x)
    assert found.mutual_information == pytest.approx(
        max(mutual_info_score(x, y) - bias, 0), abs=1e-12
    )


@given(
    st.lists(
        st.tuples(st.floats(-1e6, 1e6) | st.integers(-3, 3), st.floats(-1e6, 1e6)),
        min_size=3,
        max_size=30,
    )
)
def test_correlations_are_those_of_scipy(pairs: list[tuple[float, float]]) -> None:
    x, y = (np.array(values, float) for values in zip(*pairs, strict=True))
    found = of(pl.DataFrame({"x": x, "y": y}))["x"]

    if np.ptp(x) == 0 or np.ptp(y) == 0:
        assert (found.pearson, found.spearman) == (None, None)
        return
    assert found.spearman == pytest.approx(stats.spearmanr(x, y).statistic, abs=1e-9)
    if min(np.ptp(x), np.ptp(y)) > 1e-3:
        assert found.pearson == pytest.approx(stats.pearsonr(x, y).statistic, abs=1e-6)


def test_independent_columns_are_called_dependent_no_more_often_than_stated() -> None:
    """Of 200 columns at 5 % more than 21 have a chance of 0.0005; none tells 1 % of the target."""
    rng = np.random.default_rng(0)
    columns = {f"x{i}": rng.normal(size=4_000) for i in range(200)}
    frame = pl.DataFrame({**columns, "y": rng.random(4_000) < 0.3})

    found = of(frame).values()

    assert sum(one.p_value < 0.05 for one in found) <= 21
    assert max(one.share for one in found) < 0.01


def test_what_is_no_line_is_found_too_and_missing_values_may_tell() -> None:
    rng = np.random.default_rng(0)
    x, ill = rng.normal(size=5_000), rng.random(5_000) < 0.5
    frame = pl.DataFrame(
        {
            "square": x,
            "asked": [None if is_ill else "no" for is_ill in ill],
            "noise": x[::-1],
            "y": x * x,
        }
    )

    found = of(frame)
    asked = of(pl.DataFrame({"asked": frame["asked"], "y": ill}))["asked"]

    assert abs(found["square"].pearson or 0.0) < 0.1
    assert found["square"].share > 0.5
    assert found["noise"].p_value > 1e-4
    assert asked.share == pytest.approx(1.0, abs=0.001)
    assert next(iter(found)) == "square"


def test_a_sample_is_drawn_the_same_each_time_and_rows_without_target_left_out() -> None:
    rng = np.random.default_rng(0)
    frame = pl.DataFrame({"x": rng.normal(size=3_000), "y": [None, *range(2_999)]})

    one, other = (of(frame, n_rows=500)["x"] for _ in range(2))

    assert one == other
    assert one.n == 500
    assert of(frame, n_rows=500, random_state=1)["x"] != one
    assert of(frame)["x"].n == 2_999


def test_columns_that_do_not_vary_tell_nothing() -> None:
    found = of(
        pl.DataFrame(
            {"same": [1] * 4, "none": pl.Series([None] * 4, dtype=pl.String), "y": [1, 2, 3, 4]}
        )
    )

    for one in found.values():
        assert (one.mutual_information, one.share, one.p_value) == (0.0, 0.0, 1.0)
        assert one.pearson is None


def test_hundreds_of_texts_fall_into_thirty_two_bins() -> None:
    texts = [f"t{i % 300}" for i in range(3_000)]
    found = of(pl.DataFrame({"x": texts, "y": [i % 2 == 0 for i in range(3_000)]}))["x"]

    assert found.share < 0.15


def test_questions_without_an_answer_are_refused() -> None:
    data = Dataset.of(pl.DataFrame({"x": [1, 2], "y": [1, 2]}))

    with pytest.raises(InvalidDataError, match="declares no target"):
        associations_of(data)
    with pytest.raises(InvalidDataError, match="at least 2"):
        associations_of(data.with_roles(target="y"), n_bins=1)

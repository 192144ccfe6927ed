"""Rows that count by their weight, and how many rows a value has."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mldeploy.data import Profile
from mldeploy.errors import EmptyDataError, InvalidDataError

weights = st.floats(0, 1e6, allow_subnormal=False)
rows = st.lists(
    st.tuples(
        st.none() | st.floats(-1e6, 1e6) | st.integers(-5, 5).map(float),
        st.none() | st.sampled_from(["a", "b", "c", ""]),
        weights,
    ),
    min_size=1,
    max_size=30,
)
TYPES = {"x": pl.Float64, "s": pl.String, "w": pl.Float64}


def profile(table: pl.DataFrame, **options: Any) -> Profile:
    return Profile.of(table, weight="w", progress=False, **options)


def table(rows: list[tuple[object, ...]]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=TYPES, orient="row")


def test_the_weighted_summary_worked_by_hand() -> None:
    """Weights 3, 1, 2 on 10, 20 and nothing: mean 50 / 4, a third of the weight missing."""
    found = profile(table([(10.0, "a", 3.0), (20.0, "b", 1.0), (None, "a", 2.0)]))

    x, s = found["x"].weighted, found["s"].weighted
    assert (x.mean, x.missing_share) == (12.5, pytest.approx(1 / 3))
    assert [x.quantile(q) for q in (0.0, 0.75, 0.76, 1.0)] == [10.0, 10.0, 20.0, 20.0]
    assert s.shares() == pytest.approx({"a": 5 / 6, "b": 1 / 6})
    assert (s.mean, found["x"].mean) == (None, 15.0)


@given(rows)
def test_weighted_statistics_are_those_of_numpy_and_polars(
    rows: list[tuple[float | None, str | None, float]],
) -> None:
    found, frame = profile(table(rows)), table(rows)

    known = frame.drop_nulls("x")
    total = known["w"].sum()
    if total:
        expected = np.average(known["x"], weights=known["w"])
        assert found["x"].weighted.mean == pytest.approx(expected, rel=1e-9, abs=1e-6)
    else:
        assert found["x"].weighted.mean is None
    by_text = dict(frame.drop_nulls("s").group_by("s").agg(pl.col("w").sum()).iter_rows())
    sum_of_texts = sum(by_text.values())
    if sum_of_texts:
        expected_shares = {text: weight / sum_of_texts for text, weight in by_text.items()}
        assert dict(found["s"].weighted.shares()) == pytest.approx(expected_shares)


@given(rows, st.integers(0, 30), st.sampled_from([1, 65_536]))
def test_weights_of_parts_add_up(rows: list[tuple[object, ...]], cut: int, limit: int) -> None:
    frame = table(rows)
    parts = [profile(part, limit=limit) for part in (frame[:cut], frame[cut:])]

    merged, whole = Profile.merge_all(parts), profile(frame, limit=limit)

    for name in ("x", "s"):
        one, other = merged[name].weighted, whole[name].weighted
        assert one.known == pytest.approx(other.known)
        assert one.missing == pytest.approx(other.missing)
        assert dict(one.shares()) == pytest.approx(dict(other.shares()), abs=1e-9)
    assert parts[0].merge(parts[1]) == parts[1].merge(parts[0])
    assert Profile.model_validate_json(whole.to_json()) == whole


def test_weights_above_the_limit_are_those_of_buckets_and_sketches() -> None:
    rng = np.random.default_rng(0)
    n = 30_000
    texts = np.where(rng.random(n) < 0.1, "often", np.char.add("N", np.arange(n).astype(str)))
    frame = pl.DataFrame({"x": rng.normal(size=n), "s": texts, "w": rng.random(n)})

    found = profile(frame, limit=1_000)

    mean = np.average(frame["x"], weights=frame["w"])
    often = frame.filter(s="often")["w"].sum() / frame["w"].sum()
    assert found["x"].weighted.mean == pytest.approx(mean, abs=1e-4)
    assert found["s"].weighted.shares()["often"] == pytest.approx(often, abs=0.001)


def test_elements_of_a_list_have_the_weight_of_their_row() -> None:
    frame = pl.DataFrame({"tags": [["a", "b"], [], None, ["a"]], "w": [1.0, 2.0, 4.0, 8.0]})

    found = profile(frame)

    assert found["tags[]"].weighted.shares() == pytest.approx({"a": 0.9, "b": 0.1})
    assert found["tags.length"].weighted.missing == 4.0


@pytest.mark.parametrize(
    ("column", "said"),
    [
        ([1.0, None], "of at least 0, without gaps"),
        ([1.0, -1.0], "of at least 0"),
        ([1.0, float("inf")], "of at least 0"),
        (["1", "2"], "are no numbers"),
    ],
)
def test_weights_that_are_none_are_refused(column: list[object], said: str) -> None:
    with pytest.raises(InvalidDataError, match=said):
        profile(pl.DataFrame({"x": [1, 2], "w": column}))


def test_questions_about_weights_that_have_no_answer_are_refused() -> None:
    plain = Profile.of(pl.DataFrame({"x": [1]}), progress=False)
    weightless = profile(pl.DataFrame({"x": [1], "s": ["a"], "w": [0]}))

    with pytest.raises(InvalidDataError, match="pass weight="):
        plain["x"].weighted  # noqa: B018
    with pytest.raises(InvalidDataError, match="there is no column 'w' of weights"):
        profile(pl.DataFrame({"x": [1]}))
    with pytest.raises(EmptyDataError, match="no value has weight"):
        weightless["x"].weighted.quantile(0.5)
    with pytest.raises(InvalidDataError, match="no share"):
        weightless["x"].weighted.quantile(1.5)
    with pytest.raises(InvalidDataError, match="texts have no quantile"):
        weightless["s"].weighted.quantile(0.5)
    assert weightless["s"].weighted.shares() == {}
    with pytest.raises(InvalidDataError, match="weights in one profile"):
        weightless["x"].merge(plain["x"])


# --- rows of a unit -----------------------------------------------------------------------


@given(st.lists(st.sampled_from("abcdef"), max_size=40))
def test_rows_of_each_unit_are_counted(units: list[str]) -> None:
    found = Profile.of(pl.DataFrame({"u": units}, schema={"u": pl.String}), progress=False)["u"]

    table = found.rows_per_value()

    per_unit = [units.count(unit) for unit in set(units)]
    expected = {float(n): per_unit.count(n) for n in sorted(per_unit)}
    assert dict(zip(table.values.tolist(), table.counts.tolist(), strict=True)) == expected


@pytest.mark.parametrize("as_text", [True, False])
def test_rows_of_units_above_the_limit_are_those_of_a_sample(as_text: bool) -> None:
    """Nine units of ten have 1 row, the others 5: of 1,024 sampled, 922 +- 38 (4 sd)."""
    units = np.concatenate([np.arange(90_000), np.repeat(np.arange(90_000, 100_000), 5)])
    column = pl.Series("u", units)
    frame = pl.DataFrame(column.cast(pl.String) if as_text else column)

    table = Profile.of(frame, progress=False)["u"].rows_per_value()

    assert table.values.tolist() == [1.0, 5.0]
    assert table.counts[0] / table.counts.sum() == pytest.approx(0.9, abs=38 / 1_024)
    assert table.counts.sum() == pytest.approx(100_000, rel=0.124)

"""Profiles: counts that merge."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, time, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mldeploy.data import Profile, profile_part
from mldeploy.errors import EmptyDataError, InvalidDataError, SchemaMismatchError

rows = st.lists(
    st.tuples(
        st.none() | st.floats(),
        st.none() | st.integers(-(10**6), 10**6),
        st.none() | st.text(st.characters(codec="utf-8"), max_size=2),
        st.none() | st.booleans(),
        st.none()
        | st.datetimes(datetime(1960, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC)),
    ),
    max_size=20,
)
limits = st.sampled_from([1, 4, 65_536])


def table(rows: list[tuple[object, ...]]) -> pl.DataFrame:
    types = {
        "f": pl.Float64,
        "i": pl.Int64,
        "s": pl.String,
        "b": pl.Boolean,
        "t": pl.Datetime("us", "UTC"),
    }
    return pl.DataFrame(rows, schema=types, orient="row")


@given(rows, rows, limits)
def test_merging_is_commutative(
    a: list[tuple[object, ...]], b: list[tuple[object, ...]], limit: int
) -> None:
    one, other = (Profile.of(table(part), limit=limit) for part in (a, b))

    assert one.merge(other) == other.merge(one)


@given(rows, rows, rows, limits)
def test_merging_is_associative(
    a: list[tuple[object, ...]],
    b: list[tuple[object, ...]],
    c: list[tuple[object, ...]],
    limit: int,
) -> None:
    one, two, three = (Profile.of(table(part), limit=limit) for part in (a, b, c))

    assert one.merge(two).merge(three) == one.merge(two.merge(three))


@given(rows, rows, limits)
def test_parts_merge_into_the_whole(
    a: list[tuple[object, ...]], b: list[tuple[object, ...]], limit: int
) -> None:
    """All but the list of frequent texts, which holds those of either part."""
    merged = Profile.of(table(a), limit=limit).merge(Profile.of(table(b), limit=limit))
    whole = Profile.of(table(a + b), limit=limit)

    for found, expected in zip(merged.columns, whole.columns, strict=True):
        assert set(expected.frequent) <= set(found.frequent)
        assert found.model_copy(update={"frequent": ()}) == expected.model_copy(
            update={"frequent": ()}
        )


@given(rows, limits)
def test_profiles_survive_json(a: list[tuple[object, ...]], limit: int) -> None:
    profile = Profile.of(table(a), limit=limit)

    assert Profile.model_validate_json(profile.to_json()) == profile


@given(rows, limits)
def test_every_row_is_counted_in_every_set_of_bins(
    a: list[tuple[object, ...]], limit: int
) -> None:
    profile = Profile.of(table(a), limit=limit)

    assert profile["f"].counts_in_bins(edges=[-1.0, 0.0, 5.0]).sum() == len(a)
    assert profile["t"].counts_in_bins(edges=[]).sum() == len(a)
    if profile["s"].is_exact:
        assert profile["s"].counts_in_bins(levels=["a", ""]).sum() == len(a)


@given(st.lists(st.floats(allow_nan=False), min_size=1), st.floats(0, 1))
def test_exact_quantiles_are_those_of_numpy(values: list[float], q: float) -> None:
    profile = Profile.of(pl.DataFrame({"x": values}))
    with np.errstate(invalid="ignore"):
        expected = np.quantile(values, q, method="inverted_cdf")

    assert profile["x"].quantile(q) == pytest.approx(expected)


@given(st.lists(st.floats(-1e300, 1e300), min_size=1), st.floats(0, 1))
def test_quantiles_above_the_limit_are_within_one_percent(values: list[float], q: float) -> None:
    """Seven digits kept bound the distance to the middle of a bucket by 2**-8 of the value."""
    exact, coarse = (Profile.of(pl.DataFrame({"x": values}), limit=n)["x"] for n in (10**6, 1))

    assert coarse.quantile(q) == pytest.approx(exact.quantile(q), rel=0.01, abs=1e-307)


def test_the_summary_worked_by_hand() -> None:
    """Known 1, 1, 2, 4: mean 2, median 1 (two of four are up to it), third quartile 2."""
    x = Profile.of(pl.DataFrame({"x": [1.0, 4.0, None, 1.0, float("nan"), 2.0]}))["x"]

    assert (x.n, x.n_missing, x.n_known, x.n_distinct) == (6, 2, 4, 3)
    assert (x.minimum, x.maximum, x.mean) == (1.0, 4.0, 2.0)
    assert [x.quantile(q) for q in (0.0, 0.5, 0.75, 1.0)] == [1.0, 1.0, 2.0, 4.0]
    assert x.top(1) == {1.0: 2}
    assert x.missing_share == pytest.approx(1 / 3)
    assert x.counts_in_bins(edges=[1.0, 3.0]).tolist() == [2, 1, 1, 2]


def test_levels_are_counted_with_others_and_missing_apart() -> None:
    s = Profile.of(pl.DataFrame({"s": ["a", "b", None, "a", "c"]}))["s"]

    assert s.counts_in_bins(levels=["a", "z"]).tolist() == [2, 0, 2, 1]
    assert s.levels() == {"a": 2, "b": 1, "c": 1, None: 1}
    assert s.top(2) == {"a": 2, "b": 1}


def test_times_are_profiled_in_utc_whatever_their_zone_and_unit() -> None:
    utc = pl.DataFrame({"t": [datetime(2013, 7, 1, 12, tzinfo=UTC)]})
    local = utc.select(pl.col("t").dt.convert_time_zone("Asia/Tokyo").dt.cast_time_unit("ns"))

    assert Profile.of(utc) == Profile.of(local)
    assert (
        Profile.of(utc)["t"].readable(Profile.of(local)["t"].quantile(0.5)) == "2013-07-01 12:00"
    )


def test_times_above_the_limit_fall_into_buckets_of_a_natural_width() -> None:
    """90 seconds: at most 4 buckets are 2 minutes; the first is shown by its middle."""
    start = datetime(2013, 1, 1, tzinfo=UTC)
    times = pl.DataFrame({"t": [start + timedelta(seconds=s) for s in range(90)]})

    t = Profile.of(times, limit=4)["t"]

    assert t.table.counts.tolist() == [60, 30]
    assert t.readable(t.quantile(0.0)) == "2013-01-01 00:00"
    assert t.table.values[0] - t.minimum == 30_000_000


def test_every_kind_has_readable_values() -> None:
    frame = pl.DataFrame(
        {
            "b": [True],
            "d": [date(2013, 1, 2)],
            "u": [timedelta(hours=1)],
            "c": [time(5, 15)],
            "i": [1234567],
        }
    )

    profile = Profile.of(frame)
    shown = {c.name: c.readable(c.quantile(0.5)) for c in profile.columns}

    assert shown == {
        "b": "True",
        "d": "2013-01-02",
        "u": "1:00:00",
        "c": "5:15:00",
        "i": "1,234,567",
    }


def test_texts_above_the_limit_keep_the_frequent_ones_and_the_number_of_distinct() -> None:
    """5,000 texts once each and one 1,000 times.

    The count-min estimate exceeds the truth by more than 0.07 % of 6,000, that is 4, with a
    chance of at most 1.8 %; the number of distinct ones is off by more than 4 standard errors
    (12.4 %) with a chance below 0.0001.
    """
    texts = [f"N{i}" for i in range(5_000)] + ["unknown"] * 1_000
    half = len(texts) // 2
    parts = [
        Profile.of(pl.DataFrame({"s": part}), limit=100) for part in (texts[:half], texts[half:])
    ]

    s = parts[0].merge(parts[1])["s"]

    assert not s.is_exact
    assert list(s.top(1)) == ["unknown"]
    assert 1_000 <= s.top(1)["unknown"] <= 1_004
    assert s.n_distinct == pytest.approx(5_001, rel=0.124)
    assert s.counts_in_bins(levels=["unknown"]).sum() == 6_000


def test_parts_of_other_columns_or_kinds_do_not_merge() -> None:
    one, other, text = (
        Profile.of(pl.DataFrame(data)) for data in ({"x": [1]}, {"y": [1]}, {"x": ["a"]})
    )

    with pytest.raises(SchemaMismatchError):
        one.merge(other)
    with pytest.raises(InvalidDataError, match="read both parts with one schema"):
        one.merge(text)
    with pytest.raises(InvalidDataError, match="different columns"):
        one["x"].merge(other["y"])


def test_a_part_without_values_takes_the_kind_of_the_other() -> None:
    empty = Profile.of(pl.DataFrame({"x": [None]}, schema={"x": pl.Float64}))

    merged = empty.merge(Profile.of(pl.DataFrame({"x": ["a"]})))["x"]

    assert (merged.kind, merged.n, merged.n_missing) == ("string", 2, 1)
    assert (
        empty.merge(Profile.of(pl.DataFrame({"x": [None]}, schema={"x": pl.String})))["x"].n == 2
    )


def test_whole_and_real_numbers_merge_and_so_do_texts_and_categories() -> None:
    frames = (
        pl.DataFrame({"x": [1], "s": ["a"]}),
        pl.DataFrame({"x": [0.5], "s": ["a"]}, schema_overrides={"s": pl.Enum(["a"])}),
    )

    merged = Profile.of(frames[0]).merge(Profile.of(frames[1]))

    assert (merged["x"].kind, merged["x"].mean) == ("number", 0.75)
    assert (merged["s"].kind, merged["s"].top(1)) == ("string", {"a": 2})


def test_questions_without_an_answer_are_refused() -> None:
    profile = Profile.of(
        pl.DataFrame({"x": [None, None], "s": ["a", "b"]}, schema_overrides={"x": pl.Float64})
    )

    assert profile["x"].mean is None
    with pytest.raises(EmptyDataError, match="no value"):
        profile["x"].quantile(0.5)
    with pytest.raises(InvalidDataError, match="no share"):
        profile["x"].quantile(2.0)
    with pytest.raises(InvalidDataError, match="pass edges"):
        profile["x"].counts_in_bins(levels=["a"])
    with pytest.raises(InvalidDataError, match="pass edges for numbers"):
        profile["x"].counts_in_bins()
    with pytest.raises(InvalidDataError, match="holds text"):
        profile["s"].counts_in_bins(edges=[1.0])
    with pytest.raises(InvalidDataError, match="no column 'z'"):
        profile["z"]
    assert "z" not in profile


def test_profiles_show_themselves_for_every_shape_of_column() -> None:
    frame = pl.DataFrame(
        {
            "wide": [-1e307, 1e307, math.inf],
            "same": [1.0, 1.0, 1.0],
            "none": pl.Series([None, None, None], dtype=pl.Float64),
            "infinite": [math.inf, math.inf, -math.inf],
            "flag": [True, None, False],
            "when": [datetime(2013, 1, day, tzinfo=UTC) for day in (1, 2, 3)],
            "<b>": ["<i>", "x", None],
        }
    )

    html = Profile.of(frame)._repr_html_()

    assert html.count("<svg") == 5
    assert "no value" in html
    assert "&lt;b&gt;" in html
    assert "<i>" not in html


def test_a_query_is_profiled_without_being_collected_first() -> None:
    query = pl.LazyFrame({"x": [1, 2, 3]}).filter(pl.col("x") > 1)

    assert Profile.of(query).n_rows == 2


def test_parts_of_any_order_merge_at_once_and_none_is_no_profile() -> None:
    parts = [profile_part(pl.DataFrame({"x": [i, i + 1]})) for i in range(4)]

    merged = Profile.merge_all(parts)

    assert merged == Profile.merge_all(reversed(parts))
    assert merged["x"].top(5) == {1.0: 2, 2.0: 2, 3.0: 2, 0.0: 1, 4.0: 1}
    with pytest.raises(EmptyDataError, match="no profile to merge"):
        Profile.merge_all([])

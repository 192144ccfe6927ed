"""Every statistic of a profile, against those who compute it from the values themselves."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction

import numpy as np
import polars as pl
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy import stats

from mldeploy.data import ColumnProfile, Profile

floats = st.floats() | st.sampled_from([0.0, -0.0, math.inf, -math.inf, math.nan, 5e-324, 0.1])
whole = st.integers(-(2**53), 2**53)
moments = st.datetimes(datetime(1700, 1, 1), datetime(2250, 1, 1))


def optional_lists(values: st.SearchStrategy[object]) -> st.SearchStrategy[list[object]]:
    return st.lists(st.none() | values, max_size=30)


def column_of(values: list[object], dtype: pl.DataType | type[pl.DataType]) -> ColumnProfile:
    return Profile.of(pl.DataFrame({"x": pl.Series(values, dtype=dtype)}), progress=False)["x"]


@given(optional_lists(floats))
@example([1e308, 1e308, -1e308])
@example([5e-324])
@example([0.0, 5e-324])
@example([math.inf, -math.inf, None])
def test_statistics_of_numbers_are_those_of_exact_arithmetic(values: list[float | None]) -> None:
    x = column_of(values, pl.Float64)

    known = [v for v in values if v is not None and not math.isnan(v)]
    finite = [Fraction(v) for v in known if math.isfinite(v)]
    assert (x.n, x.n_missing) == (len(values), len(values) - len(known))
    assert x.n_distinct == len({v + 0.0 for v in known})
    assert (x.minimum, x.maximum) == (min(known, default=None), max(known, default=None))
    assert x.n_infinite == len(known) - len(finite)
    assert (x.mean is None) == (not finite)
    if finite:
        mean = sum(finite) / len(finite)
        largest = float(max(map(abs, finite)))
        assert x.mean == pytest.approx(float(mean), rel=1e-12, abs=largest * 1e-14)
    if len(finite) > 1:
        variance = sum((v - mean) ** 2 for v in finite) / (len(finite) - 1)
        off = Fraction(x.std or 0.0) ** 2 - variance
        smallest = Fraction(5e-324)  # the step between the smallest doubles
        rounding = smallest * (smallest + 2 * Fraction(largest))
        assert abs(off) <= variance / 10**9 + Fraction(largest) ** 2 / 10**26 + rounding
    else:
        assert x.std is None


@given(optional_lists(whole))
def test_statistics_of_whole_numbers_are_those_of_polars(values: list[int | None]) -> None:
    x, column = column_of(values, pl.Int64), pl.Series(values, dtype=pl.Int64)

    known = column.drop_nulls()
    assert (x.kind, x.n_missing, x.n_distinct) == (
        "integer",
        column.null_count(),
        known.n_unique(),
    )
    assert x.top(100) == Counter(known.to_list())
    assert (x.minimum, x.maximum) == (known.min(), known.max())


@pytest.mark.parametrize(
    ("dtype", "low", "high"),
    [
        (pl.Int8, -128, 127),
        (pl.UInt8, 0, 255),
        (pl.Int16, -(2**15), 2**15 - 1),
        (pl.UInt64, 0, 2**64 - 1),
        (pl.Int64, -(2**63), 2**63 - 1),
        (pl.Int128, -(2**127), 2**127 - 1),
    ],
    ids=str,
)
def test_extremes_of_every_width_are_counted(
    dtype: type[pl.DataType], low: int, high: int
) -> None:
    x = column_of([low, high, high, None], dtype)

    assert (x.n_known, x.n_distinct) == (3, 2)
    assert (x.minimum, x.maximum) == (float(low), float(high))
    assert list(x.counts) == [1, 2]


def test_whole_numbers_that_no_double_tells_apart_are_still_counted_apart() -> None:
    """2**53 and 2**53 + 1 are one double; so are the three around 2**62."""
    x = column_of([2**53, 2**53 + 1, 2**62 - 1, 2**62, 2**62 + 1, 7, 7], pl.Int64)

    assert not x.is_exact
    assert x.n_distinct == 6
    assert x.top()[7.0] == 2


@given(optional_lists(st.text(st.characters(codec="utf-8"), max_size=3)))
def test_texts_are_counted_as_python_counts_them(values: list[str | None]) -> None:
    s = column_of(values, pl.String)

    assert s.levels() == Counter(values)
    assert s.n_distinct == len(set(values) - {None})


@given(optional_lists(floats), st.floats(0, 1))
def test_entropy_and_quantiles_are_those_of_scipy_and_numpy(
    values: list[float | None], q: float
) -> None:
    x = column_of(values, pl.Float64)

    known = [v + 0.0 for v in values if v is not None and not math.isnan(v)]
    if not known:
        assert x.entropy is None
        return
    assert x.entropy == pytest.approx(stats.entropy(list(Counter(known).values())), abs=1e-12)
    with np.errstate(invalid="ignore"):
        expected = np.quantile(known, q, method="inverted_cdf")
    assert x.quantile(q) == expected


@given(optional_lists(st.decimals(-(10**6), 10**6, places=2)))
def test_decimals_are_numbers(values: list[Decimal | None]) -> None:
    x = column_of(values, pl.Decimal(12, 2))

    assert x.kind == "number"
    assert x.top(100) == Counter(float(v) + 0.0 for v in values if v is not None)


@given(optional_lists(moments), st.sampled_from(["ms", "us", "ns"]))
def test_moments_are_microseconds_in_utc_whatever_their_unit_and_zone(
    values: list[datetime | None], unit: str
) -> None:
    values = [v and v.replace(microsecond=v.microsecond // 1_000 * 1_000) for v in values]
    column = pl.Series(values, dtype=pl.Datetime("us")).dt.replace_time_zone("UTC")
    local = column.dt.convert_time_zone("Asia/Kolkata").dt.cast_time_unit(unit)  # type: ignore[arg-type]

    t = Profile.of(pl.DataFrame({"t": local}), progress=False)["t"]

    known = [v.replace(tzinfo=UTC) for v in values if v is not None]
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    assert t.top(100) == Counter((v - epoch) / timedelta(microseconds=1) for v in known)


@given(st.lists(st.times(), min_size=1), st.lists(st.dates(), min_size=1))
def test_dates_and_times_of_day_are_days_and_microseconds(
    times: list[time], dates: list[date]
) -> None:
    day, clock = column_of(dates, pl.Date), column_of(times, pl.Time)

    assert day.minimum == (min(dates) - date(1970, 1, 1)).days
    first = min(times)
    since_midnight = timedelta(
        hours=first.hour, minutes=first.minute, seconds=first.second,
        microseconds=first.microsecond,
    )  # fmt: skip
    assert clock.minimum == since_midnight / timedelta(microseconds=1)
    assert day.readable(day.quantile(1.0)) == max(dates).isoformat()


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        ([None, None], pl.Null),
        ([None, None], pl.String),
        ([], pl.Float64),
        ([math.nan, None], pl.Float64),
        ([], pl.Datetime("us", "UTC")),
    ],
    ids=str,
)
def test_columns_without_a_value_have_no_statistic(
    values: list[object], dtype: pl.DataType
) -> None:
    x = column_of(values, dtype)

    assert (x.n, x.n_known, x.n_distinct) == (len(values), 0, 0)
    assert (x.minimum, x.mean, x.std, x.entropy, x.n_infinite) == (None, None, None, None, 0)
    assert x.top() == {}


def test_a_constant_column_has_no_spread() -> None:
    x = column_of([0.1] * 1_000, pl.Float64)

    assert (x.mean, x.std, x.entropy, x.n_distinct) == (0.1, 0.0, 0.0, 1)


def test_nested_columns_are_counted_by_their_fields_lengths_and_elements() -> None:
    frame = pl.DataFrame(
        {
            "who": [{"name": "Ana", "age": 30}, None, {"name": "Bo", "age": None}],
            "tags": [["a", "b"], [], None],
            "legs": [[{"km": 5}], [{"km": 7}, {"km": 5}], None],
            "pair": pl.Series([[1, 2], None, [3, 4]], dtype=pl.Array(pl.Int64, 2)),
            "raw": [b"abc", b"", None],
        }
    )

    profile = Profile.of(frame, progress=False)

    assert profile.names == (
        "legs.length", "legs[].km", "pair.length", "pair[]", "raw.length", "tags.length",
        "tags[]", "who.age", "who.name",
    )  # fmt: skip
    assert profile["who.age"].top() == {30.0: 1}
    assert (profile["who.name"].n_missing, profile["who.age"].n_missing) == (1, 2)
    assert profile["tags.length"].top() == {0.0: 1, 2.0: 1}
    assert profile["tags[]"].levels() == {"a": 1, "b": 1}
    assert profile["legs[].km"].top() == {5.0: 2, 7.0: 1}
    assert (profile["pair[]"].n, profile["raw.length"].top()) == (4, {0.0: 1, 3.0: 1})
    assert profile.merge(profile)["tags[]"].n == 4


@pytest.mark.parametrize("unit", ["ms", "us", "ns"])
@pytest.mark.parametrize("sort", [pl.Datetime, pl.Duration])
def test_moments_that_no_calendar_has_are_counted_and_shown(
    sort: type[pl.Datetime | pl.Duration], unit: str
) -> None:
    ticks = pl.Series([-(2**62), 2**62, 0, None])
    frame = pl.DataFrame({"t": ticks.cast(sort(unit))})  # type: ignore[arg-type]

    profile = Profile.of(frame, progress=False)

    micros = {"ms": 1e3, "us": 1.0, "ns": 1e-3}[unit]
    assert profile["t"].minimum == pytest.approx(-(2**62) * micros)
    assert (profile["t"].n_missing, profile["t"].n_distinct) == (1, 3)
    assert " to " in profile._repr_html_()


# --- above the limit ----------------------------------------------------------------------

N_WIDE = 100_000


def wide_table() -> pl.DataFrame:
    rng = np.random.default_rng(0)
    names = np.char.add("N", rng.integers(0, 200_000, N_WIDE).astype(str))
    often = rng.random(N_WIDE) < 0.01
    return pl.DataFrame(
        {
            "normal": rng.normal(size=N_WIDE),
            "around a million": 1e6 + rng.normal(size=N_WIDE),
            "heavy": rng.standard_cauchy(N_WIDE),
            "number of the row": np.arange(N_WIDE),
            "large": np.arange(N_WIDE) + 2**60,
            "moment": pl.Series(rng.integers(0, 10**15, N_WIDE)).cast(pl.Datetime("us", "UTC")),
            "name": np.where(often, "often", names),
            "few": rng.integers(0, 50, N_WIDE),
        }
    )


@pytest.fixture(scope="module")
def table() -> pl.DataFrame:
    return wide_table()


@pytest.fixture(scope="module")
def whole_profile(table: pl.DataFrame) -> Profile:
    return Profile.of(table, progress=False)


def without_frequent(profile: Profile) -> Profile:
    columns = tuple(c.model_copy(update={"frequent": ()}) for c in profile.columns)
    return profile.model_copy(update={"columns": columns})


def test_the_profiles_of_64_partitions_merge_into_that_of_the_whole(
    table: pl.DataFrame, whole_profile: Profile
) -> None:
    """Not only the exact parts: buckets, samples and sketches are the same to the last bit."""
    size = N_WIDE // 64 + 1
    parts = [
        Profile.of(table[start : start + size], progress=False) for start in range(0, N_WIDE, size)
    ]

    merged = Profile.merge_all(parts)
    in_groups = Profile.merge_all([Profile.merge_all(parts[7:]), *reversed(parts[:7])])

    assert len(parts) == 64
    assert without_frequent(merged) == without_frequent(whole_profile)
    assert in_groups == merged
    assert "often" in merged["name"].top(1)
    assert merged["few"].is_exact


@pytest.mark.parametrize("name", ["normal", "around a million", "heavy"])
@pytest.mark.parametrize("q", [0.001, 0.25, 0.5, 0.9, 0.999])
def test_quantiles_above_the_limit_are_within_their_bucket(
    table: pl.DataFrame, whole_profile: Profile, name: str, q: float
) -> None:
    """A bucket at level d is 2**(d - 52) of the power of two below the value, its middle half."""
    x, exact = whole_profile[name], np.quantile(table[name], q, method="inverted_cdf")

    width = 2.0 ** (x.level - 52) * 2.0 ** math.floor(math.log2(abs(exact)))
    assert not x.is_exact
    assert abs(x.quantile(q) - exact) <= width / 2


def test_values_close_together_but_far_from_zero_keep_their_shape(
    table: pl.DataFrame, whole_profile: Profile
) -> None:
    """Four digits kept of 1,000,000.3 would put all into one bucket; here the spread is kept."""
    x, values = whole_profile["around a million"], table["around a million"]

    assert len(x.counts) > 1_000
    assert x.mean == pytest.approx(values.mean(), abs=1e-6)
    assert x.std == pytest.approx(values.std(), rel=1e-4)


@pytest.mark.parametrize("name", ["normal", "number of the row", "large", "moment", "name"])
def test_distinct_values_above_the_limit_are_estimated(
    table: pl.DataFrame, whole_profile: Profile, name: str
) -> None:
    """Off by more than four standard errors, 12.4 %, with a chance below 0.0001 each."""
    assert whole_profile[name].n_distinct == pytest.approx(table[name].n_unique(), rel=0.124)


def test_a_sample_of_distinct_values_counts_each_exactly(
    table: pl.DataFrame, whole_profile: Profile
) -> None:
    """All 100,000 numbers of rows occur once, and so does each of the sample."""
    sample = whole_profile["number of the row"].distinct

    assert sample is not None
    assert sample.occurrences.tolist() == [1] * 1_024


def test_counts_of_frequent_texts_are_within_the_stated_error(
    table: pl.DataFrame, whole_profile: Profile
) -> None:
    """At most e n / 4096 too high, with a chance of 1.8 % for one text; never too low."""
    found = whole_profile["name"].top(1)["often"]
    true = int((table["name"] == "often").sum())

    assert true <= found <= true + math.e * N_WIDE / 4_096


@pytest.mark.parametrize("limit", [1, 10, 1_000])
def test_the_number_of_buckets_stays_within_the_limit_where_it_can(limit: int) -> None:
    """Ten numbers between 1 and 2 need one bucket at 7 digits; the limit is not exceeded."""
    values = np.linspace(1, 1.5, 5_000, endpoint=False)

    x = Profile.of(pl.DataFrame({"x": values}), limit=limit, progress=False)["x"]

    assert len(x.counts) <= max(limit, 64)
    assert x.counts.sum() == 5_000


def test_long_texts_are_sketched_though_they_are_few() -> None:
    """500 texts of 60 kB are 30 MB, more than 256 bytes for each of 65,536."""
    texts = pl.DataFrame({"t": [f"{i:06}" * 10_000 for i in range(500)]})

    t = Profile.of(texts, progress=False)["t"]

    assert not t.is_exact
    assert t.n_distinct == 500
    assert t.frequent == ()
    assert len(t.to_json()) < 100_000


def test_a_text_that_is_frequent_late_is_found() -> None:
    """65,536 texts come first; then one makes up a hundredth of all."""
    early = pl.DataFrame({"t": [f"N{i}" for i in range(200_000)]})
    late = pl.DataFrame({"t": ["late"] * 2_000})

    t = Profile.of([early, late], progress=False)["t"]

    assert list(t.top(1)) == ["late"]
    assert len(t.frequent) < 10


def test_batches_of_any_size_make_the_same_profile(
    table: pl.DataFrame, whole_profile: Profile
) -> None:
    batches: Callable[[int], list[pl.DataFrame]] = lambda n: list(table.iter_slices(n))  # noqa: E731

    found = Profile.of(batches(33_333), progress=False)

    assert without_frequent(found) == without_frequent(whole_profile)

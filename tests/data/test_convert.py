"""Frames survive the way from pandas to polars and back."""

from __future__ import annotations

from datetime import date, time, timedelta
from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.compose import make_column_transformer
from sklearn.preprocessing import OneHotEncoder

from mldeploy.data import to_pandas, to_polars
from mldeploy.errors import InvalidDataError


def everything() -> pd.DataFrame:
    """One column of every type that pandas and polars share."""
    stamps = pd.to_datetime(["2013-01-01 05:00", None, "2013-07-01 05:00"])
    return pd.DataFrame(
        {
            "int": [1, 2, 3],
            "int8": np.array([1, 2, 3], np.int8),
            "unsigned": np.array([1, 2, 2**64 - 1], np.uint64),
            "float": [1.5, np.nan, -0.0],
            "float32": np.array([1.5, np.nan, 2.0], np.float32),
            "bool": [True, False, True],
            "text": ["a", None, "é"],
            "category": pd.Categorical(["x", None, "x"], categories=["y", "x"]),
            "naive": stamps,
            "utc": stamps.tz_localize("UTC"),
            "local": stamps.tz_localize("America/New_York"),
            "nanoseconds": stamps.astype("datetime64[ns]"),
            "duration": pd.to_timedelta([1, None, 3], unit="s"),
        }
    )


def test_every_shared_type_survives_the_round_trip() -> None:
    pd.testing.assert_frame_equal(to_pandas(to_polars(everything())), everything())


@given(st.lists(st.none() | st.integers(-(2**53), 2**53), min_size=1))
def test_whole_numbers_stay_whole_unless_some_are_missing(values: list[int | None]) -> None:
    shown = to_pandas(pl.DataFrame({"x": values}, schema={"x": pl.Int64}))["x"]

    assert shown.dtype == ("float64" if None in values else "int64")
    assert [None if np.isnan(v) else int(v) for v in shown] == values


def test_missing_booleans_become_numbers_that_estimators_read() -> None:
    shown = to_pandas(pl.DataFrame({"b": [True, None, False]}))["b"]

    assert shown.dtype == "float64"
    assert shown.isna().tolist() == [False, True, False]


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        (pd.array([1, None], dtype="Int64"), pl.Int64),
        (pd.array([1.5, None], dtype="Float64"), pl.Float64),
        (pd.array([True, None], dtype="boolean"), pl.Boolean),
        (pd.array(["a", None], dtype="string"), pl.String),
        (pd.array(["a", None], dtype=pd.StringDtype("python")), pl.String),
        (np.array(["a", None], object), pl.String),
        (np.array([True, None], object), pl.Boolean),
        (np.array([1, None], object), pl.Int64),
        (np.array([Decimal("1.5"), None], object), pl.Float64),
        (np.array([date(2013, 1, 1), None], object), pl.Date),
        (np.array([time(5, 15), None], object), pl.Time),
        (np.array([timedelta(seconds=1), None], object), pl.Duration("us")),
        (np.array([None, None], object), pl.Float64),
        (np.array([1.5, np.nan], np.float16), pl.Float32),
        (pd.Categorical([7, None]), pl.Float64),
        (pd.Categorical([None, None]), pl.Enum([])),
    ],
)
def test_other_types_become_the_nearest_and_their_gaps_null(
    values: object, dtype: pl.DataType
) -> None:
    column = to_polars(pd.DataFrame({"x": values}))["x"]

    assert column.dtype == dtype
    assert column[1] is None


def test_times_with_several_offsets_become_utc() -> None:
    mixed = [pd.Timestamp("2013-01-01 00:00+01:00"), pd.Timestamp("2013-01-01 00:00-05:00")]

    column = to_polars(pd.DataFrame({"t": pd.Series(mixed, dtype=object)}))["t"]

    assert column.dtype == pl.Datetime("us", "UTC") or column.dtype == pl.Datetime("ns", "UTC")
    assert [moment.hour for moment in column] == [23, 5]


def test_a_fixed_offset_becomes_utc() -> None:
    frame = pd.DataFrame({"t": pd.to_datetime(["2013-01-01 00:00+01:00"])})

    assert to_polars(frame)["t"].dtype.time_zone == "UTC"  # type: ignore[attr-defined]


def test_whole_numbers_beyond_64_bits_are_refused() -> None:
    with pytest.raises(InvalidDataError, match="'x' cannot be read as integer"):
        to_polars(pd.DataFrame({"x": [2**70, 1]}, dtype=object))


def test_polars_categories_become_sorted_ones() -> None:
    frame = to_polars(pl.DataFrame({"c": ["b", "a", None]}, schema={"c": pl.Categorical}))

    assert frame["c"].dtype == pl.Enum(["a", "b"])
    assert to_pandas(frame)["c"].cat.categories.tolist() == ["a", "b"]


def test_a_frame_without_columns_stays_one() -> None:
    assert to_pandas(pl.DataFrame()).shape == (0, 0)


def test_an_encoder_sees_what_it_would_have_seen() -> None:
    own = everything()[["text", "category", "int"]]
    encoder = make_column_transformer(
        (OneHotEncoder(), ["text", "category"]), remainder="passthrough"
    )

    expected = encoder.fit_transform(own)

    np.testing.assert_array_equal(encoder.transform(to_pandas(to_polars(own))), expected)


def test_texts_and_names_that_are_no_unicode_are_refused() -> None:
    with pytest.raises(InvalidDataError, match="'x' cannot be read as string"):
        to_polars(pd.DataFrame({"x": pd.Series(["\ud800"], dtype=object)}))
    with pytest.raises(InvalidDataError, match="not Unicode"):
        to_polars(pd.DataFrame([[1]], columns=pd.Index(["\ud800"], dtype=object)))


def test_arrow_types_of_pandas_keep_their_width() -> None:
    pytest.importorskip("pyarrow")
    frame = pd.DataFrame({"x": pd.array([1, None], dtype="int32[pyarrow]")})

    assert to_polars(frame)["x"].to_list() == [1, None]
    assert to_polars(frame)["x"].dtype == pl.Int32

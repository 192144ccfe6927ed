"""Datasets: any source in, roles checked, frames out as the user had them."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest

from mldeploy.data import Dataset, Roles
from mldeploy.errors import (
    DuplicateColumnsError,
    EmptyDataError,
    InvalidDataError,
    SchemaMismatchError,
    UnreadableFileError,
)


def trips() -> pd.DataFrame:
    """Four trips, one without a label, one without a wind."""
    return pd.DataFrame(
        {
            "when": pd.to_datetime(
                ["2013-01-01", "2013-01-02", "2013-01-03", "2013-01-04"], utc=True
            ),
            "tail": ["N1", "N1", "N2", None],
            "wind": [1.0, np.nan, 3.0, 4.0],
            "seats": [10, 20, 30, 40],
            "sex": ["f", "m", "f", "m"],
            "late": pd.array([True, False, None, True], dtype="boolean"),
        }
    )


def dataset() -> Dataset:
    return Dataset.of(
        trips(), target="late", time="when", unit="tail", sensitive=["sex"], name="trips"
    )


def test_features_are_the_columns_without_another_role() -> None:
    assert dataset().features == ("wind", "seats")


def test_sensitive_columns_are_features_only_if_named() -> None:
    data = Dataset.of(trips(), target="late", sensitive=["sex"], features=["sex", "seats"])

    assert data.X().columns.tolist() == ["sex", "seats"]


def test_target_is_refused_while_labels_are_missing_and_known_after_labelled() -> None:
    with pytest.raises(InvalidDataError, match=r"1 of 4 rows have no 'late'; call \.labelled\(\)"):
        dataset().y()

    labels = dataset().labelled().y()

    assert labels.tolist() == [True, False, True]
    assert labels.dtype == bool


def test_nan_targets_count_as_unknown() -> None:
    data = Dataset.of(pd.DataFrame({"x": [1, 2], "y": [np.nan, 0.5]}), target="y")

    with pytest.raises(InvalidDataError, match="1 of 2 rows"):
        data.y()


def test_a_target_of_a_single_class_is_read_as_it_is() -> None:
    """Whether one class is enough is for assessment to say."""
    assert Dataset.of(pd.DataFrame({"x": [1, 2], "y": ["a", "a"]}), target="y").y().tolist() == [
        "a",
        "a",
    ]


def test_times_are_utc_and_between_takes_the_start_and_leaves_the_end() -> None:
    data = dataset()

    part = data.between(datetime(2013, 1, 2, tzinfo=UTC), datetime(2013, 1, 4, tzinfo=UTC))

    assert data.times().dtype == "datetime64[us]"
    assert part.column("seats").tolist() == [20, 30]
    assert part.roles == data.roles


def test_naive_times_are_refused_with_the_way_out() -> None:
    naive = trips().assign(when=lambda frame: frame["when"].dt.tz_localize(None))

    with pytest.raises(InvalidDataError, match="has no time zone"):
        Dataset.of(naive, time="when")

    local = Dataset.of(naive, time="when", timezone="America/New_York")

    assert local.times()[0] == np.datetime64("2013-01-01T05:00")


def test_times_that_never_existed_are_refused() -> None:
    skipped = pd.DataFrame({"when": pd.to_datetime(["2013-03-10 02:30"]), "x": [1]})

    with pytest.raises(InvalidDataError, match="never existed in America/New_York"):
        Dataset.of(skipped, time="when", timezone="America/New_York")


def test_bounds_without_a_zone_are_refused() -> None:
    with pytest.raises(InvalidDataError, match="no time zone"):
        dataset().between(datetime(2013, 1, 1), None)


@pytest.mark.parametrize(
    ("roles", "reason"),
    [
        ({"target": "late", "features": ["late", "seats"]}, "the target and a feature"),
        ({"target": "late", "unit": "late"}, "the target and the unit"),
        ({"weight": "seats", "features": ["seats"]}, "the weight and a feature"),
        ({"weight": "seats", "sensitive": ["seats"]}, "the weight and another role"),
        ({"features": ["seats", "seats"]}, "twice"),
        ({"features": "seats"}, "pass a list"),
        ({"sensitive": "sex"}, "pass a list"),
        ({"target": "lateness"}, "roles name 'lateness'"),
        ({"time": "seats"}, "not times"),
        ({"weight": "sex"}, "weights are numbers"),
        ({"weight": "wind"}, "1 unknown weights"),
    ],
)
def test_roles_that_cannot_be_are_refused(roles: dict[str, object], reason: str) -> None:
    with pytest.raises(InvalidDataError, match=reason):
        Dataset.of(trips(), **roles)  # type: ignore[arg-type]


def test_negative_weights_are_refused_and_others_are_floats() -> None:
    with pytest.raises(InvalidDataError, match="reaches from -1"):
        Dataset.of(pd.DataFrame({"w": [-1, 2]}), weight="w")

    weights = Dataset.of(trips(), weight="seats").weights()

    assert weights is not None
    assert weights.tolist() == [10.0, 20.0, 30.0, 40.0]


def test_tables_without_rows_or_columns_are_refused() -> None:
    for empty in (trips().head(0), pd.DataFrame(), pl.DataFrame()):
        with pytest.raises(EmptyDataError, match="0 rows"):
            Dataset.of(empty)
    with pytest.raises(EmptyDataError, match="selection"):
        dataset().filter(pl.col("seats") > 99)


def test_duplicate_columns_are_refused_from_every_source(tmp_path: Path) -> None:
    path = tmp_path / "twice.csv"
    path.write_text("a,b,a\n1,2,3\n")
    twice = pd.DataFrame([[1, 2, 3]], columns=["a", "b", "a"])

    for source in (twice, path):
        with pytest.raises(DuplicateColumnsError) as caught:
            Dataset.of(source)
        assert caught.value.names == ("a",)


def test_columns_that_mix_types_are_refused_with_the_first_odd_row() -> None:
    mixed = pd.DataFrame({"delay": [3, "cancelled", 5]}, dtype=object)

    with pytest.raises(InvalidDataError, match=r"'delay' mixes int, str: row 1 holds 'cancelled'"):
        Dataset.of(mixed)


def test_column_names_that_are_no_text_are_refused() -> None:
    with pytest.raises(InvalidDataError, match="called 7, a int"):
        Dataset.of(pd.DataFrame({7: [1]}))


@pytest.mark.parametrize("value", [[1, 2], {"a": 1}, b"x"])
def test_nested_values_are_refused(value: object) -> None:
    with pytest.raises(InvalidDataError, match="'x'"):
        Dataset.of(pd.DataFrame({"x": [value]}))
    with pytest.raises(InvalidDataError, match="'x'"):
        Dataset.of(pl.DataFrame({"x": [value]}))


def test_other_objects_and_absent_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidDataError, match="a list is not a table"):
        Dataset.of([1, 2])  # type: ignore[arg-type]
    with pytest.raises(InvalidDataError, match="no file matches"):
        Dataset.of(tmp_path / "*.parquet")
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(InvalidDataError, match=r"\.txt"):
        Dataset.of(tmp_path / "notes.txt")
    (tmp_path / "broken.parquet").write_text("hello")
    with pytest.raises(InvalidDataError, match="cannot be read"):
        Dataset.of(tmp_path / "broken.parquet")


def test_a_file_that_does_not_go_with_the_others_is_named(tmp_path: Path) -> None:
    pl.DataFrame({"a": [1], "b": [1]}).write_parquet(tmp_path / "1.parquet")
    other = tmp_path / "2.parquet"

    other.write_bytes(b"PAR1")
    with pytest.raises(UnreadableFileError, match=r"2\.parquet cannot be read"):
        Dataset.of(tmp_path)
    pl.DataFrame({"a": [1]}).write_parquet(other)
    with pytest.raises(SchemaMismatchError, match=r"2\.parquet lacks 'b'"):
        Dataset.of(tmp_path)
    pl.DataFrame({"a": [1], "b": ["x"]}).write_parquet(other)
    with pytest.raises(SchemaMismatchError, match=r"'b' of .*2\.parquet holds String"):
        Dataset.of(tmp_path)
    pl.DataFrame({"b": [0.5], "a": [2]}).write_parquet(other)
    assert Dataset.of(tmp_path).polars().rows() == [(1, 1.0), (2, 0.5)]


def test_every_source_gives_the_same_dataset(tmp_path: Path) -> None:
    frame = pl.DataFrame({"a": [1, 2, 3], "b": ["x", None, "z"], "c": [0.5, 1.5, None]})
    frame.write_parquet(tmp_path / "one.parquet")
    frame.head(2).write_parquet(tmp_path / "part-0.pq")
    frame.tail(1).write_parquet(tmp_path / "part-1.pq")
    frame.write_csv(tmp_path / "one.csv")
    frame.write_ndjson(tmp_path / "one.ndjson")
    frame.write_ipc(tmp_path / "one.arrow")
    sources = [
        frame,
        frame.lazy(),
        Dataset.of(frame),
        tmp_path / "one.parquet",
        str(tmp_path / "part-*.pq"),
        tmp_path / "one.csv",
        tmp_path / "one.ndjson",
        tmp_path / "one.arrow",
        pd.DataFrame({"a": [1, 2, 3], "b": ["x", None, "z"], "c": [0.5, 1.5, None]}),
    ]

    datasets = [Dataset.of(source) for source in sources]

    assert len({data.fingerprint for data in datasets}) == 1
    assert all(data.polars().equals(frame) for data in datasets)


def test_frames_come_back_as_the_user_had_them() -> None:
    own = trips()

    shown = Dataset.of(own, target="late", time="when").X()

    pd.testing.assert_frame_equal(shown, own[["tail", "wind", "seats", "sex"]])
    assert isinstance(shown.index, pd.RangeIndex)


def test_neither_the_callers_frame_nor_the_dataset_changes_with_the_other() -> None:
    own = trips()
    data = Dataset.of(own, target="late")
    first = data.X()

    own.loc[0, "seats"] = -1
    first.loc[1, "seats"] = -2

    assert data.X()["seats"].tolist() == [10, 20, 30, 40]
    assert own["seats"].tolist() == [-1, 20, 30, 40]


def test_take_goes_by_position_or_mask_and_keeps_the_order_asked_for() -> None:
    data = dataset()

    assert data.take([2, 0]).column("seats").tolist() == [30, 10]
    assert data.take(np.array([True, False, False, True])).column("seats").tolist() == [10, 40]
    assert data.take([2, 0]).X()["seats"].tolist() == [30, 10]
    for wrong in ([9], [0.5], np.array([True])):
        with pytest.raises(InvalidDataError):
            data.take(wrong)


def test_dropped_columns_lose_their_roles() -> None:
    data = dataset().drop("late", "wind")

    assert data.roles == Roles(time="when", unit="tail", sensitive=("sex",), features=("seats",))
    with pytest.raises(InvalidDataError, match="declares no target"):
        data.y()
    with pytest.raises(InvalidDataError, match="no column 'gust'"):
        data.drop("gust")


def test_a_new_target_stops_being_a_feature() -> None:
    changed = dataset().with_roles(target="wind")

    assert changed.roles.target == "wind"
    assert changed.features == ("seats",)
    with pytest.raises(InvalidDataError, match="no role"):
        dataset().with_roles(label="wind")


def test_ten_thousand_columns_work() -> None:
    wide = pd.DataFrame(np.zeros((3, 10_000))).rename(columns=str)

    data = Dataset.of(wide, target="0")

    assert data.X().shape == (3, 9_999)
    assert data.schema.check(data.polars()) == ()
    assert len(data.fingerprint) == 64
    assert "9,970 more columns" in data._repr_html_()


def test_names_and_values_are_escaped_when_shown() -> None:
    hostile = "<script>alert(1)</script>"
    data = Dataset.of(pd.DataFrame({hostile: [hostile]}), name=hostile)

    for html in (data._repr_html_(), data.profile()._repr_html_()):
        assert "<script" not in html
        assert "&lt;script&gt;" in html


def test_arrow_tables_are_read_through_their_capsule() -> None:
    pa = pytest.importorskip("pyarrow")
    frame = pl.DataFrame({"a": [1, None], "b": ["x", "y"]})

    assert Dataset.of(frame.to_arrow()).polars().equals(frame)
    with pytest.raises(DuplicateColumnsError) as caught:
        Dataset.of(pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["a", "a"]))
    assert caught.value.names == ("a",)


class Tabular:
    """A stranger's table, of which nothing is known but that it exports Arrow."""

    def __init__(self, frame: pl.DataFrame) -> None:
        self._frame = frame

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        return self._frame.__arrow_c_stream__(requested_schema)


def test_a_strangers_table_is_read_without_pyarrow() -> None:
    frame = pl.DataFrame({"a": [1, None], "b": ["x", "y"]})

    assert Dataset.of(Tabular(frame)).polars().equals(frame)


def test_units_and_names_of_absent_roles_are_none() -> None:
    data = Dataset.of(trips())

    assert data.units() is None
    assert data.weights() is None
    assert len(data) == 4
    with pytest.raises(InvalidDataError, match="declares no time"):
        data.times()
    with pytest.raises(InvalidDataError, match="declares no time"):
        data.between(None, None)
    with pytest.raises(InvalidDataError, match="declares no target"):
        data.labelled()


def test_missing_units_are_shown_as_none() -> None:
    units = dataset().units()

    assert units is not None
    assert units.tolist() == ["N1", "N1", "N2", None]


def test_frames_hold_the_columns_asked_for_in_that_order() -> None:
    data = dataset()

    shown = data.pandas(["late", "seats"])

    assert shown.columns.tolist() == ["late", "seats"]
    assert data.pandas().columns.tolist() == list(data.columns)
    assert data.lazy().collect().equals(data.polars())


def test_times_of_a_day_without_a_zone_and_rows_without_a_time_are_refused() -> None:
    days = pl.DataFrame({"day": ["2013-01-01", None]}).with_columns(pl.col("day").str.to_date())

    with pytest.raises(InvalidDataError, match="no time zone"):
        Dataset.of(days, time="day")
    with pytest.raises(InvalidDataError, match="1 of 2 rows have no time"):
        Dataset.of(days, time="day", timezone="UTC")
    with pytest.raises(InvalidDataError, match="'Mars' is no time zone"):
        Dataset.of(days, time="day", timezone="Mars")


@pytest.mark.parametrize("content", ["", "a,b\n1,2\n1,2,3,4\n"])
def test_a_csv_that_is_no_table_is_refused_by_name(tmp_path: Path, content: str) -> None:
    path = tmp_path / "broken.csv"
    path.write_text(content)

    with pytest.raises(InvalidDataError, match=r"broken\.csv"):
        Dataset.of(path)

"""Schemas refuse what would break a model, and accept what they were inferred from."""

from __future__ import annotations

import json
import math
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mldeploy.data import ColumnSchema, Dataset, Schema, to_polars
from mldeploy.errors import (
    DuplicateColumnsError,
    InvalidDataError,
    InvalidRowsError,
    SchemaMismatchError,
)

HOSTILE = "<script>alert(1)</script>"


def flights() -> pl.DataFrame:
    """Three departures with every kind of column."""
    return pl.DataFrame(
        {
            "hour": [5, 6, 23],
            "wind": [1.5, None, 3.0],
            "late": [True, False, True],
            "origin": ["JFK", "LGA", "JFK"],
            "engine": pl.Series(["fan", "jet", "fan"], dtype=pl.Enum(["fan", "jet"])),
            "when": [datetime(2013, 1, day, 5, tzinfo=UTC) for day in (1, 2, 3)],
            "day": [date(2013, 1, day) for day in (1, 2, 3)],
            "at": [time(5, 15), time(6), time(7)],
            "taxi": [timedelta(minutes=m) for m in (10, 15, 20)],
            HOSTILE: [1, 2, 3],
        }
    )


def schema() -> Schema:
    return Schema.infer(flights())


def row(**changes: object) -> dict[str, object]:
    """Return a row, as JSON carries it, that the schema accepts."""
    good: dict[str, object] = {
        "hour": 5,
        "wind": 1.5,
        "late": True,
        "origin": "JFK",
        "engine": "fan",
        "when": "2013-01-01T00:00:00-05:00",
        "day": "2013-01-01",
        "at": "05:15:00",
        "taxi": 600,
        HOSTILE: 1,
    }
    return {**good, **changes}


def codes(rows: list[dict[str, object]]) -> list[tuple[int, str, str]]:
    _, errors = schema().parse_rows(rows)
    return [(error.row, error.column, error.code) for error in errors]


# --- inference ----------------------------------------------------------------------------

tables = st.lists(
    st.tuples(
        st.integers(-(2**63), 2**63 - 1),
        st.none() | st.floats(),
        st.none() | st.text(st.characters(codec="utf-8"), max_size=3),
        st.none() | st.booleans(),
        st.none()
        | st.datetimes(datetime(1900, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)),
    ),
    min_size=1,
    max_size=9,
).map(
    lambda rows: pl.DataFrame(
        rows,
        schema={
            "i": pl.Int64,
            "f": pl.Float64,
            "s": pl.String,
            "b": pl.Boolean,
            "t": pl.Datetime("us", "UTC"),
        },
        orient="row",
    )
)


@given(tables)
def test_a_schema_accepts_the_data_it_was_inferred_from(table: pl.DataFrame) -> None:
    inferred = Schema.infer(table)

    assert inferred.check(table) == ()
    assert inferred.surprises(table) == ()
    assert inferred.enforce(table).equals(to_polars(table))


@given(tables)
def test_the_rows_it_was_inferred_from_are_read_back(table: pl.DataFrame) -> None:
    frame, errors = Schema.infer(table).parse_rows(table.to_dicts())

    assert errors == ()
    assert frame.equals(to_polars(table))


@given(tables)
def test_schemas_survive_json_and_toml(table: pl.DataFrame) -> None:
    inferred = Schema.infer(table)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "schema.toml"
        inferred.save(path)

        assert Schema.load(path) == inferred
    assert Schema.model_validate_json(inferred.to_json()) == inferred


@given(st.lists(st.text(st.characters(codec="utf-8")), min_size=1, unique=True))
def test_columns_of_any_name_are_stored_in_order(names: list[str]) -> None:
    inferred = Schema.infer(pl.DataFrame({name: [1] for name in names}))
    with TemporaryDirectory() as folder:
        path = Path(folder) / "schema.toml"
        inferred.save(path)

        assert Schema.load(path) == inferred


def test_what_is_inferred_is_what_is_there() -> None:
    inferred = schema()

    assert [column.kind for column in inferred.columns] == [
        *("integer", "number", "boolean", "string", "category"),
        *("datetime", "date", "time", "duration", "integer"),
    ]
    assert (inferred["wind"].minimum, inferred["wind"].maximum) == (1.5, 3.0)
    assert [c.name for c in inferred.columns if c.nullable] == ["wind"]
    assert (inferred["origin"].categories, inferred["origin"].closed) == (("JFK", "LGA"), False)
    assert (inferred["engine"].categories, inferred["engine"].closed) == (("fan", "jet"), True)
    assert inferred["when"].time_zone == "UTC"
    assert (inferred["taxi"].minimum, inferred["taxi"].maximum) == (600.0, 1200.0)


def test_texts_of_many_values_are_no_categories() -> None:
    names = pl.DataFrame({"name": [f"N{i}" for i in range(201)]})

    assert Schema.infer(names)["name"].categories is None


def test_a_dataset_is_described_by_its_features_and_target() -> None:
    data = Dataset.of(flights(), target="late", time="when", features=["wind", "hour"])

    assert data.schema.names == ("wind", "hour", "late")


# --- frames -------------------------------------------------------------------------------


def test_missing_columns_are_named() -> None:
    with pytest.raises(SchemaMismatchError) as caught:
        schema().check(flights().drop("hour", "wind"))

    assert caught.value.missing == ("hour", "wind")


def test_columns_are_ordered_cast_and_the_others_dropped() -> None:
    mixed = flights().select(
        pl.col("late").cast(pl.Float64), pl.col("hour").cast(pl.Float32), "wind"
    )
    wanted = schema().select(["hour", "late"])

    enforced = wanted.enforce(mixed)

    assert enforced.schema == {"hour": pl.Int64, "late": pl.Boolean}
    assert enforced["hour"].to_list() == [5, 6, 23]


@pytest.mark.parametrize(
    ("column", "values", "refused"),
    [
        ("hour", [1.0, 3.7, 2.0**60], [1, 2]),
        ("hour", pl.Series([1, 2**64 - 1, 2], dtype=pl.UInt64), [1]),
        ("hour", [True, False, True], [0, 1, 2]),
        ("hour", ["1", "2", "3"], [0, 1, 2]),
        ("wind", ["1.5", "2", None], [0, 1]),
        ("wind", [True, False, None], [0, 1]),
        ("late", [0, 1, 2], [2]),
        ("late", ["yes", "no", "no"], [0, 1, 2]),
        ("origin", [1, 2, 3], [0, 1, 2]),
        ("when", [datetime(2013, 1, 1)] * 3, [0, 1, 2]),
        ("when", ["2013-01-01T00:00:00Z"] * 3, [0, 1, 2]),
        ("day", [datetime(2013, 1, 1), datetime(2013, 1, 1, 5), datetime(2013, 1, 2)], [1]),
        ("at", [1, 2, 3], [0, 1, 2]),
        ("taxi", [1.0, 2.0, 3.0], [0, 1, 2]),
    ],
)
def test_values_of_the_wrong_type_are_refused_one_by_one(
    column: str, values: object, refused: list[int]
) -> None:
    frame = flights().with_columns(pl.Series(column, values))

    errors = [(e.row, e.code) for e in schema().check(frame) if e.column == column]

    assert errors == [(row, "type") for row in refused]
    with pytest.raises(InvalidRowsError) as caught:
        schema().enforce(frame)
    assert [e.row for e in caught.value.errors] == refused


def test_missing_values_are_refused_only_where_none_was_missing() -> None:
    frame = flights().with_columns(wind=None, hour=pl.Series([None, 2.0, float("nan")]))

    errors = schema().check(frame)

    assert [(e.row, e.column, e.code) for e in errors] == [
        (0, "hour", "missing"),
        (2, "hour", "missing"),
    ]


def test_inferred_ranges_and_categories_surprise_but_do_not_refuse() -> None:
    frame = flights().with_columns(
        wind=pl.Series([99.0, None, 2.0]), origin=pl.Series(["JFK", "EWR", "LGA"])
    )

    assert schema().check(frame) == ()
    assert [(e.row, e.column, e.code) for e in schema().surprises(frame)] == [
        (0, "wind", "range"),
        (1, "origin", "category"),
    ]


def test_ranges_and_categories_that_people_close_do_refuse() -> None:
    strict = schema().edit("wind", strict_range=True, maximum=50.0).edit("origin", closed=True)
    frame = flights().with_columns(
        wind=pl.Series([99.0, None, 50.0]), origin=pl.Series(["JFK", "EWR", "LGA"])
    )

    errors = strict.check(frame)

    assert [(e.row, e.column, e.code) for e in errors] == [
        (0, "wind", "range"),
        (1, "origin", "category"),
    ]
    assert errors[0].message == "99.0 is outside [1.5, 50.0]"
    assert errors[1].message == "'EWR' is none of 'JFK', 'LGA'"


def test_strict_ranges_hold_for_times_and_durations_too() -> None:
    strict = schema()
    for name in ("when", "day", "taxi"):
        strict = strict.edit(name, strict_range=True)
    late = flights().with_columns(
        pl.col("when") + timedelta(days=1), pl.col("day"), pl.col("taxi") * 2
    )

    assert [(e.row, e.column) for e in strict.check(late)] == [
        (2, "when"),
        (1, "taxi"),
        (2, "taxi"),
    ]


def test_unseen_values_of_a_closed_category_are_refused() -> None:
    frame = flights().with_columns(engine=pl.Series(["fan", "rocket", "jet"]))

    assert [(e.row, e.code) for e in schema().check(frame)] == [(1, "category")]


def test_infinite_values_are_refused_unless_there_were_some() -> None:
    frame = flights().with_columns(wind=pl.Series([math.inf, 1.0, -math.inf]))

    assert [(e.row, e.code) for e in schema().check(frame)] == [(0, "range"), (2, "range")]
    assert Schema.infer(frame).check(frame) == ()


def test_errors_are_listed_up_to_the_limit() -> None:
    frame = pl.DataFrame({"hour": ["x"] * 50})

    assert len(schema().select(["hour"]).check(frame, limit=7)) == 7


# --- rows ---------------------------------------------------------------------------------


def test_a_good_row_is_read_into_the_schemas_types() -> None:
    frame, errors = schema().parse_rows([json.loads(json.dumps(row())), row(wind=None)])

    assert errors == ()
    assert [str(dtype) for dtype in frame.dtypes] == [str(c.dtype) for c in schema().columns]
    assert frame["when"][0] == datetime(2013, 1, 1, 5, tzinfo=UTC)
    assert frame["taxi"][0] == timedelta(minutes=10)
    assert frame["wind"].to_list() == [1.5, None]


@pytest.mark.parametrize(
    ("column", "value", "code"),
    [
        ("hour", 3.7, "type"),
        ("hour", 2**63, "type"),
        ("hour", -(2**63) - 1, "type"),
        ("hour", True, "type"),
        ("hour", "5", "type"),
        ("hour", [5], "type"),
        ("hour", None, "missing"),
        ("hour", float("nan"), "missing"),
        ("wind", "1.5", "type"),
        ("wind", False, "type"),
        ("wind", 10**400, "type"),
        ("wind", math.inf, "range"),
        ("late", 1, "type"),
        ("late", "true", "type"),
        ("origin", 5, "type"),
        ("origin", "\ud800", "type"),
        ("origin", None, "missing"),
        ("engine", "rocket", "category"),
        ("engine", 1, "type"),
        ("when", "2013-01-01T00:00:00", "type"),
        ("when", "yesterday", "type"),
        ("when", 1_357_016_400, "type"),
        ("day", "2013-13-01", "type"),
        ("day", "2013-01-01T05:00:00Z", "type"),
        ("at", "25:00", "type"),
        ("at", 5, "type"),
        ("taxi", "10 min", "type"),
        ("taxi", True, "type"),
        ("gate", 5, "unknown"),
        (HOSTILE, "x", "type"),
    ],
)
def test_each_bad_value_is_named_with_its_row_and_reason(
    column: str, value: object, code: str
) -> None:
    assert codes([row(), row(**{column: value}), row()]) == [(1, column, code)]


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("hour", 5.0),
        ("hour", np.int32(5)),
        ("wind", 1),
        ("wind", np.float32(1.5)),
        ("wind", float("nan")),
        ("wind", pd.NA),
        ("late", np.bool_(True)),
        ("origin", "EWR"),
        ("when", datetime(2013, 1, 1, tzinfo=UTC)),
        ("when", pd.Timestamp("2013-01-01", tz="UTC")),
        ("day", date(2013, 1, 1)),
        ("taxi", timedelta(seconds=5)),
        ("taxi", 0.5),
    ],
)
def test_values_that_lose_nothing_are_accepted(column: str, value: object) -> None:
    assert codes([row(**{column: value})]) == []


def test_absent_keys_are_missing_and_every_error_is_listed_by_row() -> None:
    lacking = row()
    del lacking["hour"], lacking["wind"]

    found = codes([row(late=3, gate=1), lacking])

    assert found == [(0, "gate", "unknown"), (0, "late", "type"), (1, "hour", "missing")]


def test_strict_ranges_hold_for_rows() -> None:
    strict = schema().edit("hour", strict_range=True).edit("wind", strict_range=True)

    _, errors = strict.parse_rows([row(hour=24), row(wind=0.5), row(wind=None)])

    assert [(e.row, e.column, e.code) for e in errors] == [
        (0, "hour", "range"),
        (1, "wind", "range"),
    ]


def test_no_rows_are_a_frame_without_rows() -> None:
    frame, errors = schema().parse_rows([])

    assert (frame.shape, errors) == ((0, 10), ())


# --- editing and storing ------------------------------------------------------------------


def test_edits_that_cannot_be_are_refused() -> None:
    for changes, reason in [
        ({"minimum": 9.0, "maximum": 1.0}, "allows nothing"),
        ({"kind": "real"}, "kind"),
        ({"categories": ("a",)}, "cannot have categories"),
        ({"closed": True}, "no categories"),
        ({"minimum": None, "maximum": None, "strict_range": True}, "no range"),
        ({"minimum": date(2013, 1, 1)}, "cannot be bounded"),
        ({"colour": "red"}, "colour"),
    ]:
        with pytest.raises(InvalidDataError, match=reason):
            schema().edit("wind", **changes)
    with pytest.raises(InvalidDataError, match="no column 'gust'"):
        schema().edit("gust", nullable=True)
    with pytest.raises(InvalidDataError, match="twice"):
        schema().edit("origin", categories=("a", "a"))


def test_columns_occur_once() -> None:
    column = ColumnSchema(name="x", kind="number")

    with pytest.raises(ValueError, match="several columns are called 'x'"):
        Schema(columns=(column, column))
    assert issubclass(DuplicateColumnsError, ValueError)


def test_comments_survive_saving_over_an_edited_file(tmp_path: Path) -> None:
    path = tmp_path / "schema.toml"
    schema().save(path)
    text = path.read_text().replace('kind = "number"', 'kind = "number"  # in knots')
    path.write_text(
        "# Agreed with the met office.\n" + text.replace("maximum = 3.0", "maximum = 80.0")
    )

    loaded = Schema.load(path)
    loaded.edit("wind", strict_range=True).edit("hour", nullable=True).save(path)

    assert loaded["wind"].maximum == 80.0
    assert "# Agreed with the met office." in path.read_text()
    assert "# in knots" in path.read_text()
    assert Schema.load(path)["wind"].strict_range
    assert Schema.load(path).names == schema().names


def test_saving_follows_dropped_and_reordered_columns(tmp_path: Path) -> None:
    path = tmp_path / "schema.toml"
    schema().save(path)

    schema().select(["wind", "hour"]).save(path)

    assert Schema.load(path).names == ("wind", "hour")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("not toml", "not TOML"),
        ("format = 2", "format 1"),
        ("format = 1\ncolumns = 3", "format 1"),
        ("format = 1\n[columns]\nx = 3", "no table"),
        ('format = 1\n[columns.x]\nkind = "real"', "kind"),
    ],
)
def test_files_that_are_no_schema_are_refused(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "schema.toml"
    path.write_text(text)

    with pytest.raises(InvalidDataError, match=reason):
        Schema.load(path)


def test_an_absent_file_is_told_as_one(tmp_path: Path) -> None:
    with pytest.raises(InvalidDataError, match="no schema at"):
        Schema.load(tmp_path / "schema.toml")


def test_casts_that_keep_every_value_are_made() -> None:
    wanted = schema().select(["late", "when", "day", "taxi", "origin"])
    tokyo = pl.col("when").dt.convert_time_zone("Asia/Tokyo").dt.cast_time_unit("ms")
    frame = flights().with_columns(
        pl.col("late").cast(pl.Int8),
        tokyo,
        pl.col("day").cast(pl.Datetime("ms")),
        pl.col("taxi").dt.cast_time_unit("ns"),
        pl.col("origin").cast(pl.Categorical),
    )

    assert wanted.enforce(frame).equals(flights().select(wanted.names))


def test_local_times_stay_local() -> None:
    local = pl.DataFrame({"t": [datetime(2013, 1, 1, 5)]})
    inferred = Schema.infer(local)

    assert inferred.enforce(pl.DataFrame({"t": [date(2013, 1, 1)]}))["t"][0] == datetime(
        2013, 1, 1
    )
    assert inferred.parse_rows([{"t": "2013-01-01T05:00:00"}])[1] == ()
    assert inferred.parse_rows([{"t": "2013-01-01T05:00:00Z"}])[1][0].code == "type"


def test_an_open_category_turns_the_unseen_into_missing_and_says_so() -> None:
    wanted = schema().select(["engine"]).edit("engine", closed=False)
    frame = pl.DataFrame({"engine": ["fan", "rocket"]})

    assert wanted.enforce(frame)["engine"].to_list() == ["fan", None]
    assert [(e.row, e.code) for e in wanted.surprises(frame)] == [(1, "category")]
    assert wanted.parse_rows([{"engine": "rocket"}])[0]["engine"].to_list() == [None]


def test_midnights_and_days_keep_their_type_when_stored(tmp_path: Path) -> None:
    table = pl.DataFrame(
        {
            "local": [datetime(2013, 1, 1)],
            "utc": [datetime(2013, 1, 1, tzinfo=UTC)],
            "day": [date(2013, 1, 1)],
            "whole": [1],
            "real": [1.0],
        }
    )
    inferred = Schema.infer(table)
    inferred.save(tmp_path / "schema.toml")

    stored = (
        Schema.load(tmp_path / "schema.toml"),
        Schema.model_validate_json(inferred.to_json()),
    )

    for schema in stored:
        assert schema == inferred
        assert [type(c.minimum) for c in schema.columns] == [datetime, datetime, date, int, float]


def test_bounds_are_of_the_columns_type() -> None:
    for name, bound in [
        ("when", datetime(2013, 1, 1)),
        ("when", date(2013, 1, 1)),
        ("day", datetime(2013, 1, 1)),
        ("late", 1),
        ("hour", float("nan")),
    ]:
        with pytest.raises(InvalidDataError, match="cannot be bounded by"):
            schema().edit(name, minimum=bound)

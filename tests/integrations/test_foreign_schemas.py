"""Schemas and suites of other tools say the same in our words, and ours in theirs."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pandas as pd
import pandera.pandas as pandas_pandera
import polars as pl
import pytest
from google.protobuf import text_format
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from pandera import polars as polars_pandera
from tensorflow_metadata.proto.v0 import schema_pb2

from mldeploy.data import ColumnSchema, Dependency, Schema, to_pandas
from mldeploy.errors import InvalidDataError, MissingExtraError
from mldeploy.integrations.great_expectations import from_great_expectations
from mldeploy.integrations.json_schema import from_json_schema, to_json_schema
from mldeploy.integrations.pandera import from_pandera, to_pandera, to_pandera_polars
from mldeploy.integrations.tensorflow_metadata import to_schema_pbtxt

KINDS = ("integer", "number", "boolean", "closed", "pattern", "string")
HOSTILE = "\"'\\}\n{é\x00"


@st.composite
def strict_columns(draw: st.DrawFn, name: str, kinds: Sequence[str] = KINDS) -> ColumnSchema:
    """Draw what both JSON Schema and pandera can say of a column."""
    said: dict[str, Any] = {"name": name, "nullable": draw(st.booleans())}
    kind = draw(st.sampled_from(kinds))
    if kind in ("integer", "number"):
        low, high = sorted(draw(st.tuples(st.integers(-2, 2), st.integers(-2, 2))))
        if draw(st.booleans()):
            said |= {"minimum": low, "maximum": high, "strict_range": True}
    elif kind == "closed":
        said |= {"categories": draw(levels), "closed": True}
    elif kind == "pattern":
        some = st.sampled_from(["[a-z]+", "A|B[0-9]", "(?:a)(?:b)?", r"[.$]\$"])
        said |= {"pattern": draw(some), "strict_pattern": True}
    return ColumnSchema(kind="string" if kind in ("closed", "pattern") else kind, **said)  # type: ignore[arg-type]


levels = st.lists(st.sampled_from(["A", "B1", "a", "ab"]), min_size=1, unique=True).map(sorted)
strict_schemas = st.tuples(strict_columns("one"), strict_columns("two")).map(
    lambda columns: Schema(columns=columns)
)
values = (
    st.none()
    | st.booleans()
    | st.integers(-3, 3)
    | st.sampled_from([0.5, 1.0, -3.0])
    | st.sampled_from(["A", "B1", "a", "ab", "", ".$", "C"])
)


# --- JSON Schema --------------------------------------------------------------------------


@given(
    strict_schemas, st.lists(st.fixed_dictionaries({}, optional={"one": values, "two": values}))
)
def test_json_schema_accepts_the_rows_that_the_schema_accepts(
    schema: Schema, rows: list[dict[str, Any]]
) -> None:
    """No text ends in a line break: Python's validator lets `$` stand before one."""
    validator = Draft202012Validator(to_json_schema(schema, title="rows"))

    _, errors = schema.parse_rows(rows)

    refused = {error.row for error in errors}
    assert refused == {i for i, row in enumerate(rows) if not validator.is_valid(row)}


@given(strict_schemas)
def test_json_schema_is_read_back(schema: Schema) -> None:
    document = to_json_schema(schema)
    Draft202012Validator.check_schema(document)

    read = from_json_schema(json.loads(json.dumps(document)))

    assert read.left_out == ()
    for ours, theirs in zip(schema.columns, read.schema.columns, strict=True):
        assert theirs == ours.model_copy(update={"optional": ours.nullable})


def test_times_and_what_was_only_seen_are_said_in_words() -> None:
    frame = pl.DataFrame(
        {
            "zoned": [datetime(2030, 1, 1, tzinfo=UTC)], "local": [datetime(2030, 1, 1)],
            "day": [date(2030, 1, 1)], "at": [time(5)], "span": [timedelta(seconds=90)],
            "place": ["JFK"],
        }
    )  # fmt: skip
    schema = Schema.infer(frame)

    said = to_json_schema(schema)["properties"]

    assert [p.get("format") for p in said.values()] == [
        "date-time", "x-local-date-time", "date", "time", None, None,
    ]  # fmt: skip
    assert said["span"] == {"type": "number", "description": "Seconds; Seen: 90.0 to 90.0"}
    assert said["place"]["description"] == "Seen: JFK"
    assert said["day"]["description"] == "Seen: 2030-01-01 to 2030-01-01"
    kinds = [c.kind for c in from_json_schema(to_json_schema(schema)).schema.columns]
    assert kinds == ["datetime", "datetime", "date", "time", "number", "string"]


def test_what_pydantic_writes_is_read() -> None:
    """Optional fields, references, constants, exclusive bounds and lengths, in an array."""
    document = {
        "type": "array",
        "items": {"$ref": "#/$defs/Flight"},
        "$defs": {
            "Place": {"enum": ["EWR", "JFK"]},
            "Flight": {
                "type": "object",
                "properties": {
                    "origin": {"$ref": "#/$defs/Place"},
                    "seats": {
                        "anyOf": [{"type": "integer", "exclusiveMinimum": 0}, {"type": "null"}]
                    },
                    "speed": {"type": "number", "exclusiveMaximum": 3.5},
                    "tail": {"type": "string", "minLength": 2, "maxLength": 6},
                    "note": {"type": "string", "pattern": "x"},
                    "kind": {"const": "flight"},
                    "when": {"type": ["string", "null"], "format": "date-time"},
                },
                "required": ["origin", "seats", "speed", "tail", "kind", "note"],
            },
        },
    }

    read = from_json_schema(document)
    schema = read.schema

    assert read.left_out == ("speed: exclusiveMaximum",)
    assert (schema["origin"].categories, schema["origin"].closed) == (("EWR", "JFK"), True)
    assert (schema["seats"].minimum, schema["seats"].nullable) == (1, True)
    assert (schema["kind"].categories, schema["when"].time_zone) == (("flight",), "UTC")
    assert [c.name for c in schema.columns if c.optional] == ["when"]
    row = {
        "origin": "JFK",
        "seats": 1,
        "speed": 1.0,
        "tail": "N1",
        "kind": "flight",
        "note": "axb",
    }
    assert schema.parse_rows([row])[1] == ()
    errors = schema.parse_rows([{**row, "seats": 0, "tail": "N", "note": "y", "origin": "LGA"}])[1]
    assert {e.column for e in errors} == {"seats", "tail", "note", "origin"}


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        ({"type": "object"}, "no properties"),
        ({"properties": {"x": {"type": "array"}}}, "'array'"),
        ({"properties": {"x": {}}}, "None"),
        ({"properties": {"x": True}}, "says anything"),
        ({"properties": {"x": {"$ref": "#/$defs/y"}}}, "no '#/"),
        ({"properties": {"x": {"$ref": "#/properties/x"}}}, "lead nowhere"),
        ({"properties": {"x": {"$ref": "http://a/b"}}}, "another document"),
        ({"properties": {"x": {"type": "string", "pattern": "(?=a)"}}}, "look-around"),
        ({"properties": {"x": {"type": "integer", "minimum": 2, "maximum": 1}}}, "allows nothing"),
    ],
)
def test_json_schemas_of_no_table_are_refused(document: dict[str, Any], reason: str) -> None:
    with pytest.raises(InvalidDataError, match=reason):
        from_json_schema(document)


# --- pandera ------------------------------------------------------------------------------

typed = st.fixed_dictionaries(
    {
        "i": st.lists(st.none() | st.integers(-3, 3), min_size=4, max_size=4),
        "f": st.lists(st.none() | st.sampled_from([-3.0, 0.5, 2.0]), min_size=4, max_size=4),
        "s": st.lists(
            st.none() | st.sampled_from(["a", "B1", "a\n", "C"]), min_size=4, max_size=4
        ),
    }
).map(lambda found: pl.DataFrame(found, schema={"i": pl.Int64, "f": pl.Float64, "s": pl.String}))


@st.composite
def typed_schemas(draw: st.DrawFn) -> Schema:
    columns = []
    for name, kinds in [("i", KINDS[:1]), ("f", KINDS[1:2]), ("s", KINDS[3:])]:
        column = draw(strict_columns(name, kinds))
        columns.append(column.model_copy(update={"optional": column.nullable}))
    return Schema(columns=tuple(columns))


@settings(max_examples=20)
@given(typed_schemas(), typed)
def test_pandera_accepts_the_frames_that_the_schema_accepts(
    schema: Schema, frame: pl.DataFrame
) -> None:
    accepts = schema.check(frame) == ()

    assert _passes(to_pandera_polars(schema), frame) == accepts
    if accepts:
        assert _passes(to_pandera(schema), to_pandas(schema.enforce(frame)))


def _passes(foreign: Any, frame: Any) -> bool:
    try:
        foreign.validate(frame, lazy=True)
    except (polars_pandera.errors.SchemaErrors, pandas_pandera.errors.SchemaErrors):
        return False
    return True


def test_pandera_accepts_whole_numbers_and_booleans_of_which_none_is_missing_though_one_may() -> (
    None
):
    frame = pl.DataFrame({"n": [1, 2], "b": [True, False]})
    schema = Schema.infer(
        pl.concat([frame, pl.DataFrame({"n": [None], "b": [None]})], how="vertical_relaxed")
    )

    assert all(column.nullable for column in schema.columns)
    assert _passes(to_pandera(schema), to_pandas(schema.enforce(frame)))


@settings(max_examples=20)
@given(typed_schemas())
def test_pandera_is_read_back(schema: Schema) -> None:
    for write in (to_pandera_polars, to_pandera):
        read = from_pandera(write(schema))

        assert read.left_out == ()
        for ours, theirs in zip(schema.columns, read.schema.columns, strict=True):
            kind = "number" if write is to_pandera and ours.nullable else ours.kind
            assert theirs.model_copy(update={"kind": ours.kind}) == ours
            assert theirs.kind in (ours.kind, kind)


def test_keys_and_every_kind_are_written_and_read() -> None:
    frame = pl.DataFrame(
        {
            "id": [1, 2], "on": [True, False], "when": [datetime(2030, 1, 1, tzinfo=UTC)] * 2,
            "local": [datetime(2030, 1, 1)] * 2, "day": [date(2030, 1, 1)] * 2,
            "span": [timedelta(seconds=5)] * 2,
            "kind": pl.Series(["a", "b"], dtype=pl.Enum(["a", "b"])),
        }
    )  # fmt: skip
    inferred = Schema.infer(frame).edit("when", strict_range=True).edit("span", strict_range=True)
    schema = Schema(columns=inferred.columns, keys=(("id",), ("on", "when")))

    for write, table in ((to_pandera_polars, frame), (to_pandera, to_pandas(frame))):
        foreign = write(schema)
        read = from_pandera(foreign).schema

        assert _passes(foreign, table)
        assert not _passes(
            foreign,
            pl.concat([frame, frame])
            if table is frame
            else pd.concat([table] * 2, ignore_index=True),
        )
        assert read.keys == (("id",), ("on", "when"))
        days = {"date": "datetime"} if write is to_pandera else {}
        assert [c.kind for c in read.columns] == [days.get(c.kind, c.kind) for c in schema.columns]
        assert (read["when"].time_zone, read["when"].strict_range) == ("UTC", True)
        assert read["kind"].categories == ("a", "b")
    with pytest.raises(InvalidDataError, match="one key of several"):
        to_pandera(Schema(columns=inferred.columns, keys=(("id", "on"), ("on", "when"))))


def test_what_pandera_says_beyond_a_schema_is_told() -> None:
    class Flights(pandas_pandera.DataFrameModel):
        hour: int = pandas_pandera.Field(gt=0, lt=24)
        tail: str = pandas_pandera.Field(nullable=True, str_matches="^N[0-9]+")
        dep: float = pandas_pandera.Field(gt=0)

        @pandas_pandera.check("hour")
        def even(cls, hour: Any) -> Any:  # noqa: N805
            return hour % 2 == 0

    read = from_pandera(Flights)

    assert (read.schema["hour"].minimum, read.schema["hour"].maximum) == (1, 23)
    assert read.schema.parse_rows([{"hour": 2, "tail": "N1x", "dep": 1.0}])[1] == ()
    assert read.schema.parse_rows([{"hour": 2, "tail": "xN1", "dep": 1.0}])[1] != ()
    assert read.left_out == ("hour: even", "dep: greater_than")


def test_what_is_no_schema_of_pandera_is_refused() -> None:
    column = pandas_pandera.Column
    for foreign, reason in [
        (3, "no schema of pandera"),
        (pandas_pandera.DataFrameSchema({"x": column()}), "no type"),
        (pandas_pandera.DataFrameSchema({"x.*": column(int, regex=True)}), "no name of its own"),
        (pandas_pandera.DataFrameSchema({"x": column(complex)}), "does not know"),
    ]:
        with pytest.raises(InvalidDataError, match=reason):
            from_pandera(foreign)


def test_without_pandera_the_module_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "mldeploy.integrations.pandera")
    monkeypatch.setitem(sys.modules, "pandera.polars", None)

    with pytest.raises(MissingExtraError, match=r"mldeploy\[pandera\]"):
        import mldeploy.integrations.pandera  # noqa: F401


# --- TensorFlow Metadata ------------------------------------------------------------------


@given(strict_schemas)
def test_tensorflow_metadata_reads_every_schema(schema: Schema) -> None:
    read = text_format.Parse(to_schema_pbtxt(schema), schema_pb2.Schema())

    assert [feature.name for feature in read.feature] == list(schema.names)
    for feature, column in zip(read.feature, schema.columns, strict=True):
        assert (feature.presence.min_fraction == 1.0) == (not column.nullable)
        if column.closed:
            assert tuple(feature.string_domain.value) == column.categories
        if column.strict_range:
            domain = feature.int_domain if column.kind == "integer" else feature.float_domain
            assert (domain.min, domain.max) == (column.minimum, column.maximum)


def test_tensorflow_metadata_says_kinds_domains_and_hostile_names() -> None:
    frame = pl.DataFrame(
        {
            HOSTILE: [HOSTILE, "b"], "on": [True, False], "real": [0.5, None],
            "when": [datetime(2030, 1, 1, tzinfo=UTC)] * 2, "day": [date(2030, 1, 1)] * 2,
        }
    )  # fmt: skip
    inferred = Schema.infer(frame)
    schema = Schema(
        columns=inferred.columns,
        keys=(("on", "day"),),
        dependencies=(Dependency(given=("on",), follows="real"),),
    )

    read = text_format.Parse(to_schema_pbtxt(schema), schema_pb2.Schema())

    name, on, real, when, day = read.feature
    assert (name.name, list(name.string_domain.value)) == (HOSTILE, sorted([HOSTILE, "b"]))
    assert name.distribution_constraints.min_domain_mass == 0.0
    assert (on.type, on.HasField("bool_domain")) == (schema_pb2.INT, True)
    assert (real.type, real.presence.min_fraction) == (schema_pb2.FLOAT, 0.0)
    assert when.time_domain.integer_format == schema_pb2.TimeDomain.UNIX_MICROSECONDS
    assert day.time_domain.integer_format == schema_pb2.TimeDomain.UNIX_DAYS
    assert list(read.annotation.comment) == ["key: on, day", "real follows from on"]


# --- Great Expectations -------------------------------------------------------------------

FLIGHTS = pd.DataFrame(
    {
        "carrier": ["AA", "UA", "AA", None, "DL", "UA"], "hour": [5, 6, 25, 7, 8, 9],
        "tail": ["N1", "N22", "X9", "N4", None, "N5"], "id": [1, 2, 3, 3, 5, 6],
        "dep": [10.0, 20, 30, 20, 50, 60], "arr": [12.0, 25, 28, 24, None, 70],
    }
)  # fmt: skip

SUITE: list[tuple[str, dict[str, Any], bool, float | None]] = [
    ("column_to_exist", {"column": "carrier"}, True, None),
    ("column_values_to_not_be_null", {"column": "carrier", "mostly": 0.8}, True, 1),
    ("column_values_to_not_be_null", {"column": "tail"}, False, 1),
    ("column_values_to_be_between", {"column": "hour", "min_value": 0, "max_value": 23}, False, 1),
    (
        "column_values_to_be_between",
        {"column": "hour", "min_value": 5, "strict_min": True, "mostly": 0.8},
        True,
        1,
    ),
    ("column_values_to_be_in_set", {"column": "carrier", "value_set": ["AA", "UA"]}, False, 1),
    ("column_values_to_not_be_in_set", {"column": "carrier", "value_set": ["DL"]}, False, 1),
    ("column_values_to_match_regex", {"column": "tail", "regex": "^N[0-9]"}, False, 1),
    ("column_values_to_not_match_regex", {"column": "tail", "regex": "9$"}, False, 1),
    (
        "column_value_lengths_to_be_between",
        {"column": "tail", "min_value": 2, "max_value": 2},
        False,
        1,
    ),
    ("column_value_lengths_to_equal", {"column": "carrier", "value": 2}, True, 0),
    ("column_values_to_be_unique", {"column": "id"}, False, None),
    ("column_values_to_be_unique", {"column": "id", "mostly": 0.6}, True, 2),
    ("compound_columns_to_be_unique", {"column_list": ["id", "hour"]}, True, 0),
    ("column_values_to_be_increasing", {"column": "id"}, True, 0),
    (
        "column_pair_values_a_to_be_greater_than_b",
        {"column_A": "arr", "column_B": "dep", "or_equal": True},
        False,
        2,
    ),
    ("column_pair_values_to_be_equal", {"column_A": "dep", "column_B": "arr"}, False, 6),
    ("multicolumn_sum_to_equal", {"column_list": ["id", "hour"], "sum_total": 8}, False, 5),
    ("table_row_count_to_be_between", {"min_value": 1, "max_value": 5}, False, None),
    ("table_row_count_to_equal", {"value": 6}, True, None),
    ("column_sum_to_be_between", {"column": "dep", "min_value": 190, "max_value": 190}, True, 190),
    ("column_mean_to_be_between", {"column": "arr", "max_value": 31.7}, False, 31.8),
    ("column_median_to_be_between", {"column": "arr", "max_value": 25}, True, 25),
    ("column_min_to_be_between", {"column": "hour", "min_value": 5}, True, 5),
    ("column_max_to_be_between", {"column": "hour", "max_value": 23}, False, 25),
    (
        "column_stdev_to_be_between",
        {"column": "id", "min_value": 1.86, "max_value": 1.87},
        True,
        1.8618986725025257,
    ),
    ("column_unique_value_count_to_be_between", {"column": "carrier", "max_value": 3}, True, 3),
    (
        "column_proportion_of_unique_values_to_be_between",
        {"column": "carrier", "min_value": 0.6, "max_value": 0.6},
        True,
        0.6,
    ),
    ("column_values_to_be_null", {"column": "arr", "mostly": 0.1}, True, 5),
]
"""Whether Great Expectations 1.24 says that they hold, and the count or figure it gives."""


def suite(*expectations: dict[str, Any]) -> dict[str, Any]:
    return {"name": "flights", "expectations": list(expectations), "meta": {}}


def test_suites_are_judged_as_great_expectations_judges_them() -> None:
    stated = [{"type": f"expect_{name}", "kwargs": kwargs} for name, kwargs, *_ in SUITE]

    read = from_great_expectations(json.loads(json.dumps(suite(*stated))))
    findings = read.expectations.check(FLIGHTS).findings

    assert read.left_out == ()
    for (name, kwargs, holds, figure), finding in zip(SUITE, findings, strict=True):
        assert str(finding.verdict) == ("PASS" if holds else "FAIL"), (name, kwargs)
        if figure is not None:
            told = finding.details.get("count", finding.estimate)
            assert told == pytest.approx(figure), (name, kwargs)


def test_older_suites_are_read_and_what_has_no_equal_is_told() -> None:
    read = from_great_expectations(
        suite(
            {
                "expectation_type": "expect_column_values_to_not_be_null",
                "kwargs": {"column": "a", "mostly": None} | {"mostly": 1.0},
                "severity": "info",
            },
            {"type": "expect_something_of_my_own", "kwargs": {"column": "b"}},
            {
                "type": "expect_column_values_to_be_between",
                "kwargs": {"column": "t", "min_value": "2013-01-01"},
            },
            {
                "type": "expect_column_values_to_not_be_null",
                "kwargs": {"column": "c", "row_condition": "x > 1"},
            },
            {
                "type": "expect_column_values_to_match_regex",
                "kwargs": {"column": "d", "regex": "(?=x)"},
            },
            {"type": "expect_column_mean_to_be_between", "kwargs": {"column": "e"}},
        )
    )

    assert [str(rule.severity) for rule in read.expectations.rules] == ["info"]
    assert read.left_out == (
        "expect_something_of_my_own (b)",
        "expect_column_values_to_be_between (t)",
        "expect_column_values_to_not_be_null (c)",
        "expect_column_values_to_match_regex (d)",
        "expect_column_mean_to_be_between (e)",
    )


def test_rows_with_missing_values_break_pairs_unless_the_suite_ignores_them() -> None:
    frame = pl.DataFrame({"a": [1, None, None], "b": [1, 1, None]})
    counts = {}
    for ignored in ("both_values_are_missing", "either_value_is_missing", "neither"):
        kwargs = {"column_A": "a", "column_B": "b", "ignore_row_if": ignored}
        stated = suite({"type": "expect_column_pair_values_to_be_equal", "kwargs": kwargs})
        (finding,) = from_great_expectations(stated).expectations.check(frame).findings
        counts[ignored] = (finding.details["count"], finding.n)

    assert list(counts.values()) == [(1, 2), (0, 1), (2, 3)]


@pytest.mark.parametrize("document", [{}, [], suite(), suite(3), suite({"type": "x"})])  # type: ignore[arg-type]
def test_what_is_no_suite_is_refused(document: Any) -> None:
    with pytest.raises(InvalidDataError):
        from_great_expectations(document)

"""What a schema proposes, how it changes, and what it refuses, with the rows and the reasons."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from mldeploy.data import (
    ColumnSchema,
    Compatibility,
    Dataset,
    Dependency,
    Schema,
    SchemaDiff,
    SchemaProposal,
)
from mldeploy.data.expectations import expectations_of, schema_kept_by
from mldeploy.errors import EmptyDataError, IncompatibleSchemaError, InvalidDataError
from mldeploy.evidence import Verdict

BACKWARD, FORWARD, FULL = Compatibility.BACKWARD, Compatibility.FORWARD, Compatibility.FULL

rows = st.tuples(
    st.integers(-2, 2),
    st.none() | st.integers(-2, 2).map(float) | st.sampled_from([0.5, float("nan")]),
    st.none() | st.sampled_from(["a", "b", "A1", "A2", "a.b", "é", "x\n"]),
    st.none() | st.booleans(),
    st.none() | st.dates(date(2030, 1, 1), date(2030, 1, 3)),
    st.none() | st.sampled_from([datetime(2030, 1, 1, h, tzinfo=UTC) for h in (1, 2)]),
)
TYPES = {
    "i": pl.Int64, "f": pl.Float64, "s": pl.String, "b": pl.Boolean, "d": pl.Date,
    "t": pl.Datetime("us", "UTC"),
}  # fmt: skip
tables = st.lists(rows, min_size=1, max_size=10).map(
    lambda found: pl.DataFrame(found, schema=TYPES, orient="row")
)


@st.composite
def schemas(draw: st.DrawFn) -> Schema:
    """Draw schemas of a few columns, with everything that one can say."""
    columns = draw(st.lists(column(), unique_by=lambda c: c.name, min_size=1, max_size=4))
    names = [c.name for c in columns]
    keys = draw(st.lists(st.lists(st.sampled_from(names), min_size=1, unique=True), max_size=1))
    others = st.permutations(names).map(lambda p: Dependency(given=(p[0],), follows=p[-1]))
    wanted = draw(st.lists(others, max_size=1)) if len(names) > 1 else []
    return Schema(columns=tuple(columns), keys=tuple(map(tuple, keys)), dependencies=tuple(wanted))


@st.composite
def column(draw: st.DrawFn) -> ColumnSchema:
    name = draw(st.sampled_from([*TYPES]))
    nullable = draw(st.booleans())
    said: dict[str, Any] = {
        "nullable": nullable, "optional": nullable and draw(st.booleans())
    }  # fmt: skip
    if name in "if":
        low, high = sorted(draw(st.tuples(st.integers(-2, 2), st.integers(-2, 2))))
        said |= {
            "kind": draw(st.sampled_from(["integer", "number"])),
            "minimum": draw(st.sampled_from([None, low])), "maximum": high,
            "strict_range": draw(st.booleans()),
        }  # fmt: skip
    elif name == "s":
        kind = draw(st.sampled_from(["string", "category"]))
        some = st.lists(st.sampled_from(["a", "b", "A1", "A2"]), unique=True, min_size=1)
        levels = draw(some if kind == "category" else st.none() | some)
        pattern = draw(st.sampled_from([None, "[a-z]", "A[0-9]", ".*"]))
        said |= {
            "kind": kind, "categories": levels, "pattern": pattern,
            "closed": levels is not None and draw(st.booleans()),
            "strict_pattern": pattern is not None and draw(st.booleans()),
        }  # fmt: skip
    elif name == "d":
        said |= {"kind": draw(st.sampled_from(["date", "datetime"]))}
    elif name == "t":
        unit = draw(st.sampled_from(["ms", "us", "ns"]))
        said |= {"kind": "datetime", "time_zone": "UTC", "time_unit": unit}
    else:
        said |= {"kind": "boolean"}
    return ColumnSchema(name=name, **said)


# --- proposals ----------------------------------------------------------------------------


@given(tables, st.sampled_from([0.0, 0.02, 0.5, 0.9]))
def test_a_table_keeps_the_schema_proposed_from_it(table: pl.DataFrame, sure: float) -> None:
    proposed = SchemaProposal.of(table, n_next=5).schema(min_confidence=sure)

    assert proposed.check(table) == ()
    assert proposed.surprises(table) == ()
    assert proposed.sift(table).refused.is_empty()


def flights() -> pl.DataFrame:
    """A thousand departures of twenty aircraft."""
    rng, n = np.random.default_rng(0), 1_000
    plane = rng.integers(0, 20, n)
    return pl.DataFrame(
        {
            "id": np.arange(n),
            "tail": [f"N{100 + 7 * p}{'ABC'[p % 3]}A" for p in plane],
            "seats": np.where(rng.uniform(size=n) < 0.1, np.nan, 50.0 + 10 * (plane // 3)),
            "delay": rng.normal(size=n),
            "note": [f"note {i} of {i * i}" * (1 + i % 3) for i in range(n)],
            "code": [f"{'XY'[i % 2]}-{i:04d}" for i in range(n)],
        }
    )


def test_a_proposal_says_what_columns_are() -> None:
    proposal = SchemaProposal.of(flights(), n_next=10)
    schema = proposal.schema()

    assert (schema["seats"].kind, schema["seats"].nullable) == ("integer", True)
    assert schema["seats"].maximum == 110
    assert (schema["tail"].closed, schema["note"].closed) == (True, False)
    assert (schema["code"].pattern, schema["code"].strict_pattern) == ("[A-Z]-[0-9]{4}", True)
    assert schema["note"].pattern is None
    assert schema.keys == (("id",), ("note",), ("code",))
    assert Dependency(given=("tail",), follows="seats") in schema.dependencies
    assert not any(d.follows == "tail" for d in schema.dependencies)


def test_what_is_not_certain_enough_is_left_open() -> None:
    few = flights().head(30)
    schema = SchemaProposal.of(few, n_next=1_000).schema(min_confidence=0.9)

    assert not any(c.strict_range or c.closed or c.strict_pattern for c in schema.columns)
    assert all(c.nullable for c in schema.columns)
    assert (schema.keys, schema.dependencies) == ((), ())


@pytest.mark.slow
def test_ranges_are_kept_as_often_as_is_said() -> None:
    """Of 2,000 tables of 60 rows about 71 % keep their range for 10 more; ± 4.5 % is 4 sd."""
    rng, kept, said = np.random.default_rng(1), 0, 0.0
    for _ in range(2_000):
        values = rng.normal(size=70)
        claims = SchemaProposal.of(
            pl.DataFrame({"x": values[:60]}), n_next=10, max_key_columns=0
        ).claims
        said = next(c.confidence for c in claims if c.what == "range")
        kept += bool(
            values[60:].min() >= values[:60].min() and values[60:].max() <= values[:60].max()
        )

    assert said == pytest.approx(1 - 2 * 10 / 70)
    assert kept / 2_000 == pytest.approx(said, abs=0.045)


def test_confidence_is_the_value_worked_by_hand() -> None:
    """Laplace: 5/(4 + 6 + 1). Range: q = 0.6, 1 - q² - q. Good and Turing: (1 - 2/5)⁶."""
    frame = pl.DataFrame({"n": [1, 1, 2, 3], "s": ["a", "a", "a", "b"]})

    told = {(c.what, c.columns): c.confidence for c in SchemaProposal.of(frame, n_next=6).claims}

    assert told["never missing", ("n",)] == pytest.approx(5 / 11)
    assert told["range", ("n",)] == pytest.approx(1 - 0.36 - 0.6)
    assert told["categories", ("s",)] == pytest.approx(0.6**6)
    assert told["follows", ("n", "s")] == pytest.approx(2 / 8)


def test_no_range_is_claimed_of_what_moves_on() -> None:
    n = 50
    frame = pl.DataFrame(
        {
            "grows": range(n), "falls": [None, *range(n - 1, 0, -1)], "few": [1] * 25 + [2] * 25,
            "turns": [i % 10 for i in range(n)],
            "when": [datetime(2030, 1, 1 + i % 9) for i in range(n)],
        }
    )  # fmt: skip

    claimed = {c.columns[0] for c in SchemaProposal.of(frame).claims if c.what == "range"}

    assert claimed == {"few", "turns"}


def test_columns_that_some_tables_lack_are_optional() -> None:
    january, february = flights().drop("note"), flights().drop("code")

    schema = SchemaProposal.of([january, february]).schema()

    assert {c.name for c in schema.columns if c.optional} == {"note", "code"}
    assert schema.check(january) == schema.check(february) == ()
    assert schema.enforce(january)["note"].null_count() == january.height


def test_a_dataset_is_proposed_by_its_features_and_target() -> None:
    data = Dataset.of(flights(), target="delay", features=["tail"])

    assert SchemaProposal.of(data).schema().names == ("tail", "delay")


def test_nothing_is_proposed_from_nothing() -> None:
    for nothing in (flights().clear(), pl.DataFrame(), []):
        with pytest.raises(EmptyDataError):
            SchemaProposal.of(nothing)
    with pytest.raises(InvalidDataError, match="no common types"):
        SchemaProposal.of([pl.DataFrame({"x": [1]}), pl.DataFrame({"x": [[1]]})])
    with pytest.raises(InvalidDataError, match="at least one row"):
        SchemaProposal.of(flights(), n_next=0)


# --- differences --------------------------------------------------------------------------


@settings(max_examples=50)
@given(schemas(), schemas())
def test_a_difference_applied_to_the_one_gives_the_other(one: Schema, other: Schema) -> None:
    diff = SchemaDiff.of(one, other)

    assert diff.apply(one) == other
    assert SchemaDiff.model_validate_json(diff.to_json()) == diff
    assert (diff == SchemaDiff.of(one, one)) == (one == other)
    if one != other:
        with pytest.raises(InvalidDataError, match="another schema"):
            SchemaDiff.of(other, one).apply(one)


@given(schemas(), schemas(), st.lists(rows, max_size=6))
def test_who_is_compatible_accepts_what_the_other_accepts(
    old: Schema, new: Schema, found: list[Any]
) -> None:
    table = pl.DataFrame(found, schema=TYPES, orient="row")
    absent = {c.name for c in old.columns if c.optional} - {"i"}
    for frame in (table, table.drop(absent)):
        accepted = frame[[i for i in range(frame.height) if i not in refused(old, frame)]]
        for reader, compatibility, diff in [
            (new, BACKWARD, SchemaDiff.of(old, new)), (new, FORWARD, SchemaDiff.of(new, old)),
        ]:  # fmt: skip
            if not diff.objections(compatibility) and old.check(accepted) == ():
                assert reader.check(accepted.select(n for n in old.names if n in accepted)) == ()


def refused(schema: Schema, frame: pl.DataFrame) -> set[int]:
    return {error.row for error in schema.check(frame)}


@settings(max_examples=50)
@given(schemas())
def test_nothing_breaks_where_nothing_changed(schema: Schema) -> None:
    open_categories = [c for c in schema.columns if c.kind == "category" and not c.closed]
    assume(not open_categories)

    assert SchemaDiff.of(schema, schema).objections(FULL) == ()


@pytest.mark.parametrize(
    ("change", "backward", "forward"),
    [
        ({"maximum": 30}, [], ["hour: values may be outside [0, 23]"]),
        ({"maximum": 20}, ["hour: values may be outside [0, 20]"], []),
        ({"strict_range": False}, [], ["hour: values may be outside [0, 23]"]),
        ({"nullable": True}, [], ["hour: values may be missing"]),
        ({"kind": "number"}, [], ["hour: number is not read as integer"]),
        (
            {"nullable": True, "optional": True},
            [],
            ["hour: the column may be absent", "hour: values may be missing"],
        ),
    ],
)
def test_each_change_breaks_those_whom_it_breaks(
    change: dict[str, Any], backward: list[str], forward: list[str]
) -> None:
    hour = ColumnSchema(name="hour", kind="integer", minimum=0, maximum=23, strict_range=True)
    old = Schema(columns=(hour,))

    diff = SchemaDiff.of(old, old.edit("hour", **change))

    assert (list(diff.objections(BACKWARD)), list(diff.objections(FORWARD))) == (backward, forward)
    assert list(diff.objections(FULL)) == [*backward, *forward]


def test_columns_are_added_without_harm_only_if_they_are_optional() -> None:
    old = Schema(columns=(ColumnSchema(name="a", kind="integer"),))
    gate = ColumnSchema(name="gate", kind="string", nullable=True)
    new = Schema(columns=(*old.columns, gate))

    with pytest.raises(IncompatibleSchemaError, match="gate: the column may be absent") as caught:
        SchemaDiff.of(old, new).require(BACKWARD)

    assert caught.value.reasons == ("gate: the column may be absent",)
    SchemaDiff.of(old, new).require(FORWARD)
    SchemaDiff.of(old, new.edit("gate", optional=True)).require(FULL)


def test_keys_and_what_follows_are_promises_too() -> None:
    columns = tuple(ColumnSchema(name=name, kind="integer") for name in "abc")
    old = Schema(columns=columns)
    new = Schema(
        columns=columns, keys=(("a",),), dependencies=(Dependency(given=("b",), follows="c"),)
    )
    wider = Schema(
        columns=columns,
        keys=(("b", "a"),),
        dependencies=(Dependency(given=("a", "b"), follows="c"),),
    )

    assert SchemaDiff.of(old, new).objections(BACKWARD) == (
        "rows may be alike in the key a",
        "c may not follow from b",
    )
    assert SchemaDiff.of(old, new).objections(FORWARD) == ()
    assert SchemaDiff.of(new, wider).objections(BACKWARD) == ()


# --- as expectations ----------------------------------------------------------------------


@settings(max_examples=40)
@given(schemas(), tables)
def test_expectations_of_a_schema_fail_where_it_refuses_something(
    schema: Schema, table: pl.DataFrame
) -> None:
    report = expectations_of(schema, columns=table.columns).check(table)

    failed = [f.name for f in report.findings if f.verdict is Verdict.FAIL]
    assert bool(failed) == bool(schema.check(table)), failed


@settings(max_examples=50)
@given(schemas())
def test_a_schema_is_what_its_expectations_make_of_its_description(schema: Schema) -> None:
    open_ones = {"nullable": True, "strict_range": False, "closed": False, "strict_pattern": False}
    assume(not any(c.kind == "category" and c.closed for c in schema.columns))
    assume(not schema.dependencies)
    described = Schema(columns=tuple(c.model_copy(update=open_ones) for c in schema.columns))

    read = schema_kept_by(described, expectations_of(schema))

    assert read.schema == schema
    wanted = {f"{c.name} holds values of kind {c.kind}" for c in schema.columns}
    assert set(read.left_out) - wanted <= {
        f"that {c.name} is finite holds" for c in schema.columns
    }


def test_types_are_expected_without_reading_a_row(tmp_path: Path) -> None:
    table = pl.DataFrame({"n": [1], "s": ["a"]})
    schema = Schema.infer(table)
    like = table.select(n=pl.col("n").cast(pl.Float64), s=pl.col("s").cast(pl.Categorical))
    table.with_columns(n=pl.lit("1")).write_parquet(tmp_path / "odd.parquet")

    for source, verdicts in [
        (table, "PASS PASS PASS PASS"),
        (like, "PASS PASS PASS PASS"),
        (like.with_columns(n=pl.lit(1.5)), "FAIL PASS PASS PASS"),
        (tmp_path / "odd.parquet", "FAIL PASS PASS PASS"),
    ]:
        findings = expectations_of(schema).check(source).findings
        assert " ".join(str(f.verdict) for f in findings) == verdicts


# --- rows and reasons ---------------------------------------------------------------------


@settings(max_examples=50)
@given(schemas(), tables)
def test_what_is_sifted_is_all_there_and_what_is_kept_is_accepted(
    schema: Schema, table: pl.DataFrame
) -> None:
    sifted = schema.sift(table)

    left_out = {*sifted.refused["row"]}
    kept = table[[row for row in range(table.height) if row not in left_out]]
    assert schema.check(kept) == ()
    assert sifted.accepted.equals(schema.enforce(kept))
    assert sifted.accepted.height + sifted.n_refused == table.height
    assert sifted.refused["row"].to_list() == sorted({e.row for e in sifted.errors})
    assert sifted.refused["reasons"].list.len().sum() == len(sifted.errors)
    again = table[sifted.refused["row"].to_list()]
    assert sifted.refused.drop("row", "reasons").equals(again)


def test_refused_rows_come_with_every_reason() -> None:
    schema = Schema(
        columns=(
            ColumnSchema(name="id", kind="integer"),
            ColumnSchema(name="tail", kind="string", pattern="N[0-9]+", strict_pattern=True),
            ColumnSchema(name="seats", kind="integer", nullable=True),
        ),
        keys=(("id",),),
        dependencies=(Dependency(given=("tail",), follows="seats"),),
    )
    table = pl.DataFrame(
        {"id": [1, 1, 2, None], "tail": ["N1", "N1", "X", "N2"], "seats": [10, 20, None, 5]}
    )

    sifted = schema.sift(table)

    assert sifted.refused.select("row", "reasons").rows() == [
        (1, ["id: repeats row 0", "seats: differs from row 0, which is alike in tail"]),
        (2, ["tail: 'X' does not match 'N[0-9]+'"]),
        (3, ["id: a value is required"]),
    ]
    assert sifted.accepted.rows() == [(1, "N1", 10)]
    assert [e.code for e in sifted.errors] == ["key", "dependency", "pattern", "missing"]


def test_patterns_hold_for_rows_as_for_frames() -> None:
    tail = ColumnSchema(name="tail", kind="string", nullable=True, pattern="N[0-9]+")
    values = ["N1", "N1\n", "n1", None, "", "N٣", "xN1"]

    for strict in (True, False):
        schema = Schema(columns=(tail,)).edit("tail", strict_pattern=strict)
        frame = pl.DataFrame({"tail": values})
        _, errors = schema.parse_rows([{"tail": value} for value in values])

        told = schema.check(frame) if strict else schema.surprises(frame)
        assert [(e.row, e.code) for e in told] == [(i, "pattern") for i in (1, 2, 4, 5, 6)]
        assert [e.message for e in errors] == [e.message for e in told if strict]


def test_what_follows_and_keys_survive_files_and_their_comments(tmp_path: Path) -> None:
    path = tmp_path / "schema.toml"
    columns = tuple(ColumnSchema(name=name, kind="integer") for name in "ab")
    plain = Schema(columns=columns)
    rich = Schema(
        columns=columns,
        keys=(("a",), ("a", "b")),
        dependencies=(Dependency(given=("a",), follows="b"),),
    )
    plain.save(path)
    path.write_text(path.read_text().replace("[columns.b]", "[columns.b]  # agreed"))

    for schema in (rich, rich.edit("b", nullable=True), plain, rich):
        schema.save(path)

        assert Schema.load(path) == schema
        assert "# agreed" in path.read_text()


@settings(max_examples=50)
@given(schemas())
def test_every_schema_survives_its_file_and_json(schema: Schema) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        schema.save(Path(folder) / "s.toml")
        assert Schema.load(Path(folder) / "s.toml") == schema
    assert Schema.model_validate_json(schema.to_json()) == schema


def test_selected_columns_keep_the_keys_among_them() -> None:
    columns = tuple(ColumnSchema(name=name, kind="integer") for name in "abc")
    schema = Schema(
        columns=columns,
        keys=(("a",), ("a", "b")),
        dependencies=(Dependency(given=("a",), follows="c"),),
    )

    assert schema.select(["a", "c"]).keys == (("a",),)
    assert schema.select(["b", "a"]).dependencies == ()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('format = 1\nkeys = [["x"]]', "no columns"),
        ('format = 1\nkeys = [["a", "a"]]\n[columns.a]\nkind = "integer"', "twice"),
        ("format = 1\nkeyz = []", "no keyz"),
        ('format = 1\n[columns.a]\nkind = "string"\npattern = "("', "no regular expression"),
        ('format = 1\n[columns.a]\nkind = "integer"\npattern = "a"', "cannot have a pattern"),
        ('format = 1\n[columns.a]\nkind = "string"\nstrict_pattern = true', "no pattern"),
        ('format = 1\n[columns.a]\nkind = "string"\noptional = true', "may be missing"),
        (
            'format = 1\ndependencies = [{given = ["a"], follows = "a"}]\n[columns]',
            "follows from itself",
        ),
    ],
)
def test_files_that_say_nonsense_are_refused(tmp_path: Path, text: str, reason: str) -> None:
    (tmp_path / "schema.toml").write_text(text)

    with pytest.raises(InvalidDataError, match=reason):
        Schema.load(tmp_path / "schema.toml")


def test_durations_and_units_are_compared() -> None:
    def schema(kind: str, unit: str) -> Schema:
        return Schema(columns=(ColumnSchema(name="x", kind=kind, time_unit=unit),))  # type: ignore[arg-type]

    for kind in ("datetime", "duration"):
        finer = SchemaDiff.of(schema(kind, "ms"), schema(kind, "us"))

        assert finer.objections(BACKWARD) == ()
        assert finer.objections(FORWARD) == (f"x: {kind} (us) is not read as {kind} (ms)",)
    spans = pl.DataFrame({"x": [timedelta(seconds=1)]})
    assert schema("duration", "us").check(spans) == ()

"""Each rule finds what plain Python finds, and one query says what each says alone."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mldeploy.data import Dataset, Profile, to_pandas
from mldeploy.data.expectations import (
    Expectation,
    Expectations,
    FigureInRange,
    ForeignKey,
    Fresh,
    Holds,
    InRange,
    InSet,
    LikeReference,
    Matches,
    Monotone,
    NotNull,
    Passes,
    RowCount,
    SumInRange,
    Unique,
)
from mldeploy.data.expectations import _keys as keys
from mldeploy.errors import InvalidDataError
from mldeploy.evidence import Finding, Severity, Verdict

NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)


def check(rule: Expectation, source: Any, **settings: Any) -> Finding:
    """Return the finding of one rule."""
    (finding,) = Expectations([rule]).check(source, clock=lambda: NOON, **settings).findings
    return finding


def flights() -> pl.DataFrame:
    """Six departures of two aircraft."""
    return pl.DataFrame(
        {
            "flight": [1, 2, 3, 3, 5, None],
            "tail": ["N1", "N2", "N1", "N2", "X9", None],
            "hour": [5, 6, 25, 7, None, 8],
            "miles": [10.0, 20.0, math.nan, 15.0, 30.0, 40.0],
            "when": [datetime(2030, 1, 1, hour, tzinfo=UTC) for hour in (5, 6, 7, 8, 9, 10)],
        }
    )


# --- each rule against plain Python -------------------------------------------------------

tables = st.lists(
    st.tuples(
        st.none() | st.integers(-3, 3),
        st.none() | st.floats(-3, 3, width=16) | st.just(math.nan),
        st.none() | st.sampled_from(["a", "b", "ab", "ba\n", "", "é"]),
    ),
    min_size=1,
    max_size=12,
).map(
    lambda rows: pl.DataFrame(
        rows, schema={"i": pl.Int64, "f": pl.Float64, "s": pl.String}, orient="row"
    )
)

RULES: dict[str, Expectation] = {
    "not null": NotNull("f"),
    "range": InRange("f", at_least=-1, at_most=1.5),
    "from": InRange("i", at_least=0),
    "up to": InRange("s", at_most="ab"),
    "few": InSet("i", [1, 2]),
    "many": InSet("i", [-3, -2, -1, 0, 1]),
    "reals": InSet("f", [0, 1, 2, 3, -1]),
    "texts": InSet("s", ["a", "é"]),
    "pattern": Matches("s", "[ab]+"),
    "increasing": Monotone("i"),
    "falling": Monotone("f", decreasing=True, strictly=True),
    "within": Monotone("i", by="s", strictly=True),
    "key": ForeignKey("i", pl.DataFrame({"i": [0, 1, None]})),
    "two keys": ForeignKey(
        ["i", "s"], pl.DataFrame({"a": [0, 1, 2], "b": ["a", "b", "a"]}),
        reference_columns=["a", "b"],
    ),
    "holds": Holds(pl.col("i") * 2 > pl.col("f")),
    "function": Passes(["i", "s"], lambda i, s: i > len(s)),
    "some": InRange("i", at_least=0, where=pl.col("s") == "a"),
    "unique": Unique("i"),
    "both unique": Unique(["i", "s"]),
    "some unique": Unique("i", where=pl.col("s") == "a"),
}  # fmt: skip

Row = dict[str, Any]


def _known(*names: str) -> Callable[[Row], bool]:
    return lambda row: all(row[name] is not None for name in names)


JUDGES: dict[str, tuple[Callable[[Row], bool], Callable[[Row], bool]]] = {
    "not null": (lambda r: True, lambda r: r["f"] is not None),
    "range": (_known("f"), lambda r: -1 <= r["f"] <= 1.5),
    "from": (_known("i"), lambda r: r["i"] >= 0),
    "up to": (_known("s"), lambda r: r["s"].encode() <= b"ab"),
    "few": (_known("i"), lambda r: r["i"] in (1, 2)),
    "many": (_known("i"), lambda r: r["i"] <= 1),
    "reals": (_known("f"), lambda r: r["f"] in (0, 1, 2, 3, -1)),
    "texts": (_known("s"), lambda r: r["s"] in ("a", "é")),
    "pattern": (_known("s"), lambda r: re.fullmatch("[ab]+", r["s"]) is not None),
    "key": (_known("i"), lambda r: r["i"] in (0, 1)),
    "two keys": (_known("i", "s"), lambda r: (r["i"], r["s"]) in {(0, "a"), (1, "b"), (2, "a")}),
    "holds": (_known("i", "f"), lambda r: r["i"] * 2 > r["f"]),
    "function": (_known("i", "s"), lambda r: r["i"] > len(r["s"])),
    "some": (lambda r: r["i"] is not None and r["s"] == "a", lambda r: r["i"] >= 0),
}


def rows_of(table: pl.DataFrame) -> list[Row]:
    return [
        {k: None if isinstance(v, float) and math.isnan(v) else v for k, v in row.items()}
        for row in table.to_dicts()
    ]


@given(tables)
def test_rules_about_rows_find_what_plain_python_finds(table: pl.DataFrame) -> None:
    report = Expectations([RULES[name] for name in JUDGES]).check(table)

    for (name, (applies, keeps)), finding in zip(JUDGES.items(), report.findings, strict=True):
        judged = [(i, keeps(row)) for i, row in enumerate(rows_of(table)) if applies(row)]
        broken = [i for i, kept in judged if not kept]
        wanted = "INSUFFICIENT" if not judged else "FAIL" if broken else "PASS"
        assert (str(finding.verdict), finding.n) == (wanted, len(judged)), name
        if judged:
            assert finding.estimate == len(broken) / len(judged), name
            assert finding.details["count"] == len(broken), name
        if broken:
            assert finding.details["rows"] == ", ".join(map(str, broken[:5])), name


@given(tables)
def test_unique_counts_the_rows_that_repeat_an_earlier_one(table: pl.DataFrame) -> None:
    for name, columns in [("unique", ["i"]), ("both unique", ["i", "s"]), ("some unique", ["i"])]:
        rows = [r for r in rows_of(table) if all(r[c] is not None for c in columns)]
        rows = [r for r in rows if r["s"] == "a"] if name == "some unique" else rows
        counts = Counter(tuple(row[c] for c in columns) for row in rows)

        finding = check(RULES[name], table)

        assert finding.n == len(rows)
        if rows:
            assert finding.details["count"] == len(rows) - len(counts)


@given(tables)
def test_neighbours_are_compared_over_missing_values(table: pl.DataFrame) -> None:
    def steps(values: list[Any]) -> list[tuple[Any, Any]]:
        known = [v for v in values if v is not None]
        return list(pairwise(known))

    rows = rows_of(table)
    groups = [[r["i"] for r in rows if r["s"] == s] for s in {r["s"] for r in rows}]
    wanted = {
        "increasing": [a <= b for a, b in steps([r["i"] for r in rows])],
        "falling": [a > b for a, b in steps([r["f"] for r in rows])],
        "within": [a < b for group in groups for a, b in steps(group)],
    }
    for name, kept in wanted.items():
        finding = check(RULES[name], table)

        assert finding.n == len(kept), name
        assert finding.details.get("count", 0) == kept.count(False), name


@settings(max_examples=40)
@given(tables)
def test_one_query_says_what_each_rule_says_alone(table: pl.DataFrame) -> None:
    together = Expectations(list(RULES.values())).check(table, clock=lambda: NOON)

    assert list(together.findings) == [check(rule, table) for rule in RULES.values()]


@settings(max_examples=25)
@given(tables)
def test_the_rows_that_break_rules_are_those_that_are_counted(table: pl.DataFrame) -> None:
    rules = {name: RULES[name] for name in (*JUDGES, "unique", "both unique")}
    named = [type(r)(**{**vars(r), "label": name}) for name, r in rules.items()]

    rows = Expectations(named).broken_rows(table)

    for name, rule in rules.items():
        n = rows.filter(pl.col("breaks").list.contains(name)).height
        assert n == check(rule, table).details.get("count", 0), name
    assert rows.drop("row", "breaks").equals(table[rows["row"].to_list()].fill_nan(None))


def test_pandas_polars_queries_and_files_are_judged_alike(tmp_path: Path) -> None:
    frame = flights().drop("when")
    frame.write_parquet(tmp_path / "part.parquet")
    frame.write_csv(tmp_path / "part.csv")
    frame.write_ndjson(tmp_path / "part.ndjson")
    frame.write_ipc(tmp_path / "part.arrow")
    rules = [
        NotNull("miles"), InRange("hour", at_most=24), InSet("tail", ["N1", "N2"]),
        Matches("tail", "N[0-9]"), Unique(["flight", "tail"]), SumInRange("miles", at_least=100),
        Holds(pl.col("hour") < pl.col("miles")), Passes("flight", lambda flight: flight < 5),
    ]  # fmt: skip
    sources = [
        frame, to_pandas(frame), frame.lazy(), frame.to_arrow(), Dataset.of(frame),
        tmp_path / "part.parquet", str(tmp_path / "*.csv"), tmp_path / "part.ndjson",
        tmp_path / "part.arrow",
        pl.scan_parquet(tmp_path / "*.parquet"),
    ]  # fmt: skip

    told = [
        [(f.verdict, f.estimate, f.n, f.details.get("rows")) for f in report.findings]
        for report in map(Expectations(rules).check, sources)
    ]

    assert {verdict for verdict, *_ in told[0]} == {Verdict.FAIL, Verdict.PASS}
    assert told == [told[0]] * len(sources)


def test_rows_that_only_share_a_hash_are_no_repetition(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "_hash", lambda columns: pl.col(columns[0]).hash() * 0)

    assert check(Unique("flight"), pl.DataFrame({"flight": [1, 2, 3]})).verdict is Verdict.PASS
    assert check(Unique("flight"), flights()).details["count"] == 1


# --- figures ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "verdict", "estimate"),
    [
        (SumInRange("miles", at_least=115, at_most=115), "PASS", 115),
        (SumInRange("miles", at_most=29, where=pl.col("tail") == "N1"), "PASS", 10),
        (SumInRange("miles", at_least=1, where=pl.col("hour") > 99), "INSUFFICIENT", None),
        (RowCount(at_least=6, at_most=6), "PASS", 6),
        (RowCount(at_most=1, where=pl.col("tail") == "N1"), "FAIL", 2),
        (FigureInRange(pl.col("hour").max(), at_most=24), "FAIL", 25),
        (FigureInRange(pl.col("miles").mean(), at_least=20), "PASS", 23),
        (FigureInRange(pl.col("when").max(), at_most=NOON), "PASS", None),
        (Fresh("when", max_age=timedelta(hours=2)), "PASS", 7200),
        (Fresh("when", max_age=timedelta(minutes=119)), "FAIL", 7200),
        (Fresh("when", max_age=timedelta(hours=5), where=pl.col("tail") == "N1"), "PASS", 18_000),
    ],
)
def test_figures_are_held_against_their_bounds(
    rule: Expectation, verdict: str, estimate: float | None
) -> None:
    finding = check(rule, flights())

    assert (str(finding.verdict), finding.estimate) == (verdict, estimate)


def test_days_are_as_fresh_as_their_midnight() -> None:
    days = pl.DataFrame({"day": [date(2029, 12, 31), date(2030, 1, 1)]})

    assert check(Fresh("day", max_age=timedelta(hours=12)), days).estimate == 12 * 3600


def test_a_shifted_column_is_not_like_the_reference_and_the_same_one_is() -> None:
    then = pl.DataFrame(
        {
            "n": range(2_000),
            "s": ["a", "b", "c", None] * 500,
            "t": [NOON + timedelta(minutes=i) for i in range(2_000)],
        }
    )
    later = then.with_columns(
        n=pl.col("n") + 400, s=pl.col("s").fill_null("a"), t=pl.col("t") + timedelta(hours=7)
    )
    for name in then.columns:
        rule = LikeReference(Profile.of(then)[name])

        assert check(rule, then).verdict is Verdict.PASS
        assert check(rule, then).estimate == pytest.approx(0, abs=1e-12)
        assert check(rule, later).verdict is Verdict.FAIL
        assert check(rule, then.head(10)).verdict is Verdict.INSUFFICIENT
        assert check(rule, later.with_columns(x=1), n_examples=1).verdict is Verdict.FAIL


def test_the_index_is_that_of_the_counts_by_hand() -> None:
    """Shares ½, ½ against ¾, ¼: ¼·ln 1.5 + ¼·ln 2 = 0.2746, up to half a count in each bin."""
    then = Profile.of(pl.DataFrame({"s": ["a", "b"] * 50_000}))["s"]
    now = pl.DataFrame({"s": ["a", "a", "a", "b"] * 25_000})

    assert check(LikeReference(then), now).estimate == pytest.approx(0.27465, abs=1e-4)


# --- what people read ---------------------------------------------------------------------


def test_values_of_sensitive_columns_are_withheld_everywhere() -> None:
    frame = pl.DataFrame({"name": ["Zoe Secret", "Zoe Secret", "Ann"], "n": [1, 2, 3]})

    def tell(name: str) -> bool:
        raise ValueError(name)

    rules = [
        Unique("name"), InSet("name", ["Ann"]), Matches("name", "A.*"), Passes("name", tell),
        Unique(["name"], max_share=0.5), Holds(pl.col("name") == "Ann"), Monotone("name"),
        FigureInRange(pl.col("name").max(), at_least="B"),
        FigureInRange(pl.col("name").max(), at_least=3),
        Holds(pl.col("name").str.to_integer(strict=True) > 0),
        SumInRange("n", at_least=0, where=pl.col("name") == "Zoe Secret"),
        InSet("n", [1, 3]),
    ]  # fmt: skip
    for source in (frame, Dataset.of(frame, sensitive=["name"])):
        names = ["name"] if isinstance(source, pl.DataFrame) else []
        report = Expectations(rules).check(source, sensitive=names)

        shown = [f.model_dump_json(exclude={"summary"}) + f.summary for f in report.findings]
        assert not [text for text in shown if "Secret" in text]
        assert report.findings[0].details["examples"] == "withheld"
        assert report.findings[-1].details["examples"] == "2"


def test_tolerated_breaks_pass_and_are_told_all_the_same() -> None:
    finding = check(InRange("hour", at_most=24, max_share=0.2), flights())

    assert (finding.verdict, finding.estimate, finding.threshold) == (Verdict.PASS, 0.2, 0.2)
    assert finding.summary == "hour is at most 24: 1 of 5 break it; row 2: 25."


def test_examples_are_short_and_no_more_than_wanted() -> None:
    long = pl.DataFrame({"s": ["x" * 10_000] * 50})

    finding = check(InSet("s", ["y"]), long, n_examples=2)

    assert finding.details["rows"] == "0, 1"
    assert len(finding.summary) < 150


def test_labels_and_severities_are_those_given() -> None:
    finding = check(NotNull("hour", label="has an hour", severity=Severity.WARNING), flights())

    assert (finding.name, finding.severity, finding.column) == (
        "has an hour",
        Severity.WARNING,
        "hour",
    )


# --- what cannot be told ------------------------------------------------------------------


def test_rules_that_cannot_be_held_say_why_and_do_not_stop_the_others() -> None:
    def picky(hour: int) -> bool:
        if hour == 6:
            raise LookupError("no such hour")
        return True

    rules = [
        InRange("tail", at_least=3),
        InSet("hour", ["five"]),
        Matches("hour", "[0-9]+"),
        Holds(pl.col("tail") + 1 > 3),
        Holds(pl.col("tail").str.to_integer(strict=True) > 0),
        Holds(pl.col("hour", "miles") > 0),
        Holds(pl.col("hour") + 1),
        Passes("hour", picky),
        Passes("hour", lambda hour: "yes"),
        Fresh("hour", max_age=timedelta(1)),
        FigureInRange(pl.col("tail").max(), at_least=1),
        NotNull("hour"),
    ]

    report = Expectations(rules).check(flights())

    assert [str(f.verdict) for f in report.findings] == ["INSUFFICIENT"] * 11 + ["FAIL"]
    assert "LookupError: no such hour" in report.findings[7].summary
    assert "return True or False" in report.findings[8].summary


def test_absent_columns_fail_and_are_named() -> None:
    finding = check(Unique(["gate", "hour"]), flights())

    assert finding.verdict is Verdict.FAIL
    assert finding.summary == "The data have no column 'gate'."


def test_tables_without_rows_show_nothing() -> None:
    report = Expectations(list(RULES.values())).check(
        pl.DataFrame(schema={"i": pl.Int64, "f": pl.Float64, "s": pl.String})
    )

    assert {str(f.verdict) for f in report.findings} == {"INSUFFICIENT"}
    assert check(RowCount(at_least=1), flights().clear()).verdict is Verdict.FAIL


def test_what_cannot_be_read_is_told_as_such(tmp_path: Path) -> None:
    broken = tmp_path / "broken.parquet"
    flights().write_parquet(broken)
    content = broken.read_bytes()
    footer = 8 + int.from_bytes(content[-8:-4], "little")
    broken.write_bytes(content[:4] + b"\0" * (len(content) - 4 - footer) + content[-footer:])
    (tmp_path / "cut.parquet").write_bytes(content[:-50])
    (tmp_path / "a.txt").write_text("hour\n5\n")
    (tmp_path / "twice.csv").write_text("hour,hour\n5,6\n")
    flights().write_ipc(tmp_path / "mixed.arrow")
    (tmp_path / "mixed.csv").write_text("hour\n5\n")

    for source in (
        broken,
        tmp_path / "cut.parquet",
        tmp_path / "a.txt",
        tmp_path / "none.csv",
        3,
        tmp_path / "twice.csv",
        tmp_path / "mixed.*",
    ):
        with pytest.raises(InvalidDataError):
            Expectations([NotNull("hour"), InRange("miles", at_least=0)]).check(source)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("build", "reason"),
    [
        (lambda: InRange("x"), "no bound"),
        (lambda: InRange("x", at_least=2, at_most=1), "holds nothing"),
        (lambda: InRange("x", at_least=math.nan), "NaN"),
        (lambda: InRange("x", at_least=1, at_most="a"), "two types"),
        (lambda: InSet("x", []), "list what is allowed"),
        (lambda: InSet("x", "abc"), "list what is allowed"),
        (lambda: Matches("x", "("), "no regular expression"),
        (lambda: Matches("x", "(?=a)"), "without look-around"),
        (lambda: Unique([]), "at least one"),
        (lambda: Unique(["a", "a"]), "each once"),
        (lambda: NotNull("x", max_share=1.5), "share in"),
        (lambda: ForeignKey("a", flights(), reference_columns=["b", "c"]), "as many columns"),
        (lambda: FigureInRange(pl.len(), at_least=1, where=pl.col("x")), "filter inside"),
        (lambda: Expectations([]), "at least one rule"),
        (lambda: Expectations(["x"]), "no Expectation"),  # type: ignore[list-item]
    ],
)
def test_nonsense_is_refused_at_once(build: Callable[[], object], reason: str) -> None:
    with pytest.raises(InvalidDataError, match=reason):
        build()


# --- types --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("column", "values", "n_broken"),
    [
        (pl.Series([1, 2, 3], dtype=pl.Int8), [1, 300], 2),
        (pl.Series([1, 2, 3]), [1.5, 2.0], 2),
        (pl.Series([1.5, 2.0]), [1, 2], 1),
        (pl.Series(["a", "b"], dtype=pl.Enum(["a", "b"])), ["a", "z"], 1),
        (pl.Series(["a", "b"], dtype=pl.Categorical), ["a"], 1),
        (pl.Series([True, False]), [True], 1),
        (pl.Series([date(2030, 1, 1), date(2030, 1, 2)]), [date(2030, 1, 1)], 1),
        (pl.Series([NOON, NOON]).dt.convert_time_zone("Asia/Tokyo"), [NOON], 0),
        (pl.Series([datetime(2030, 1, 1)], dtype=pl.Datetime("ns")), [datetime(2030, 1, 1)], 0),
    ],
)
def test_sets_are_compared_without_rounding(
    column: pl.Series, values: list[Any], n_broken: int
) -> None:
    assert check(InSet("x", values), pl.DataFrame({"x": column})).details["count"] == n_broken


def test_pandas_frames_are_read_only_where_they_are_asked_about() -> None:
    frame = pd.DataFrame({"x": [1, 2], "mixed": [1, "a"]})

    assert check(InRange("x", at_least=1), frame).verdict is Verdict.PASS
    with pytest.raises(InvalidDataError, match="mixes"):
        check(Holds(pl.all_horizontal(pl.all().is_not_null())), frame)


def test_a_function_is_called_once_for_each_distinct_value() -> None:
    seen: list[str] = []

    def known(tail: str) -> bool:
        seen.append(tail)
        return True

    assert check(Passes("tail", known), flights()).n == 5
    assert sorted(seen) == ["N1", "N2", "X9"]

"""The join shows what was known, and never what was not yet."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mldeploy.data import Dataset, Stream, join_as_of, source_of
from mldeploy.errors import (
    DuplicateColumnsError,
    InvalidDataError,
    SchemaMismatchError,
)

START = datetime(2026, 1, 1, tzinfo=UTC)
Row = dict[str, Any]


def at(hours: float) -> datetime:
    return START + timedelta(hours=hours)


things = st.none() | st.sampled_from("ab")
hours = st.integers(0, 12)
spans = st.integers(0, 6).map(lambda n: timedelta(hours=n))
asking = st.lists(st.fixed_dictionaries({"who": things, "t": hours}), min_size=1, max_size=8)
happened = st.lists(
    st.fixed_dictionaries({"who": things, "t": hours, "known": st.none() | hours}), max_size=12
)


def dataset_of(rows: list[Row]) -> Dataset:
    frame = {"who": [r["who"] for r in rows], "when": [at(r["t"]) for r in rows]}
    types = {"who": pl.String, "when": pl.Datetime("us", "UTC")}
    return Dataset.of(pl.DataFrame(frame, schema=types), time="when")


def stream_of(rows: list[Row], **settings: Any) -> Stream:
    """Each row has a value of its own, and its place, which tells rows of one time apart."""
    times = pl.Datetime("us", "UTC")
    frame = pl.DataFrame(
        {
            "who": [r["who"] for r in rows],
            "at": [at(r["t"]) for r in rows],
            "known": [None if r["known"] is None else at(r["known"]) for r in rows],
            "value": list(range(len(rows))),
        },
        schema={"who": pl.String, "at": times, "known": times, "value": pl.Int64},
    )
    return Stream(
        name="s", source=frame, time="at", by=["who"], columns=["value"], order="value", **settings
    )


def oracle(
    asked: Row, rows: list[Row], *, delay: timedelta | None, tolerance: timedelta | None
) -> int | None:
    """Look at every row, one after the other, as a person with the printed table would."""
    now, best = at(asked["t"]), None
    for number, row in enumerate(rows):
        if asked["who"] is None or row["who"] != asked["who"]:
            continue
        if delay is None:
            if row["known"] is None:
                continue
            arrived = at(row["known"])
        else:
            arrived = at(row["t"]) + delay
        if at(row["t"]) > now or arrived > now:
            continue
        if tolerance is not None and now - at(row["t"]) > tolerance:
            continue
        candidate = (at(row["t"]), arrived, number)
        if best is None or candidate > best:
            best = candidate
    return None if best is None else best[2]


@given(asking, happened, spans, st.none() | spans)
def test_with_a_delay_it_finds_what_a_look_at_every_row_finds(
    asked: list[Row], rows: list[Row], delay: timedelta, tolerance: timedelta | None
) -> None:
    joined = join_as_of(dataset_of(asked), [stream_of(rows, delay=delay, tolerance=tolerance)])

    assert joined.table["s.value"].to_list() == [
        oracle(row, rows, delay=delay, tolerance=tolerance) for row in asked
    ]


@given(asking, happened, st.none() | spans)
def test_with_arrivals_it_finds_what_a_look_at_every_row_finds(
    asked: list[Row], rows: list[Row], tolerance: timedelta | None
) -> None:
    """Late rows, revisions, forecasts, and rows that never arrived."""
    joined = join_as_of(
        dataset_of(asked), [stream_of(rows, known_at="known", tolerance=tolerance)]
    )

    assert joined.table["s.value"].to_list() == [
        oracle(row, rows, delay=None, tolerance=tolerance) for row in asked
    ]


@given(asking, happened, happened, spans, hours)
def test_what_becomes_known_later_changes_nothing_before(
    asked: list[Row], past: list[Row], future: list[Row], delay: timedelta, now: int
) -> None:
    """Whatever is added after a moment, answers up to that moment stay what they were."""
    later = [row | {"t": now + 1 + row["t"]} for row in future]
    early = [row for row in asked if row["t"] <= now]
    if not early:
        return
    without = join_as_of(dataset_of(early), [stream_of(past, delay=delay)])
    with_future = join_as_of(dataset_of(early), [stream_of(past + later, delay=delay)])

    assert with_future.table.equals(without.table)


@given(asking, happened, spans, st.integers(1, 5))
def test_batches_of_a_source_are_no_matter(
    asked: list[Row], rows: list[Row], delay: timedelta, batch_rows: int
) -> None:
    stream = stream_of(rows, delay=delay)
    in_batches = replace(
        stream,
        source=replace(source_of(stream.source), batch_rows=batch_rows),  # type: ignore[type-var]
    )
    data = dataset_of(asked)

    assert join_as_of(data, [in_batches]).table.equals(join_as_of(data, [stream]).table)


def test_a_report_counts_from_its_arrival_and_a_correction_from_its_own() -> None:
    """8:00 is measured as 5, known at 9, and corrected to 6 at 11; 9:30 is known at 10."""
    reports = pl.DataFrame(
        {
            "at": [at(8), at(8), at(9.5)],
            "known": [at(9), at(11), at(10)],
            "wind": [5.0, 6.0, 7.0],
        }
    )
    flights = Dataset.of(
        pl.DataFrame({"departs": [at(h) for h in (8.5, 9, 9.9, 10, 12)]}), time="departs"
    )
    stream = Stream(name="w", source=reports, time="at", known_at="known", by=[], age=True)

    joined = join_as_of(flights, [stream])

    assert joined.table["w.wind"].to_list() == [None, 5.0, 5.0, 7.0, 7.0]
    assert joined.table["w.age"].to_list() == pytest.approx(
        [None, 3600, 1.9 * 3600, 1800, 9000], nan_ok=True
    )
    assert joined.features == ("w.wind", "w.age")


def test_several_streams_are_joined_beside_each_other_and_rows_keep_their_order() -> None:
    data = Dataset.of(
        pl.DataFrame(
            {"plane": [2, 1], "origin": ["JFK", "LGA"], "t": [at(5), at(4)], "y": [1, 0]}
        ),
        time="t",
        target="y",
        features=["plane"],
    )
    planes = pl.DataFrame({"tail": [1, 2], "t": [at(0), at(0)], "seats": [100, 200]})
    weather = pl.DataFrame(
        {
            "place": pl.Series(["LGA", "JFK"], dtype=pl.Categorical),
            "t": [at(1), at(1)],
            "wind": [1.0, 2.0],
        }
    )
    streams = [
        Stream(name="p", source=planes, time="t", by={"plane": "tail"}, delay=timedelta(0)),
        Stream(name="w", source=weather, time="t", by={"origin": "place"}, delay=timedelta(0)),
    ]

    joined = join_as_of(data, streams)

    assert joined.table["p.seats"].to_list() == [200, 100]
    assert joined.table["w.wind"].to_list() == [2.0, 1.0]
    assert joined.features == ("plane", "p.seats", "w.wind")
    assert joined.roles.target == "y"
    assert joined.table.select(data.columns).equals(data.table)


def test_a_nanosecond_too_late_is_too_late() -> None:
    ticks = pl.Series("at", [int(at(1).timestamp()) * 10**9 + 1]).cast(pl.Datetime("ns", "UTC"))
    stream = Stream(
        name="s",
        source=pl.DataFrame({"at": ticks, "x": [1]}),
        time="at",
        by=[],
        delay=timedelta(0),
    )
    data = Dataset.of(pl.DataFrame({"t": [at(1), at(1) + timedelta(microseconds=1)]}), time="t")

    assert join_as_of(data, [stream]).table["s.x"].to_list() == [None, 1]


def test_two_rows_of_one_moment_that_differ_are_refused_and_equal_ones_are_one() -> None:
    data = Dataset.of(pl.DataFrame({"t": [at(5)]}), time="t")
    rows = pl.DataFrame({"at": [at(1), at(1)], "x": [1, 2]})
    stream = Stream(name="s", source=rows, time="at", by=[], delay=timedelta(0))

    with pytest.raises(InvalidDataError, match=r"2 rows that differ.*2026-01-01 01:00"):
        join_as_of(data, [stream])
    same = replace(stream, source=rows.with_columns(x=pl.lit(7)))
    assert join_as_of(data, [same]).table["s.x"].to_list() == [7]


@pytest.mark.parametrize(
    "settings",
    [
        {"delay": timedelta(0), "known_at": "at"},
        {},
        {"delay": timedelta(seconds=-1)},
        {"delay": timedelta(0), "tolerance": timedelta(seconds=-1)},
        {"delay": timedelta(0), "by": "who"},
    ],
)
def test_a_stream_that_does_not_say_when_it_is_known_is_refused(settings: Row) -> None:
    with pytest.raises(InvalidDataError):
        Stream(**{"name": "s", "source": pl.DataFrame(), "time": "at", "by": []} | settings)


def test_what_cannot_be_joined_is_refused() -> None:
    data = dataset_of([{"who": "a", "t": 1}])
    rows = pl.DataFrame({"who": ["a"], "at": [at(0)], "x": [1]})
    good = Stream(name="s", source=rows, time="at", by=["who"], delay=timedelta(0))
    refused: list[tuple[type[InvalidDataError], Stream, str]] = [
        (InvalidDataError, replace(good, time="when"), "no column 'when'"),
        (InvalidDataError, replace(good, by=["plane"]), "the dataset has no column 'plane'"),
        (InvalidDataError, replace(good, columns=[]), "no column to bring"),
        (SchemaMismatchError, replace(good, by={"who": "x"}), "is Int64, and String in the"),
        (
            InvalidDataError,
            replace(good, source=rows.with_columns(pl.col("at").dt.replace_time_zone(None))),
            "stream 's': the time column 'at' has no time zone.*to Stream",
        ),
    ]

    for error, stream, why in refused:
        with pytest.raises(error, match=why):
            join_as_of(data, [stream])
    with pytest.raises(DuplicateColumnsError):
        join_as_of(data, [good, good])
    with pytest.raises(InvalidDataError, match="declares no time"):
        join_as_of(Dataset.of(pl.DataFrame({"x": [1]})), [good])

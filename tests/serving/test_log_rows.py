"""Single rows on the short way into the log are what batches would have been."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mldeploy.data import ColumnSchema, Schema
from mldeploy.errors import PredictionLogError, PredictionLogFullError
from mldeploy.serving import (
    LoggedRow,
    MemoryLog,
    ParquetLog,
    PredictionBatch,
    Refuse,
    read_log,
)
from mldeploy.serving._frame import Loggable, frame_of, pieces
from mldeploy.serving._ids import new_id, new_ids
from mldeploy.serving._writer import Writer

NOON = 1_364_817_600_000_000  # 2013-04-01T12:00Z
A_WHILE = timedelta(seconds=30)
SCHEMA = Schema(
    columns=(
        ColumnSchema(name="wind", kind="number", nullable=True),
        ColumnSchema(name="hour", kind="integer", nullable=True),
        ColumnSchema(name="rain", kind="boolean", nullable=True),
        ColumnSchema(name="score", kind="string", nullable=True),
        ColumnSchema(name="carrier", kind="category", nullable=True, categories=("AA", "B6")),
    )
)
OTHER = Schema(columns=(ColumnSchema(name="wind", kind="integer"),))


def row(name: str, **changes: Any) -> LoggedRow:
    given: dict[str, Any] = {
        "deployment": "late", "version": "1", "arm": "champion", "id": name, "key": f"key {name}",
        "time": NOON, "values": (2.5, 7, True, "high", "AA"), "schema": SCHEMA, "latency_s": 0.001,
        "prediction": True, "score": 0.75, "route": "advice",
    }  # fmt: skip
    return LoggedRow(**given | changes)


maybe = st.none()
rows = st.builds(
    row,
    name=st.text(st.characters(codec="utf-8"), max_size=5),
    version=st.sampled_from(["1", "2"]),
    arm=st.sampled_from(["champion", "shadow"]),
    key=maybe | st.text(st.characters(codec="utf-8"), max_size=5),
    time=st.integers(NOON - 10**15, NOON + 10**15),
    values=st.tuples(
        maybe | st.floats(allow_nan=False, allow_infinity=False),
        maybe | st.integers(-(2**63), 2**63 - 1),
        maybe | st.booleans(),
        maybe | st.text(st.characters(codec="utf-8"), max_size=5),
        maybe | st.sampled_from(["AA", "B6"]),
    ),
    score=maybe | st.floats(0, 1),
    route=maybe | st.sampled_from(["advice", "automatic"]),
    latency_s=st.floats(0, 10),
    error=maybe | st.just("ValueError: no"),
)


@given(st.lists(rows, min_size=1, max_size=12))
@settings(max_examples=60)
def test_rows_become_the_table_that_their_batches_become(given: list[LoggedRow]) -> None:
    order = ["prediction_id", "time", "version", "arm", "latency_s"]
    together = frame_of(given)
    one_by_one = frame_of([row.batch() for row in given])

    assert together.schema == one_by_one.schema
    assert together.sort(*together.columns).equals(one_by_one.sort(*together.columns))
    assert together.sort(order).equals(frame_of([*given[1:], given[0].batch()]).sort(order))


@pytest.mark.parametrize(
    ("prediction", "score", "types"),
    [
        (True, 0.25, [pl.Boolean, pl.Float64]),
        (3, None, [pl.Int64, pl.Float64]),
        ("UA", (0.25, 0.5, 0.25), [pl.String, pl.List(pl.Float64)]),
        (2.5, None, [pl.Float64, pl.Float64]),
        (np.float64(2.5), np.array([0.5, 0.5]), [pl.Float64, pl.List(pl.Float64)]),
        (None, None, [pl.Null, pl.Float64]),
    ],
)
def test_answers_keep_their_types(prediction: Any, score: Any, types: list[pl.DataType]) -> None:
    frame = frame_of([row("a", prediction=prediction, score=score)] * 2)

    assert frame.select("prediction", "score").dtypes == types
    assert frame["prediction"].to_list() == [prediction, prediction]
    assert frame["feature.score"].to_list() == ["high", "high"]


def test_versions_with_other_features_and_answers_share_a_table() -> None:
    frame = frame_of(
        [
            row("a"),
            row("b", schema=OTHER, values=(3,), version="2", prediction="yes", score=(0.5, 0.5)),
            row("c", prediction=None, score=None, error="ValueError: no"),
        ]
    ).sort("prediction_id")

    assert frame["wind"].to_list() == [2.5, 3.0, 2.5]
    assert frame["prediction"].to_list() == ["true", "yes", None]
    assert frame["carrier"].to_list() == ["AA", None, "AA"]


def test_a_row_reads_like_a_batch_of_one() -> None:
    single = row("a")

    assert (len(single), single.deployment, single.version) == (1, "late", "1")
    assert single.slice(0, 1).to_frame().equals(single.batch().to_frame())


def test_memory_takes_rows_and_batches() -> None:
    log = MemoryLog(capacity_rows=2)
    for record in (row("a"), row("b").batch(), row("c")):
        log.write(record)

    assert log.frame()["prediction_id"].to_list() == ["a", "b"]
    assert log.dropped == 1


# --- identifiers ------------------------------------------------------------------------------


@given(st.integers(0, 2**47 * 1000))
def test_one_identifier_looks_like_many(time: int) -> None:
    one, (many,) = new_id(time), new_ids(np.array([time], "datetime64[us]"))

    for identifier in (one, many):
        assert int(identifier[:12], 16) == time // 1000
        assert identifier[12] == "7"
        assert identifier[16] in "89ab"
        assert len(identifier) == 32
    assert one != many


def test_identifiers_differ_and_their_random_bits_are_all_used() -> None:
    found = [new_id(NOON) for _ in range(3000)]

    assert len(set(found)) == 3000
    for place in {*range(13, 32)} - {16}:
        assert len({identifier[place] for identifier in found}) == 16


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_draws_other_identifiers() -> None:
    script = """
import os
from mldeploy.serving._ids import new_id
new_id(0)
child = os.fork()
if child:
    os.waitpid(child, 0)
print(*[new_id(0) for _ in range(50)], flush=True)
"""
    command = [sys.executable, "-W", "ignore", "-c", script]
    found = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()

    assert len(set(found)) == 100


# --- the short way ----------------------------------------------------------------------------


@pytest.fixture
def stuck(tmp_path: Path) -> Path:
    """A root that cannot be written until the file in its way is removed."""
    root = tmp_path / "log"
    root.write_text("in the way")
    return root


def ids(root: Path) -> list[str]:
    return sorted(read_log(root)["prediction_id"])


@given(
    capacity=st.integers(1, 60),
    sizes=st.lists(st.integers(1, 30), min_size=1, max_size=15),
)
@settings(max_examples=25, deadline=None)
def test_exactly_what_fits_is_taken_whether_it_comes_in_rows_or_batches(
    tmp_path_factory: pytest.TempPathFactory, capacity: int, sizes: list[int]
) -> None:
    root = tmp_path_factory.mktemp("stuck") / "log"
    root.write_text("in the way")
    log = ParquetLog(root, "late", capacity_rows=capacity, flush_rows=capacity)
    number = 0
    for size in sizes:
        names = [f"{i:04d}" for i in range(number, number + size)]
        number += size
        if size % 2:
            for name in names:
                log.write(row(name))
        else:
            log.write(_batch(names))

    assert log.dropped == max(number - capacity, 0)
    root.unlink()
    log.flush(A_WHILE)
    log.close()
    assert ids(root) == [f"{i:04d}" for i in range(min(number, capacity))]


def _batch(names: list[str]) -> PredictionBatch:
    n = len(names)
    return PredictionBatch(
        deployment="late", version="1", ids=names, latency_s=np.zeros(n),
        times=np.full(n, np.datetime64(NOON, "us")), features=pl.DataFrame({"wind": [1.5] * n}),
    )  # fmt: skip


def test_every_row_of_many_threads_is_written_or_counted(tmp_path: Path) -> None:
    """More threads than room: the buffer never holds more than it may, and no row is lost."""
    log = ParquetLog(tmp_path, "late", capacity_rows=300, flush_rows=100)
    assert isinstance(log._writer, Writer)
    most, waiting = [0], log._writer._waiting

    def write(worker: int) -> None:
        for i in range(2000):
            log.write(row(f"{worker}-{i:04d}"))
            if i % 100 == 0:
                most[0] = max(most[0], len(waiting))

    workers = [threading.Thread(target=write, args=(w,)) for w in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    log.close()

    found = ids(tmp_path)
    assert len(found) == len(set(found)) == 8000 - log.dropped
    assert most[0] <= 300


def test_rows_that_come_while_the_log_is_closed_are_written_counted_or_refused(
    tmp_path: Path,
) -> None:
    for attempt in range(10):
        root = tmp_path / str(attempt)
        log = ParquetLog(root, "late", flush_rows=50)
        refused = [0] * 3
        begun = threading.Barrier(4)

        def write(
            worker: int,
            log: ParquetLog = log,
            refused: list[int] = refused,
            begun: threading.Barrier = begun,
        ) -> None:
            begun.wait()
            for i in range(600):
                try:
                    log.write(row(f"{worker}-{i}"))
                except PredictionLogError:
                    refused[worker] += 1

        workers = [threading.Thread(target=write, args=(w,)) for w in range(3)]
        for worker in workers:
            worker.start()
        begun.wait()
        log.close()
        for worker in workers:
            worker.join()

        assert len(ids(root)) + log.dropped + sum(refused) == 1800


def test_a_row_waits_no_longer_than_the_interval(tmp_path: Path) -> None:
    seen = threading.Event()
    with ParquetLog(
        tmp_path,
        "late",
        flush_interval=timedelta(milliseconds=20),
        observers=[lambda rows: seen.set()],
    ) as log:
        log.write(row("a"))

        assert seen.wait(A_WHILE.total_seconds())
        assert ids(tmp_path) == ["a"]


def test_a_log_that_refuses_takes_all_of_a_batch_or_nothing(stuck: Path) -> None:
    log = ParquetLog(stuck, "late", capacity_rows=10, flush_rows=10, on_full=Refuse())
    log.write(_batch([f"{i}" for i in range(7)]))
    with pytest.raises(PredictionLogFullError, match="no room for 4 rows: 7 of 10 wait"):
        log.write(_batch(["a", "b", "c", "d"]))
    for name in "abc":
        log.write(row(name))
    with pytest.raises(PredictionLogFullError, match="no room for 1 rows: 10 of 10"):
        log.write(row("d"))

    assert (log.dropped, log.refused) == (0, 5)
    stuck.unlink()
    log.flush(A_WHILE)
    log.write(row("d"))
    log.close()
    assert ids(stuck) == [*map(str, range(7)), "a", "b", "c", "d"]


def test_a_writer_that_died_refuses_if_it_is_to_refuse(tmp_path: Path) -> None:
    log = ParquetLog(tmp_path, "late", on_full=Refuse())
    log.write(row("a", values=("no number", 7, True, "high", "AA")))
    with pytest.raises(PredictionLogError, match="can no longer be written"):
        log.flush(A_WHILE)

    with pytest.raises(PredictionLogError, match="can no longer be written"):
        log.write(row("b"))
    assert (log.dropped, log.refused) == (1, 1)
    with pytest.raises(PredictionLogError):
        log.close()


def test_work_is_cut_into_pieces_that_keep_every_record_in_order() -> None:
    records: list[Loggable] = [row(f"{i}") for i in range(1200)]
    records += [_batch(["x"] * 4000), row("last")]

    cut = list(pieces(records))

    assert [len(piece) for piece in cut] == [500, 500, 201, 1]
    assert [record for piece in cut for record in piece] == records


def test_a_log_that_was_opened_and_not_used_starts_no_thread(tmp_path: Path) -> None:
    before = threading.active_count()
    with ParquetLog(tmp_path, "late") as log, ParquetLog(tmp_path, "late", durable=True):
        log.flush(A_WHILE)
        assert threading.active_count() == before

"""A durable log acknowledges a row only when it is on the disk, and never loses or doubles it."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from mldeploy.data import ColumnSchema, Schema
from mldeploy.errors import PredictionLogError, PredictionLogFullError
from mldeploy.serving import (
    DropNewest,
    LoggedRow,
    ParquetLog,
    Partition,
    PredictionBatch,
    Predictor,
    Wait,
    compact,
    read_log,
)
from mldeploy.serving._durable_journal import Journal, read_journal
from mldeploy.serving._on_full import OnFull
from mldeploy.testing import PredictionSinkConformance

A_WHILE = timedelta(seconds=30)
LONG = timedelta(hours=1)
SCHEMA = Schema(
    columns=(ColumnSchema(name="wind", kind="number"), ColumnSchema(name="carrier", kind="string"))
)  # without a frame, since the threads of polars survive no fork
NOON = 1_364_817_600_000_000  # 2013-04-01T12:00Z
HOUR = 3_600_000_000


def row(name: str, *, time: int = NOON) -> LoggedRow:
    return LoggedRow(
        deployment="late", version="1", arm="champion", id=name, key=f"key {name}", time=time,
        values=(2.5, "AA"), schema=SCHEMA, latency_s=0.001, prediction=True, score=0.75,
        route="advice",
    )  # fmt: skip


def durable(root: Path, **settings: Any) -> ParquetLog:
    return ParquetLog(root, "late", durable=True, **settings)


def ids(root: Path) -> list[str]:
    return sorted(read_log(root)["prediction_id"])


def hidden(root: Path, pattern: str = ".journal-*") -> list[Path]:
    return sorted(root.rglob(pattern))


# --- what an acknowledgement means ------------------------------------------------------------


def test_a_row_is_readable_as_soon_as_write_returns(tmp_path: Path) -> None:
    with durable(tmp_path, flush_interval=LONG) as log:
        log.write(row("a"))

        assert ids(tmp_path) == ["a"]
        assert not list(tmp_path.rglob("*.parquet"))
        assert read_log(tmp_path).equals(row("a").to_frame())


def test_after_closing_any_parquet_reader_finds_the_rows(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    with durable(tmp_path, partition=Partition.HOUR) as log:
        for i in range(4):
            log.write(row(f"{i}", time=NOON + i * HOUR // 2))

    table = parquet.read_table(tmp_path, partitioning=None)

    assert sorted(table.column("prediction_id").to_pylist()) == ["0", "1", "2", "3"]
    assert {p.parent.name for p in tmp_path.rglob("*.parquet")} == {
        "hour=2013-04-01T12",
        "hour=2013-04-01T13",
    }
    assert not hidden(tmp_path)


def test_flush_turns_the_journal_into_parquet(tmp_path: Path) -> None:
    with durable(tmp_path, flush_interval=LONG) as log:
        log.write(row("a"))
        log.flush(A_WHILE)

        assert not hidden(tmp_path)
        assert log.frame()["prediction_id"].to_list() == ["a"]


def test_old_journals_become_parquet_by_themselves(tmp_path: Path) -> None:
    done = threading.Event()
    with durable(
        tmp_path,
        flush_interval=timedelta(milliseconds=20),
        observers=[lambda rows: done.set()],
    ) as log:
        log.write(row("a"))

        assert done.wait(A_WHILE.total_seconds())
        assert not hidden(tmp_path)


def test_rows_that_wait_together_share_a_record_of_the_journal(tmp_path: Path) -> None:
    log = durable(tmp_path, flush_interval=LONG)
    with log._writer._changed:  # the committing thread cannot begin
        futures = [log.write_durably(row(f"{i:03d}")) for i in range(64)]
    for future in futures:
        future.result(A_WHILE.total_seconds())

    assert [len(read_journal(path).payloads) for path in hidden(tmp_path)] == [1]
    assert ids(tmp_path) == [f"{i:03d}" for i in range(64)]
    log.close()
    assert ids(tmp_path) == [f"{i:03d}" for i in range(64)]


def test_coroutines_can_wait_and_one_that_gives_up_disturbs_nobody(tmp_path: Path) -> None:
    async def main(log: ParquetLog) -> None:
        with log._writer._changed:
            waiting = [
                asyncio.ensure_future(asyncio.wrap_future(log.write_durably(row(f"{i}"))))
                for i in range(8)
            ]
            await asyncio.sleep(0)
            waiting[0].cancel()
        results = await asyncio.gather(*waiting, return_exceptions=True)
        assert isinstance(results[0], asyncio.CancelledError)
        assert results[1:] == [None] * 7

    with durable(tmp_path) as log:
        asyncio.run(main(log))

    assert len(ids(tmp_path)) == 8


def test_a_batch_larger_than_the_buffer_is_written_in_parts(tmp_path: Path) -> None:
    n = 25
    batch = PredictionBatch(
        deployment="late", version="1", ids=[f"{i:02d}" for i in range(n)],
        times=np.datetime64("2013-04-01T12:00", "us") + np.arange(n),
        features=pl.DataFrame({"wind": np.arange(n) / 2}), predictions=np.ones(n, dtype=bool),
        latency_s=np.zeros(n),
    )  # fmt: skip
    with durable(tmp_path, capacity_rows=10, flush_rows=5) as log:
        log.write(batch)

    assert ids(tmp_path) == [f"{i:02d}" for i in range(n)]


def test_many_threads_write_every_row_once(tmp_path: Path) -> None:
    with durable(tmp_path, flush_rows=30) as log:

        def write(worker: int) -> None:
            for i in range(40):
                log.write(row(f"{worker}-{i:02d}"))

        workers = [threading.Thread(target=write, args=(w,)) for w in range(6)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()

    assert ids(tmp_path) == sorted(f"{w}-{i:02d}" for w in range(6) for i in range(40))


def test_a_durable_log_can_be_told_to_drop_nothing() -> None:
    with pytest.raises(ValueError, match="drops nothing"):
        durable(Path("nowhere"), on_full=DropNewest())


@pytest.fixture
def slow_disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """A disk that syncs nothing until the event is set."""
    may_sync, sync = threading.Event(), os.fdatasync

    def wait_and_sync(descriptor: int) -> None:
        may_sync.wait(A_WHILE.total_seconds())
        sync(descriptor)

    monkeypatch.setattr(os, "fdatasync", wait_and_sync)
    yield may_sync
    may_sync.set()


@pytest.mark.skipif(sys.platform != "linux", reason="needs fdatasync")
@pytest.mark.parametrize("on_full", [None, Wait(timeout=timedelta(milliseconds=10))])
def test_a_full_buffer_refuses_and_nothing_is_dropped(
    tmp_path: Path, slow_disk: threading.Event, on_full: OnFull | None
) -> None:
    with durable(tmp_path, on_full=on_full, capacity_rows=2, flush_rows=1) as log:
        futures = [log.write_durably(row("a")), log.write_durably(row("b"))]
        with pytest.raises(PredictionLogFullError, match="no room for 1 rows: 2 of 2 wait"):
            log.write_durably(row("c"))
        assert not any(future.done() for future in futures)
        slow_disk.set()
        for future in futures:
            future.result(A_WHILE.total_seconds())
        assert (log.refused, log.dropped) == (1, 0)

    assert ids(tmp_path) == ["a", "b"]


@pytest.mark.skipif(sys.platform != "linux", reason="needs fdatasync")
def test_waiting_lets_rows_in_when_the_disk_goes_on(
    tmp_path: Path, slow_disk: threading.Event
) -> None:
    with durable(tmp_path, on_full=Wait(), capacity_rows=1, flush_rows=1) as log:
        log.write_durably(row("a"))
        threading.Timer(0.02, slow_disk.set).start()
        log.write(row("b"))

    assert ids(tmp_path) == ["a", "b"]


def test_a_log_that_is_not_durable_hands_out_no_promise(tmp_path: Path) -> None:
    with ParquetLog(tmp_path, "late") as log, pytest.raises(PredictionLogError, match="durable="):
        log.write_durably(row("a"))


def test_closing_twice_is_quiet_and_writing_afterwards_is_not(tmp_path: Path) -> None:
    log = durable(tmp_path)
    log.write(row("a"))
    log.close()
    log.close()

    with pytest.raises(PredictionLogError, match="closed"):
        log.write(row("b"))
    assert ids(tmp_path) == ["a"]


def test_a_broken_record_is_refused_and_the_log_goes_on(tmp_path: Path) -> None:
    broken = row("a")
    broken.values = (1.5, 2.5)
    with durable(tmp_path) as log:
        with pytest.raises(PredictionLogError, match="cannot be logged"):
            log.write(broken)
        log.write(row("b"))

    assert ids(tmp_path) == ["b"]


# --- journals that somebody left --------------------------------------------------------------


def abandoned(root: Path, *names: str) -> Path:
    """A journal as a killed process leaves it, of one record for each name."""
    from mldeploy.serving._durable_settle import pack

    journal = Journal(root / "deployment=late", Partition.DAY)
    for name in names:
        journal.append(pack(row(name).to_frame()), 1)
    journal.leave()
    return journal.path


def test_the_next_log_recovers_what_a_killed_one_left(tmp_path: Path) -> None:
    abandoned(tmp_path, "a", "b")
    abandoned(tmp_path, "c")

    with ParquetLog(tmp_path, "late") as log:
        log.upkeep()

    assert ids(tmp_path) == ["a", "b", "c"]
    assert not hidden(tmp_path)


@pytest.mark.parametrize("lost", [1, 11, 12, 100])
def test_a_torn_tail_is_cut_and_the_rows_before_it_count(tmp_path: Path, lost: int) -> None:
    path = abandoned(tmp_path, "a", "b")
    path.write_bytes(path.read_bytes()[:-lost])

    assert ids(tmp_path) == ["a"]
    with durable(tmp_path) as log:
        log.write(row("c"))
        log.upkeep()
    assert ids(tmp_path) == ["a", "c"]
    assert not hidden(tmp_path)


def test_a_journal_without_a_whole_record_is_removed(tmp_path: Path) -> None:
    for n in (0, 7, 19, 25):
        path = abandoned(tmp_path, "a")
        path.write_bytes(path.read_bytes()[:n])

    with durable(tmp_path) as log:
        log.upkeep()

    assert ids(tmp_path) == []
    assert not hidden(tmp_path)
    assert not hidden(tmp_path, ".damaged*")


def test_damage_that_no_crash_explains_is_kept_for_people(tmp_path: Path) -> None:
    path = abandoned(tmp_path, "a", "b", "c")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)

    with durable(tmp_path) as log:
        log.upkeep()

    assert ids(tmp_path) == ["a"]
    (kept,) = hidden(tmp_path, ".damaged*")
    assert kept.read_bytes() == content


def test_a_journal_of_a_living_log_is_left_alone(tmp_path: Path) -> None:
    with durable(tmp_path, flush_interval=LONG) as log, durable(tmp_path) as other:
        log.write(row("a"))

        assert other.upkeep().n_recovered == 0
        assert len(hidden(tmp_path)) == 1
        assert ids(tmp_path) == ["a"]


def test_a_journal_that_reappears_after_it_was_merged_counts_no_row_twice(tmp_path: Path) -> None:
    """A power loss may bring the name of a removed file back."""
    path = abandoned(tmp_path, "a", "b")
    content = path.read_bytes()
    with durable(tmp_path) as log:
        log.upkeep()
        log.write(row("c"))
        log.flush(A_WHILE)
        for _ in range(2):
            compact(tmp_path, before=datetime(2013, 4, 2, tzinfo=UTC))
            path.write_bytes(content)

            before = ids(tmp_path)
            log.upkeep()
            assert ids(tmp_path) == before
            log.write(row("late"))
            log.flush(A_WHILE)
            compact(tmp_path, before=datetime(2013, 4, 2, tzinfo=UTC))
            assert ids(tmp_path) == sorted([*before, "late"])
    assert ids(tmp_path) == ["a", "b", "c", "late", "late"]


def test_an_acknowledgement_is_a_plain_future(tmp_path: Path) -> None:
    with durable(tmp_path) as log:
        future = log.write_durably(row("a"))

        assert isinstance(future, Future)
        assert not future.cancel()
        assert future.result(A_WHILE.total_seconds()) is None


def test_a_fault_of_the_writer_leaves_nobody_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(threading, "excepthook", lambda _: None)
    log = durable(tmp_path, flush_rows=1)
    log.write(row("a"))
    monkeypatch.setattr(Journal, "seal", lambda self: 1 / 0)

    with pytest.raises(PredictionLogError, match="has died: ZeroDivisionError"):
        log.write(row("b"))
    with pytest.raises(PredictionLogError, match="closed"):
        log.write(row("c"))
    log.close()


def test_a_predictor_answers_only_when_its_row_is_on_the_disk(
    tmp_path: Path, make_model: Any
) -> None:
    with durable(tmp_path, flush_interval=LONG) as log:
        predictor = Predictor(make_model(), version="late:1", deployment="late", sink=log)
        answer = predictor.predict({"wind": 3.5, "hour": 7, "carrier": "AA", "score": 1.0})

        assert ids(tmp_path) == [answer.id]


class TestDurableLog(PredictionSinkConformance):
    @pytest.fixture
    def sink(self, tmp_path: Path) -> Iterator[ParquetLog]:
        with ParquetLog(tmp_path, "sample", durable=True, flush_rows=500) as log:
            yield log

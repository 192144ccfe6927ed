"""Old predictions go, in whole folders; small files are merged; observers see what is written."""

from __future__ import annotations

import json
import logging
import os
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from mldeploy.data import ColumnSchema, Schema
from mldeploy.errors import InvalidDataError
from mldeploy.serving import (
    Expired,
    LoggedRow,
    ParquetLog,
    Partition,
    Retention,
    Upkept,
    compact,
    expire,
    read_log,
)
from mldeploy.serving._file_lock import try_lock

A_WHILE = timedelta(seconds=30)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
START = datetime(2013, 4, 1, tzinfo=UTC)
SCHEMA = Schema(columns=(ColumnSchema(name="wind", kind="number"),))


def row(name: str, time: datetime, deployment: str = "late") -> LoggedRow:
    return LoggedRow(
        deployment=deployment, version="1", arm="champion", id=name, key=None,
        time=int(time.timestamp()) * 1_000_000, values=(2.5,), schema=SCHEMA, latency_s=0.001,
        prediction=True, score=0.75, route="advice",
    )  # fmt: skip


def ids(root: Path) -> list[str]:
    return sorted(read_log(root)["prediction_id"])


def files(root: Path) -> list[Path]:
    return sorted(root.rglob("*.parquet"))


def fill(root: Path, n_days: int, *, deployment: str = "late", n_files: int = 1) -> None:
    """Write a row for each day and file, called by the number of the day."""
    with ParquetLog(root, deployment) as log:
        for i in range(n_files):
            for day in range(n_days):
                log.write(row(f"{day}.{i}", START + day * DAY + HOUR, deployment))
            log.flush(A_WHILE)


# --- retention --------------------------------------------------------------------------------


def test_folders_that_ended_before_the_time_are_removed_as_a_whole(tmp_path: Path) -> None:
    fill(tmp_path, 4)
    fill(tmp_path, 2, deployment="other")
    size = sum(p.stat().st_size for p in files(tmp_path / "deployment=late")[:2])

    expired = expire(tmp_path, before=START + 2 * DAY, deployment="late")

    assert expired == Expired(n_folders=2, n_files=2, n_bytes=size)
    assert ids(tmp_path) == ["0.0", "1.0", "2.0", "3.0"]
    assert set(read_log(tmp_path, deployment="late")["prediction_id"]) == {"2.0", "3.0"}
    assert expire(tmp_path, before=START + 2 * DAY + 23 * HOUR).n_folders == 2
    assert expire(tmp_path, before=START + 3 * DAY).n_folders == 1
    assert ids(tmp_path) == ["3.0"]


def test_of_too_much_the_oldest_goes_and_the_newest_stays(tmp_path: Path) -> None:
    fill(tmp_path, 5)
    size = files(tmp_path)[0].stat().st_size

    assert expire(tmp_path, before=START, max_bytes=size * 3).n_folders == 2
    assert ids(tmp_path) == ["2.0", "3.0", "4.0"]
    assert expire(tmp_path, before=START, max_bytes=1).n_folders == 2
    assert ids(tmp_path) == ["4.0"]
    assert expire(tmp_path, before=START, max_bytes=1) == Expired()


def test_a_removal_that_was_killed_is_finished_the_next_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(tmp_path, 2)

    def killed(path: Path) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("shutil.rmtree", killed)
        with pytest.raises(KeyboardInterrupt):
            expire(tmp_path, before=START + DAY)

    assert ids(tmp_path) == ["1.0"]
    assert len(files(tmp_path)) == 2
    assert expire(tmp_path, before=START) == Expired()
    assert len(files(tmp_path)) == 1


def test_removing_says_how_much(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    fill(tmp_path, 2)
    with caplog.at_level(logging.INFO):
        expire(tmp_path, before=START + DAY)

    assert "removed 1 folders with 1 files" in caplog.text


def test_reading_while_folders_go_finds_whole_folders(tmp_path: Path) -> None:
    fill(tmp_path, 12, n_files=3)
    stop, read_once = threading.Event(), threading.Semaphore(0)
    seen: list[list[str]] = []

    def read() -> None:
        while not stop.is_set():
            seen.append(ids(tmp_path))
            read_once.release()

    reader = threading.Thread(target=read)
    reader.start()
    for day in range(1, 12):
        assert read_once.acquire(timeout=A_WHILE.total_seconds())
        expire(tmp_path, before=START + day * DAY)
    stop.set()
    reader.join()

    assert ids(tmp_path) == ["11.0", "11.1", "11.2"]
    for found in seen:
        days = [name.split(".")[0] for name in found]
        assert {days.count(day) for day in days} == {3}


def test_settings_that_make_no_sense_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="keeps nothing"):
        Retention(keep=timedelta(0))
    with pytest.raises(ValueError, match="keeps nothing"):
        Retention(keep=DAY, max_bytes=0)
    with pytest.raises(InvalidDataError, match="no time zone"):
        expire(tmp_path, before=datetime(2013, 4, 1))
    with pytest.raises(ValueError, match="upkeep_interval"):
        ParquetLog(tmp_path, "late", upkeep_interval=timedelta(0))


# --- upkeep by the log ------------------------------------------------------------------------


def test_a_log_merges_and_removes_by_itself(tmp_path: Path) -> None:
    """It is the third day: the first is too old, the second is over, the third goes on."""
    fill(tmp_path, 3, n_files=4)
    now = START + 2 * DAY + 2 * HOUR
    done = threading.Event()

    def tick() -> datetime:
        done.set()
        return now

    with ParquetLog(
        tmp_path,
        "late",
        retention=Retention(keep=DAY),
        upkeep_interval=timedelta(milliseconds=10),
        clock=tick,
    ) as log:
        log.write(row("new", now))
        assert done.wait(A_WHILE.total_seconds())

    names = [p.parent.name for p in files(tmp_path)]
    assert names.count("day=2013-04-01") == 0
    assert names.count("day=2013-04-02") == 1
    assert names.count("day=2013-04-03") == 5
    assert ids(tmp_path) == sorted([*(f"{d}.{i}" for d in (1, 2) for i in range(4)), "new"])


def test_upkeep_touches_only_its_own_deployment(tmp_path: Path) -> None:
    fill(tmp_path, 1, n_files=2)
    fill(tmp_path, 1, n_files=2, deployment="other")

    with ParquetLog(tmp_path, "late", clock=lambda: START + 9 * DAY) as log:
        assert log.upkeep() == Upkept(n_merged=2)
        assert log.upkeep() == Upkept()

    assert len(files(tmp_path / "deployment=other")) == 2


def test_a_folder_is_left_alone_until_its_time_has_passed_for_long_enough(tmp_path: Path) -> None:
    fill(tmp_path, 1, n_files=2)

    for hours, n_merged in [(24, 0), (25, 2)]:
        with ParquetLog(tmp_path, "late", clock=lambda h=hours: START + h * HOUR) as log:  # type: ignore[misc]
            assert log.upkeep().n_merged == n_merged
    with ParquetLog(tmp_path, "late", compact_after=None, clock=lambda: START + 9 * DAY) as log:
        assert log.upkeep() == Upkept()


@pytest.mark.parametrize("retention", [None, Retention(keep=HOUR)])
def test_of_many_processes_one_does_the_upkeep(
    tmp_path: Path, retention: Retention | None
) -> None:
    fill(tmp_path, 1, n_files=2)
    lock = os.open(tmp_path / "deployment=late" / ".upkeep.lock", os.O_RDWR | os.O_CREAT)
    assert try_lock(lock)
    settings: dict[str, Any] = {"clock": lambda: START + 9 * DAY, "retention": retention}

    with ParquetLog(tmp_path, "late", **settings) as log:
        assert log.upkeep() == Upkept()
        assert len(files(tmp_path)) == 2
        os.close(lock)
        assert log.upkeep() != Upkept()


# --- merging ----------------------------------------------------------------------------------


def test_rows_that_arrive_while_a_folder_is_merged_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(tmp_path, 1, n_files=3)
    read = pl.read_parquet

    def read_and_write_more(path: Path, **settings: Any) -> pl.DataFrame:
        rows = read(path, **settings)
        with ParquetLog(tmp_path, "late") as log:
            log.write(row(f"late {path.name}", START + HOUR))
        return rows

    with monkeypatch.context() as patch:
        patch.setattr(pl, "read_parquet", read_and_write_more)
        compact(tmp_path, before=START + DAY)

    assert len(ids(tmp_path)) == 6


def test_a_name_that_was_merged_stays_replaced_through_further_merges(tmp_path: Path) -> None:
    """A writer whose sync failed after the rename writes its file again."""
    fill(tmp_path, 1, n_files=2)
    old = {path: path.read_bytes() for path in files(tmp_path)}
    for i in range(2):
        compact(tmp_path, before=START + DAY)
        with ParquetLog(tmp_path, "late") as log:
            log.write(row(f"more {i}", START + HOUR))
    compact(tmp_path, before=START + DAY)
    before = ids(tmp_path)

    for path, content in old.items():
        path.write_bytes(content)

    assert len(before) == 4
    assert ids(tmp_path) == before
    assert compact(tmp_path, before=START + DAY) == 2
    assert ids(tmp_path) == before
    (merged,) = files(tmp_path)
    replaced = json.loads(pl.read_parquet_metadata(merged)["mldeploy.replaces"])
    assert {path.name for path in old} < set(replaced)


def test_large_files_are_not_merged_into_larger_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(tmp_path, 1, n_files=7)
    size = max(p.stat().st_size for p in files(tmp_path))
    monkeypatch.setattr("mldeploy.serving._compact._MERGE_BYTES", 3 * size)

    assert compact(tmp_path, before=START + DAY) == 6

    assert len(files(tmp_path)) == 3
    assert len(ids(tmp_path)) == 7


def test_temporary_files_of_killed_processes_are_removed_when_they_are_old(tmp_path: Path) -> None:
    fill(tmp_path, 1)
    folder = files(tmp_path)[0].parent
    for name, age in [(".part-1.parquet.tmp", 7200), (".part-2.parquet.tmp", 60)]:
        (folder / name).write_bytes(b"half")
        now = datetime.now(UTC).timestamp()
        os.utime(folder / name, (now - age, now - age))

    assert compact(tmp_path, before=START + DAY) == 1
    assert [p.name for p in folder.glob(".*")] == [".part-2.parquet.tmp"]


def test_a_temporary_file_that_is_renamed_while_it_is_looked_at_is_left_to_its_writer(
    tmp_path: Path,
) -> None:
    """A link to nowhere is what such a file looks like: listed, and gone when it is asked."""
    fill(tmp_path, 1)
    folder = files(tmp_path)[0].parent
    (folder / ".part-1.parquet.tmp").symlink_to(folder / "renamed")

    assert compact(tmp_path, before=START + DAY) == 0


# --- observers --------------------------------------------------------------------------------


@pytest.mark.parametrize("durable", [False, True])
def test_observers_see_every_row_once_and_as_it_was_written(tmp_path: Path, durable: bool) -> None:
    seen: list[pl.DataFrame] = []
    with ParquetLog(tmp_path, "late", durable=durable, observers=[seen.append]) as log:
        for i in range(30):
            log.write(row(f"{i:02d}", START + i * 3 * HOUR))
            if i % 10 == 0:
                log.flush(A_WHILE)

    rows = pl.concat(seen).sort("time", "prediction_id")
    assert rows.equals(read_log(tmp_path))
    assert log.failed_observers == 0


def test_an_observer_that_raises_is_left_out_and_the_log_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    calls: list[str] = []

    def bad(rows: pl.DataFrame) -> None:
        calls.append("bad")
        raise ZeroDivisionError

    with (
        caplog.at_level(logging.ERROR),
        ParquetLog(tmp_path, "late", observers=[bad, lambda rows: calls.append("good")]) as log,
    ):
        for name in ("a", "b"):
            log.write(row(name, START))
            log.flush(A_WHILE)

    assert calls == ["bad", "good", "good"]
    assert log.failed_observers == 1
    assert ids(tmp_path) == ["a", "b"]
    assert "is left out from now on" in caplog.text


def test_hours_and_days_can_be_read_and_merged_side_by_side(tmp_path: Path) -> None:
    for partition in Partition:
        with ParquetLog(tmp_path, "late", partition=partition) as log:
            for i in range(3):
                log.write(row(f"{partition} {i}", START + i * HOUR))

    assert compact(tmp_path, before=START + DAY) == 0
    assert len(ids(tmp_path)) == 6
    assert [p.parent.name for p in files(tmp_path)] == ["day=2013-04-01"] + [
        f"hour=2013-04-01T{h:02d}" for h in range(3)
    ]

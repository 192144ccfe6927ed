"""A prediction log loses nothing that it acknowledged, and nothing silently."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mldeploy.errors import InvalidDataError, PredictionLogError
from mldeploy.serving import (
    DropNewest,
    MemoryLog,
    ParquetLog,
    Partition,
    PredictionBatch,
    Wait,
    compact,
    logged_name,
    read_log,
)

DAY = datetime(2013, 4, 1, tzinfo=UTC)
LONG = timedelta(hours=1)
ONE_TIME = np.array(["2013-04-02"], "datetime64[us]")
A_WHILE = timedelta(seconds=30)


def batch_of(
    ids: list[str],
    *,
    start: str = "2013-04-01T23:30",
    deployment: str = "late",
    version: str = "1",
) -> PredictionBatch:
    """One row each minute."""
    n = len(ids)
    return PredictionBatch(
        deployment=deployment,
        version=version,
        ids=ids,
        keys=[f"key {i}" for i in ids],
        times=np.datetime64(start, "us") + np.arange(n) * np.timedelta64(1, "m"),
        features=pl.DataFrame({"wind": np.arange(n) / 2, "hour": ["late"] * n}),
        predictions=np.arange(n) % 2 == 0,
        scores=np.arange(n) / n,
        routes=np.full(n, "advice"),
        latency_s=np.full(n, 0.001),
    )


def numbered(n: int, first: int = 0) -> list[str]:
    return [f"{i:08d}" for i in range(first, first + n)]


def files(root: Path) -> list[Path]:
    return sorted(root.rglob("*.parquet"))


# --- writing and reading ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("partition", "folders"),
    [
        (Partition.DAY, ["day=2013-04-01", "day=2013-04-02"]),
        (Partition.HOUR, ["hour=2013-04-01T23", "hour=2013-04-02T00"]),
    ],
)
def test_what_was_written_is_read_back(
    tmp_path: Path, partition: Partition, folders: list[str]
) -> None:
    batch = batch_of(numbered(60))
    with ParquetLog(tmp_path, "late", partition=partition) as log:
        log.write(batch)

    assert read_log(tmp_path).equals(batch.to_frame())
    assert [p.parent.name for p in files(tmp_path)] == folders
    assert {p.parent.parent.name for p in files(tmp_path)} == {"deployment=late"}
    assert log.dropped == 0


def test_single_rows_and_frames_and_failures_share_a_log(tmp_path: Path) -> None:
    whole = batch_of(numbered(6))
    parts = [whole.slice(i, i + 1) for i in range(6)]
    failed = PredictionBatch(
        deployment="late", version="2", ids=["99999999"], times=whole.times[:1] + 10**9,
        features=pl.DataFrame({"wind": [1], "gust": [2.5]}), latency_s=np.zeros(1),
        errors=["ValueError: no"],
    )  # fmt: skip
    with ParquetLog(tmp_path, "late") as log:
        for batch in (*parts, failed):
            log.write(batch)

    rows = read_log(tmp_path)

    assert rows[:6].drop("gust").equals(whole.to_frame(), null_equal=True)
    last = rows.row(6, named=True)
    assert (last["prediction"], last["error"], last["gust"]) == (None, "ValueError: no", 2.5)


def test_a_feature_whose_type_changed_between_versions_is_read_as_text(tmp_path: Path) -> None:
    other = PredictionBatch(
        deployment="late", version="2", ids=["b"], times=ONE_TIME,
        features=pl.DataFrame({"wind": ["strong"]}), predictions=np.array([True]),
        latency_s=np.zeros(1),
    )  # fmt: skip
    with ParquetLog(tmp_path, "late") as log:
        log.write(batch_of(["a"]))
        log.flush(A_WHILE)
        log.write(other)

    assert read_log(tmp_path)["wind"].to_list() == ["0.0", "strong"]


@given(
    minutes=st.lists(st.integers(0, 4000), min_size=1, max_size=30),
    start=st.integers(-10, 4010),
    length=st.integers(0, 3000),
)
@settings(max_examples=10)
def test_a_stretch_of_time_is_what_a_filter_would_leave(
    tmp_path_factory: pytest.TempPathFactory, minutes: list[int], start: int, length: int
) -> None:
    root = tmp_path_factory.mktemp("log")
    whole = batch_of(numbered(4001), start="2013-04-01T00:00")
    with ParquetLog(root, "late", partition=Partition.HOUR) as log:
        for minute in minutes:
            log.write(whole.slice(minute, minute + 1))
    begin = DAY + timedelta(minutes=start)
    end = begin + timedelta(minutes=length)

    found = read_log(root, start=begin, end=end)["prediction_id"].to_list()

    assert found == [f"{m:08d}" for m in sorted(minutes) if start <= m < start + length]


def test_deployments_share_a_folder_and_are_told_apart(tmp_path: Path) -> None:
    names = ["late", "../late", "é/%2F=", ".."]
    for name in names:
        with ParquetLog(tmp_path / "log", name) as log:
            log.write(batch_of([name], deployment=name))

    assert read_log(tmp_path / "log")["deployment"].sort().to_list() == sorted(names)
    for name in names:
        rows = read_log(tmp_path / "log", deployment=name)
        assert rows["prediction_id"].to_list() == [name]
    assert [p.name for p in tmp_path.iterdir()] == ["log"]


def test_a_log_that_is_not_there_holds_nothing(tmp_path: Path) -> None:
    empty = read_log(tmp_path / "nowhere", start=DAY)

    assert empty.is_empty()
    assert empty.columns == batch_of(["a"]).to_frame().columns[:11]


def test_times_without_a_zone_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidDataError, match="no time zone"):
        read_log(tmp_path, start=datetime(2013, 4, 1))
    with pytest.raises(InvalidDataError, match="no time zone"):
        compact(tmp_path, before=datetime(2013, 4, 1))


def test_features_with_the_logs_own_names_keep_their_values() -> None:
    batch = PredictionBatch(
        deployment="late", version="1", ids=["a"], times=ONE_TIME,
        features=pl.DataFrame({"time": [7], "score": [0.25], "\0stretch": [1]}),
        predictions=np.array(["yes"]), latency_s=np.zeros(1),
    )  # fmt: skip

    rows = batch.to_frame()

    assert rows[logged_name("time")].to_list() == [7]
    assert rows[logged_name("score")].to_list() == [0.25]
    assert rows["score"].to_list() == [None]


# --- the buffer -------------------------------------------------------------------------------


@pytest.fixture
def stuck(tmp_path: Path) -> Iterator[Path]:
    """A root that cannot be written until the file in its way is removed."""
    root = tmp_path / "log"
    root.write_text("in the way")
    yield root
    if root.is_file():
        root.unlink()


def test_a_full_buffer_drops_what_finds_no_room_and_counts_it(stuck: Path) -> None:
    log = ParquetLog(stuck, "late", capacity_rows=100, flush_rows=50, on_full=DropNewest())
    log.write(batch_of(numbered(90)))
    log.write(batch_of(numbered(30, 90)))
    log.write(batch_of(numbered(5, 120)))

    assert log.dropped == 25
    with pytest.raises(PredictionLogError, match="100 rows wait, 25 were dropped"):
        log.flush(A_WHILE)
    stuck.unlink()
    log.flush(A_WHILE)
    log.write(batch_of(numbered(1, 125)))
    log.close()

    assert read_log(stuck)["prediction_id"].sort().to_list() == numbered(100) + numbered(1, 125)
    last = max(files(stuck), key=lambda p: p.stat().st_mtime_ns)
    assert pl.read_parquet_metadata(last)["mldeploy.dropped"] == "25"


def test_waiting_lets_a_replay_through_a_small_buffer_without_a_loss(tmp_path: Path) -> None:
    on_full = Wait(timeout=timedelta(minutes=2))
    with ParquetLog(tmp_path, "late", capacity_rows=50, flush_rows=20, on_full=on_full) as log:
        for i in range(0, 600, 120):
            log.write(batch_of(numbered(120, i)))

    assert read_log(tmp_path)["prediction_id"].sort().to_list() == numbered(600)
    assert log.dropped == 0


def test_waiting_ends_at_its_time_limit(stuck: Path) -> None:
    on_full = Wait(timeout=timedelta(milliseconds=20))
    log = ParquetLog(stuck, "late", capacity_rows=10, flush_rows=10, on_full=on_full)

    log.write(batch_of(numbered(25)))

    assert log.dropped == 15
    with pytest.raises(PredictionLogError):
        log.close()
    assert log.dropped == 25


def test_closing_twice_is_quiet_and_writing_afterwards_is_not(tmp_path: Path) -> None:
    log = ParquetLog(tmp_path, "late", flush_interval=LONG)
    log.write(batch_of(numbered(3)))
    log.close()
    log.close()

    assert len(read_log(tmp_path)) == 3
    with pytest.raises(PredictionLogError, match="closed"):
        log.write(batch_of(numbered(1)))


def test_many_threads_write_every_row_once(tmp_path: Path) -> None:
    with ParquetLog(tmp_path, "late", flush_rows=40) as log:

        def write(worker: int) -> None:
            for i in range(50):
                log.write(batch_of([f"{worker}-{i:03d}"]))
                if i % 20 == 0:
                    log.flush(A_WHILE)

        workers = [threading.Thread(target=write, args=(w,)) for w in range(4)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()

    expected = sorted(f"{w}-{i:03d}" for w in range(4) for i in range(50))
    assert read_log(tmp_path)["prediction_id"].sort().to_list() == expected


def test_a_batch_of_another_deployment_is_refused(tmp_path: Path) -> None:
    with (
        ParquetLog(tmp_path, "late") as log,
        pytest.raises(PredictionLogError, match="is of 'other'"),
    ):
        log.write(batch_of(["a"], deployment="other"))


def test_a_writer_that_dies_says_so_at_flush_and_close(tmp_path: Path) -> None:
    """Columns of different length cannot become a table: a broken batch kills the writer."""
    log = ParquetLog(tmp_path, "late")
    broken = batch_of(numbered(3))
    object.__setattr__(broken, "latency_s", np.zeros(2))
    log.write(broken)

    with pytest.raises(PredictionLogError, match="can no longer be written"):
        log.flush(A_WHILE)
    log.write(batch_of(numbered(4)))
    assert log.dropped == 7
    with pytest.raises(PredictionLogError):
        log.close()


@pytest.mark.parametrize(
    "settings",
    [
        {"deployment": ""},
        {"flush_rows": 0},
        {"flush_rows": 11, "capacity_rows": 10},
        {"flush_interval": timedelta(0)},
    ],
)
def test_settings_that_make_no_sense_are_refused(tmp_path: Path, settings: dict) -> None:
    with pytest.raises(ValueError, match=r"log belongs|flush_"):
        ParquetLog(tmp_path, **({"deployment": "late"} | settings))


def test_columns_of_different_length_are_no_batch() -> None:
    with pytest.raises(InvalidDataError, match="latency_s has 2 values for 3"):
        replace(batch_of(numbered(3)), latency_s=np.zeros(2))


def test_memory_keeps_what_it_has_room_for() -> None:
    log = MemoryLog(capacity_rows=4)
    log.write(batch_of(numbered(3)))
    log.write(batch_of(numbered(3, 3)))

    assert (len(log), log.dropped) == (4, 2)
    assert len(log.frame(start=DAY, end=DAY + timedelta(days=2))) == 4
    log.close()
    with pytest.raises(PredictionLogError):
        log.write(batch_of(numbered(1)))


# --- merging ----------------------------------------------------------------------------------


def test_merging_leaves_one_file_a_folder_and_the_same_rows(tmp_path: Path) -> None:
    with ParquetLog(tmp_path, "late") as log:
        for i in range(6):
            log.write(batch_of(numbered(60, 60 * i)))
            log.flush(A_WHILE)
    before = read_log(tmp_path)

    n_removed = compact(tmp_path, before=DAY + timedelta(days=1))

    assert n_removed == 6
    assert [p.parent.name for p in files(tmp_path)].count("day=2013-04-01") == 1
    assert read_log(tmp_path).equals(before)
    assert compact(tmp_path, before=DAY + timedelta(days=2)) == 6
    assert compact(tmp_path, before=DAY + timedelta(days=2)) == 0
    assert read_log(tmp_path).equals(before)


def test_a_merge_that_was_killed_before_removing_counts_no_row_twice(tmp_path: Path) -> None:
    with ParquetLog(tmp_path, "late") as log:
        for i in range(3):
            log.write(batch_of(numbered(5, 5 * i)))
            log.flush(A_WHILE)
    before, old = read_log(tmp_path), {p: p.read_bytes() for p in files(tmp_path)}
    compact(tmp_path, before=DAY + timedelta(days=1))
    for path, content in old.items():
        path.write_bytes(content)

    assert len(files(tmp_path)) == 4
    assert read_log(tmp_path).equals(before)
    assert compact(tmp_path, before=DAY + timedelta(days=1)) == 3
    assert read_log(tmp_path).equals(before)


# --- kill, fork, full disk --------------------------------------------------------------------

WRITE_UNTIL_KILLED = """
import sys
from datetime import timedelta
import numpy as np, polars as pl
from mldeploy.serving import ParquetLog, PredictionBatch

log = ParquetLog(sys.argv[1], "late", flush_rows=7, capacity_rows=10_000)
for i in range(10**6):
    log.write(PredictionBatch(
        deployment="late", version="1", ids=[f"{i:08d}"], latency_s=np.zeros(1),
        times=np.array(["2013-04-01T05:15"], "datetime64[us]") + i, predictions=np.array([True]),
        features=pl.DataFrame({"wind": [float(i)]}),
    ))
    if i % 5 == 4:
        log.flush(timedelta(seconds=30))
        print(i, flush=True)
"""


def _kill_after(root: Path, n_lines: int) -> int:
    """Kill a writing process after some acknowledgements; return the last row it acknowledged."""
    with subprocess.Popen(
        [sys.executable, "-c", WRITE_UNTIL_KILLED, str(root)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        last = -1
        for _ in range(n_lines):
            last = int(process.stdout.readline())
        process.send_signal(signal.SIGKILL)
        return max([last, *map(int, process.stdout.read().split())])


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
def test_a_killed_process_leaves_whole_files_and_every_acknowledged_row(tmp_path: Path) -> None:
    for attempt, n_lines in enumerate((1, 25)):
        root = tmp_path / str(attempt)

        acknowledged = _kill_after(root, n_lines)

        ids = read_log(root)["prediction_id"].to_list()
        assert ids == numbered(len(ids))
        assert len(ids) > acknowledged
        for path in files(root):
            assert pl.read_parquet(path, hive_partitioning=False).height > 0


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_log_that_was_opened_before_a_fork_writes_in_both_processes(tmp_path: Path) -> None:
    script = """
import os, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from test_parquet_log import batch_of
from mldeploy.serving import ParquetLog
log = ParquetLog(sys.argv[1], "late")
child = os.fork()
log.write(batch_of(["child" if child == 0 else "parent"]))
log.close()
if child == 0:
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
"""
    # Frames are not touched before the fork: polars' threads do not survive one.
    command = [sys.executable, "-c", script, str(tmp_path), str(Path(__file__).parent)]
    subprocess.run(command, check=True, timeout=60)

    assert sorted(read_log(tmp_path)["prediction_id"]) == ["child", "parent"]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 30 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if sys.platform != "linux":
        pytest.skip("needs tmpfs")
    mount = ["mount", "-t", "tmpfs", "-o", "size=30m", "tmpfs", str(folder)]
    if subprocess.run(mount, check=False, capture_output=True).returncode != 0:
        pytest.skip("mounting a small disk is not permitted here")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_drops_and_counts_then_recovers_by_itself(small_disk: Path) -> None:
    root = small_disk / "log"
    log = ParquetLog(root, "late", capacity_rows=50, flush_rows=10)
    log.write(batch_of(numbered(20)))
    log.flush(A_WHILE)
    filler = small_disk / "filler"
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(4096))

    log.write(batch_of(numbered(40, 20)))
    with pytest.raises(PredictionLogError, match="No space left"):
        log.flush(A_WHILE)
    log.write(batch_of(numbered(40, 60)))

    assert log.dropped == 30
    assert read_log(root)["prediction_id"].to_list() == numbered(20)
    filler.unlink()
    log.flush(A_WHILE)
    log.close()
    assert read_log(root)["prediction_id"].sort().to_list() == numbered(70)
    assert not list(root.rglob("*.tmp"))

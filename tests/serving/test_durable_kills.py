"""Whatever kills a process or stops its disk, nothing acknowledged is missing or double."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from mldeploy.data import ColumnSchema, Schema
from mldeploy.errors import PredictionLogError
from mldeploy.serving import LoggedRow, ParquetLog, compact, read_log

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


# --- a disk that refuses ----------------------------------------------------------------------


class Faults:
    """Let the n-th call that changes the disk fail, and all later ones until it is mended."""

    CALLS = ("open", "write", "fsync", "fdatasync", "ftruncate", "replace")

    def __init__(self, monkeypatch: pytest.MonkeyPatch, at: int, *, lasting: bool) -> None:
        self.left = at
        self.lasting = lasting
        self.hit = False
        self.mended = False
        for name in self.CALLS:
            monkeypatch.setattr(os, name, self._guard(name, getattr(os, name)))

    def _guard(self, name: str, call: Any) -> Any:
        def guarded(*args: Any, **kwargs: Any) -> Any:
            if threading.current_thread().name.startswith("mldeploy-log") and self._fails():
                if name == "write":
                    call(args[0], bytes(args[1])[: len(args[1]) // 2])
                raise OSError(errno.ENOSPC, "No space left on device")
            return call(*args, **kwargs)

        return guarded

    def _fails(self) -> bool:
        self.left -= 1
        if self.mended or self.left > 0 or (self.hit and not self.lasting):
            return False
        self.hit = True
        return True


@pytest.mark.parametrize("lasting", [False, True])
def test_nothing_acknowledged_is_lost_whichever_call_the_disk_refuses(
    tmp_path: Path, lasting: bool
) -> None:
    """What was refused may be in the log or not; what was acknowledged is there once."""
    at = 0
    while True:
        at += 1
        root = tmp_path / str(at)
        with pytest.MonkeyPatch.context() as patch:
            faults = Faults(patch, at, lasting=lasting)
            acknowledged = _write_some(root, faults)
        found = ids(root)
        assert len(found) == len(set(found)), at
        assert acknowledged <= set(found), at
        with durable(root) as log:
            log.upkeep()
        assert ids(root) == found, at
        assert not hidden(root), at
        if not faults.hit:
            break
    assert at > 20


def _write_some(root: Path, faults: Faults) -> set[str]:
    acknowledged = set()
    log = durable(root, flush_rows=2, capacity_rows=10)
    for i in range(7):
        try:
            log.write(row(f"{i}", time=NOON + i * 8 * HOUR))
        except PredictionLogError:
            continue
        acknowledged.add(f"{i}")
    faults.mended = True
    log.write(row("last"))
    log.close()
    return acknowledged | {"last"}


def test_a_refused_row_is_told_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    faults = Faults(monkeypatch, 1, lasting=True)
    with durable(tmp_path) as log:
        with pytest.raises(PredictionLogError, match="No space left") as caught:
            log.write(row("a"))
        assert caught.value.errno == errno.ENOSPC
        faults.mended = True
        log.write(row("b"))

    assert ids(tmp_path) == ["b"]


# --- kill -9 ----------------------------------------------------------------------------------

WRITE_AND_DIE = """
import os, random, signal, sys, threading, time
from datetime import timedelta
sys.path.insert(0, sys.argv[2])
from test_durable_kills import HOUR, NOON, durable, row

root, mode, first, last, acknowledged = sys.argv[1], sys.argv[3], *map(int, sys.argv[4:])

def write(log, name, n):
    for i in range(n):
        log.write(row(f"{name}-{i}", time=NOON + i % 3 * 8 * HOUR))
        os.write(acknowledged, f"{name}-{i}\\n".encode())

def child(number):
    if mode == "call":
        die_at_call(number)
    place = root + f"/{number}" * (mode == "call")
    log = durable(place, flush_rows=5, partition="hour" if number % 2 else "day")
    if mode == "call":
        write(log, number, 12)
        log.upkeep()
        log.close()
        os._exit(0)
    for w in range(4):
        threading.Thread(target=write, args=(log, f"{number}-{w}", 10**6)).start()
    while True:
        time.sleep(0.05)
        log.upkeep()

def die_at_call(number):
    left = [number]
    def guard(call):
        def guarded(*args, **kwargs):
            if args[0] != acknowledged:
                left[0] -= 1
                if left[0] <= 0:
                    os.kill(os.getpid(), signal.SIGKILL)
            return call(*args, **kwargs)
        return guarded
    for name in ("open", "write", "fsync", "fdatasync", "ftruncate", "replace", "unlink"):
        setattr(os, name, guard(getattr(os, name)))

for number in range(first, last):  # frames are not touched here: their threads survive no fork
    pid = os.fork()
    if pid == 0:
        child(number)
    if mode == "time":
        time.sleep(random.Random(number).uniform(0.05, 0.3))
        os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    if mode == "call" and status == 0:
        break
"""


def _killed(root: Path, mode: str, first: int, last: int) -> list[str]:
    """Write in processes that are killed; return what was acknowledged."""
    reading, writing = os.pipe()
    command = [sys.executable, "-W", "ignore", "-c", WRITE_AND_DIE, str(root)]
    command += [str(Path(__file__).parent), mode, str(first), str(last), str(writing)]
    with subprocess.Popen(command, pass_fds=[writing]) as process:
        os.close(writing)
        with os.fdopen(reading) as pipe:
            acknowledged = pipe.read().split()
        assert process.wait() == 0
    return acknowledged


def _check(root: Path, acknowledged: list[str]) -> None:
    before = ids(root)
    assert len(before) == len(set(before))
    assert not set(acknowledged) - set(before)
    with durable(root) as log:
        log.upkeep()
    assert ids(root) == before
    assert not hidden(root)
    compact(root, before=datetime(2014, 1, 1, tzinfo=UTC))
    assert ids(root) == before


needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork and SIGKILL")


@needs_fork
def test_nothing_acknowledged_is_missing_or_double_after_kills(tmp_path: Path) -> None:
    acknowledged = _killed(tmp_path, "time", 0, 8)

    assert len(acknowledged) > 50
    _check(tmp_path, acknowledged)


@pytest.mark.slow
@needs_fork
def test_nothing_acknowledged_is_missing_or_double_after_many_kills(tmp_path: Path) -> None:
    acknowledged = _killed(tmp_path, "time", 100, 125)

    assert len(acknowledged) > 500
    _check(tmp_path, acknowledged)


@pytest.mark.slow
@needs_fork
def test_a_kill_at_every_call_that_changes_the_disk_loses_and_doubles_nothing(
    tmp_path: Path,
) -> None:
    acknowledged = _killed(tmp_path, "call", 1, 200)

    roots = sorted(tmp_path.iterdir(), key=lambda path: int(path.name))
    assert 30 < len(roots) < 199, "the last one must reach its end"
    for root in roots:
        _check(root, [name for name in acknowledged if name.split("-")[0] == root.name])


@needs_fork
def test_a_forked_child_closes_no_file_of_others_for_a_log_that_was_closed_before(
    tmp_path: Path,
) -> None:
    script = """
import os, sys
sys.path.insert(0, sys.argv[2])
from test_durable_kills import durable, row
from mldeploy.serving import _durable_settle

def refuse(*_, **__):
    raise OSError(28, "No space left on device")

_durable_settle.settle = refuse
log = durable(sys.argv[1])
log.write(row("kept"))
log.close()
files = [os.open(os.devnull, os.O_RDONLY) for _ in range(64)]
child = os.fork()
if child == 0:
    for file in files:
        os.fstat(file)
    os._exit(0)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    command = [sys.executable, "-W", "ignore", "-c", script, str(tmp_path)]
    subprocess.run([*command, str(Path(__file__).parent)], check=True, timeout=60)

    assert ids(tmp_path) == ["kept"]


@needs_fork
def test_a_forked_child_has_a_journal_of_its_own(tmp_path: Path) -> None:
    script = """
import os, signal, sys
sys.path.insert(0, sys.argv[2])
from test_durable_kills import durable, row
log = durable(sys.argv[1])
child = os.fork()
log.write(row("child" if child == 0 else "parent"))
os.kill(os.getpid(), signal.SIGKILL) if child == 0 else os.waitpid(child, 0)
log.close()
"""
    command = [sys.executable, "-W", "ignore", "-c", script, str(tmp_path)]
    subprocess.run([*command, str(Path(__file__).parent)], check=True, timeout=60)

    assert ids(tmp_path) == ["child", "parent"]

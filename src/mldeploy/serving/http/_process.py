"""What the operating system tells of this process."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from mldeploy.serving.http._families import Family

_LOADED: Final = time.time()
_PROC: Final = Path("/proc")


def process_families() -> Iterator[Family]:
    """Return processor time and start, and where the system tells them, memory and files."""
    times = os.times()
    told = "Processor time that this process has taken."
    yield "process_cpu_seconds_total", told, "counter", [("", {}, times.user + times.system)]
    yield (
        "process_start_time_seconds", "When this process began, in seconds since 1970.",
        "gauge", [("", {}, _began())],
    )  # fmt: skip
    try:
        total, resident = map(int, (_PROC / "self" / "statm").read_text().split()[:2])
        n_open = len(os.listdir(_PROC / "self" / "fd"))  # noqa: PTH208 - counted, not looked at
    except OSError:
        return
    page = os.sysconf("SC_PAGE_SIZE")
    for name, told, value in (
        ("process_resident_memory_bytes", "Memory that it holds.", resident * page),
        ("process_virtual_memory_bytes", "Memory that it has asked for.", total * page),
        ("process_open_fds", "Files and connections it has open.", n_open),
    ):
        yield name, told, "gauge", [("", {}, float(value))]


def _began() -> float:
    """Return when this process began; where nobody tells, when this module was loaded."""
    try:
        # Nothing but the second field, the program's name, can hold a bracket.
        ticks = int((_PROC / "self" / "stat").read_text().rpartition(")")[2].split()[19])
        lines = (_PROC / "stat").read_text().splitlines()
        booted = next(int(line.split()[1]) for line in lines if line.startswith("btime "))
    except (OSError, StopIteration, ValueError, IndexError):
        return _LOADED
    return booted + ticks / os.sysconf("SC_CLK_TCK")

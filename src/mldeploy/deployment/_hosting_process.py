"""What a process takes: memory, and the time since it began."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from pathlib import Path

_LOADED = time.perf_counter()
_PROC = Path("/proc")


def resident_mb(pid: int | None = None) -> float:
    """Return the resident memory of a process and of those it started, in MB."""
    pid = os.getpid() if pid is None else pid
    if _PROC.is_dir():
        return sum(_resident_of(one) for one in (pid, *_children(pid)))
    if pid == os.getpid():
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak / (1e6 if sys.platform == "darwin" else 1e3)
    command = ["ps", "-o", "rss=", "-p", str(pid)]
    shown = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603
    return int(shown.stdout) / 1e3


def seconds_since_start() -> float:
    """Return how long ago this process began; where that is not told, since this was loaded."""
    try:
        ticks = int((_PROC / "self/stat").read_text().rpartition(")")[2].split()[19])
        uptime = float((_PROC / "uptime").read_text().split()[0])
    except OSError:
        return time.perf_counter() - _LOADED
    return uptime - ticks / os.sysconf("SC_CLK_TCK")


def _resident_of(pid: int) -> float:
    try:
        pages = int((_PROC / str(pid) / "statm").read_text().split()[1])
    except OSError:
        return 0.0
    return pages * resource.getpagesize() / 1e6


def _children(pid: int) -> list[int]:
    found: list[int] = []
    try:
        for task in (_PROC / str(pid) / "task").iterdir():
            found += map(int, (task / "children").read_text().split())
    except OSError:
        return found
    return found + [grandchild for child in found for grandchild in _children(child)]

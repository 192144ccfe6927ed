"""What the prediction log costs a busy server, and what a durable log can acknowledge.

Run with ``python benchmarks/prediction_log.py``; each line is one figure. The bars: a single row
is made and taken in at most 1.5 µs, becomes columns in at most 3 µs, costs other threads less
than 5 ms of the 99th percentile, and a durable log acknowledges at least 5,000 rows/s to 64
waiters. Other work on the machine shows in the percentiles: compare with the line without a log.
"""

from __future__ import annotations

import asyncio
import socket
import tempfile
import time
from collections.abc import Callable
from datetime import timedelta

import polars as pl

from mldeploy.data import Schema
from mldeploy.serving import LoggedRow, ParquetLog
from mldeploy.serving._frame import PIECE, frame_of
from mldeploy.serving._ids import new_id

SCHEMA = Schema.infer(
    pl.DataFrame(
        {f"x{i}": [1.5, None] for i in range(10)}
        | {f"c{i}": ["a", "b"] for i in range(5)}
        | {f"k{i}": [1, 2] for i in range(4)}
    )
)
RATE = 15_000
SECONDS = 5


def row(number: int) -> LoggedRow:
    """Return a row of 19 features."""
    now = time.time_ns() // 1000
    values = (*[number / 3] * 10, *[f"a{number % 7}"] * 5, *[number] * 4)
    return LoggedRow(
        "bench", "1", "champion", new_id(now), f"key {number}", now, values, SCHEMA, 1e-5,
        prediction=True, score=0.5, route="advice",
    )  # fmt: skip


def best(call: Callable[[], object], n: int) -> float:
    """Return the shortest of five times for n calls, per call and in µs."""
    times = []
    for _ in range(5):
        begin = time.perf_counter()
        for _ in range(n):
            call()
        times.append(time.perf_counter() - begin)
    return min(times) / n * 1e6


def costs() -> None:
    """Print what the answering thread pays for a row, and the background thread."""
    with tempfile.TemporaryDirectory() as folder, ParquetLog(folder, "bench") as log:
        values, now = row(1).values, time.time_ns() // 1000

        def make_and_write() -> None:
            log.write(
                LoggedRow("bench", "1", "champion", "id", "key", now, values, SCHEMA, 1e-5, 1, 0.5)
            )

        print(f"make and write a row   {best(make_and_write, 400):8.2f} µs")
    print(f"draw an identifier     {best(lambda: new_id(1_364_817_600_000_000), 20_000):8.2f} µs")
    piece = [row(i) for i in range(PIECE)]
    begin = time.thread_time()
    for _ in range(20):
        frame_of(piece)
    held = (time.thread_time() - begin) / 20 * 1e3
    print(f"longest hold of the interpreter, a piece of {PIECE} rows {held:8.2f} ms")
    for n in (64, 500, 5_000):
        rows = [row(i) for i in range(n)]
        print(f"columns of {n:5} rows  {best(lambda r=rows: frame_of(r), 5) / n:8.2f} µs a row")  # type: ignore[misc]


def delays(log: ParquetLog | None) -> list[float]:
    """Answer at a fixed rate; return how late each answer was, in ms, sorted."""
    here, there = socket.socketpair()
    late = []
    begin = time.perf_counter()
    for number in range(RATE * SECONDS):
        asked = begin + number / RATE
        while time.perf_counter() < asked:
            pass
        here.send(b"request")
        there.recv(100)
        record = row(number)
        if log is not None:
            log.write(record)
        late.append((time.perf_counter() - asked) * 1e3)
    return sorted(late)


def stalls() -> None:
    """Print how late answers are at a steady rate, without and with a log."""
    for is_logged in (False, True) * 3:
        with tempfile.TemporaryDirectory() as folder:
            log = ParquetLog(folder, "bench", flush_interval=timedelta(seconds=2))
            late = delays(log if is_logged else None)
            log.close()
        name = "with a log" if is_logged else "without"
        p50, p99, p999 = [late[int(len(late) * q)] for q in (0.5, 0.99, 0.999)]
        print(f"{name:12} late by p50 {p50:.3f}, p99 {p99:.2f}, p99.9 {p999:.2f} ms")


async def acknowledge(log: ParquetLog, n_waiters: int) -> list[float]:
    """Write rows one after another from each waiter; return latencies in ms, sorted."""
    latencies: list[float] = []
    end = time.perf_counter() + SECONDS

    async def wait() -> None:
        while (begin := time.perf_counter()) < end:
            await asyncio.wrap_future(log.write_durably(row(len(latencies))))
            latencies.append((time.perf_counter() - begin) * 1e3)

    await asyncio.gather(*[wait() for _ in range(n_waiters)])
    return sorted(latencies)


def durable() -> None:
    """Print how many rows a durable log acknowledges."""
    for n_waiters in (1, 8, 64):
        with (
            tempfile.TemporaryDirectory() as folder,
            ParquetLog(folder, "bench", durable=True) as log,
        ):
            found = asyncio.run(acknowledge(log, n_waiters))
        p50, p99 = found[len(found) // 2], found[int(len(found) * 0.99)]
        rate = len(found) / SECONDS
        print(f"durable {n_waiters:2} waiters {rate:6.0f} rows/s, p50 {p50:.2f}, p99 {p99:.2f} ms")


if __name__ == "__main__":
    costs()
    stalls()
    durable()

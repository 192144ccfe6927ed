"""Measure a bundle over HTTP: a server in a process of its own, and a client that keeps asking."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

from typing_extensions import override

from mldeploy.deployment._hosting import Hosting
from mldeploy.deployment._hosting_process import resident_mb
from mldeploy.errors import DeploymentError

_READY: Final = 60.0


def over_http(
    directory: Path,
    rows: Sequence[dict[str, object]],
    *,
    connections: Sequence[int],
    seconds: float,
) -> Iterator[Hosting]:
    """Yield what a server of the bundle does, for each number of connections.

    The client runs in this process and takes its share of the machine: with many connections the
    figures are a lower bound.
    """
    bodies = [json.dumps({"row": row}, default=str).encode() for row in rows]
    with _server(directory) as (process, port, start):
        for n in connections:
            latencies, took = asyncio.run(_ask(port, bodies, connections=n, seconds=seconds))
            yield Hosting(
                name=f"HTTP, {n} connection{'s' if n > 1 else ''}",
                rows_per_s=len(latencies) / took,
                latency_s=tuple(latencies[:100_000]),
                memory_mb=resident_mb(process.pid),
                start_s=start,
            )


@contextmanager
def _server(directory: Path) -> Iterator[tuple[subprocess.Popen[bytes], int, float]]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory(prefix="mldeploy-bench-") as folder:
        begin = time.perf_counter()
        process = subprocess.Popen(  # noqa: S603 - our own server
            [
                *(sys.executable, "-m", "mldeploy.cli", "serve", str(directory)),
                *("--port", str(port), "--log", folder),
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        try:
            _wait_until_ready(process, port, deadline=begin + _READY)
            yield process, port, time.perf_counter() - begin
        finally:
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=60)


def _wait_until_ready(process: subprocess.Popen[bytes], port: int, *, deadline: float) -> None:
    while time.perf_counter() < deadline:
        if process.poll() is not None:
            told = process.stderr.read().decode() if process.stderr else ""
            raise DeploymentError(f"the server did not start: {told.strip()[-500:]}")
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
                connection.sendall(b"GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                if connection.recv(64).startswith(b"HTTP/1.1 200"):
                    return
        except OSError:
            time.sleep(0.005)
    raise DeploymentError(f"the server was not ready within {_READY:.0f} s")


@final
@dataclass(eq=False)
class _Client(asyncio.Protocol):
    """Ask again as soon as the answer is there."""

    requests: list[bytes]
    latencies: list[float]
    done: asyncio.Future[None]
    until: float
    _buffer: bytes = b""
    _asked: int = 0
    _begin: float = 0.0

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        self._transport = transport
        self._ask()

    def _ask(self) -> None:
        self._begin = time.perf_counter()
        self._transport.write(self.requests[self._asked % len(self.requests)])
        self._asked += 1

    @override
    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, found, body = self._buffer.partition(b"\r\n\r\n")
        if not found:
            return
        lower = head.lower()
        at = lower.find(b"content-length:")
        length = int(lower[at + 15 :].split(b"\r\n", 1)[0])
        if len(body) < length:
            return
        if not head.startswith(b"HTTP/1.1 200"):
            self._end(DeploymentError(f"the server refused a golden row: {body[:300]!r}"))
            return
        now = time.perf_counter()
        self.latencies.append(now - self._begin)
        self._buffer = b""
        if now < self.until:
            self._ask()
        else:
            self._end(None)

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._end(exc or DeploymentError("the server closed a connection"))

    def _end(self, error: Exception | None) -> None:
        if self.done.done():
            return
        if error is None:
            self.done.set_result(None)
        else:
            self.done.set_exception(error)
        self._transport.close()


async def _ask(
    port: int, bodies: Sequence[bytes], *, connections: int, seconds: float
) -> tuple[list[float], float]:
    loop = asyncio.get_running_loop()
    requests = [
        b"POST /predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
        for body in bodies
    ]
    latencies: list[float] = []
    begin = time.perf_counter()
    clients = [
        _Client(requests, latencies, loop.create_future(), begin + seconds)
        for _ in range(connections)
    ]
    for client in clients:
        await loop.create_connection(lambda client=client: client, "127.0.0.1", port)  # type: ignore[misc]
    await asyncio.gather(*(client.done for client in clients))
    return latencies, time.perf_counter() - begin


def run_trial(directory: Path, how: str, *, seconds: float, trusted: Sequence[str]) -> Hosting:
    """Measure one way of answering in a fresh process."""
    ran = subprocess.run(  # noqa: S603 - our own module
        [
            *(sys.executable, "-m", "mldeploy.deployment._hosting_trial"),
            *(str(directory), how, str(seconds), *trusted),
        ],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1")},
    )
    if ran.returncode:
        last = ran.stderr.strip().rpartition("\n")[2]
        raise DeploymentError(f"{how} could not be measured: {last}")
    return Hosting.model_validate_json(ran.stdout)

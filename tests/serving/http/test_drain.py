"""A server told to end loses no answer and resets nobody; one with too much to do sheds."""

from __future__ import annotations

import asyncio
import http.client
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from mldeploy.serving.http._bounds import Limits
from mldeploy.serving.http._messages import Request, Response
from mldeploy.serving.http._thread import serve_in_thread

SERVING = """
import asyncio, os, time
from mldeploy.serving.http._messages import Response
from mldeploy.serving.http._server import Server
from mldeploy.serving.http._server_loop import run

async def handler(request):
    if request.path == "/readyz":
        return Response(status=503 if server.is_draining else 200)
    if request.path == "/work":
        time.sleep(0.002)
    if request.path == "/busy":
        time.sleep(0.01)
    if request.path == "/slow":
        await asyncio.sleep(0.5)
    return Response(body=request.body)

server = Server(handler, lame_duck={duck}, drain_timeout={timeout})

async def main():
    with server.signals_drain():
        await server.start()
        print(server.port, flush=True)
        await server.wait_ended()

run(main)
"""


@contextmanager
def serving(
    *, duck: float = 0.3, timeout: float = 8.0, before: tuple[str, ...] = ()
) -> Iterator[tuple[int, subprocess.Popen[str]]]:
    code = SERVING.format(duck=duck, timeout=timeout)
    with subprocess.Popen(
        [*before, sys.executable, "-c", code], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline()), process
        finally:
            process.kill()


def raw(port: int, body: bytes, keep: list[socket.socket]) -> bytes | None:
    """Ask over a connection of its own, or one kept open; None if the server wants to close."""
    if not keep:
        keep.append(socket.create_connection(("127.0.0.1", port), timeout=10))
    sock = keep[0]
    sock.sendall(
        b"POST /work HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    )
    told = b""
    while not told.endswith(b"\r\n\r\n" + body):
        data = sock.recv(65536)
        if not data:
            raise ConnectionError("closed before it answered")
        told += data
    if b"connection: close" in told:
        keep.pop().close()
    return body


@pytest.mark.parametrize("round_", [0, *(pytest.param(i, marks=pytest.mark.slow) for i in (1, 2))])
def test_sigterm_under_load_loses_no_answer_and_resets_nobody(round_: int) -> None:
    """Clients of three kinds go on until they are refused, which says nothing was sent."""
    lost: list[str] = []
    n_answered = Counter[str]()
    ended = threading.Event()

    def by_socket(port: int, *, keeps: bool) -> None:
        kind, keep, i = f"socket {keeps=}", [], 0
        while not ended.is_set():
            i += 1
            try:
                raw(port, b"%d" % i, keep)
            except ConnectionRefusedError:
                return
            except OSError as error:
                lost.append(f"{kind}: {error!r}")
                return
            n_answered[kind] += 1
            if not keeps and keep:
                keep.pop().close()

    def by_http_client(port: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        while not ended.is_set():
            try:
                connection.request("POST", "/work", body=b"{}")
                answer = connection.getresponse()
                assert answer.read() == b"{}"
            except ConnectionRefusedError:
                return
            except (OSError, http.client.HTTPException) as error:
                lost.append(f"http.client: {error!r}")
                return
            n_answered["http.client"] += 1

    def by_httpx(port: int) -> None:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=10) as client:
            while not ended.is_set():
                try:
                    assert client.post("/work", content=b"{}").content == b"{}"
                except httpx.ConnectError:
                    return
                except httpx.HTTPError as error:
                    lost.append(f"httpx: {error!r}")
                    return
                n_answered["httpx"] += 1

    with serving() as (port, process):
        clients = [
            *(
                threading.Thread(target=by_socket, args=(port,), kwargs={"keeps": keeps})
                for keeps in (True, True, True, False, False, False)
            ),
            *(threading.Thread(target=by_http_client, args=(port,)) for _ in range(2)),
            threading.Thread(target=by_httpx, args=(port,)),
        ]
        for client in clients:
            client.start()
        time.sleep(0.3)
        before = n_answered.total()
        process.send_signal(signal.SIGTERM)
        time.sleep(1.0)
        # A load balancer has seen by now that it is not ready, and sends no more.
        ended.set()
        for client in clients:
            client.join()
        assert process.wait(timeout=10) == 0

    assert not lost
    assert before > 20
    assert n_answered.total() > before + 20, "it went on answering while it drained"
    assert len(n_answered) == 4


def test_sigterm_with_clients_that_never_stop_ends_in_time() -> None:
    """They are refused, and whoever was let in is answered."""
    lost: list[str] = []

    def client(port: int) -> None:
        while True:
            keep: list[socket.socket] = []
            try:
                raw(port, b"{}", keep)
            except ConnectionRefusedError:
                return
            except OSError as error:
                lost.append(repr(error))
                return
            finally:
                for sock in keep:
                    sock.close()

    with serving(duck=0.2, timeout=1.5) as (port, process):
        clients = [threading.Thread(target=client, args=(port,)) for _ in range(6)]
        for one in clients:
            one.start()
        time.sleep(0.2)
        begin = time.monotonic()
        process.send_signal(signal.SIGTERM)
        for one in clients:
            one.join()
        assert process.wait(timeout=10) == 0
        assert time.monotonic() - begin < 5
    assert len(lost) <= 1, "the last moment before the port is closed cannot be had"


def test_lame_duck_serves_all_and_says_that_it_is_not_ready(wire: Callable[..., Any]) -> None:
    with serving(duck=0.5) as (port, process):
        client = wire(port)
        ready = b"GET /readyz HTTP/1.1\r\nHost: a\r\n\r\n"
        assert client.send(ready).answer().status == 200
        process.send_signal(signal.SIGTERM)
        time.sleep(0.15)
        answer = client.send(ready).answer()
        assert answer.status == 503
        assert "connection" not in answer.headers
        assert wire(port).send(ready).answer().status == 503
        while "connection" not in answer.headers:
            time.sleep(0.02)
            late = wire(port).send(ready)
            answer = late.answer()
        assert (answer.status, answer.headers["connection"]) == (503, "close")
        assert late.is_at_end()
        assert process.wait(timeout=5) == 0


def test_what_was_asked_before_the_signal_is_answered(wire: Callable[..., Any]) -> None:
    with serving(duck=0) as (port, process):
        ahead = b"POST /slow HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n"
        client = wire(port).send(ahead + b"1" + ahead + b"2")
        begun = wire(port).send(ahead)
        time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        time.sleep(0.1)
        begun.send(b"3")
        first, second, third = client.answer(), client.answer(), begun.answer()
        assert (first.body, second.body, third.body) == (b"1", b"2", b"3")
        assert "connection" not in first.headers
        assert second.headers["connection"] == third.headers["connection"] == "close"
        assert process.wait(timeout=5) == 0


def test_an_idle_server_ends_at_once_and_a_second_signal_changes_nothing() -> None:
    with serving(duck=0.1) as (_, process):
        begin = time.monotonic()
        process.send_signal(signal.SIGTERM)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=5) == 0
        assert time.monotonic() - begin < 3


@pytest.mark.skipif(
    shutil.which("unshare") is None,
    reason="a process of its own name space takes unshare and its rights",
)
def test_process_1_ends_on_sigterm() -> None:
    """The system gives process 1 no default for signals: one that installs no handler stays."""
    probe = subprocess.run(["unshare", "-fp", "true"], capture_output=True, check=False)
    if probe.returncode:
        pytest.skip("name spaces are not allowed here")
    with serving(duck=0.1, before=("unshare", "-fp", "--kill-child")) as (port, process):
        ours = Path("/proc") / str(process.pid)
        child = int((ours / "task" / str(process.pid) / "children").read_text().split()[0])
        status = (Path("/proc") / str(child) / "status").read_text().splitlines()
        names = [line.split()[-1] for line in status if line.startswith("NSpid")]
        assert names == ["1"]
        keep: list[socket.socket] = []
        assert raw(port, b"{}", keep) == b"{}"
        os.kill(child, signal.SIGTERM)
        assert process.wait(timeout=10) == 0
        for sock in keep:
            sock.close()


def test_a_server_that_is_slow_sheds_what_would_wait_long(wire: Callable[..., Any]) -> None:
    """10 ms a request: about 50 may wait for half a second, however large the bound."""

    def slow(request: Request) -> Response:
        time.sleep(0.01)
        return Response()

    with serve_in_thread(slow, limits=Limits(max_waiting=10_000)) as server:
        request = b"POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"
        busy = [wire(server.port) for _ in range(120)]
        for connection in busy:
            connection.send(request)
        for connection in busy:
            assert connection.answer().status in (200, 503)
        assert server._server.load.allowed < 100


async def _status(port: int, path: str) -> str:
    """Ask over a connection of its own, and wait five seconds at most."""
    try:
        async with asyncio.timeout(5):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(f"POST {path} HTTP/1.0\r\nContent-Length: 2\r\n\r\n{{}}".encode())
            told = await reader.read()
            writer.close()
    except TimeoutError:
        return "time-out"
    except OSError as error:
        return type(error).__name__
    status = told.split()[1].decode()
    assert status != "503" or b"retry-after: 1" in told
    return status


@pytest.mark.slow
def test_four_times_the_capacity_is_shed_and_the_rest_answered() -> None:
    """10 ms a request are 100 a second; 400 a second are offered, whoever is still waiting."""
    seconds, offered = 5.0, 400

    async def offer(port: int) -> tuple[Counter[str], float, float]:
        loop = asyncio.get_running_loop()
        begin = loop.time()
        tasks: list[asyncio.Task[str]] = []
        while (elapsed := loop.time() - begin) < seconds:
            while len(tasks) < elapsed * offered:
                path = "/livez" if len(tasks) % 50 == 0 else "/busy"
                tasks.append(loop.create_task(_status(port, path)))
            await asyncio.sleep(0.01)
        after = loop.time()
        assert await _status(port, "/livez") == "200"
        while await _status(port, "/busy") != "200":
            await asyncio.sleep(0.02)
        recovered = loop.time() - after
        return Counter(await asyncio.gather(*tasks)), loop.time() - begin, recovered

    with serving() as (port, _):
        statuses, took, recovered = asyncio.run(offer(port))

    assert set(statuses) == {"200", "503"}
    assert statuses["200"] >= 0.5 * seconds * 100
    assert statuses["503"] > statuses["200"]
    assert recovered < 1.0
    assert took < seconds + 2

"""What no honest client sends is refused, soon and in little memory, and then life goes on."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import json
import resource
import socket
import subprocess
import sys
import time
import zlib
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mldeploy.serving.http._bounds import Limits
from mldeploy.serving.http._messages import Request, Response
from mldeploy.serving.http._thread import RunningServer, serve_in_thread

GOOD = b"POST /good HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}"
POST = b"POST /p HTTP/1.1\r\nHost: a\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
LIMITS = Limits(
    max_body=100_000,
    max_head=4096,
    max_headers=20,
    head_time=timedelta(seconds=0.6),
    body_time=timedelta(seconds=0.6),
)

HOSTILE: list[tuple[str, bytes, int]] = [
    # Two readings of where a request ends.
    ("length and chunks", POST + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
    ("chunks and length", POST + b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n", 400),
    ("two lengths", POST + b"Content-Length: 4\r\nContent-Length: 5\r\n\r\n12345", 400),
    ("two equal lengths", POST + b"Content-Length: 4\r\nContent-Length: 4\r\n\r\n1234", 400),
    ("a list of lengths", POST + b"Content-Length: 4, 4\r\n\r\n1234", 400),
    ("plus sign", POST + b"Content-Length: +4\r\n\r\n1234", 400),
    ("minus sign", POST + b"Content-Length: -4\r\n\r\n1234", 400),
    ("hexadecimal length", POST + b"Content-Length: 0x4\r\n\r\n1234", 400),
    ("underscore in length", POST + b"Content-Length: 1_0\r\n\r\n1234567890", 400),
    ("space in length", POST + b"Content-Length: 1 0\r\n\r\n1234567890", 400),
    ("fraction", POST + b"Content-Length: 4.0\r\n\r\n1234", 400),
    ("empty length", POST + b"Content-Length:\r\n\r\n1234", 400),
    ("letters", POST + b"Content-Length: four\r\n\r\n1234", 400),
    ("other digits", POST + b"Content-Length: \xd9\xa4\r\n\r\n1234", 400),
    ("64 bits", POST + b"Content-Length: 18446744073709551617\r\n\r\n1", 400),
    ("a hundred digits", POST + b"Content-Length: " + b"9" * 100 + b"\r\n\r\n1", 400),
    ("unknown coding", POST + b"Transfer-Encoding: gzip\r\n\r\n", 400),
    ("coding twice", POST + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", 400),
    ("two coding lines", CHUNKED[:-2] + b"Transfer-Encoding: identity\r\n\r\n0\r\n\r\n", 400),
    ("coding after chunked", POST + b"Transfer-Encoding: chunked, identity\r\n\r\n", 400),
    ("quoted coding", POST + b'Transfer-Encoding: "chunked"\r\n\r\n0\r\n\r\n', 400),
    ("vertical tab", POST + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n", 400),
    ("empty coding", POST + b"Transfer-Encoding:\r\n\r\n0\r\n\r\n", 400),
    ("xchunked", POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 400),
    ("chunks in 1.0", b"POST /p HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    # Lines that end where they should not.
    ("folded header", POST + b"X-A: 1\r\n 2\r\n\r\n", 400),
    ("folded by tab", POST + b"X-A: 1\r\n\t2\r\n\r\n", 400),
    ("fold before any", b"GET /p HTTP/1.1\r\n Host: a\r\n\r\n", 400),
    ("bare LF", b"GET /p HTTP/1.1\nHost: a\n\n", 400),
    ("bare LF in between", POST + b"X-A: 1\nX-B: 2\r\n\r\n", 400),
    ("bare LF at the end", b"GET /p HTTP/1.1\r\nHost: a\r\n\n", 400),
    ("bare CR in value", POST + b"X-A: 1\rX-B: 2\r\n\r\n", 400),
    ("CR CR LF", POST + b"X-A: 1\r\r\n\r\n", 400),
    ("NUL in value", POST + b"X-A: 1\x002\r\n\r\n", 400),
    ("NUL in name", POST + b"X\x00A: 1\r\n\r\n", 400),
    ("NUL in target", b"GET /p\x00 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("DEL in value", POST + b"X-A: \x7f\r\n\r\n", 400),
    ("space before colon", POST + b"Content-Length : 4\r\n\r\n1234", 400),
    ("tab before colon", POST + b"Transfer-Encoding\t: chunked\r\n\r\n", 400),
    ("no colon", POST + b"Content-Length 4\r\n\r\n", 400),
    ("no name", POST + b": 4\r\n\r\n", 400),
    ("umlaut in name", POST + b"X-\xc3\xa4: 4\r\n\r\n", 400),
    # The first line.
    ("no host", b"GET /p HTTP/1.1\r\n\r\n", 400),
    ("two hosts", b"GET /p HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
    ("empty host", b"GET /p HTTP/1.1\r\nHost:\r\n\r\n", 400),
    ("path as host", b"GET /p HTTP/1.1\r\nHost: a/b\r\n\r\n", 400),
    ("user as host", b"GET /p HTTP/1.1\r\nHost: a@b\r\n\r\n", 400),
    ("no version", b"GET /p\r\n\r\n", 400),
    ("version 0.9", b"GET /p HTTP/0.9\r\nHost: a\r\n\r\n", 505),
    ("version 2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    ("version 1.10", b"GET /p HTTP/1.10\r\nHost: a\r\n\r\n", 400),
    ("lower-case version", b"GET /p http/1.1\r\nHost: a\r\n\r\n", 400),
    ("space at the end", b"GET /p HTTP/1.1 \r\nHost: a\r\n\r\n", 400),
    ("two spaces", b"GET  /p HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("tab for space", b"GET\t/p\tHTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("space in target", b"GET /p q HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("umlaut in target", b"GET /\xc3\xa4 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("invalid UTF-8 in target", b"GET /\xff HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("fragment", b"GET /p#q HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("no slash", b"GET p HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("star", b"GET * HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("tunnel", b"CONNECT b:443 HTTP/1.1\r\nHost: b:443\r\n\r\n", 400),
    ("other scheme", b"GET ftp://a/p HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("user in target", b"GET http://u@a/p HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("lower-case method", b"get /p HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("method with control", b"G\x01T /p HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("long method", b"G" * 100 + b" /p HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 200, 400),
    ("a letter to nobody", b"hello, is there anybody?\n\n", 400),
    ("random bytes", bytes(range(128, 256)), 400),
    ("an answer", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 400),
    # Chunks.
    ("size is no number", CHUNKED + b"z\r\n", 400),
    ("size with 0x", CHUNKED + b"0x2\r\nab\r\n0\r\n\r\n", 400),
    ("negative size", CHUNKED + b"-2\r\nab\r\n0\r\n\r\n", 400),
    ("space after size", CHUNKED + b"2 \r\nab\r\n0\r\n\r\n", 400),
    ("space before size", CHUNKED + b" 2\r\nab\r\n0\r\n\r\n", 400),
    ("no size", CHUNKED + b"\r\nab\r\n0\r\n\r\n", 400),
    ("size of 20 digits", CHUNKED + b"f" * 20 + b"\r\n", 400),
    ("LF after size", CHUNKED + b"2\nab\r\n0\r\n\r\n", 400),
    ("CR in extension", CHUNKED + b"2;a\rb\r\nab\r\n0\r\n\r\n", 400),
    ("chunk too long", CHUNKED + b"2\r\nabc\r\n0\r\n\r\n", 400),
    ("LF after chunk", CHUNKED + b"2\r\nab\n0\r\n\r\n", 400),
    ("damaged trailer", CHUNKED + b"0\r\nX Y: 1\r\n\r\n", 400),
    ("folded trailer", CHUNKED + b"0\r\nX: 1\r\n 2\r\n\r\n", 400),
    ("endless extension", CHUNKED + b"2;" + b"a" * 5000 + b"\r\nab\r\n0\r\n\r\n", 400),
    ("endless trailers", CHUNKED + b"0\r\n" + b"X: 1\r\n" * 5000, 400),
    ("one byte a chunk", CHUNKED + b"1\r\na\r\n" * 20_000, 400),
    ("chunk over the bound", CHUNKED + b"ffffff\r\n", 413),
    ("chunks over the bound", CHUNKED + (b"8000\r\n" + b"a" * 0x8000 + b"\r\n") * 4, 413),
    # Too much.
    ("body over the bound", POST + b"Content-Length: 100001\r\n\r\n", 413),
    ("a gigabyte", POST + b"Content-Length: 1073741824\r\n\r\n", 413),
    ("long target", b"GET /" + b"a" * 5000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", 431),
    ("long header", POST + b"X-A: " + b"a" * 5000 + b"\r\n\r\n", 431),
    ("endless header", POST + b"X-A: " + b"a" * 5000, 431),
    ("many headers", POST + b"X-A: 1\r\n" * 30 + b"\r\n", 431),
    ("unknown expectation", POST + b"Expect: cake\r\nContent-Length: 0\r\n\r\n", 417),
    # Encodings.
    ("unknown encoding", POST + b"Content-Encoding: br\r\nContent-Length: 1\r\n\r\n1", 415),
    ("two encodings", POST + b"Content-Encoding: gzip, gzip\r\nContent-Length: 1\r\n\r\n1", 415),
    ("no gzip", POST + b"Content-Encoding: gzip\r\nContent-Length: 4\r\n\r\n1234", 400),
]


def compressed(body: bytes, encoding: bytes) -> bytes:
    return POST + b"Content-Encoding: %b\r\nContent-Length: %d\r\n\r\n" % (
        encoding, len(body),
    ) + body  # fmt: skip


HOSTILE += [
    ("gzip bomb", compressed(gzip.compress(bytes(50_000_000)), b"gzip"), 413),
    ("deflate bomb", compressed(zlib.compress(bytes(50_000_000)), b"deflate"), 413),
    ("half a gzip", compressed(gzip.compress(b"a" * 50)[:-6], b"gzip"), 400),
    ("gzip and more", compressed(gzip.compress(b"{}") + b"more", b"gzip"), 400),
]


@pytest.fixture(scope="module")
def handed_over() -> list[Request]:
    return []


@pytest.fixture(scope="module")
def server(handed_over: list[Request]) -> Iterator[RunningServer]:
    def handler(request: Request) -> Response:
        handed_over.append(request)
        return Response(body=json.dumps({"n": len(request.body)}).encode())

    with serve_in_thread(handler, limits=LIMITS) as running:
        yield running


@pytest.mark.parametrize(
    ("sent", "status"), [(sent, status) for _, sent, status in HOSTILE],
    ids=[name for name, _, _ in HOSTILE],
)  # fmt: skip
def test_hostile_requests_are_refused_and_the_connection_ends(
    server: RunningServer,
    handed_over: list[Request],
    wire: Callable[..., Any],
    sent: bytes,
    status: int,
) -> None:
    handed_over.clear()

    bad = wire(server.port, seconds=5)
    bad.send(sent)
    answer = bad.answer()

    assert answer.status == status
    assert "error" in json.loads(answer.body)
    assert answer.headers["connection"] == "close"
    assert bad.is_at_end()
    assert not handed_over
    assert wire(server.port).send(GOOD).answer().status == 200


@pytest.mark.parametrize("n_bytes", [1, 3, 7, 64])
def test_how_bytes_are_cut_into_packets_changes_nothing(
    server: RunningServer, handed_over: list[Request], wire: Callable[..., Any], n_bytes: int
) -> None:
    for name, sent, status in HOSTILE:
        if len(sent) > 250:
            continue
        handed_over.clear()
        bad = wire(server.port, seconds=5)
        for i in range(0, len(sent), n_bytes):
            bad.send(sent[i : i + n_bytes])
        assert bad.answer().status == status, name
        assert not handed_over, name


pieces = st.sampled_from(
    [
        *(b"GET", b"POST", b" ", b"/p", b"HTTP/1.1", b"HTTP/1.0", b"\r\n", b"\n", b"\r", b":"),
        *(b"Host: a", b"Content-Length: ", b"Content-Length: 3\r\n", b"3", b"abc", b"0", b"\0"),
        *(b"Transfer-Encoding: chunked\r\n", b"\r\n\r\n", b"Connection: close\r\n", b";", b"\xff"),
        *(b"Expect: 100-continue\r\n", b"Content-Encoding: gzip\r\n", b"http://", b"?", b"#"),
    ]
)
garbage = st.one_of(
    st.binary(max_size=300),
    st.lists(pieces, max_size=30).map(b"".join),
    st.lists(pieces, max_size=12).map(lambda made: POST + b"".join(made)),
    st.lists(pieces, max_size=12).map(lambda made: CHUNKED + b"".join(made)),
)


@settings(max_examples=150, deadline=None)
@given(sent=garbage)
def test_no_bytes_make_the_server_fail_or_hang(server: RunningServer, sent: bytes) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as sock:
        sock.sendall(sent)
        sock.shutdown(socket.SHUT_WR)
        told = b""
        while data := sock.recv(65536):
            told += data
    statuses = [line.split()[1] for line in told.split(b"\r\n") if line.startswith(b"HTTP/1.1 ")]
    assert all(status[:1] != b"5" or status == b"505" for status in statuses)

    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as sock:
        sock.sendall(GOOD)
        assert sock.recv(65536).startswith(b"HTTP/1.1 200")


def test_a_smuggled_request_is_no_request(
    server: RunningServer, handed_over: list[Request], wire: Callable[..., Any]
) -> None:
    """A body that looks like a request is a body; what follows a refused request is nothing."""
    handed_over.clear()
    inner = b"GET /inner HTTP/1.1\r\nHost: a\r\n\r\n"
    honest = POST + b"Content-Length: %d\r\n\r\n" % len(inner) + inner
    assert wire(server.port).send(honest).answer().body == b'{"n": %d}' % len(inner)

    refused = POST + b"Content-Length: 0\r\nContent-Length: 0\r\n\r\n" + inner
    assert wire(server.port).send(refused).answer().status == 400

    assert [request.path for request in handed_over] == ["/p"]


def test_a_client_that_sends_on_reads_why_it_was_refused(
    server: RunningServer, wire: Callable[..., Any]
) -> None:
    """200 MB after a head that was refused: thrown away as they come, and the answer arrives."""
    client = wire(server.port)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    client.send(POST + b"Content-Length: 209715200\r\n\r\n")
    for _ in range(200):
        client.send(bytes(2**20))

    assert client.answer().status == 413
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 * 1024


@pytest.mark.parametrize(
    ("begun", "status", "what"),
    [
        (b"POST /p HT", 408, "head"),
        (POST + b"X-A: 1\r\n", 408, "head"),
        (POST + b"Content-Length: 10\r\n\r\n123", 408, "body"),
        (CHUNKED + b"5\r\nab", 408, "body"),
    ],
)
def test_a_request_that_does_not_go_on_is_cut(
    server: RunningServer, wire: Callable[..., Any], begun: bytes, status: int, what: str
) -> None:
    answer = wire(server.port, seconds=5).send(begun).answer()

    assert answer.status == status
    assert what in json.loads(answer.body)["error"]


@pytest.mark.parametrize("begun", [POST + b"X-A: ", POST + b"Content-Length: 90000\r\n\r\n"])
def test_a_byte_now_and_then_does_not_buy_more_time(
    server: RunningServer, wire: Callable[..., Any], begun: bytes
) -> None:
    slow = wire(server.port, seconds=5).send(begun)
    slow.sock.settimeout(0.05)
    begin = time.monotonic()
    told = b""
    while not told and time.monotonic() - begin < 5:
        slow.send(b"a")
        try:
            told = slow.sock.recv(1000)
        except TimeoutError:
            continue

    assert told.startswith(b"HTTP/1.1 408")


def test_a_client_that_does_not_read_is_left(wire: Callable[..., Any]) -> None:
    """Its answers fill what the system keeps for it; then the server waits for body_time."""
    large = Response(body=bytes(4 * 2**20))
    with serve_in_thread(lambda _: large, limits=LIMITS) as server:
        deaf = wire(server.port)
        for _ in range(8):
            deaf.send(GOOD)
        begin = time.monotonic()
        while server.n_connections and time.monotonic() - begin < 8:
            time.sleep(0.05)
        assert not server.n_connections


def test_requests_ahead_wait_in_the_clients_buffer_and_not_in_ours(
    wire: Callable[..., Any],
) -> None:
    """A client that asks without reading is not read: 200 MB of requests leave memory alone."""

    async def handler(request: Request) -> Response:
        await asyncio.sleep(3600)
        return Response()

    with serve_in_thread(handler, limits=LIMITS, drain_timeout=0.1) as server:
        eager = wire(server.port)
        eager.sock.setblocking(False)
        one = POST + b"Content-Length: 50000\r\n\r\n" + bytes(50_000)
        n_sent, begin = 0, time.monotonic()
        while n_sent < 200_000_000 and time.monotonic() - begin < 1.0:
            try:
                n_sent += eager.sock.send(one[n_sent % len(one) :])
            except BlockingIOError:
                time.sleep(0.02)
        assert n_sent < 30_000_000


SERVING = """
from mldeploy.serving.http._messages import Response
from mldeploy.serving.http._server import Server
from mldeploy.serving.http._server_loop import run

server = Server(lambda request: Response(body=b"%d" % len(request.body)), lame_duck=0)

async def main():
    with server.signals_drain():
        await server.start()
        print(server.port, flush=True)
        await server.wait_ended()

run(main)
"""


@contextlib.contextmanager
def process() -> Iterator[tuple[int, Callable[[], float]]]:
    """Serve from a process of its own; yield its port, and what tells its memory in MB."""
    with subprocess.Popen(
        [sys.executable, "-c", SERVING], stdout=subprocess.PIPE, text=True
    ) as serving:
        assert serving.stdout is not None
        try:
            port = int(serving.stdout.readline())

            def megabytes() -> float:
                status = Path(f"/proc/{serving.pid}/status").read_text()
                line = next(line for line in status.splitlines() if line.startswith("VmHWM"))
                return int(line.split()[1]) / 1024

            yield port, megabytes
        finally:
            serving.kill()


@pytest.mark.slow
def test_a_body_of_a_gigabyte_costs_no_memory(wire: Callable[..., Any]) -> None:
    megabyte = bytes(2**20)
    with process() as (port, megabytes):
        assert wire(port).send(GOOD).answer().status == 200
        before = megabytes()
        told, chunked = wire(port), wire(port)
        told.send(POST + b"Content-Length: 1073741824\r\n\r\n")
        for _ in range(1024):
            told.send(megabyte)
        assert told.answer().status == 413

        chunked.send(CHUNKED)
        for _ in range(1024):
            chunked.send(b"100000\r\n" + megabyte + b"\r\n")
        assert chunked.answer().status == 413

        assert megabytes() - before < 64
        assert wire(port).send(GOOD).answer().status == 200


@pytest.mark.slow
def test_ten_thousand_slow_connections_are_bounded_and_the_health_is_answered() -> None:
    """Each has sent half a head. Open files may be fewer here; then there are fewer of them."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    n_slow = min(10_000, hard - 200)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, n_slow + 150), hard))
    slow: list[socket.socket] = []
    health = b"GET /livez HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    statuses: list[bytes] = []
    waits: list[float] = []
    try:
        with process() as (port, megabytes):
            before = megabytes()
            for i in range(n_slow):
                sock = socket.socket()
                slow.append(sock)
                sock.settimeout(10)
                sock.connect(("127.0.0.1", port))
                with contextlib.suppress(OSError):
                    sock.send(b"POST /p HTTP/1.1\r\nX-A: ")
                if i % 500 == 499:
                    begin = time.monotonic()
                    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
                        client.sendall(health)
                        statuses.append(client.recv(100)[9:12])
                    waits.append(time.monotonic() - begin)
            assert megabytes() - before < 64
    finally:
        for sock in slow:
            sock.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

    assert set(statuses) == {b"200"}
    assert max(waits) < 3

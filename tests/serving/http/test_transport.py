"""What honest clients send is understood, and they are answered as HTTP says."""

from __future__ import annotations

import asyncio
import gzip
import http.client
import json
import time
import zlib
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mldeploy.errors import DeploymentError
from mldeploy.serving.http._bounds import Limits
from mldeploy.serving.http._messages import Request, Response
from mldeploy.serving.http._server import Server
from mldeploy.serving.http._thread import RunningServer, serve_in_thread

LIMITS = Limits(max_body=2_000_000, idle_time=timedelta(seconds=0.6))


async def handler(request: Request) -> Response:
    if request.path == "/slow":
        await asyncio.sleep(0.2)
    if request.path == "/nothing":
        return Response(status=204)
    if request.path == "/split":
        return Response(headers=((b"x-a", b"1\r\nx-b: 2"),))
    if request.path == "/fails":
        raise RuntimeError("a secret")
    told = {
        "method": request.method,
        "path": request.path,
        "query": request.query,
        "body": request.body.decode("latin-1"),
        "headers": {k.decode(): v.decode("latin-1") for k, v in request.headers.items()},
    }
    return Response(body=json.dumps(told).encode())


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    with serve_in_thread(handler, limits=LIMITS) as running:
        yield running


def post(path: str = "/p", body: bytes = b"{}", extra: bytes = b"") -> bytes:
    head = f"POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: {len(body)}\r\n"
    return head.encode() + extra + b"\r\n" + body


def told(answer: Any) -> Any:
    assert answer.status == 200
    return json.loads(answer.body)


def test_a_request_arrives_as_it_was_sent(server: RunningServer, wire: Callable[..., Any]) -> None:
    sent = post("/a%2Fb/%C3%A4?x=1&y=%20", b"body", b"X-A: 1\r\nx-a:2\r\nX-B: \xe4\r\n")
    assert told(wire(server.port).send(sent).answer()) == {
        "method": "POST", "path": "/a%2Fb/%C3%A4", "query": "x=1&y=%20", "body": "body",
        "headers": {"host": "a", "content-length": "4", "x-a": "1, 2", "x-b": "ä"},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("target", "path", "query"),
    [
        (b"http://b:80/p?x", "/p", "x"),
        (b"HTTPS://b", "/", ""),
        (b"/http://b/", "/http://b/", ""),
        (b"//b", "//b", ""),
        (b"/?", "/", ""),
        (b"/a?b?c", "/a", "b?c"),
    ],
)
def test_targets(
    server: RunningServer, wire: Callable[..., Any], target: bytes, path: str, query: str
) -> None:
    answer = wire(server.port).send(b"GET %b HTTP/1.1\r\nHost: a\r\n\r\n" % target).answer()
    assert (told(answer)["path"], told(answer)["query"]) == (path, query)


def test_connections_stay_open_and_pipelined_requests_are_answered_in_order(
    server: RunningServer, wire: Callable[..., Any]
) -> None:
    """One that takes 0.2 s comes first; 40 quick ones behind it wait for it."""
    paths = ["/slow", *(f"/{i}" for i in range(40))]
    client = wire(server.port).send(b"".join(post(path) for path in paths))
    assert [told(client.answer())["path"] for _ in paths] == paths
    assert told(client.send(post("/more")).answer())["path"] == "/more"


@settings(max_examples=60, deadline=None)
@given(
    bodies=st.lists(st.binary(max_size=200), min_size=1, max_size=5),
    cuts=st.lists(st.integers(1, 700), max_size=12),
    in_chunks=st.booleans(),
)
def test_bodies_arrive_whatever_packets_they_come_in(
    server: RunningServer, bodies: list[bytes], cuts: list[int], in_chunks: bool
) -> None:
    import socket

    def encoded(body: bytes) -> bytes:
        if not in_chunks:
            return post("/p", body)
        parts = [body[i : i + 50] for i in range(0, len(body), 50)]
        framed = b"".join(b"%X;x=y\r\n%b\r\n" % (len(part), part) for part in parts)
        head = b"POST /p HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n"
        return head + framed + b"0\r\nX-Sum: 1\r\n\r\n"

    sent = b"".join(encoded(body) for body in bodies)
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        at = 0
        for cut in [*sorted(c for c in cuts if c < len(sent)), len(sent)]:
            sock.sendall(sent[at:cut])
            at = cut
        file = sock.makefile("rb")
        for body in bodies:
            n_bytes = 0
            while line := file.readline().strip():
                if line.startswith(b"content-length: "):
                    n_bytes = int(line.split()[1])
            assert json.loads(file.read(n_bytes))["body"] == body.decode("latin-1")
        file.close()


def test_a_body_of_megabytes_arrives(server: RunningServer, wire: Callable[..., Any]) -> None:
    body = b"0123456789" * 200_000
    assert told(wire(server.port).send(post("/p", body)).answer())["body"].encode() == body


@pytest.mark.parametrize(
    ("encoding", "pack"),
    [
        (b"gzip", gzip.compress),
        (b"X-GZIP", gzip.compress),
        (b"deflate", zlib.compress),
        (b"deflate", lambda body: zlib.compress(body)[2:-4]),
        (b"identity", lambda body: body),
    ],
)
def test_compressed_bodies_are_unpacked(
    server: RunningServer, wire: Callable[..., Any], encoding: bytes, pack: Any
) -> None:
    sent = post("/p", pack(b"rows" * 1000), b"Content-Encoding: " + encoding + b"\r\n")
    assert told(wire(server.port).send(sent).answer())["body"] == "rows" * 1000


def test_who_waits_for_a_word_is_told_to_go_on(
    server: RunningServer, wire: Callable[..., Any]
) -> None:
    client = wire(server.port)
    head, body = post("/p", b"body", b"Expect: 100-Continue\r\n")[:-4], b"body"
    client.send(head)
    assert client.answer().status == 100
    assert told(client.send(body).answer())["body"] == "body"

    assert told(client.send(head + body).answer())["body"] == "body", "no word where none is due"

    client.send(post("/slow") + head)
    assert told(client.answer())["path"] == "/slow"
    assert client.answer().status == 100
    assert told(client.send(body).answer())["body"] == "body"


def test_who_asks_whether_to_send_too_much_is_told_no(
    server: RunningServer, wire: Callable[..., Any]
) -> None:
    head = (
        b"POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 3000000\r\nExpect: 100-continue\r\n\r\n"
    )
    client = wire(server.port).send(head)
    assert client.answer().status == 413
    assert client.is_at_end()


def test_head_is_answered_without_a_body(server: RunningServer, wire: Callable[..., Any]) -> None:
    client = wire(server.port).send(b"HEAD /p HTTP/1.1\r\nHost: a\r\n\r\n")
    answer = client.answer(with_body=False)
    assert answer.status == 200
    assert int(answer.headers["content-length"]) > 0
    assert told(client.send(post("/next")).answer())["path"] == "/next"


def test_no_content_has_no_length(server: RunningServer, wire: Callable[..., Any]) -> None:
    client = wire(server.port).send(post("/nothing"))
    answer = client.answer()
    assert answer.status == 204
    assert not {"content-length", "content-type"} & set(answer.headers)
    assert told(client.send(post("/next")).answer())["path"] == "/next"


def test_http_1_0_is_answered_and_closed_unless_the_client_wants_to_stay(
    server: RunningServer, wire: Callable[..., Any]
) -> None:
    client = wire(server.port).send(b"GET /p HTTP/1.0\r\n\r\n")
    assert client.answer().headers["connection"] == "close"
    assert client.is_at_end()

    client = wire(server.port)
    for _ in range(2):
        client.send(b"GET /p HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n")
        assert client.answer().headers["connection"] == "keep-alive"


def test_a_client_that_wants_to_go_is_let_go(
    server: RunningServer, wire: Callable[..., Any]
) -> None:
    client = wire(server.port).send(post("/slow", b"", b"Connection: close\r\n") + post("/never"))
    answer = client.answer()
    assert told(answer)["path"] == "/slow"
    assert answer.headers["connection"] == "close"
    assert client.is_at_end()


def test_a_client_that_has_said_all_is_answered(
    server: RunningServer, wire: Callable[..., Any]
) -> None:
    import socket

    client = wire(server.port).send(post("/slow") + post("/p"))
    client.sock.shutdown(socket.SHUT_WR)
    assert told(client.answer())["path"] == "/slow"
    assert told(client.answer())["path"] == "/p"
    assert client.is_at_end()


def test_an_idle_connection_is_closed(server: RunningServer, wire: Callable[..., Any]) -> None:
    client = wire(server.port)
    client.send(post()).answer()
    begin = time.monotonic()
    assert client.is_at_end()
    assert 0.3 < time.monotonic() - begin < 5


def test_a_new_kind_of_head_is_read_after_many(
    server: RunningServer, wire: Callable[..., Any]
) -> None:
    """Heads that were read are remembered, but not for ever, and never mixed up."""
    client = wire(server.port)
    for i in [*range(600), *range(20)]:
        sent = post(f"/{i}", b"%d" % i, b"X-I: %d\r\n" % i)
        got = told(client.send(sent).answer())
        assert (got["path"], got["body"], got["headers"]["x-i"]) == (f"/{i}", str(i), str(i))


def test_a_request_bears_its_name(server: RunningServer, wire: Callable[..., Any]) -> None:
    client = wire(server.port)
    given = client.send(post(extra=b"X-Request-ID: order-17.a_b\r\n")).answer()
    assert given.headers["x-request-id"] == "order-17.a_b"
    made = [client.send(post()).answer().headers["x-request-id"] for _ in range(600)]
    assert len(set(made)) == 600
    odd = client.send(post(extra=b"X-Request-ID: <script>\r\n")).answer()
    assert "script" not in odd.headers["x-request-id"]


def test_a_handler_that_fails_tells_nobody_why(
    server: RunningServer, wire: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    client = wire(server.port)
    answer = client.send(post("/fails")).answer()
    assert answer.status == 500
    assert b"secret" not in answer.body
    assert answer.headers["x-request-id"].encode() in answer.body
    assert "a secret" in caplog.text
    assert told(client.send(post("/p")).answer())["path"] == "/p"


def test_a_header_that_would_split_the_answer_is_a_fault(
    server: RunningServer, wire: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    answer = wire(server.port).send(post("/split")).answer()
    assert answer.status == 500
    assert "x-b" not in answer.headers
    assert "may not have the header" in caplog.text


def test_an_answer_that_takes_too_long_is_given_up(wire: Callable[..., Any]) -> None:
    cancelled = []

    async def endless(request: Request) -> Response:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            cancelled.append(request.path)
            raise
        return Response()

    limits = Limits(answer_time=timedelta(seconds=0.1))
    with serve_in_thread(endless, limits=limits) as server:
        assert wire(server.port).send(post("/p")).answer().status == 504
    assert cancelled == ["/p"]


def test_errors_have_the_form_that_the_caller_gives_them(wire: Callable[..., Any]) -> None:
    def form(status: int, reason: str, path: str) -> Response:
        return Response(status=status, body=f"{path}: {status}".encode(), content_type=b"text/x")

    with serve_in_thread(handler, limits=LIMITS, error_response=form) as server:
        answer = wire(server.port).send(b"POST /v2/x?y HTTP/1.1\r\nA B\r\n\r\n").answer()
        assert (answer.body, answer.headers["content-type"]) == (b"/v2/x: 400", "text/x")
        large = b"POST /v2/m HTTP/1.1\r\nHost: a\r\nContent-Length: 9000000\r\n\r\n"
        assert wire(server.port).send(large).answer().body == b"/v2/m: 413"


def test_every_request_is_observed(wire: Callable[..., Any]) -> None:
    seen: list[tuple[str, str, int]] = []

    def observer(request: Request, response: Response, seconds: float) -> None:
        assert 0 <= seconds < 5
        seen.append((request.method, request.path, response.status))

    with serve_in_thread(handler, limits=LIMITS, observer=observer) as server:
        wire(server.port).send(post("/p")).answer()
        wire(server.port).send(b"GET /q HTTP/1.1\r\n\r\n").answer()
    assert seen == [("POST", "/p", 200), ("-", "/q", 400)]


def test_what_is_too_much_is_told_so_at_once_and_health_is_answered(
    wire: Callable[..., Any],
) -> None:
    """Two may wait; the third is told 503 before its body is read, and when to try again."""
    go_on = asyncio.Event()

    async def waiting(request: Request) -> Response:
        if request.path != "/livez":
            await go_on.wait()
        return Response()

    with serve_in_thread(waiting, limits=Limits(max_waiting=2)) as server:
        first, second = wire(server.port).send(post()), wire(server.port).send(post())
        while server._server.n_waiting < 2:
            time.sleep(0.01)
        third = wire(server.port)
        answer = third.send(post()).answer()
        assert (answer.status, answer.headers["retry-after"]) == (503, "1")
        assert third.send(post()).answer().status == 503, "and may stay"
        unread = wire(server.port).send(
            b"POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 99\r\n\r\n"
        )
        assert unread.answer().status == 503
        assert unread.is_at_end()
        assert third.send(b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n").answer().status == 200
        server._loop.call_soon_threadsafe(go_on.set)
        assert first.answer().status == second.answer().status == 200
        assert third.send(post()).answer().status == 200


def has_ended(connection: Any) -> bool:
    try:
        return bool(connection.is_at_end())
    except TimeoutError:
        return False


def test_connections_are_bounded_and_make_room_for_those_that_ask(
    wire: Callable[..., Any],
) -> None:
    limits = Limits(max_connections=5)
    with serve_in_thread(handler, limits=limits) as server:
        silent = [wire(server.port, seconds=0.2) for _ in range(5)]
        late = wire(server.port)
        assert late.send(b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n").answer().status == 200
        refused = late.send(post()).answer()
        assert (refused.status, refused.headers["retry-after"]) == (503, "1")
        assert late.is_at_end()
        late.close()
        time.sleep(1.6)
        assert wire(server.port).send(post()).answer().status == 200, "silence makes room"
        assert sum(has_ended(connection) for connection in silent) == 1


def test_real_clients_are_served(server: RunningServer) -> None:
    import httpx
    import requests

    assert requests.post(f"{server.url}/p", data=b"{}", timeout=5).json()["body"] == "{}"
    with httpx.Client() as client:
        for i in range(3):
            got = client.post(f"{server.url}/p", content=iter([b"a", b"b" * i])).json()
            assert got["body"] == "a" + "b" * i
    plain = http.client.HTTPConnection("127.0.0.1", server.port, timeout=5)
    plain.request("PUT", "/x", body=b"body")
    assert json.loads(plain.getresponse().read())["method"] == "PUT"
    plain.close()


def test_a_port_that_is_taken_is_an_error(server: RunningServer) -> None:
    with pytest.raises(DeploymentError, match="cannot listen"):
        serve_in_thread(handler, port=server.port)


def test_a_running_server_shows_where_it_is_and_stops_twice() -> None:
    running = serve_in_thread(handler)
    assert running.url in repr(running)
    assert f'href="{running.url}"' in running._repr_html_()
    running.stop()
    running.stop()
    assert "stopped" in repr(running)


def test_a_server_runs_in_an_event_loop_of_its_callers() -> None:
    async def main() -> int:
        server = Server(handler, lame_duck=0)
        await server.start()
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(post("/p", b"", b"Connection: close\r\n"))
        answer = await reader.read()
        writer.close()
        await writer.wait_closed()
        await server.stop()
        return int(answer.split()[1])

    assert asyncio.run(main()) == 200

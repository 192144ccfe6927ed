"""The handler as an ASGI application, in real Starlette under real uvicorn."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import json
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import timedelta
from typing import Any

import httpx
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route

from mldeploy.serving.http._asgi import AsgiApp, asgi_app
from mldeploy.serving.http._bounds import Limits
from mldeploy.serving.http._messages import Request, Response

LIMITS = Limits(
    max_body=50_000,
    max_waiting=2,
    body_time=timedelta(seconds=0.3),
    answer_time=timedelta(seconds=0.5),
)


async def handler(request: Request) -> Response:
    if request.path == "/slow":
        await asyncio.sleep(0.2)
    if request.path == "/endless":
        await asyncio.sleep(60)
    if request.path == "/fails":
        raise RuntimeError("a secret")
    if request.path == "/nothing":
        return Response(status=204)
    told = {"path": request.path, "query": request.query, "n": len(request.body)}
    return Response(body=json.dumps(told).encode(), headers=((b"x-own", b"1"),))


@contextlib.contextmanager
def served(app: Any, **settings: Any) -> Iterator[int]:
    config = uvicorn.Config(app, log_level="error", **settings)
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        while not server.started:
            time.sleep(0.01)
        yield int(listening.getsockname()[1])
        server.should_exit = True
        thread.join()


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with served(asgi_app(handler, limits=LIMITS), lifespan="on") as port:
        yield port


def post(port: int, path: str = "/p", **sent: Any) -> httpx.Response:
    return httpx.post(f"http://127.0.0.1:{port}{path}", timeout=10, **sent)


def test_requests_and_answers_pass(port: int) -> None:
    answer = post(port, "/a%2Fb/%C3%A4?x=%20", content=b"12345", headers={"x-request-id": "r.1"})
    assert answer.json() == {"path": "/a%2Fb/%C3%A4", "query": "x=%20", "n": 5}
    assert (answer.headers["x-own"], answer.headers["x-request-id"]) == ("1", "r.1")
    assert post(port, "/nothing").status_code == 204
    head = httpx.head(f"http://127.0.0.1:{port}/p")
    assert (head.status_code, head.content) == (200, b"")


def test_limits_hold(port: int) -> None:
    def chunks() -> Iterator[bytes]:
        for _ in range(60):
            yield bytes(1000)

    assert post(port, content=bytes(50_001)).status_code == 413
    assert post(port, content=chunks()).status_code == 413
    packed = {"content-encoding": "gzip"}
    assert post(port, content=gzip.compress(b"a" * 300), headers=packed).json()["n"] == 300
    assert post(port, content=gzip.compress(bytes(10**6)), headers=packed).status_code == 413
    assert post(port, content=b"x", headers={"content-encoding": "br"}).status_code == 415
    assert post(port, "/endless").status_code == 504


def test_a_body_that_does_not_go_on_is_cut(port: int, wire: Callable[..., Any]) -> None:
    head = b"POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n123"
    client = wire(port).send(head)
    assert b" 408 " in client.sock.recv(1000)


def test_faults_tell_nobody_why(port: int, caplog: pytest.LogCaptureFixture) -> None:
    answer = post(port, "/fails")
    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert "a secret" in caplog.text


def test_what_is_too_much_is_told_so(port: int) -> None:
    answers: list[int] = []
    threads = [
        threading.Thread(target=lambda: answers.append(post(port, "/slow").status_code))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(answers) == {200, 503}
    assert httpx.get(f"http://127.0.0.1:{port}/livez").status_code == 200


def test_mounted_in_starlette_behind_middleware_and_closed_with_it() -> None:
    closed: list[str] = []
    mounted = asgi_app(handler, limits=LIMITS, close=lambda: closed.append("mounted"))

    async def only_friends(request: Any, call_next: Any) -> Any:
        if request.headers.get("x-friend") != "yes":
            return PlainTextResponse("go away", status_code=403)
        return await call_next(request)

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        yield
        await mounted.close()

    async def home(request: Any) -> PlainTextResponse:
        return PlainTextResponse("home")

    app = Starlette(
        routes=[Route("/", home), Mount("/models/flights", app=mounted)],
        middleware=[Middleware(BaseHTTPMiddleware, dispatch=only_friends)],
        lifespan=lifespan,
    )
    friend = {"x-friend": "yes"}
    with served(app) as port:
        answer = post(port, "/models/flights/v2/x%2Fy?z", content=b"1", headers=friend)
        assert answer.json() == {"path": "/v2/x%2Fy", "query": "z", "n": 1}
        assert post(port, "/models/flights/", headers=friend).json()["path"] == "/"
        assert post(port, "/models/flights/p").status_code == 403
        assert httpx.get(f"http://127.0.0.1:{port}/", headers=friend).text == "home"
        assert not closed
    assert closed == ["mounted"]


def test_a_root_path_is_left_out_and_the_lifespan_closes() -> None:
    closed: list[str] = []

    async def close() -> None:
        closed.append("closed")

    app = asgi_app(handler, close=close)
    with served(app, lifespan="on", root_path="/behind/proxy") as port:
        assert post(port, "/p").json()["path"] == "/p"
        assert not app.is_draining
    assert closed == ["closed"]
    assert app.is_draining


def test_a_close_that_fails_is_told_to_the_server_around(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def close() -> None:
        raise OSError("the disk is full")

    async def live(app: AsgiApp) -> list[str]:
        asked = iter(["lifespan.startup", "lifespan.shutdown"])
        told: list[str] = []

        async def receive() -> Any:
            return {"type": next(asked)}

        async def send(message: Any) -> None:
            told.append(message["type"])

        await app({"type": "lifespan"}, receive, send)
        return told

    told = asyncio.run(live(asgi_app(handler, close=close)))
    assert told == ["lifespan.startup.complete", "lifespan.shutdown.failed"]


def test_two_readings_of_a_request_are_refused() -> None:
    told: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": b""}

    async def send(message: Any) -> None:
        told.append(message)

    scope = {
        "type": "http", "method": "POST", "path": "/p", "raw_path": b"/p", "query_string": b"",
        "headers": [(b"content-type", b"a/b"), (b"Content-Type", b"c/d")],
    }  # fmt: skip
    asyncio.run(asgi_app(handler)(scope, receive, send))
    assert told[0]["status"] == 400

"""Every request that failed leaves a line, and a span; who may ask is judged each time."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Callable
from typing import Any

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from mldeploy.serving.http._access_log import AccessLog
from mldeploy.serving.http._keys import ApiKey, ApiKeys
from mldeploy.serving.http._messages import Request, Response
from mldeploy.serving.http._routing import Role
from mldeploy.serving.http._thread import serve_in_thread
from mldeploy.serving.http._tracing import Traced


def test_a_key_remembered_with_its_head_does_not_open_other_paths(
    wire: Callable[..., Any],
) -> None:
    """The server reads equal heads once; who may ask is judged each time."""

    shop, secret = ApiKey.new("shop", [Role.PREDICT])
    desk, other_secret = ApiKey.new("desk", [Role.LABEL])
    permits = ApiKeys([shop, desk])

    def handler(request: Request) -> Response:
        return permits(request, Role.PREDICT) or Response(body=b"in")

    def asked(client: Any, key: str) -> int:
        head = f"POST /p HTTP/1.1\r\nHost: a\r\nX-API-Key: {key}\r\nContent-Length: 0\r\n\r\n"
        return int(client.send(head.encode()).answer().status)

    with serve_in_thread(handler) as server:
        client = wire(server.port)
        keys = [secret, "wrong", secret, other_secret, secret]
        assert [asked(client, key) for key in keys] == [200, 401, 200, 403, 200]


def test_failures_are_logged_and_successes_on_request(wire: Callable[..., Any]) -> None:
    def handler(request: Request) -> Response:
        return Response(status=404 if request.path == "/none" else 200, body=b"{}")

    for successes in (False, True):
        file = io.StringIO()
        log = AccessLog(file, successes=successes)
        with serve_in_thread(handler, observer=log) as server:
            client = wire(server.port)
            head = b"POST %b HTTP/1.1\r\nHost: a\r\nX-Request-ID: %b\r\nContent-Length: 1\r\n\r\n1"
            client.send(head % (b"/some", b"a")).answer()
            client.send(head % (b"/none", b"b")).answer()
            client.send(b"GET /bad\n\n").answer()
        log.close()
        lines = [json.loads(line) for line in file.getvalue().splitlines()]
        told = [(line["path"], line["status"]) for line in lines]
        assert told == [("/some", 200), ("/none", 404), ("/bad", 400)][not successes :]
        assert lines[-2]["request_id"] == "b"
        assert (lines[-2]["bytes_in"], lines[-2]["bytes_out"]) == (1, 2)
        assert lines[-2]["ms"] >= 0


def test_lines_cannot_be_forged_and_what_is_lost_is_counted() -> None:
    file = io.StringIO()
    log = AccessLog(file, every=3600, clock=lambda: 1_700_000_000.25)
    request = Request(method="GET", path='/"}\n{"path": "x', request_id="a")
    for _ in range(10_007):
        log(request, Response(status=500), 0.001)
    log.close()
    lines = [json.loads(line) for line in file.getvalue().splitlines()]
    assert len(lines) == 10_001
    assert lines[0]["path"] == request.path
    assert lines[0]["time"] == "2023-11-14T22:13:20.250Z"
    assert lines[-1]["lines_lost"] == 7


def test_a_span_continues_its_clients_trace_and_is_sent_at_the_end() -> None:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(
        BatchSpanProcessor(exporter, schedule_delay_millis=3_600_000)
    )  # sends nothing by itself within the test

    async def later(request: Request) -> Response:
        if request.path == "/fails":
            raise RuntimeError("a secret")
        return Response(status=503)

    def handler(request: Request) -> Any:
        return Response() if request.path == "/now" else later(request)

    traced = Traced(handler, provider=provider)
    parent = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    headers = {b"traceparent": parent, b"authorization": b"Bearer x"}

    async def asked(path: str) -> int:
        request = Request(method="POST", path=path, headers=headers, request_id="r1")
        answer = traced(request)
        return (answer if isinstance(answer, Response) else await answer).status

    assert asyncio.run(asked("/now")) == 200
    assert asyncio.run(asked("/later")) == 503
    with pytest.raises(RuntimeError):
        asyncio.run(asked("/fails"))
    assert not exporter.get_finished_spans()
    traced.flush()

    spans = exporter.get_finished_spans()
    provider.shutdown()
    codes = [dict(span.attributes or {})["http.response.status_code"] for span in spans]
    assert codes == [200, 503, 500]
    assert [span.status.status_code.name for span in spans] == ["UNSET", "ERROR", "ERROR"]
    for span in spans:
        assert span.parent is not None
        assert f"{span.parent.span_id:x}" == "b7ad6b7169203331"
        assert f"{span.context.trace_id:032x}" == "0af7651916cd43dd8448eb211c80319c"
        assert "Bearer" not in span.to_json()

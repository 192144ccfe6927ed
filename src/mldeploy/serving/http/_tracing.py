"""Spans of OpenTelemetry, where it is installed and wanted."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable
from typing import Any, final

from mldeploy.errors import MissingExtraError
from mldeploy.serving.http._messages import Handler, Request, Response

try:
    from opentelemetry import trace
    from opentelemetry.propagate import extract
    from opentelemetry.trace import Span, SpanKind, StatusCode
except ImportError as error:
    raise MissingExtraError("tracing", extra="otel") from error


@final
class Traced:
    """Answer as a handler does, and make a span of each request.

    A request with `traceparent` continues the trace of its client.

    Parameters
    ----------
    handler : callable
        What answers.
    provider : TracerProvider, optional
        What makes spans; by default the one that the process has set.
    """

    def __init__(self, handler: Handler, *, provider: trace.TracerProvider | None = None) -> None:
        self._handler = handler
        self._provider = provider or trace.get_tracer_provider()
        self._tracer = self._provider.get_tracer("mldeploy")

    def __call__(self, request: Request) -> Response | Awaitable[Response]:
        """Answer a request."""
        carrier = {
            name.decode("latin-1"): value.decode("latin-1")
            for name, value in request.headers.items()
            if name in (b"traceparent", b"tracestate", b"baggage")
        }
        span = self._tracer.start_span(
            request.method,
            context=extract(carrier),
            kind=SpanKind.SERVER,
            attributes={
                "http.request.method": request.method,
                "url.path": request.path,
                "http.request.body.size": len(request.body),
                "mldeploy.request_id": request.request_id,
            },
        )
        try:
            with trace.use_span(span, end_on_exit=False, record_exception=False):
                answer = self._handler(request)
        except Exception as error:
            _fail(span, error)
            raise
        if inspect.isawaitable(answer):
            return self._later(span, answer)
        assert isinstance(answer, Response), "a handler answers now or later"
        _end(span, answer)
        return answer

    async def _later(self, span: Span, promised: Awaitable[Response]) -> Response:
        try:
            with trace.use_span(span, end_on_exit=False, record_exception=False):
                answer = await promised
        except BaseException as error:
            _fail(span, error)
            raise
        _end(span, answer)
        return answer

    def flush(self, seconds: float = 5.0) -> None:
        """Send what was not sent yet; called at the end, since signals skip `atexit`."""
        flush: Any = getattr(self._provider, "force_flush", None)
        if flush is not None:
            flush(int(seconds * 1000))


def _end(span: Span, answer: Response) -> None:
    span.set_attribute("http.response.status_code", answer.status)
    if answer.status >= 500:
        span.set_status(StatusCode.ERROR)
    span.end()


def _fail(span: Span, error: BaseException) -> None:
    span.record_exception(error)
    span.set_attribute("http.response.status_code", 500)
    span.set_status(StatusCode.ERROR, type(error).__name__)
    span.end()

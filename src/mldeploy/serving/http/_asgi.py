"""A handler as an ASGI application: to mount in Starlette or FastAPI, or behind middleware."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any, Final, TypeAlias, final

from mldeploy.serving.http._bounds import Limits
from mldeploy.serving.http._messages import Handler, Request, Response
from mldeploy.serving.http._protocol_head import SINGULAR
from mldeploy.serving.http._refusals import ErrorResponse, Refusal, decompressed, plain_error
from mldeploy.serving.http._request_ids import RequestIds
from mldeploy.serving.http._server import ALWAYS

_logger = logging.getLogger(__name__)

Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]


@final
class AsgiApp:
    """Serve a handler as ASGI 3.

    Paths are those below where it is mounted. Bodies are bounded while they arrive; what arrives
    while `Limits.max_waiting` requests wait is told 503.

    Parameters
    ----------
    handler : callable
        Takes a `Request` and returns a `Response`, or an awaitable of one.
    limits : Limits, optional
        What a client may ask; heads and connections are the business of the server around.
    error_response : callable, optional
        Takes status, reason and path, and returns what the client is told.
    close : callable, optional
        Called at the end of the lifespan: writes what is not yet written. Servers that raise the
        signal again when they have ended skip `atexit`. An application that mounts this one must
        call it itself, since a mounted application is told of no lifespan.
    """

    def __init__(
        self,
        handler: Handler,
        *,
        limits: Limits | None = None,
        error_response: ErrorResponse = plain_error,
        close: Callable[[], Awaitable[None] | None] | None = None,
    ) -> None:
        self.is_draining = False
        """Whether the server around is about to end."""
        self._handler, self._error, self._close = handler, error_response, close
        self._limits = limits or Limits()
        self._request_id = RequestIds()
        self._n_waiting = 0

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one request, or live one lifespan."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "http":
            await self._answer(scope, receive, send)
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1003})

    async def close(self) -> None:
        """Write what is not yet written."""
        if self._close is not None:
            closing = self._close()
            if inspect.isawaitable(closing):
                await closing

    async def _live(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                await send({"type": "lifespan.startup.complete"})
                continue
            self.is_draining = True
            try:
                await self.close()
            except Exception as error:
                _logger.exception("the end failed")
                await send({"type": "lifespan.shutdown.failed", "message": str(error)})
            else:
                await send({"type": "lifespan.shutdown.complete"})
            return

    async def _answer(self, scope: Message, receive: Receive, send: Send) -> None:
        path = _path(scope)
        request_id = ""
        try:
            headers = _headers(scope["headers"])
            request_id = self._request_id(headers)
            self._check_load(path)
            body = await self._body(headers, receive)
        except Refusal as refusal:
            response = self._refused(refusal, path)
        else:
            if body is None:
                return
            request = Request(
                method=scope["method"],
                path=path,
                query=scope.get("query_string", b"").decode("latin-1"),
                headers=headers,
                body=body,
                request_id=request_id,
            )
            self._n_waiting += 1
            try:
                response = await self._asked(request)
            finally:
                self._n_waiting -= 1
        await _send(response, request_id, send, with_body=scope["method"] != "HEAD")

    def _check_load(self, path: str) -> None:
        if self._n_waiting >= self._limits.max_waiting and path not in ALWAYS:
            raise Refusal(503, "the server has more to do than it can; try again later")

    def _refused(self, refusal: Refusal, path: str) -> Response:
        response = self._error(refusal.status, refusal.reason, path)
        names = {name.lower() for name, _ in response.headers}
        if refusal.status != 503 or b"retry-after" in names:
            return response
        return Response(
            status=503,
            body=response.body,
            content_type=response.content_type,
            headers=(*response.headers, (b"retry-after", b"1")),
        )

    async def _asked(self, request: Request) -> Response:
        try:
            answer = self._handler(request)
            if isinstance(answer, Response):
                return answer
            async with asyncio.timeout(self._limits.answer_time.total_seconds()):
                return await answer
        except TimeoutError:
            return self._error(504, "the answer took too long", request.path)
        except Exception:
            _logger.exception("request %s failed", request.request_id)
            told = f"the server failed; its log tells why under request {request.request_id}"
            return self._error(500, told, request.path)

    async def _body(self, headers: Mapping[bytes, bytes], receive: Receive) -> bytes | None:
        """Return the whole body; None if the client left."""
        most = self._limits.max_body
        too_large = Refusal(413, f"the body is over {most} bytes")
        length = headers.get(b"content-length", b"0")
        if not length.isdigit() or len(length) > 19:
            raise Refusal(400, "Content-Length is no number")
        if int(length) > most:
            raise too_large
        body = bytearray()
        try:
            async with asyncio.timeout(self._limits.body_time.total_seconds()):
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        return None
                    body += message.get("body", b"")
                    if len(body) > most:
                        raise too_large
                    if not message.get("more_body", False):
                        break
        except TimeoutError:
            raise Refusal(408, "the body took too long to arrive") from None
        encoding = headers.get(b"content-encoding", b"identity").lower()
        if encoding != b"identity" and body:
            return decompressed(bytes(body), encoding, max_bytes=most)
        return bytes(body)


def asgi_app(
    handler: Handler,
    *,
    limits: Limits | None = None,
    error_response: ErrorResponse = plain_error,
    close: Callable[[], Awaitable[None] | None] | None = None,
) -> AsgiApp:
    """Return a handler as an ASGI application; see `AsgiApp`."""
    return AsgiApp(handler, limits=limits, error_response=error_response, close=close)


_ESCAPED: Final = frozenset(
    b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~!$&'()*+,;=:@/%"
)


def _path(scope: Message) -> str:
    """Return the path below the mount, percent-encoded as it was sent."""
    raw = scope.get("raw_path")
    if raw is None:
        encoded = scope["path"].encode()
        raw = b"".join(bytes([b]) if b in _ESCAPED - {37} else b"%%%02X" % b for b in encoded)
    path: str = raw.partition(b"?")[0].decode("latin-1")
    root = scope.get("root_path", "").rstrip("/")
    if root and (path == root or path.startswith(root + "/")):
        path = path[len(root) :]
    return path or "/"


def _headers(pairs: Any) -> Mapping[bytes, bytes]:
    headers: dict[bytes, bytes] = {}
    for raw_name, value in pairs:
        name = raw_name.lower()
        known = headers.get(name)
        if known is not None and name in SINGULAR:
            raise Refusal(400, f"the header {name.decode('latin-1')} is there twice")
        headers[name] = value if known is None else known + b", " + value
    return headers


async def _send(response: Response, request_id: str, send: Send, *, with_body: bool) -> None:
    headers = [(name, value) for name, value in response.headers]
    if response.status not in (204, 304):
        headers.append((b"content-type", response.content_type))
        headers.append((b"content-length", b"%d" % len(response.body)))
    if request_id:
        headers.append((b"x-request-id", request_id.encode()))
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    body = response.body if with_body and response.status not in (204, 304) else b""
    await send({"type": "http.response.body", "body": body})

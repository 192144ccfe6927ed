"""One connection of HTTP/1.1: bytes in, requests out, answers back in their order."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Final, cast, final

from typing_extensions import override

from mldeploy.errors import MissingExtraError
from mldeploy.serving.http._messages import Request, Response
from mldeploy.serving.http._refusals import Refusal, decompressed

try:
    import httptools
except ImportError as error:
    raise MissingExtraError("the HTTP server", extra="serve") from error

if TYPE_CHECKING:
    from mldeploy.serving.http._listener import Listener

_LINGER: Final = 2.0
"""Seconds in which what a refused client goes on to send is read and thrown away, so that its
system lets it read why."""

_REASONS: Final = {
    200: "OK", 202: "Accepted", 204: "No Content", 400: "Bad Request", 401: "Unauthorized",
    403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed", 406: "Not Acceptable",
    408: "Request Timeout", 411: "Length Required", 413: "Content Too Large",
    415: "Unsupported Media Type", 417: "Expectation Failed", 422: "Unprocessable Content",
    429: "Too Many Requests", 431: "Request Header Fields Too Large",
    500: "Internal Server Error", 501: "Not Implemented", 503: "Service Unavailable",
    504: "Gateway Timeout", 505: "HTTP Version Not Supported",
}  # fmt: skip
_STATUS_LINES: Final = {
    status: f"HTTP/1.1 {status} {reason}\r\n".encode() for status, reason in _REASONS.items()
}
_SINGULAR: Final = frozenset(
    {b"host", b"content-length", b"content-type", b"transfer-encoding", b"content-encoding",
     b"expect", b"authorization", b"x-api-key", b"inference-header-content-length"}
)  # fmt: skip
"""Headers that mean something else when they are there twice."""


@final
class Connection(asyncio.Protocol):
    """Read requests from one client and hand them to the listener, one after the other.

    Parameters
    ----------
    listener : Listener
        What answers.
    """

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._limits = listener.limits
        self._parser = httptools.HttpRequestParser(self)
        self._requests: deque[tuple[Request | Refusal, bool]] = deque()
        self._is_busy = self._is_paused = self._is_discarding = self._is_closing = False
        self._head_size = 0
        self._in_head = True
        self._begin_message()
        self.deadline = listener.now() + listener.head_seconds
        self.is_idle = True

    # --- asyncio's side -------------------------------------------------------------------

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        if not self._listener.admit(self):
            self._refuse(Refusal(503, "there are too many connections; try again later"))

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._is_closing = True
        self._requests.clear()
        self._listener.forget(self)

    @override
    def data_received(self, data: bytes) -> None:
        if self._is_discarding or self._is_closing:
            return
        if self._in_head:
            if self.is_idle:
                self.is_idle = False
                self.deadline = self._listener.now() + self._listener.head_seconds
            self._head_size += len(data)
            if b"\n" in data and _has_bare_line_feed(data):
                self._refuse(Refusal(400, "a line of the head does not end in CR LF"))
                return
        try:
            self._parser.feed_data(data)
        except Refusal as refusal:
            self._refuse(refusal)
        except httptools.HttpParserUpgrade:
            self._refuse(Refusal(400, "this server speaks HTTP/1.1 only"))
        except httptools.HttpParserCallbackError as error:
            cause = error.__context__
            known = cause if isinstance(cause, Refusal) else Refusal(400, "the request is damaged")
            self._refuse(known)
        except httptools.HttpParserError as error:
            self._refuse(Refusal(400, f"the request is no HTTP: {error}"))
        else:
            if self._in_head and self._head_size > self._limits.max_head:
                self._refuse(Refusal(431, f"the head is over {self._limits.max_head} bytes"))

    @override
    def eof_received(self) -> bool:
        return bool(self._is_busy or self._requests)

    @override
    def pause_writing(self) -> None:
        self._is_paused = True

    @override
    def resume_writing(self) -> None:
        self._is_paused = False
        self._next()

    # --- the parser's side ----------------------------------------------------------------

    def _begin_message(self) -> None:
        self._url = b""
        self._headers: dict[bytes, bytes] = {}
        self._n_headers = 0
        self._body: list[bytes] = []
        self._body_size = 0

    def on_url(self, url: bytes) -> None:
        """Take the target, or a piece of it."""
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take one header."""
        self._n_headers += 1
        if self._n_headers > self._limits.max_headers:
            raise Refusal(431, f"there are more than {self._limits.max_headers} headers")
        name = name.lower()
        if b"\r" in value or b"\n" in value or b"\0" in value or name != name.strip():
            raise Refusal(400, "a header is broken over lines, or holds a control character")
        known = self._headers.get(name)
        if known is None:
            self._headers[name] = value
        elif name in _SINGULAR:
            raise Refusal(400, f"the header {name.decode('latin-1')} is there twice")
        else:
            self._headers[name] = known + b", " + value

    def on_headers_complete(self) -> None:
        """Judge the head before a byte of the body is read."""
        headers = self._headers
        self._in_head = False
        self.deadline = self._listener.now() + self._listener.body_seconds
        version = self._parser.get_http_version()
        if version not in ("1.1", "1.0"):
            raise Refusal(505, "this server speaks HTTP/1.1")
        if version == "1.1" and not headers.get(b"host"):
            raise Refusal(400, "the header Host is missing")
        length, coding = headers.get(b"content-length"), headers.get(b"transfer-encoding")
        if coding is not None:
            if length is not None:
                raise Refusal(400, "Content-Length and Transfer-Encoding exclude each other")
            if coding.lower() != b"chunked" or version == "1.0":
                raise Refusal(400, "the only transfer coding is chunked, in HTTP/1.1")
        if length is not None:
            if not length.isdigit() or len(length) > 19:
                raise Refusal(400, "Content-Length is no number")
            if int(length) > self._limits.max_body:
                raise Refusal(413, f"the body is over {self._limits.max_body} bytes")
        expected = headers.get(b"expect")
        if expected is not None:
            if expected.lower() != b"100-continue":
                raise Refusal(417, "the only expectation met is 100-continue")
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        """Take a piece of the body."""
        self._body_size += len(body)
        if self._body_size > self._limits.max_body:
            raise Refusal(413, f"the body is over {self._limits.max_body} bytes")
        self._body.append(body)

    def on_message_complete(self) -> None:
        """Hand the request over."""
        method = self._parser.get_method().decode("ascii")
        body = self._body[0] if len(self._body) == 1 else b"".join(self._body)
        encoding = self._headers.get(b"content-encoding")
        if encoding is not None and encoding != b"identity":
            body = decompressed(body, encoding, max_bytes=self._limits.max_body)
        target = self._url
        if not target.startswith(b"/"):
            target = _path_of(target)
        try:
            path, _, query = target.decode("ascii").partition("?")
        except UnicodeDecodeError:
            raise Refusal(400, "the target is not ASCII; percent-encode it") from None
        request = Request(
            method=method,
            path=path,
            query=query.partition("#")[0],
            headers=self._headers,
            body=body,
            request_id=self._listener.request_id(self._headers),
        )
        self._requests.append((request, self._parser.should_keep_alive()))
        self._begin_message()
        self._in_head, self._head_size = True, 0
        self.deadline = float("inf")
        if not self._is_busy:
            self._next()

    # --- answers --------------------------------------------------------------------------

    def _next(self) -> None:
        """Let the next request be answered, unless one is, or the client does not read."""
        if self._is_busy or self._is_paused or self._is_closing or not self._requests:
            return
        asked, keep_alive = self._requests.popleft()
        if isinstance(asked, Refusal):
            self._give_up(self._listener.refusal(asked, path=self._path))
            return
        self._is_busy = True
        self._path = asked.path
        self._listener.take(self, asked, keep_alive)

    _path = "/"

    def answer(self, request: Request, response: Response, *, keep_alive: bool) -> None:
        """Write an answer; called by the listener, once for each request that it took."""
        self._is_busy = False
        if self._is_closing:
            return
        is_last = not keep_alive or self._listener.closes_connections
        self.transport.write(
            encoded(response, request, is_last=is_last, without_body=request.method == "HEAD")
        )
        if is_last and not self._requests:
            self._linger()
            return
        if not self._requests and self._in_head and not self._head_size:
            self.is_idle = True
            self.deadline = self._listener.now() + self._listener.idle_seconds
        self._next()

    def expire(self) -> None:
        """Give up on a client that has taken too long."""
        if self._is_discarding or self.is_idle:
            self._close()
        else:
            what = "head" if self._in_head else "body"
            self._refuse(Refusal(408, f"the {what} took too long to arrive"))

    def _refuse(self, refusal: Refusal) -> None:
        """Refuse what cannot be understood; what was asked before is still answered."""
        self._is_discarding = True
        self.is_idle = False
        self.deadline = self._listener.now() + _LINGER
        self._requests.append((refusal, False))
        self._path = _text_path(self._url)
        if not self._is_busy:
            self._next()

    def _give_up(self, response: Response) -> None:
        self.transport.write(encoded(response, None, is_last=True, without_body=False))
        self._linger()

    def _linger(self) -> None:
        """Say no more, and read on for a moment: a client is not reset while it sends."""
        self._is_discarding = True
        self.is_idle = False
        self.deadline = self._listener.now() + _LINGER
        if self.transport.can_write_eof():
            self.transport.write_eof()
        else:
            self._close()

    def _close(self) -> None:
        self._is_closing = True
        self.transport.close()


def encoded(
    response: Response, request: Request | None, *, is_last: bool, without_body: bool
) -> bytes:
    """Return the bytes of an answer."""
    body = response.body
    parts = [
        _STATUS_LINES.get(response.status) or f"HTTP/1.1 {response.status} \r\n".encode(),
        b"content-length: %d\r\n" % len(body),
    ]
    if body or response.status not in (204, 304):
        parts.append(b"content-type: %b\r\n" % response.content_type)
    if request is not None and request.request_id:
        parts.append(b"x-request-id: %b\r\n" % request.request_id.encode())
    parts += [b"%b: %b\r\n" % header for header in response.headers]
    if is_last:
        parts.append(b"connection: close\r\n")
    parts.append(b"\r\n")
    if not without_body:
        parts.append(body)
    return b"".join(parts)


def _has_bare_line_feed(data: bytes) -> bool:
    """Tell whether a line of the head in a piece of data ends in LF alone."""
    head = data.partition(b"\r\n\r\n")[0]
    return head.count(b"\n") != head.count(b"\r\n") + head.startswith(b"\n")


def _path_of(target: bytes) -> bytes:
    """Return the path of a target in absolute form."""
    scheme, found, rest = target.partition(b"://")
    if not found or scheme.lower() not in (b"http", b"https"):
        raise Refusal(400, "the target is no path")
    slash = rest.find(b"/")
    return rest[slash:] if slash >= 0 else b"/"


def _text_path(url: bytes) -> str:
    return url.partition(b"?")[0].decode("latin-1") or "/"

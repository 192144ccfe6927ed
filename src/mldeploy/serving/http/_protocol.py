"""One connection of HTTP/1.1: bytes in, requests out, answers back in their order."""

from __future__ import annotations

import asyncio
import re
from collections import deque
from typing import Final, cast, final

import msgspec
from typing_extensions import override

from mldeploy.serving.http._messages import Request, Response
from mldeploy.serving.http._protocol_body import ChunkedBody
from mldeploy.serving.http._protocol_head import Head, check_begin
from mldeploy.serving.http._protocol_host import Host
from mldeploy.serving.http._refusals import Refusal, decompressed

_LINGER: Final = 2.0
"""Seconds of silence after which a client is left that was told its last answer.

Until then what it goes on to send is read and thrown away: closing a socket with unread bytes
resets the connection, and the client would lose the answer."""

_MOST_AHEAD: Final = 8
"""Requests that are read ahead of the one that is being answered."""

_PATH: Final = re.compile(rb"[A-Z]+ (/[!-~]*)")

_REFUSED: Final = Head(
    method="GET", path="/", query="", headers={}, length=0, keep_alive=False,
    expects_continue=False, encoding=b"", is_old=False,
)  # fmt: skip
_NEVER: Final = float("inf")


@final
class Connection(asyncio.Protocol):
    """Read the requests of one client, and let the server answer one after the other.

    Parameters
    ----------
    server : Server
        What answers.
    """

    def __init__(self, server: Host) -> None:
        self._server = server
        self._unread = b""
        self._head: Head | None = None
        self._body = bytearray()
        self._chunks: ChunkedBody | None = None
        self._pending: deque[tuple[Request | Response, Head]] = deque()
        self._asked: Head | None = None
        self._began_head = self._owes_continue = False
        self._is_at_rest = False
        """Whether the last request was answered, and nothing of another one is here."""
        self._is_deaf = self._is_held = self._is_paused = self._is_closing = self._ended = False
        self._linger_until = 0.0
        self._n_held = 0
        self.is_extra = False
        """Whether it is one more than may be, and is here for a health check only."""
        self.deadline = server.clock + server.head_seconds
        """When, by the server's clock, its client has taken too long."""
        self.heard_at = server.clock
        """When, by the server's clock, it was opened or last answered."""

    @property
    def is_expendable(self) -> bool:
        """Whether it may be closed to make room: no request of it has arrived as a whole."""
        return not (self._asked or self._pending or self._head)

    @property
    def is_quiet(self) -> bool:
        """Whether nothing of a request has arrived that was not answered."""
        return self.is_expendable and not self._unread

    # --- asyncio's side -------------------------------------------------------------------

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self._server.admit(self)

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._is_closing = True
        self._pending.clear()
        self._let_go()
        self._server.forget(self)

    @override
    def data_received(self, data: bytes) -> None:
        if self._is_deaf:
            if self._linger_until:
                self.deadline = min(self._server.clock + _LINGER, self._linger_until)
            return
        if self._unread:
            data, self._unread = self._unread + data, b""
        elif self._is_at_rest and (end := data.find(b"\r\n\r\n") + 4) > 3:
            head = self._server.heads.get(data[:end])
            if (
                head is not None
                and head.is_plain
                and head.length == len(data) - end
                and self._server.load.n_waiting < self._server.load.allowed
            ):
                # What nearly every request is: whole, alone, and with a head that was read before.
                self._is_at_rest = False
                self._asked, self.deadline = head, _NEVER
                self._server.take(self, _request(head, data[end:], self._server.request_id.new()))
                return
        self._is_at_rest = False
        self._read(data)

    @override
    def eof_received(self) -> bool:
        self._ended = True
        return bool(self._asked or self._pending)

    @override
    def pause_writing(self) -> None:
        self._is_paused = True
        self.deadline = self._server.clock + self._server.body_seconds

    @override
    def resume_writing(self) -> None:
        self._is_paused = False
        self.deadline = _NEVER if self._asked else self._server.clock + self._server.idle_seconds
        self._next()

    # --- requests -------------------------------------------------------------------------

    def _read(self, data: bytes) -> None:
        at = 0
        try:
            while at < len(data) and not self._is_deaf:
                if len(self._pending) >= _MOST_AHEAD:
                    self._unread, self._is_held = data[at:], True
                    self.transport.pause_reading()
                    return
                if self._head is None:
                    if data.startswith(b"\r\n", at):
                        at += 2
                        continue
                    end = data.find(b"\r\n\r\n", at) + 4
                    if end == 3:
                        self._wait_for_head(data[at:])
                        return
                    head = self._server.read_head(data[at:end])
                    at = self._begin(head, data, end)
                else:
                    at = self._read_body(self._head, data, at)
        except Refusal as refusal:
            self._refuse(refusal, data[at : at + 512])

    def _wait_for_head(self, begun: bytes) -> None:
        limits = self._server.limits
        if len(begun) > limits.max_head:
            raise Refusal(431, f"the head is over {limits.max_head} bytes")
        check_begin(begun)
        self._unread = begun
        if not self._began_head and not self._asked:
            self._began_head = True
            self.deadline = self._server.clock + self._server.head_seconds

    def _begin(self, head: Head, data: bytes, at: int) -> int:
        """Judge a request by its head, and read its body if it is here; return how far."""
        length, server = head.length, self._server
        self._began_head = False
        if not server.is_open_to(self, head.path):
            if 0 <= length <= len(data) - at and not self.is_extra:
                self._put(server.overloaded(head.path), head)
                return at + length
            self._head = head
            raise Refusal(503, "the server has more to do than it can; try again later")
        if 0 <= length <= len(data) - at:
            end = at + length
            self._complete(head, data[at:end])
            return end
        self._head = head
        self._chunks = ChunkedBody(server.limits.max_body) if length < 0 else None
        if not self._asked:
            self.deadline = server.clock + server.body_seconds
        if head.expects_continue and at == len(data):
            if self._asked or self._pending:
                self._owes_continue = True
            else:
                self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        return at

    def _read_body(self, head: Head, data: bytes, at: int) -> int:
        self._owes_continue = False
        if self._chunks is not None:
            begin, at = at, self._chunks.feed(data, at)
            self._hold(at - begin)
            if self._chunks.is_complete:
                body = bytes(self._chunks.content)
                self._chunks = None
                self._complete(head, body)
            return at
        end = min(len(data), at + head.length - len(self._body))
        self._hold(end - at)
        self._body += memoryview(data)[at:end]
        if len(self._body) == head.length:
            body, self._body = bytes(self._body), bytearray()
            self._complete(head, body)
        return end

    def _hold(self, n_bytes: int) -> None:
        self._n_held += n_bytes
        self._server.hold(n_bytes)

    def _let_go(self) -> None:
        self._server.hold(-self._n_held)
        self._n_held = 0
        self._head, self._chunks, self._body = None, None, bytearray()

    def _complete(self, head: Head, body: bytes) -> None:
        self._head = head
        if head.encoding and body:
            body = decompressed(body, head.encoding, max_bytes=self._server.limits.max_body)
        if self._n_held:
            self._let_go()
        self._head = None
        request = _request(head, body, self._server.request_id(head.headers))
        if not head.keep_alive:
            self._hear_no_more()
        self._put(request, head)

    def _put(self, asked: Request | Response, head: Head) -> None:
        if self._asked or self._is_paused or self._pending or isinstance(asked, Response):
            self._pending.append((asked, head))
            if not self._asked:
                self._next()
        else:
            self._asked, self.deadline = head, _NEVER
            self._server.take(self, asked)

    # --- answers --------------------------------------------------------------------------

    def _next(self) -> None:
        """Go on with what is next, unless the client does not read its answers."""
        while self._pending and not (self._asked or self._is_paused or self._is_closing):
            asked, head = self._pending.popleft()
            self._asked, self.deadline = head, _NEVER
            if isinstance(asked, Response):
                self.answer(self._server.request_id({}), asked)
            else:
                self._server.take(self, asked)
        if self._is_held and len(self._pending) < _MOST_AHEAD and not self._is_closing:
            self._is_held = False
            self.transport.resume_reading()
            data, self._unread = self._unread, b""
            self._read(data)
        if self._owes_continue and not (self._asked or self._pending or self._is_closing):
            self._owes_continue = False
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def answer(self, request_id: str, response: Response) -> None:
        """Write the answer to the request that is being answered."""
        head, server = self._asked, self._server
        if self._is_closing or head is None:
            return
        is_last = not head.keep_alive or (
            server.closes_connections and not (self._pending or self._head or self._unread)
        )
        data = server.encoder.encode(
            response, request_id, is_last=is_last, is_old=head.is_old,
            with_body=head.method != "HEAD",
        )  # fmt: skip
        self._asked = None
        self.transport.write(data)
        if is_last or (self._ended and not self._pending):
            self._finish()
        elif self._pending or self._is_held or self._owes_continue:
            self._next()
        elif not self._is_paused:
            self._is_at_rest = self._head is None and not (self._unread or self.is_extra)
            self.heard_at = server.clock
            self.deadline = self.heard_at + (
                server.idle_seconds if self._is_at_rest else server.body_seconds
            )

    def _refuse(self, refusal: Refusal, begun: bytes) -> None:
        """Refuse what cannot be understood; what was asked before is still answered."""
        self._hear_no_more()
        found = _PATH.match(begun)
        path = found[1].decode("ascii").partition("?")[0] if found else "/"
        head = self._head or msgspec.structs.replace(_REFUSED, path=path)
        self._let_go()
        self._put(
            self._server.refusal(refusal, head.path),
            msgspec.structs.replace(head, keep_alive=False),
        )

    def expire(self) -> None:
        """Give up on a client that has taken too long."""
        if self._is_paused:
            self.transport.abort()
        elif self._is_deaf or self.is_quiet:
            self.close()
        else:
            what = "head" if self._head is None else "body"
            self._refuse(Refusal(408, f"the {what} took too long to arrive"), self._unread[:512])

    def _hear_no_more(self) -> None:
        self._is_deaf = True
        self._unread = b""
        if self._is_held:
            self._is_held = False
            self.transport.resume_reading()

    def _finish(self) -> None:
        """Say no more, and listen for a moment: a client is not reset while it sends."""
        self._hear_no_more()
        if self._ended or not self.transport.can_write_eof():
            self.close()
        else:
            self.transport.write_eof()
            self._linger_until = self._server.clock + self._server.body_seconds
            self.deadline = self._server.clock + _LINGER

    def leave(self) -> None:
        """Tell the client that nothing more comes."""
        if not self._is_deaf:
            self._finish()

    def close(self) -> None:
        """Close the connection once what was written is sent."""
        self._is_closing = True
        self.transport.close()


def _request(head: Head, body: bytes, request_id: str) -> Request:
    return Request(
        method=head.method,
        path=head.path,
        query=head.query,
        headers=head.headers,
        body=body,
        request_id=request_id,
    )

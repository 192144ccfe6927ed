"""A server: it listens, lets requests be answered, sheds what is too much, and drains."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
from collections import deque
from collections.abc import Awaitable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from time import perf_counter
from typing import Any, Final, Protocol, final

from mldeploy.serving.http._bounds import Limits
from mldeploy.serving.http._messages import Handler, Request, Response
from mldeploy.serving.http._protocol import Connection
from mldeploy.serving.http._protocol_answer import Encoder
from mldeploy.serving.http._protocol_head import Head, read_head
from mldeploy.serving.http._refusals import ErrorResponse, Refusal, plain_error
from mldeploy.serving.http._request_ids import RequestIds
from mldeploy.serving.http._server_connections import Connections
from mldeploy.serving.http._server_files import room_for
from mldeploy.serving.http._server_load import Load
from mldeploy.serving.http._server_loop import BACKLOG, bound

_logger = logging.getLogger(__name__)

_TICK: Final = 0.25
"""Seconds between two looks at the clock, and for clients that have taken too long."""

_SLICE: Final = 0.005
"""Seconds of answering after which the server looks for what has arrived meanwhile."""

_QUIET: Final = 0.5
"""Seconds without a request or a new connection, after which a draining server is idle."""

_LONGEST_WAIT: Final = 0.5
"""Seconds that a request may wait for those before it; what would wait longer is told so."""

_GRACE: Final = 0.25
"""Seconds for what is on its way when the port is closed."""

_STEP: Final = 0.02
_AT_ONCE: Final = 64

_BODIES_HELD: Final = 8
_MOST_HEADS: Final = 256
_LONGEST_HEAD: Final = 2048

ALWAYS: Final = frozenset({"/livez", "/readyz", "/metrics", "/ping", "/health"})
"""Paths that are answered however much there is to do."""


class Observer(Protocol):
    """What is told of every request."""

    def __call__(self, request: Request, response: Response, seconds: float) -> None:
        """Take a request and its answer."""
        ...


@final
class Server:
    """Serve a handler over HTTP/1.1.

    Requests are answered in the order in which they arrive: at once, or when the awaitable that
    the handler returns is done. What arrives while `Limits.max_waiting` requests wait, or as many
    as take half a second, is told so before its body is read, with when to try again.

    Parameters
    ----------
    handler : callable
        Takes a `Request` and returns a `Response`, or an awaitable of one.
    limits : Limits, optional
        What a client may ask.
    error_response : callable, optional
        Takes status, reason and path, and returns what the client is told.
    observer : callable, optional
        Takes request, response and seconds of each request.
    always : collection of str
        Paths that are answered however much there is to do, and while draining.
    lame_duck : float, default=1.0
        Seconds after the signal to end in which everything is served as before, while
        `is_draining` tells load balancers to send no more.
    drain_timeout : float, default=20.0
        Seconds within which a draining server ends, whoever is still connected.
    """

    def __init__(
        self,
        handler: Handler,
        *,
        limits: Limits | None = None,
        error_response: ErrorResponse = plain_error,
        observer: Observer | None = None,
        always: frozenset[str] = ALWAYS,
        lame_duck: float = 1.0,
        drain_timeout: float = 20.0,
    ) -> None:
        self.limits = limits or Limits()
        self.head_seconds = self.limits.head_time.total_seconds()
        self.body_seconds = self.limits.body_time.total_seconds()
        self.idle_seconds = self.limits.idle_time.total_seconds()
        self.is_draining = False
        """Whether the server is about to end, and should be sent no more."""
        self.closes_connections = False
        self.clock = 0.0
        """Seconds in which this server has listened; time in which it could not does not count."""
        self.encoder = Encoder()
        self.encoder.tick()
        self.request_id = RequestIds()
        self.load = Load(most=self.limits.max_waiting, longest_wait=_LONGEST_WAIT)
        self._handler = handler
        self._error = error_response
        self._observer = observer
        self._always = always
        self._lame_duck = lame_duck
        self._drain_timeout = drain_timeout
        self._answer_seconds = self.limits.answer_time.total_seconds()
        self.heads: dict[bytes, Head] = {}
        self._n_held = 0
        self.connections = Connections()
        self._queue: deque[tuple[Connection, Request, float]] = deque()
        self._is_scheduled = False
        self._n_begun, self._most_begun, self._began_at = 0, 64, 0.0
        self._last_heard = 0.0
        self._tasks: set[asyncio.Task[object]] = set()
        self._server: asyncio.Server | None = None
        self._ended = asyncio.Event()
        self.port = 0
        """The port that it listens on, once it was started."""

    # --- running --------------------------------------------------------------------------

    async def start(
        self, host: str = "127.0.0.1", port: int = 0, *, sock: socket.socket | None = None
    ) -> None:
        """Listen on an address, or on a socket that is bound already.

        Raises
        ------
        DeploymentError
            If the address cannot be had.
        """
        self._loop = loop = asyncio.get_running_loop()
        self.connections.most = room_for(self.limits.max_connections)
        self._listening = listening = bound(host, port) if sock is None else sock
        listening.settimeout(0)
        self.port = listening.getsockname()[1]
        self._server = await loop.create_server(
            lambda: Connection(self), sock=listening.dup(), backlog=BACKLOG
        )
        self._ticker = loop.create_task(self._tick())

    @property
    def n_connections(self) -> int:
        """Connections that are open."""
        return len(self.connections)

    @property
    def n_waiting(self) -> int:
        """Requests that wait for their answer."""
        return self.load.n_waiting

    async def wait_ended(self) -> None:
        """Return when the server has ended."""
        await self._ended.wait()

    @contextmanager
    def signals_drain(self) -> Iterator[None]:
        """Let SIGTERM and SIGINT drain the server, also where it is process 1."""
        loop, handled = asyncio.get_running_loop(), (signal.SIGTERM, signal.SIGINT)
        for number in handled:
            loop.add_signal_handler(number, self.begin_drain)
        try:
            yield
        finally:
            for number in handled:
                loop.remove_signal_handler(number)

    async def serve_forever(self, host: str = "127.0.0.1", port: int = 0) -> None:
        """Listen until a signal to end, drain, and return."""
        with self.signals_drain():
            await self.start(host, port)
            await self.wait_ended()

    def begin_drain(self) -> None:
        """Begin to end: serve on for a moment, then answer what is asked, then close."""
        if not self.is_draining:
            self.is_draining = True
            self._draining = asyncio.ensure_future(self._drain())

    async def stop(self) -> None:
        """Drain, and return when the server has ended."""
        self.begin_drain()
        await self.wait_ended()

    async def _drain(self) -> None:
        while self._server is None:
            await asyncio.sleep(_STEP)
        now = self._loop.time
        latest = now() + self._drain_timeout
        await asyncio.sleep(min(self._lame_duck, self._drain_timeout))
        self.closes_connections = True
        self._last_heard = max(self._last_heard, self.clock - _QUIET / 2)
        while now() < latest and (self._is_busy() or self.clock - self._last_heard < _QUIET):
            await asyncio.sleep(_STEP)
        await self._close_port(self._server)
        if self.connections:
            await asyncio.sleep(_GRACE)
        latest = max(latest, now() + _GRACE)
        while now() < latest and self._is_busy():
            await asyncio.sleep(_STEP)
        for connection in self.connections:
            connection.leave()
        latest = now() + _GRACE
        while now() < latest and self.connections:
            await asyncio.sleep(_STEP)
        for connection in self.connections:
            connection.close()
        self._ticker.cancel()
        with suppress(asyncio.CancelledError):
            await self._ticker
        self._ended.set()

    async def _close_port(self, server: asyncio.Server) -> None:
        """Let in who is at the door, and close it: who came later is refused, not reset."""
        server.close()
        for _ in range(3):
            await asyncio.sleep(0)  # the event loop closes its own copy of the socket
        let_in = self._let_in(BACKLOG)
        self._listening.close()
        await asyncio.gather(*let_in)

    def _let_in(self, n_most: int) -> list[asyncio.Task[object]]:
        """Let in who is at the door: a busy event loop opens it for one at a time only."""
        let_in: list[asyncio.Task[object]] = []
        with suppress(OSError):
            while len(let_in) < n_most:
                sock = self._listening.accept()[0]
                sock.settimeout(0)
                let_in.append(
                    self._spawn(self._loop.connect_accepted_socket(lambda: Connection(self), sock))
                )
        return let_in

    def _is_busy(self) -> bool:
        return self.load.n_waiting > 0 or any(not c.is_quiet for c in self.connections)

    async def _tick(self) -> None:
        before = self._loop.time()
        while True:
            await asyncio.sleep(_TICK)
            now = self._loop.time()
            self.clock += min(now - before, 2 * _TICK)
            self.load.tick(now - before)
            before = now
            self.encoder.tick()
            for connection in [c for c in self.connections if c.deadline < self.clock]:
                connection.expire()

    # --- connections ----------------------------------------------------------------------

    def admit(self, connection: Connection) -> None:
        """Take a new connection; if there are too many, for a check of the health only."""
        self._last_heard = self.clock
        self.connections.admit(connection, self.clock)

    def forget(self, connection: Connection) -> None:
        """Let go of a connection that has ended."""
        self.connections.discard(connection)

    def hold(self, n_bytes: int) -> None:
        """Count bytes of bodies that have not arrived as a whole.

        Raises
        ------
        Refusal
            If all clients together have sent more than is good for the memory.
        """
        self._n_held += n_bytes
        if n_bytes > 0 and self._n_held > _BODIES_HELD * self.limits.max_body:
            raise Refusal(503, "there are too many large requests; try again later")

    # --- requests -------------------------------------------------------------------------

    def read_head(self, data: bytes) -> Head:
        """Return what a head says; clients that stay send the same one again and again.

        Raises
        ------
        Refusal
            If it is not as it should be.
        """
        head = self.heads.get(data)
        if head is None:
            head = read_head(data, self.limits)
            if len(data) <= _LONGEST_HEAD:
                if len(self.heads) >= _MOST_HEADS:
                    self.heads.clear()
                self.heads[data] = head
        return head

    def is_open_to(self, connection: Connection, path: str) -> bool:
        """Tell whether a request will be answered, before its body is read."""
        load = self.load
        is_free = load.n_waiting < load.allowed and not connection.is_extra
        return is_free or path in self._always

    def overloaded(self, path: str) -> Response:
        """Return what a client is told that asks more than can be answered."""
        refusal = Refusal(503, "the server has more to do than it can; try again later")
        return self.refusal(refusal, path)

    def refusal(self, refusal: Refusal, path: str) -> Response:
        """Return what a client is told whose request is not answered."""
        response = self._error(refusal.status, refusal.reason, path)
        if refusal.status == 503 and all(name != b"retry-after" for name, _ in response.headers):
            response = Response(
                status=response.status,
                body=response.body,
                content_type=response.content_type,
                headers=(*response.headers, (b"retry-after", b"1")),
            )
        if self._observer is not None:
            self._observer(Request(method="-", path=path), response, 0.0)
        return response

    def take(self, connection: Connection, request: Request) -> None:
        """Let a request be answered after those that came before it."""
        self._last_heard = self.clock
        self.load.n_waiting += 1
        if request.path in self._always:
            self._ask(connection, request, perf_counter())
            return
        self._queue.append((connection, request, perf_counter()))
        if not self._is_scheduled:
            self._is_scheduled = True
            self._loop.call_soon(self._work)

    def _work(self) -> None:
        """Answer for a while, and go on when the event loop has looked what has arrived.

        What answers later begins in the event loop's own time, before we are called again: how
        many may begin at once follows from how long it took last.
        """
        begin = perf_counter()
        if self._n_begun:
            took = begin - self._began_at
            self._most_begun = (
                max(1, self._most_begun // 2) if took > _SLICE else min(1024, 2 * self._most_begun)
            )
        self._n_begun, self._began_at = 0, begin
        queue, now = self._queue, begin
        while queue and now - begin < _SLICE and self._n_begun < self._most_begun:
            connection, request, asked_at = queue.popleft()
            if now - asked_at > _LONGEST_WAIT and len(queue) > self.load.allowed:
                self._answer(connection, request, self.overloaded(request.path), asked_at)
                self.load.n_done -= 1
            else:
                self._ask(connection, request, asked_at)
            now = perf_counter()
        self._is_scheduled = bool(queue) or self._n_begun > 0
        if self._is_scheduled:
            self._let_in(_AT_ONCE)
            self._loop.call_soon(self._work)

    def _ask(self, connection: Connection, request: Request, begin: float) -> None:
        try:
            response = self._handler(request)
        except Exception:  # noqa: BLE001 - whatever the handler raised, somebody waits
            response = self._fault(request)
        if isinstance(response, Response):
            self._answer(connection, request, response, begin)
        else:
            self._n_begun += 1
            self._spawn(self._wait(response, connection, request, begin))

    async def _wait(
        self,
        promised: Awaitable[Response],
        connection: Connection,
        request: Request,
        begin: float,
    ) -> None:
        try:
            async with asyncio.timeout(self._answer_seconds - (perf_counter() - begin)):
                response = await promised
        except TimeoutError:
            response = self._error(504, "the answer took too long", request.path)
        except Exception:  # noqa: BLE001 - as in `_ask`
            response = self._fault(request)
        self._answer(connection, request, response, begin)

    def _fault(self, request: Request) -> Response:
        _logger.exception("request %s failed", request.request_id)
        told = f"the server failed; its log tells why under request {request.request_id}"
        return self._error(500, told, request.path)

    def _answer(
        self, connection: Connection, request: Request, response: Response, begin: float
    ) -> None:
        load = self.load
        load.n_waiting -= 1
        load.n_done += 1
        if not load.n_waiting:
            load.was_idle = True
        try:
            connection.answer(request.request_id, response)
        except ValueError:
            response = self._fault(request)
            connection.answer(request.request_id, response)
        if self._observer is not None:
            self._observer(request, response, perf_counter() - begin)

    def _spawn(self, work: Coroutine[Any, Any, object]) -> asyncio.Task[object]:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

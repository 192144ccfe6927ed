"""A server: it listens, lets requests be answered, sheds what is too much, and drains."""

from __future__ import annotations

import asyncio
import logging
import os
import re
import signal
import socket
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from time import perf_counter
from typing import TYPE_CHECKING, Final, Protocol, final

from mldeploy.errors import DeploymentError
from mldeploy.serving.http._bounds import Limits
from mldeploy.serving.http._messages import Handler, Request, Response
from mldeploy.serving.http._refusals import ErrorResponse, Refusal, plain_error

if TYPE_CHECKING:
    from mldeploy.serving.http._connection import Connection

_logger = logging.getLogger(__name__)

_SWEEP: Final = 0.25
"""Seconds between two looks for clients that have taken too long."""

_QUIET: Final = 0.5
"""Seconds without a request or a new connection, after which a draining server is idle."""

_REQUEST_ID: Final = re.compile(rb"[A-Za-z0-9._-]{1,128}")
_ALWAYS: Final = frozenset({"/livez", "/readyz", "/metrics", "/ping", "/health"})


class Observer(Protocol):
    """What is told of every request."""

    def __call__(self, request: Request, response: Response, seconds: float) -> None:
        """Take a request and its answer."""
        ...


@final
class Listener:
    """Serve a handler over HTTP/1.1.

    Requests are taken in the order in which they arrive, and answered by the handler: at once, or
    when the awaitable that it returns is done. What arrives while `Limits.max_waiting` requests
    wait is told so at once, with when to try again: an overloaded server answers as much as it
    can, and the rest knows where it stands.

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
        always: frozenset[str] = _ALWAYS,
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
        self._handler = handler
        self._error = error_response
        self._observer = observer
        self._always = always
        self._lame_duck = lame_duck
        self._drain_timeout = drain_timeout
        self._connections: set[Connection] = set()
        self._queue: deque[tuple[Connection, Request, bool, float]] = deque()
        self._n_pending = 0
        self._is_scheduled = False
        self._last_heard = 0.0
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self._ended: asyncio.Event | None = None

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
        from mldeploy.serving.http._connection import Connection  # noqa: PLC0415 - knows us

        self._loop = asyncio.get_running_loop()
        self.now = self._loop.time
        self._ended = asyncio.Event()
        self._last_heard = self.now()
        try:
            if sock is None:
                self._server = await self._loop.create_server(
                    lambda: Connection(self), host, port, backlog=2048
                )
            else:
                self._server = await self._loop.create_server(
                    lambda: Connection(self), sock=sock, backlog=2048
                )
        except OSError as error:
            raise DeploymentError(f"cannot listen on {host}:{port}: {error.strerror}") from error
        self._sweeper = self._loop.create_task(self._sweep())

    @property
    def port(self) -> int:
        """The port that it listens on."""
        assert self._server is not None, "start it first"
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    @property
    def n_connections(self) -> int:
        """Connections that are open."""
        return len(self._connections)

    @property
    def n_waiting(self) -> int:
        """Requests that wait for their answer."""
        return self._n_pending

    async def wait_ended(self) -> None:
        """Return when the server has ended."""
        assert self._ended is not None, "start it first"
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

    def begin_drain(self) -> None:
        """Begin to end: serve on for a moment, then answer what is asked, then close."""
        if not self.is_draining:
            self.is_draining = True
            self._spawn(self._drain())

    async def stop(self) -> None:
        """Drain, and return when the server has ended."""
        self.begin_drain()
        await self.wait_ended()

    async def _drain(self) -> None:
        latest = self.now() + self._drain_timeout
        await asyncio.sleep(min(self._lame_duck, self._drain_timeout))
        self.closes_connections = True
        while self.now() < latest:
            quiet_for = self.now() - self._last_heard
            if not self._n_pending and (quiet_for >= _QUIET or not self._connections):
                break
            await asyncio.sleep(0.02)
        assert self._server is not None, "only a server that was started drains"
        self._server.close()
        while self._n_pending and self.now() < latest:
            await asyncio.sleep(0.02)
        for connection in tuple(self._connections):
            connection.transport.close()
        self._sweeper.cancel()
        with suppress(asyncio.CancelledError):
            await self._sweeper
        assert self._ended is not None, "set when it was started"
        self._ended.set()

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(_SWEEP)
            now = self.now()
            for connection in [c for c in self._connections if c.deadline < now]:
                connection.expire()

    # --- connections ----------------------------------------------------------------------

    def admit(self, connection: Connection) -> bool:
        """Take a new connection; False if there are too many, and none is idle."""
        self._last_heard = self.now()
        if len(self._connections) >= self.limits.max_connections and not self._close_idle():
            self._connections.add(connection)
            return False
        self._connections.add(connection)
        return True

    def _close_idle(self) -> bool:
        """Close the connection that has been idle the longest, if there is any."""
        idle = [c for c in self._connections if c.is_idle]
        if not idle:
            return False
        oldest = min(idle, key=lambda connection: connection.deadline)
        oldest.transport.close()
        self._connections.discard(oldest)
        return True

    def forget(self, connection: Connection) -> None:
        """Let go of a connection that has ended."""
        self._connections.discard(connection)

    @staticmethod
    def request_id(headers: Mapping[bytes, bytes]) -> str:
        """Return the client's own identifier of a request, or a new one."""
        given = headers.get(b"x-request-id")
        if given is not None and _REQUEST_ID.fullmatch(given):
            return given.decode("ascii")
        return os.urandom(8).hex()

    def refusal(self, refusal: Refusal, *, path: str) -> Response:
        """Return what a client is told whose request was not understood."""
        response = self._error(refusal.status, refusal.reason, path)
        if self._observer is not None:
            self._observer(Request(method="-", path=path), response, 0.0)
        return response

    # --- requests -------------------------------------------------------------------------

    def take(self, connection: Connection, request: Request, keep_alive: bool) -> None:  # noqa: FBT001 - one of the parser's facts
        """Let a request be answered after those that came before it."""
        self._last_heard = self.now()
        if self._n_pending >= self.limits.max_waiting and request.path not in self._always:
            response = self._error(503, "the server has more to do than it can", request.path)
            self._answer(connection, request, _later(response), keep_alive, perf_counter())
            return
        self._n_pending += 1
        self._queue.append((connection, request, keep_alive, perf_counter()))
        if not self._is_scheduled:
            self._is_scheduled = True
            self._loop.call_soon(self._work)

    def _work(self) -> None:
        self._is_scheduled = False
        queue, self._queue = self._queue, deque()
        for connection, request, keep_alive, begin in queue:
            try:
                response = self._handler(request)
            except Exception:  # noqa: BLE001 - as in `_wait`
                response = self._fault(request)
            if isinstance(response, Response):
                self._n_pending -= 1
                self._answer(connection, request, response, keep_alive, begin)
            else:
                self._spawn(self._wait(response, connection, request, keep_alive, begin))

    async def _wait(
        self,
        promised: Awaitable[Response],
        connection: Connection,
        request: Request,
        keep_alive: bool,  # noqa: FBT001 - as in `take`
        begin: float,
    ) -> None:
        try:
            async with asyncio.timeout(self.limits.answer_time.total_seconds()):
                response = await promised
        except TimeoutError:
            response = self._error(504, "the answer took too long", request.path)
        except Exception:  # noqa: BLE001 - whatever the handler raised, somebody waits
            response = self._fault(request)
        finally:
            self._n_pending -= 1
        self._answer(connection, request, response, keep_alive, begin)

    def _fault(self, request: Request) -> Response:
        _logger.exception("request %s failed", request.request_id)
        told = f"the server failed; its log tells why under request {request.request_id}"
        return self._error(500, told, request.path)

    def _answer(
        self,
        connection: Connection,
        request: Request,
        response: Response,
        keep_alive: bool,  # noqa: FBT001 - as in `take`
        begin: float,
    ) -> None:
        connection.answer(request, response, keep_alive=keep_alive)
        if self._observer is not None:
            self._observer(request, response, perf_counter() - begin)

    def _spawn(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _later(response: Response) -> Response:
    return Response(
        status=response.status,
        body=response.body,
        content_type=response.content_type,
        headers=(*response.headers, (b"retry-after", b"1")),
    )


def new_loop() -> asyncio.AbstractEventLoop:
    """Return an event loop: uvloop's where it is installed."""
    try:
        import uvloop  # noqa: PLC0415 - not on every platform
    except ImportError:
        return asyncio.new_event_loop()
    loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    return loop


def run(main: Callable[[], Awaitable[None]]) -> None:
    """Run a coroutine function to its end in a new event loop."""
    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(_awaited(main))


async def _awaited(main: Callable[[], Awaitable[None]]) -> None:
    await main()

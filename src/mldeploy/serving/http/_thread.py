"""A server in a thread of this process: for notebooks, tests, and applications."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future
from typing import Self, final

from mldeploy.errors import DeploymentError
from mldeploy.evidence import escape, html_fragment
from mldeploy.serving.http._bounds import Limits
from mldeploy.serving.http._messages import Handler
from mldeploy.serving.http._refusals import ErrorResponse, plain_error
from mldeploy.serving.http._server import Observer, Server
from mldeploy.serving.http._server_loop import new_loop


@final
class RunningServer:
    """A server that runs in a thread; made by `serve_in_thread`.

    Attributes
    ----------
    host, port : str, int
        Where it listens.
    """

    def __init__(
        self,
        server: Server,
        loop: asyncio.AbstractEventLoop,
        thread: threading.Thread,
        *,
        host: str,
        port: int,
    ) -> None:
        self.host, self.port = host, port
        self._server, self._loop, self._thread = server, loop, thread

    @property
    def url(self) -> str:
        """Where it answers, such as ``"http://127.0.0.1:8080"``."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"

    @property
    def is_draining(self) -> bool:
        """Whether it is about to end."""
        return self._server.is_draining

    @property
    def n_connections(self) -> int:
        """Connections that are open."""
        return self._server.n_connections

    def begin_drain(self) -> None:
        """Begin to end, and do not wait for it."""
        self._loop.call_soon_threadsafe(self._server.begin_drain)

    def stop(self) -> None:
        """Answer what was asked, and end; a second call does nothing."""
        if self._thread.is_alive():
            self.begin_drain()
            self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def __repr__(self) -> str:
        state = "running" if self._thread.is_alive() else "stopped"
        return f"RunningServer({self.url!r}, {state})"

    def _repr_html_(self) -> str:
        url = escape(self.url)
        return html_fragment(f'<p>Serving at <a href="{url}" target="_blank">{url}</a></p>')


def serve_in_thread(
    handler: Handler | Server,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    limits: Limits | None = None,
    error_response: ErrorResponse = plain_error,
    observer: Observer | None = None,
    lame_duck: float = 0.0,
    drain_timeout: float = 20.0,
) -> RunningServer:
    """Serve a handler from a thread of this process.

    Parameters
    ----------
    handler : callable or Server
        Takes a `Request` and returns a `Response`, or an awaitable of one; or a server that has
        not begun to listen, whose own settings hold.
    host, port : str, int
        Where to listen; port 0 takes one that is free.
    limits, error_response, observer, lame_duck, drain_timeout : optional
        As for `Server`; a server in a thread has no load balancer to wait for.

    Returns
    -------
    RunningServer
        A context manager that stops it.

    Raises
    ------
    DeploymentError
        If the address cannot be had.
    """
    server = (
        handler
        if isinstance(handler, Server)
        else Server(
            handler,
            limits=limits,
            error_response=error_response,
            observer=observer,
            lame_duck=lame_duck,
            drain_timeout=drain_timeout,
        )
    )
    started: Future[tuple[asyncio.AbstractEventLoop, int]] = Future()

    async def main() -> None:
        try:
            await server.start(host, port)
        except DeploymentError as error:
            started.set_exception(error)
            return
        started.set_result((asyncio.get_running_loop(), server.port))
        await server.wait_ended()

    def run() -> None:
        with asyncio.Runner(loop_factory=new_loop) as runner:
            runner.run(main())

    thread = threading.Thread(target=run, name="mldeploy-http", daemon=True)
    thread.start()
    loop, bound = started.result()
    return RunningServer(server, loop, thread, host=host, port=bound)

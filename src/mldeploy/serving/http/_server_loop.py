"""Event loops, and sockets that listen."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from typing import Final

from mldeploy.errors import DeploymentError

BACKLOG: Final = 2048
"""Connections that may wait to be let in."""


def bound(host: str, port: int) -> socket.socket:
    """Return a socket that listens.

    Raises
    ------
    DeploymentError
        If the address cannot be had.
    """
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise DeploymentError(f"cannot listen on {host}:{port}: {error.strerror}") from error


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

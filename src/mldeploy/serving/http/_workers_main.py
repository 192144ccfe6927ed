"""A process that serves: ``python -m`` this module, started by a `Supervisor`."""

from __future__ import annotations

import asyncio
import inspect
import os
import socket
import sys
from typing import Any, final

from mldeploy.errors import MLDeployError
from mldeploy.serving.http._server import Server
from mldeploy.serving.http._server_loop import run
from mldeploy.serving.http._starting import starting
from mldeploy.serving.http._workers import JSON, Work, WorkerSpec
from mldeploy.serving.http._workers_channel import Channel


@final
class _Context:
    def __init__(self, index: int, channel: Channel) -> None:
        self.index = index
        self.server: Server | None = None
        self._channel = channel
        self._loop = asyncio.get_running_loop()

    @property
    def is_draining(self) -> bool:
        return self.server is not None and self.server.is_draining

    @property
    def n_connections(self) -> int:
        return 0 if self.server is None else self.server.n_connections

    @property
    def n_waiting(self) -> int:
        return 0 if self.server is None else self.server.n_waiting

    def tell(self, message: JSON) -> None:
        told = {"type": "told", "message": dict(message)}
        self._loop.call_soon_threadsafe(self._channel.send, told)


async def _serve(listening: socket.socket, control: socket.socket) -> int:
    channel = await Channel.open(control)
    begin = await channel.receive()
    if begin is None:
        return 1
    sys.path += [path for path in begin["path"] if path not in sys.path]
    context = _Context(begin["index"], channel)
    try:
        spec = WorkerSpec.model_validate(begin["spec"])
        with starting():
            factory = spec.imported()
        work = factory(spec.arguments, context)
        if begin["plan"] is not None:
            await _applied(work, begin["plan"])
        server = context.server = Server(
            work.handler,
            limits=work.limits,
            error_response=work.error_response,
            observer=work.observer,
            lame_duck=work.lame_duck,
            drain_timeout=work.drain_timeout,
        )
        await server.start(sock=listening)
    except Exception as error:
        channel.send({"type": "failed", "error": f"{type(error).__name__}: {error}"})
        await channel.close()
        raise
    with server.signals_drain():
        channel.send({"type": "ready", "pid": os.getpid()})
        hearing = asyncio.create_task(_hear(channel, work, server))
        await server.wait_ended()
        if work.close is not None:
            closing = work.close()
            if inspect.isawaitable(closing):
                await closing
        hearing.cancel()
        await channel.close()
    return 0


async def _hear(channel: Channel, work: Work, server: Server) -> None:
    while (message := await channel.receive()) is not None:
        done: dict[str, Any] = {"type": "done", "id": message["id"]}
        try:
            done["result"] = await _applied(work, message["plan"])
        except Exception as error:  # noqa: BLE001 - told to who made the plan
            done["error"] = (
                str(error)
                if isinstance(error, MLDeployError)
                else (f"{type(error).__name__}: {error}")
            )
        channel.send(done)
    # Nobody supervises any more.
    server.begin_drain()


async def _applied(work: Work, plan: JSON) -> JSON | None:
    if work.apply is None:
        raise MLDeployError("this worker takes no plans; give its `Work` an `apply`")
    applied = work.apply(plan)
    return await applied if inspect.isawaitable(applied) else applied


def main() -> None:
    """Serve on the first file descriptor that is named, under control of the second."""
    listening, control = (socket.socket(fileno=int(name)) for name in sys.argv[1:3])
    listening.settimeout(0)
    control.settimeout(0)
    status = 1

    async def serve() -> None:
        nonlocal status
        status = await _serve(listening, control)

    run(serve)
    sys.exit(status)


if __name__ == "__main__":
    main()

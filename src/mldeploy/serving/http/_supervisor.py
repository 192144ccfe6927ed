"""Several processes that serve one port: started, watched, told plans, and ended."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, Self, final

from mldeploy.errors import DeploymentError
from mldeploy.serving.http._workers import JSON, WorkerSpec
from mldeploy.serving.http._workers_channel import Channel

_logger = logging.getLogger(__name__)

_BACK_OFF: Final = 0.1
_LONGEST_BACK_OFF: Final = 30.0
_LONG_LIVED: Final = 10.0
"""Seconds after which the death of a worker says nothing about the next one."""


@final
@dataclass(frozen=True, kw_only=True)
class PlanOutcome:
    """What became of a plan in one worker.

    Attributes
    ----------
    worker : int
        Its number.
    result : mapping, optional
        What it told of the plan.
    error : str
        Why it did not make the plan true; empty if it did.
    """

    worker: int
    result: JSON | None = None
    error: str = ""


@final
class Supervisor:
    """Let several processes serve one port, and replace each that dies.

    Each worker listens on a socket of its own to the same port, so the system spreads connections
    evenly: of 64, each of two workers had 29 to 35, where one socket for both gave 0 to 64. The
    sockets belong to this process: connections to a worker that died wait for its successor, and
    are not reset; if that dies too, the others take them. A worker that loses its supervisor
    answers what was asked and ends.

    Parameters
    ----------
    spec : WorkerSpec
        How a worker is made.
    n_workers : int
        How many.
    host, port : str, int
        Where they listen; port 0 takes one that is free.
    start_timeout : float, default=60.0
        Seconds within which a worker must be ready.
    end_timeout : float, default=25.0
        Seconds after which a worker that does not end is killed.
    heard : callable, optional
        Takes the number of a worker and what it tells.
    """

    def __init__(
        self,
        spec: WorkerSpec,
        n_workers: int,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        start_timeout: float = 60.0,
        end_timeout: float = 25.0,
        heard: Callable[[int, JSON], None] = lambda _, __: None,
    ) -> None:
        if n_workers < 1:
            raise ValueError(f"{n_workers=} serve nobody; at least one must")
        self.host, self.port = host, port
        self.spec, self._n_workers = spec, n_workers
        self._start_timeout, self._end_timeout = start_timeout, end_timeout
        self.heard = heard
        self.last_plan: JSON | None = None
        self._sockets: list[socket.socket] = []
        self._workers: list[_Worker] = []
        self._is_ending = False

    @property
    def pids(self) -> tuple[int, ...]:
        """Process ids of the workers that are ready."""
        return tuple(w.process.pid for w in self._workers if w.process and w.is_ready.is_set())

    @property
    def n_workers(self) -> int:
        """How many there should be."""
        return self._n_workers

    @property
    def n_restarts(self) -> int:
        """How many workers have died and were replaced."""
        return sum(worker.n_restarts for worker in self._workers)

    def is_ending(self) -> bool:
        """Tell whether no worker is to be started any more."""
        return self._is_ending

    async def start(self) -> None:
        """Start all workers, and return when all are ready.

        Raises
        ------
        DeploymentError
            If the address cannot be had, or a worker does not become ready.
        """
        self._bind()
        self._workers = [
            _Worker(self, index, listening) for index, listening in enumerate(self._sockets)
        ]
        try:
            for worker in self._workers:
                await worker.start()
            async with asyncio.timeout(self._start_timeout):
                await asyncio.gather(*(worker.first_ready for worker in self._workers))
        except TimeoutError:
            await self.stop()
            raise DeploymentError(
                f"not every worker was ready within {self._start_timeout:g} s"
            ) from None
        except DeploymentError:
            await self.stop()
            raise

    def _bind(self) -> None:
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        try:
            with socket.socket(family, socket.SOCK_STREAM) as first:
                first.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if self.port == 0:
                    first.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
                # Else it does not share the port: another server's would be shared, too.
                first.bind((self.host, self.port))
                if self.port:
                    first.close()
                else:
                    self.port = first.getsockname()[1]
                # Bound by number, a socket keeps its port when it stops listening for a while.
                self._sockets = [self._bound(family) for _ in range(self._n_workers)]
            for listening in self._sockets:
                listening.listen(2048)
        except OSError as error:
            self._unbind()
            where = f"{self.host}:{self.port}"
            raise DeploymentError(f"cannot listen on {where}: {error.strerror}") from error

    def _bound(self, family: socket.AddressFamily) -> socket.socket:
        listening = socket.socket(family, socket.SOCK_STREAM)
        try:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            listening.bind((self.host, self.port))
        except OSError:
            listening.close()
            raise
        return listening

    def _unbind(self) -> None:
        for listening in self._sockets:
            listening.close()
        self._sockets = []

    async def plan(self, plan: JSON, *, timeout: float = 60.0) -> Sequence[PlanOutcome]:
        """Tell every worker a plan, also those that will come; return what became of it."""
        self.last_plan = plan
        return await asyncio.gather(
            *(worker.plan(plan, within=timeout) for worker in self._workers)
        )

    async def serve_forever(self) -> None:
        """Start, wait for a signal to end, and end."""
        loop, ending = asyncio.get_running_loop(), asyncio.Event()
        handled = (signal.SIGTERM, signal.SIGINT)
        for number in handled:
            loop.add_signal_handler(number, ending.set)
        try:
            async with self:
                await ending.wait()
        finally:
            for number in handled:
                loop.remove_signal_handler(number)

    async def stop(self) -> None:
        """Let every worker answer what was asked, and end."""
        self._is_ending = True
        # From now on the workers alone decide when the port is closed.
        self._unbind()
        await asyncio.gather(*(worker.end(self._end_timeout) for worker in self._workers))

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()


@final
class _Worker:
    """One place among the workers, and the process that fills it."""

    def __init__(self, supervisor: Supervisor, index: int, listening: socket.socket) -> None:
        self.index = index
        self.process: asyncio.subprocess.Process | None = None
        self.is_ready = asyncio.Event()
        self.first_ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.n_restarts = 0
        self._supervisor = supervisor
        self._listening = listening
        self._channel: Channel | None = None
        self._plans: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._n_plans = 0
        self._failed = ""
        self._life: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start the process, and watch it from now on."""
        self._life = asyncio.create_task(self._live())

    async def _live(self) -> None:
        loop, n_early = asyncio.get_running_loop(), 0
        while not self._supervisor.is_ending():
            began = loop.time()
            process, channel = await self._spawn()
            await self._hear(channel)
            self._channel = None
            await channel.close()
            status = await process.wait()
            self.is_ready.clear()
            self._give_up_plans()
            if self._supervisor.is_ending():
                break
            if not self.first_ready.done():
                why = self._failed or f"it ended with status {status}"
                self.first_ready.set_exception(
                    DeploymentError(f"worker {self.index} did not become ready: {why}")
                )
                break
            n_early = 0 if loop.time() - began > _LONG_LIVED else n_early + 1
            delay = min(_LONGEST_BACK_OFF, _BACK_OFF * 2 ** (n_early - 2)) if n_early > 1 else 0.0
            _logger.error(
                "worker %d ended with status %s; another one starts in %.1f s",
                self.index, status, delay,
            )  # fmt: skip
            if n_early > 1:
                # Who comes now is sent to the others, until a new process listens again.
                with suppress(OSError):
                    self._listening.shutdown(socket.SHUT_RD)
            await asyncio.sleep(delay)
            self.n_restarts += 1

    async def _spawn(self) -> tuple[asyncio.subprocess.Process, Channel]:
        ours, theirs = socket.socketpair()
        ours.settimeout(0)
        with theirs:
            self.process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "mldeploy.serving.http._workers_main",
                str(self._listening.fileno()), str(theirs.fileno()),
                pass_fds=(self._listening.fileno(), theirs.fileno()),
                stdin=asyncio.subprocess.DEVNULL,
            )  # fmt: skip
        self._channel = channel = await Channel.open(ours)
        channel.send(
            {
                "index": self.index,
                "path": [path for path in sys.path if path],
                "spec": self._supervisor.spec.model_dump(mode="json"),
                "plan": self._supervisor.last_plan,
            }
        )
        return self.process, channel

    async def _hear(self, channel: Channel) -> None:
        while (message := await channel.receive()) is not None:
            match message["type"]:
                case "ready":
                    self.is_ready.set()
                    if not self.first_ready.done():
                        self.first_ready.set_result(None)
                case "failed":
                    self._failed = message["error"]
                case "done":
                    waiting = self._plans.pop(message["id"], None)
                    if waiting is not None and not waiting.done():
                        waiting.set_result(message)
                case "told":
                    self._supervisor.heard(self.index, message["message"])

    async def plan(self, plan: JSON, *, within: float) -> PlanOutcome:
        """Tell the process a plan, and wait until it is true."""
        if self._channel is None:
            return PlanOutcome(worker=self.index, error="it is starting; it is told the plan then")
        self._n_plans += 1
        answer = asyncio.get_running_loop().create_future()
        self._plans[self._n_plans] = answer
        self._channel.send({"type": "plan", "id": self._n_plans, "plan": dict(plan)})
        try:
            async with asyncio.timeout(within):
                done = await answer
        except TimeoutError:
            return PlanOutcome(worker=self.index, error=f"no word from it in {within:g} s")
        return PlanOutcome(
            worker=self.index, result=done.get("result"), error=done.get("error", "")
        )

    def _give_up_plans(self) -> None:
        for waiting in self._plans.values():
            if not waiting.done():
                waiting.set_result({"error": "it died before the plan was true"})
        self._plans.clear()

    async def end(self, within: float) -> None:
        """Ask the process to end; kill it if it does not in time."""
        process = self.process
        if process is not None and process.returncode is None:
            process.send_signal(signal.SIGTERM)
            try:
                async with asyncio.timeout(within):
                    await process.wait()
            except TimeoutError:
                process.kill()
                await process.wait()
        if self._life is not None:
            self._life.cancel()
            await asyncio.gather(self._life, return_exceptions=True)
        if self._channel is not None:
            await self._channel.close()
        if not self.first_ready.done():
            self.first_ready.cancel()

"""Answers that are given only when they are on the disk, while the event loop goes on."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Sequence
from concurrent.futures import Future
from datetime import timedelta
from typing import final

from mldeploy.serving._frame import Loggable
from mldeploy.serving._parquet_log import ParquetLog
from mldeploy.serving._sink import PredictionSink
from mldeploy.serving.http._errors import response_to
from mldeploy.serving.http._messages import Handler, Request, Response


@final
class PromisedLog:
    """A durable log for a server: its event loop hands rows over and does not wait.

    What is written between two looks of the loop is promised together; whoever writes from
    another thread waits by itself, as a durable log lets everybody wait.

    Parameters
    ----------
    log : ParquetLog
        A durable one; whoever made it closes it.
    """

    def __init__(self, log: ParquetLog) -> None:
        self._log = log
        self._loop_thread = 0
        self._promises: list[Future[None]] = []

    @property
    def deployment(self) -> str:
        """Whose log it is."""
        return self._log.deployment

    @property
    def dropped(self) -> int:
        """Number of rows that were not kept."""
        return self._log.dropped

    def write(self, batch: Loggable) -> None:
        """Take a batch."""
        if threading.get_ident() == self._loop_thread:
            self._promises.append(self._log.write_durably(batch))
        else:
            self._log.write(batch)

    def flush(self, timeout: timedelta | None = None) -> None:
        """Return once every row taken so far is safe."""
        self._log.flush(timeout)

    def close(self) -> None:
        """Make everything safe and take no more."""
        self._log.close()

    def answering(self, handler: Handler) -> Handler:
        """Return a handler whose answers wait until what they logged is on the disk."""

        def handle(request: Request) -> Response | Awaitable[Response]:
            self._loop_thread = threading.get_ident()
            self._promises = []
            answer = handler(request)
            promises, self._promises = self._promises, []
            return _kept(answer, promises, request.path) if promises else answer

        return handle


async def _kept(
    answer: Response | Awaitable[Response], promises: Sequence[Future[None]], path: str
) -> Response:
    try:
        for promise in promises:
            await asyncio.shield(asyncio.wrap_future(promise))
    except Exception as error:
        told = response_to(error, path)
        if told is None:
            raise
        return told
    return answer if isinstance(answer, Response) else await answer


def for_a_loop(sink: PredictionSink) -> PredictionSink:
    """Return a sink that an event loop may write to."""
    return PromisedLog(sink) if isinstance(sink, ParquetLog) and sink.durable else sink

"""A line of JSON for every request that is worth one."""

from __future__ import annotations

import io
import json
import threading
import time
from collections.abc import Callable
from typing import Final, final

from mldeploy.serving.http._messages import Request, Response

_MOST_WAITING: Final = 10_000


@final
class AccessLog:
    """Observe requests, and write a line of JSON for each that failed, and for others if wanted.

    Lines are written in batches by a thread of their own, so a slow file holds up nobody; what
    does not fit is counted, and the count is written.

    Parameters
    ----------
    file : text file
        Where to.
    successes : bool, default=False
        Whether also requests that were answered with less than 400 are written.
    every : float, default=0.5
        Seconds between two batches.
    clock : callable, optional
        Returns seconds since 1970.
    """

    def __init__(
        self,
        file: io.TextIOBase,
        *,
        successes: bool = False,
        every: float = 0.5,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._file, self._successes, self._clock = file, successes, clock
        self._waiting: list[tuple[float, Request, Response, float]] = []
        self._n_lost = 0
        self._every = every
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="mldeploy-access-log", daemon=True)
        self._thread.start()

    def __call__(self, request: Request, response: Response, seconds: float) -> None:
        """Take a request and its answer."""
        if response.status < 400 and not self._successes:
            return
        if len(self._waiting) >= _MOST_WAITING:
            self._n_lost += 1
            return
        self._waiting.append((self._clock(), request, response, seconds))

    def close(self) -> None:
        """Write what waits, and end; the file stays open."""
        self._is_over.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._is_over.wait(self._every):
            self._flush()
        self._flush()

    def _flush(self) -> None:
        waiting, self._waiting = self._waiting, []
        lines = [_line(*one) for one in waiting]
        if self._n_lost:
            n_lost, self._n_lost = self._n_lost, 0
            lines.append(json.dumps({"time": _iso(self._clock()), "lines_lost": n_lost}))
        if lines:
            self._file.write("\n".join(lines) + "\n")
            self._file.flush()


def _line(at: float, request: Request, response: Response, seconds: float) -> str:
    line: dict[str, object] = {
        "time": _iso(at),
        "request_id": request.request_id,
        "method": request.method,
        "path": request.path[:500],
        "status": response.status,
        "ms": round(seconds * 1000, 3),
        "bytes_in": len(request.body),
        "bytes_out": len(response.body),
    }
    parent = request.headers.get(b"traceparent")
    if parent is not None:
        line["traceparent"] = parent.decode("latin-1")[:100]
    return json.dumps(line)


def _iso(seconds: float) -> str:
    whole = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
    return f"{whole}.{int(seconds % 1 * 1000):03d}Z"

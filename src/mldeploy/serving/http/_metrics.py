"""Figures of a server, as Prometheus reads them."""

from __future__ import annotations

import math
import os
import time
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, final

from mldeploy.serving.http._messages import Request, Response
from mldeploy.serving.http._routing import Role, Route

if TYPE_CHECKING:
    from mldeploy.serving.http._routing import Router

BOUNDS: Final = (
    *(0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1),
    *(0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
)
"""Upper ends of the histogram's buckets, in seconds."""

_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_TYPE: Final = b"text/plain; version=0.0.4; charset=utf-8"
Samples = Iterable[tuple[str, dict[str, str], float]]
Family = tuple[str, str, str, Samples]
"""Name, help, type, and samples of suffix, labels and value."""
Source = Callable[[], Iterable[Family]]


@final
class Metrics:
    """Count requests by route and status, with a histogram of their times.

    Paths are counted under the pattern of their route, and all others as one, as are methods that
    no route has: so nobody can fill the memory by asking for what is not there.
    """

    def __init__(self) -> None:
        self._routes: dict[str, str] = {}
        self._router: Router | None = None
        self._counts: dict[tuple[str, str, int], int] = defaultdict(int)
        self._buckets: dict[str, list[int]] = {}
        self._sums: dict[str, float] = defaultdict(float)
        self._sources: list[Source] = []
        self._started = time.time()

    def follow(self, router: Router) -> None:
        """Count under the routes of a router from now on."""
        self._router = router

    def add(self, source: Source) -> None:
        """Show further families."""
        self._sources.append(source)

    def __call__(self, request: Request, response: Response, seconds: float) -> None:
        """Take a request and its answer; the `observer` of a `Listener`."""
        pattern = self._routes.get(request.path) or self._pattern(request)
        method = request.method if request.method in _METHODS else "other"
        self._counts[pattern, method, response.status] += 1
        buckets = self._buckets.get(pattern)
        if buckets is None:
            buckets = self._buckets.setdefault(pattern, [0] * (len(BOUNDS) + 1))
        buckets[bisect_left(BOUNDS, seconds)] += 1
        self._sums[pattern] += seconds

    def _pattern(self, request: Request) -> str:
        found = None if self._router is None else self._router.find(request)
        pattern = "other" if found is None else found[0].pattern
        if found is not None and pattern == request.path:
            self._routes[request.path] = pattern
        return pattern

    def routes(self) -> tuple[Route, ...]:
        """Return the route ``/metrics``."""
        return (Route(method="GET", pattern="/metrics", role=Role.OBSERVE, action=self.answer),)

    def answer(self, _: Request) -> Response:
        """Return the figures."""
        return Response(body=self.text().encode(), content_type=_TYPE)

    def text(self) -> str:
        """Return the figures in Prometheus' text format, version 0.0.4."""
        lines: list[str] = []
        families = [*self._own(), *_process(self._started)]
        for source in self._sources:
            families += source()
        for name, told, kind, samples in families:
            lines += [f"# HELP {name} {_escaped_help(told)}", f"# TYPE {name} {kind}"]
            lines += [
                f"{name}{suffix}{_labels(labels)} {_number(value)}"
                for suffix, labels, value in samples
            ]
        return "\n".join(lines) + "\n"

    def summary(self) -> dict[str, Any]:
        """Return counts and buckets over all routes that predict, for the page."""
        predicting = [p for p in self._buckets if _predicts(p)]
        n = len(BOUNDS) + 1
        totals = [sum(self._buckets[p][i] for p in predicting) for i in range(n)]
        failures = sum(
            count for (p, _, status), count in self._counts.items()
            if _predicts(p) and status >= 500
        )  # fmt: skip
        refused = sum(
            count for (p, _, status), count in self._counts.items()
            if _predicts(p) and 400 <= status < 500
        )  # fmt: skip
        return {
            "bounds": list(BOUNDS), "buckets": totals, "requests": sum(totals),
            "failures": failures, "refused": refused,
        }  # fmt: skip

    def _own(self) -> Iterator[Family]:
        yield (
            "mldeploy_http_requests_total",
            "Requests that were answered, by route, method and status.",
            "counter",
            [
                ("", {"route": route, "method": method, "status": str(status)}, float(count))
                for (route, method, status), count in sorted(self._counts.items())
            ],
        )
        yield (
            "mldeploy_http_request_seconds",
            "Time from a request's last byte to its answer.",
            "histogram",
            list(self._histogram()),
        )

    def _histogram(self) -> Iterator[tuple[str, dict[str, str], float]]:
        for route in sorted(self._buckets):
            total = 0
            for bound, count in zip((*BOUNDS, None), self._buckets[route], strict=True):
                total += count
                end = "+Inf" if bound is None else _number(bound)
                yield "_bucket", {"route": route, "le": end}, float(total)
            yield "_sum", {"route": route}, self._sums[route]
            yield "_count", {"route": route}, float(total)


def _predicts(pattern: str) -> bool:
    return pattern.endswith(("predict", "/infer")) or pattern == "/invocations"


def _process(started: float) -> Iterator[Family]:
    times = os.times()
    told = "Processor time that this process has taken."
    yield "process_cpu_seconds_total", told, "counter", [("", {}, times.user + times.system)]
    told = "When this process began, in seconds since 1970."
    yield "process_start_time_seconds", told, "gauge", [("", {}, started)]
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        n_open = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - counted, not looked at
    except OSError:
        return
    size = float(pages * os.sysconf("SC_PAGE_SIZE"))
    yield "process_resident_memory_bytes", "Memory that it holds.", "gauge", [("", {}, size)]
    yield "process_open_fds", "Files and connections it has open.", "gauge", [("", {}, n_open)]


def _labels(labels: dict[str, str]) -> str:
    if not labels:
        return ""
    inside = ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items())
    return f"{{{inside}}}"


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _escaped_help(text: str) -> str:
    return text.replace("\\", r"\\").replace("\n", r"\n")


def _number(value: float) -> str:
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else f"{value:+}".replace("inf", "Inf")
    return repr(int(value)) if value == int(value) and abs(value) < 1e15 else repr(float(value))

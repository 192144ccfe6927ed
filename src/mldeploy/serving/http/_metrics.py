"""Figures of a server, as Prometheus reads them."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final, final

from mldeploy.serving.http._families import (
    OPEN_METRICS,
    TEXT,
    Family,
    Sample,
    Source,
    merged,
    number,
    open_metrics_of,
    text_of,
    wants_open_metrics,
)
from mldeploy.serving.http._messages import Request, Response
from mldeploy.serving.http._process import process_families
from mldeploy.serving.http._routing import Role, Route

if TYPE_CHECKING:
    from mldeploy.serving.http._routing import Router

BOUNDS: Final = (
    *(0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1),
    *(0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
)
"""Upper ends of the histogram's buckets, in seconds."""

REQUESTS: Final = "mldeploy_http_requests_total"
SECONDS: Final = "mldeploy_http_request_seconds"

_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_UNREAD: Final = "-"
"""The method of a request that was refused before it was read; see `Server.refusal`."""

Peers = Callable[[], Sequence[Sequence[Family]]]
"""Returns the families of other processes that serve the same port."""


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
        self._of_all: list[Source] = []
        self._peers: Peers = lambda: ()

    def follow(self, router: Router) -> None:
        """Count under the routes of a router from now on."""
        self._router = router

    def add(self, source: Source, *, of_all: bool = False) -> None:
        """Show further families.

        Parameters
        ----------
        source : callable
            Returns them.
        of_all : bool, default=False
            Whether they are those of all processes already.
        """
        (self._of_all if of_all else self._sources).append(source)

    def share(self, peers: Peers) -> None:
        """Show the sums of this and of other processes from now on."""
        self._peers = peers

    def __call__(self, request: Request, response: Response, seconds: float) -> None:
        """Take a request and its answer; the `observer` of a `Listener`."""
        pattern = self._routes.get(request.path) or self._pattern(request)
        method = request.method
        if method not in _METHODS:
            method = "unread" if method == _UNREAD else "other"
        self._counts[pattern, method, response.status] += 1
        if method == "unread":
            return
        buckets = self._buckets.get(pattern)
        if buckets is None:
            buckets = self._buckets.setdefault(pattern, [0] * (len(BOUNDS) + 1))
        buckets[bisect_left(BOUNDS, seconds)] += 1
        self._sums[pattern] += seconds

    def _pattern(self, request: Request) -> str:
        if self._router is None:
            return "other"
        found = self._router.find(request)
        if found is None:
            return "other"
        pattern = found[0].pattern
        if pattern == request.path:
            self._routes[request.path] = pattern
        return pattern

    def routes(self) -> tuple[Route, ...]:
        """Return the route ``/metrics``."""
        return (Route(method="GET", pattern="/metrics", role=Role.OBSERVE, action=self.answer),)

    def answer(self, request: Request) -> Response:
        """Return the figures, in OpenMetrics' form for clients that would rather have it."""
        if wants_open_metrics(request.headers.get(b"accept", b"")):
            return Response(body=open_metrics_of(self._all()).encode(), content_type=OPEN_METRICS)
        return Response(body=self.text().encode(), content_type=TEXT)

    def text(self) -> str:
        """Return the figures in Prometheus' text format, version 0.0.4."""
        return text_of(self._all())

    def families(self) -> list[Family]:
        """Return the figures of this process; may be called from any thread."""
        found = [*self._own(), *process_families()]
        for source in self._sources:
            found += source()
        return [(name, told, kind, list(samples)) for name, told, kind, samples in found]

    def summary(self) -> dict[str, Any]:
        """Return counts and buckets over all routes that predict, for the page."""
        families = {family[0]: family[3] for family in merged([self.families(), *self._peers()])}
        buckets = [0] * (len(BOUNDS) + 1)
        ends = {number(bound): k for k, bound in enumerate(BOUNDS)} | {"+Inf": len(BOUNDS)}
        for suffix, labels, value in families.get(SECONDS, ()):
            if suffix == "_bucket" and _predicts(labels["route"]):
                buckets[ends[labels["le"]]] += int(value)
        found = [
            (labels, int(value), int(labels["status"]))
            for _, labels, value in families.get(REQUESTS, ())
            if _predicts(labels["route"])
        ]
        shed = sum(n for labels, n, status in found if _is_shed(labels["method"], status))
        return {
            "bounds": list(BOUNDS),
            "buckets": [n - before for n, before in zip(buckets, (0, *buckets[:-1]), strict=True)],
            "requests": sum(n for _, n, _ in found),
            "failures": sum(n for _, n, status in found if status >= 500) - shed,
            "refused": sum(n for _, n, status in found if 400 <= status < 500),
            "shed": shed,
        }

    def _all(self) -> list[Family]:
        found = merged([self.families(), *self._peers()])
        for source in self._of_all:
            found += source()
        return found

    def _own(self) -> Iterator[Family]:
        yield (
            REQUESTS,
            "Requests by route, method and status; unread: refused before they were read.",
            "counter",
            [
                ("", {"route": route, "method": method, "status": str(status)}, float(count))
                for (route, method, status), count in sorted(self._counts.items())
            ],
        )
        yield (
            SECONDS,
            "Time from a request's last byte to its answer.",
            "histogram",
            list(self._histogram()),
        )

    def _histogram(self) -> Iterator[Sample]:
        for route in sorted(self._buckets):
            total = 0
            for bound, count in zip((*BOUNDS, None), list(self._buckets[route]), strict=True):
                total += count
                end = "+Inf" if bound is None else number(bound)
                yield "_bucket", {"route": route, "le": end}, float(total)
            yield "_sum", {"route": route}, self._sums[route]
            yield "_count", {"route": route}, float(total)


def _predicts(pattern: str) -> bool:
    return pattern.endswith(("predict", "/infer")) or pattern == "/invocations"


def _is_shed(method: str, status: int) -> bool:
    return method == "unread" and status == 503

"""A server from bundles: what is logged, watched, and answered."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, final

from mldeploy.errors import MLDeployError
from mldeploy.serving._batcher import Batcher
from mldeploy.serving._plan import Plan, Switchboard
from mldeploy.serving._sink import PredictionSink
from mldeploy.serving.http._app import App, Permits
from mldeploy.serving.http._bounds import Limits
from mldeploy.serving.http._metrics import Metrics, Samples
from mldeploy.serving.http._page import Page
from mldeploy.serving.http._server import Server
from mldeploy.serving.http._service import Served, Service, TakesLabels


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Assembly:
    """A server with all that it serves; it has not begun to listen.

    Attributes
    ----------
    server : Server
        What listens.
    switchboard : Switchboard
        What decides which bundles answer.
    metrics : Metrics
        What is counted.
    app : App
        What answers.
    """

    server: Server
    switchboard: Switchboard
    metrics: Metrics
    app: App


@contextmanager
def assembled(
    plan: Plan,
    *,
    name: str,
    sink: PredictionSink,
    trusted: Sequence[str] = (),
    limits: Limits | None = None,
    permits: Permits | None = None,
    labels: TakesLabels | None = None,
    drift: Callable[[], Any] | None = None,
    lame_duck: float = 1.0,
    drain_timeout: float = 20.0,
) -> Iterator[Assembly]:
    """Make a server of one problem's bundles, and let go of what it holds at the end.

    Parameters
    ----------
    plan : Plan
        Which bundles answer.
    name : str
        Name of the model in paths.
    sink : PredictionSink
        Where predictions are written down; whoever made it closes it.
    trusted, limits, permits, labels, lame_duck, drain_timeout : optional
        As for `Switchboard`, `Server`, `App` and `Service`.
    drift : callable, optional
        Returns what the page and the metrics show of drift.
    """
    board = Switchboard(plan, deployment=_deployment_of(sink, name), sink=sink, trusted=trusted)
    arm = board.plan.champion
    bundle = board.bundle(arm)
    why_not = _why_not(bundle) if not board.traffic.champion.is_compiled else ""
    batcher = Batcher(board.traffic) if why_not else None
    served = Served(
        name=name,
        answering=board.traffic,
        signature=bundle.signature,
        batcher=batcher,
        why_not_compiled=why_not,
        card=bundle.card or "",
        examples=bundle.golden_rows().head(3).to_dicts() if bundle.has_golden else (),
        facts={
            "statement": bundle.problem.statement,
            "owner": bundle.problem.owner,
            "criteria": [str(criterion) for criterion in bundle.problem.criteria],
        },
    )
    metrics = Metrics()
    metrics.add(lambda: _figures(board, sink))
    server: Server | None = None
    service = Service(
        [served],
        limits=limits,
        labels=labels,
        is_draining=lambda: server is not None and server.is_draining,
    )
    page = Page(service, metrics, drift=drift)
    app = App(service, extra=(*metrics.routes(), *page.routes()), permits=permits)
    metrics.follow(app.router)
    server = Server(
        app,
        limits=service.limits,
        error_response=app.error_response,
        observer=metrics,
        lame_duck=lame_duck,
        drain_timeout=drain_timeout,
    )
    try:
        yield Assembly(server=server, switchboard=board, metrics=metrics, app=app)
    finally:
        if batcher is not None:
            batcher.close()


def _deployment_of(sink: PredictionSink, name: str) -> str:
    return getattr(sink, "deployment", name)


def _why_not(bundle: Any) -> str:
    try:
        report = bundle.compiled_report
    except MLDeployError as error:
        return str(error)
    if report is None:
        return "the bundle was written without compiling"
    told = [finding.summary for finding in report.findings if finding.verdict != "PASS"]
    return "; ".join(told[:3]) or "it did not compile"


def _figures(board: Switchboard, sink: PredictionSink) -> Iterator[tuple[str, str, str, Samples]]:
    traffic = board.traffic
    counts = traffic.counts
    yield (
        "mldeploy_rows_total", "Rows by what became of them.", "counter",
        [("", {"outcome": "answered"}, float(counts.accepted)),
         ("", {"outcome": "refused"}, float(counts.rejected)),
         ("", {"outcome": "failed"}, float(counts.failed))],
    )  # fmt: skip
    yield (
        "mldeploy_log_dropped_rows_total", "Answers that were not logged for want of room.",
        "counter", [("", {}, float(sink.dropped))],
    )  # fmt: skip
    arms = [(traffic.champion, 1.0 - traffic.share)]
    if traffic.candidate is not None:
        arms.append((traffic.candidate, traffic.share))
    yield (
        "mldeploy_model_share", "Share of the requests that each version answers.", "gauge",
        [("", {"version": predictor.version, "arm": predictor.arm,
               "compiled": str(predictor.is_compiled).lower()}, share)
         for predictor, share in arms],
    )  # fmt: skip

"""A server from bundles: what is logged, watched, and answered."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, final

from mldeploy.errors import MLDeployError
from mldeploy.serving._batcher import Batcher
from mldeploy.serving._explain import explain
from mldeploy.serving._explanation import Explanation
from mldeploy.serving._plan import Plan, Switchboard
from mldeploy.serving._sink import PredictionSink
from mldeploy.serving.http._app import App, Permits
from mldeploy.serving.http._bounds import Limits
from mldeploy.serving.http._families import Family
from mldeploy.serving.http._messages import Handler
from mldeploy.serving.http._metrics import Metrics
from mldeploy.serving.http._page import Drift, Page
from mldeploy.serving.http._promised import PromisedLog, for_a_loop
from mldeploy.serving.http._server import Server
from mldeploy.serving.http._service import About, Served, Service, TakesLabels
from mldeploy.serving.http._watched import Watched

if TYPE_CHECKING:
    from mldeploy.problem import Problem


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Assembly:
    """All that a server serves, without the server.

    Attributes
    ----------
    app : App
        What answers.
    handler : callable
        The same, behind a log that is waited for.
    metrics : Metrics
        What is counted.
    service : Service
        What is served.
    """

    app: App
    handler: Handler
    metrics: Metrics
    service: Service

    def server(self, *, lame_duck: float = 1.0, drain_timeout: float = 20.0) -> Server:
        """Return a server of it that has not begun to listen; see `Server`."""
        server = Server(
            self.handler,
            limits=self.service.limits,
            error_response=self.app.error_response,
            observer=self.metrics,
            lame_duck=lame_duck,
            drain_timeout=drain_timeout,
        )
        self.service.is_draining = lambda: server.is_draining
        self.metrics.add(lambda: load_of(server))
        return server


def assembly_of(
    models: Sequence[Served],
    *,
    sink: PredictionSink,
    limits: Limits | None = None,
    permits: Permits | None = None,
    labels: TakesLabels | None = None,
    drift: Drift | None = None,
    watched: Watched | None = None,
    is_draining: Callable[[], bool] = lambda: False,
) -> Assembly:
    """Put together what answers requests to models.

    Parameters
    ----------
    models : sequence of Served
        What is served; the first where no model is named.
    sink : PredictionSink
        Where predictions are written down; whoever made it closes it.
    watched : Watched, optional
        What is watched behind the answers; its observers are the log's.
    limits, permits, labels, drift, is_draining : optional
        As for `Service`, `App` and `Page`.
    """
    service = Service(models, limits=limits, labels=labels, is_draining=is_draining)
    metrics = Metrics()
    metrics.add(lambda: _figures(service, sink))
    if watched is not None:
        metrics.add(watched.counted)
        metrics.add(lambda: watched.moved(models), of_all=True)
        drift = drift or (lambda: watched.rows(service.default.version))
    page = Page(service, metrics, drift=drift)
    app = App(service, extra=(*metrics.routes(), *page.routes()), permits=permits)
    metrics.follow(app.router)
    handler = sink.answering(app) if isinstance(sink, PromisedLog) else app
    return Assembly(app=app, handler=handler, metrics=metrics, service=service)


def served_of(board: Switchboard, *, name: str, batcher: Batcher) -> Served:
    """Return what a server tells of the champion's bundle."""
    bundle = board.champion_bundle()
    return Served(
        name=name,
        answering=board.traffic,
        batcher=batcher,
        explain=_explainer(board) if bundle.has_golden else None,
        about=_teller(board),
        digest=lambda: board.traffic.champion.model.digest,
    )


def _teller(board: Switchboard) -> Callable[[], About]:
    """Return what tells of the champion's bundle, which is read once for each that serves."""
    read: dict[str, About] = {}

    def about() -> About:
        bundle = board.champion_bundle()
        told = read.get(bundle.digest)
        if told is None:
            told = About(
                why_not_compiled="" if board.traffic.champion.is_compiled else _why_not(bundle),
                card=bundle.card or "",
                examples=bundle.golden_rows().head(3).to_dicts() if bundle.has_golden else (),
                facts=facts_of(bundle.problem),
            )
            read.clear()
            read[bundle.digest] = told
        return told

    return about


def _explainer(board: Switchboard) -> Callable[[Mapping[str, Any]], Explanation]:
    """Return what explains the champion's answers, compared with its golden rows."""

    def explained(row: Mapping[str, Any]) -> Explanation:
        golden = board.champion_bundle().golden_rows()
        return explain(board.traffic.champion.model, row, golden)

    return explained


def facts_of(problem: Problem) -> dict[str, Any]:
    """Return what the page tells of a problem."""
    return {
        "statement": problem.statement,
        "owner": problem.owner,
        "criteria": [str(criterion) for criterion in problem.criteria],
    }


@contextmanager
def assembled(
    plan: Plan,
    *,
    name: str,
    sink: PredictionSink,
    trusted: Sequence[str] = (),
    watched: Watched | None = None,
    **settings: Any,
) -> Iterator[tuple[Assembly, Switchboard]]:
    """Put together what answers from one problem's bundles; let go of it at the end.

    Parameters
    ----------
    plan : Plan
        Which bundles answer.
    name : str
        Name of the model in paths, and of the deployment where the sink names none.
    sink : PredictionSink
        Where predictions are written down; whoever made it closes it.
    trusted : sequence of str
        As for `Switchboard`.
    watched : Watched, optional
        Watches every version that serves.
    **settings
        As for `assembly_of`.
    """
    sink = for_a_loop(sink)
    board = Switchboard(plan, deployment=_deployment_of(sink, name), sink=sink, trusted=trusted)
    batcher = Batcher(board.traffic)
    if watched is not None:
        watched.drift.follow_board(board)
    try:
        served = served_of(board, name=name, batcher=batcher)
        yield assembly_of([served], sink=sink, watched=watched, **settings), board
    finally:
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


def _figures(service: Service, sink: PredictionSink) -> Iterator[Family]:
    told = "Answers that were not logged for want of room."
    yield "mldeploy_log_dropped_rows_total", told, "counter", [("", {}, float(sink.dropped))]
    counts = {model.name: model.answering.counts for model in service.models.values()}
    yield (
        "mldeploy_rows_total", "Rows by what became of them.", "counter",
        [("", {"model": name, "outcome": outcome}, float(getattr(found, field)))
         for name, found in counts.items()
         for outcome, field in (("answered", "accepted"), ("refused", "rejected"),
                                ("failed", "failed"))],
    )  # fmt: skip
    yield (
        "mldeploy_model_info", "What serves.", "gauge",
        [("", {"model": model.name, "version": model.version,
               "compiled": str(model.is_compiled).lower(), "digest": model.digest()}, 1.0)
         for model in service.models.values()],
    )  # fmt: skip


class _Busy(Protocol):
    @property
    def n_connections(self) -> int: ...

    @property
    def n_waiting(self) -> int: ...


def load_of(server: _Busy) -> Iterator[Family]:
    """Return how much a server has to do."""
    for name, told, value in (
        ("mldeploy_http_requests_waiting", "Requests that wait for their answer.",
         server.n_waiting),
        ("mldeploy_http_connections", "Connections that are open.", server.n_connections),
    ):  # fmt: skip
        yield name, told, "gauge", [("", {}, float(value))]

from ._access_log import AccessLog
from ._app import App
from ._asgi import asgi_app
from ._bounds import Limits
from ._compose import Assembly, assembled, assembly_of, facts_of, load_of, served_of
from ._keys import ApiKey, ApiKeys, require_guard
from ._messages import Handler, Request, Response
from ._metrics import Metrics
from ._promised import PromisedLog, for_a_loop
from ._routing import Role, Route
from ._server import Server
from ._server_loop import run
from ._service import About, Served, Service, TakesLabels
from ._shared_figures import SharedFigures, folder_in_memory
from ._starting import settle, starting
from ._supervisor import PlanOutcome, Supervisor
from ._thread import RunningServer, serve_in_thread
from ._tracing import Traced
from ._watched import Watched
from ._when_used import load_when_used
from ._workers import Work, WorkerContext, WorkerSpec

__all__ = [
    "About",
    "AccessLog",
    "ApiKey",
    "ApiKeys",
    "App",
    "Assembly",
    "Handler",
    "Limits",
    "Metrics",
    "PlanOutcome",
    "PromisedLog",
    "Request",
    "Response",
    "Role",
    "Route",
    "RunningServer",
    "Served",
    "Server",
    "Service",
    "SharedFigures",
    "Supervisor",
    "TakesLabels",
    "Traced",
    "Watched",
    "Work",
    "WorkerContext",
    "WorkerSpec",
    "asgi_app",
    "assembled",
    "assembly_of",
    "facts_of",
    "folder_in_memory",
    "for_a_loop",
    "load_of",
    "load_when_used",
    "require_guard",
    "run",
    "serve_in_thread",
    "served_of",
    "settle",
    "starting",
]

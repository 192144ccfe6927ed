from ._app import App
from ._bounds import Limits
from ._compose import Assembly, assembled, assembly_of, facts_of
from ._keys import ApiKey, ApiKeys, require_guard
from ._messages import Handler, Request, Response
from ._metrics import Metrics
from ._routing import Role, Route
from ._server import Server, run
from ._service import Served, Service, TakesLabels
from ._thread import RunningServer, serve_in_thread

__all__ = [
    "ApiKey",
    "ApiKeys",
    "App",
    "Assembly",
    "Handler",
    "Limits",
    "Metrics",
    "Request",
    "Response",
    "Role",
    "Route",
    "RunningServer",
    "Served",
    "Server",
    "Service",
    "TakesLabels",
    "assembled",
    "assembly_of",
    "facts_of",
    "require_guard",
    "run",
    "serve_in_thread",
]

from ._app import App
from ._bounds import Limits
from ._compose import Assembly, assembled
from ._in_thread import RunningServer, serve_in_thread
from ._keys import ApiKey, ApiKeys, require_guard
from ._messages import Handler, Request, Response
from ._metrics import Metrics
from ._routing import Role, Route
from ._server import Server, run
from ._service import Label, Served, Service

__all__ = [
    "ApiKey",
    "ApiKeys",
    "App",
    "Assembly",
    "Handler",
    "Label",
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
    "assembled",
    "require_guard",
    "run",
    "serve_in_thread",
]

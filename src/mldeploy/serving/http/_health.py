"""Whether the server lives, is ready, and what it serves."""

from __future__ import annotations

from importlib import metadata
from typing import Any, final

from mldeploy.serving.http._json import encode
from mldeploy.serving.http._messages import Request, Response
from mldeploy.serving.http._routing import Role, Route
from mldeploy.serving.http._service import Served, Service


@final
class Health:
    """``/livez`` and ``/readyz``."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def routes(self) -> tuple[Route, ...]:
        """Return the routes."""
        return (
            Route(method="GET", pattern="/livez", role=Role.ANYONE, action=self.lives),
            Route(method="GET", pattern="/readyz", role=Role.ANYONE, action=self.is_ready),
        )

    def lives(self, _: Request) -> Response:
        """Tell that the process answers."""
        return Response(body=b'{"live":true}')

    def is_ready(self, _: Request) -> Response:
        """Tell whether requests should be sent here, and what answers them."""
        ready = not self._service.is_draining()
        body = {
            "ready": ready,
            "mldeploy": metadata.version("mldeploy"),
            "models": {model.name: _facts(model) for model in self._service.models.values()},
        }
        return Response(status=200 if ready else 503, body=encode(body))


def _facts(model: Served) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "version": model.version,
        "compiled": model.is_compiled,
    }
    if not model.is_compiled and (why_not := model.about().why_not_compiled):
        facts["why_not_compiled"] = why_not
    return facts

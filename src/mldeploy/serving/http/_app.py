"""What answers requests: every protocol, by path."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import final

from mldeploy.serving.http._errors import error_response, response_to
from mldeploy.serving.http._health import Health
from mldeploy.serving.http._messages import Request, Response
from mldeploy.serving.http._mlflow import MLflowProtocol
from mldeploy.serving.http._oip import InferenceProtocol
from mldeploy.serving.http._openapi import OpenAPI
from mldeploy.serving.http._plain import PlainProtocol
from mldeploy.serving.http._routing import Role, Route, Router
from mldeploy.serving.http._service import Service
from mldeploy.serving.http._vertex import VertexProtocol

Permits = Callable[[Request, Role], Response | None]
"""Returns what a client is told who may not ask; None for one who may."""


@final
class App:
    """Answer every protocol that the server speaks; a `Handler`.

    Parameters
    ----------
    service : Service
        What is served.
    extra : sequence of Route
        Further routes, such as those of the page.
    permits : callable, optional
        Judges who may ask what; without it everybody may.
    """

    def __init__(
        self,
        service: Service,
        *,
        extra: Sequence[Route] = (),
        permits: Permits | None = None,
    ) -> None:
        self._permits = permits
        own = (
            *VertexProtocol(service).routes(),
            *PlainProtocol(service).routes(),
            *Health(service).routes(),
            *InferenceProtocol(service).routes(),
            *MLflowProtocol(service).routes(),
        )
        self.router = Router((*own, *extra, *OpenAPI(service).routes()))

    error_response = staticmethod(error_response)
    """What a client is told whose request never gets here."""

    def __call__(self, request: Request) -> Response | Awaitable[Response]:
        """Answer a request."""
        found = self.router.find(request)
        if found is None:
            return self._nothing(request)
        route, parts = found
        if self._permits is not None:
            refused = self._permits(request, route.role)
            if refused is not None:
                return refused
        try:
            answer = route.action(request, **parts)
        except Exception as error:
            told = response_to(error, request.path)
            if told is None:
                raise
            return told
        return answer if isinstance(answer, Response) else _guarded(answer, request.path)

    def _nothing(self, request: Request) -> Response:
        methods = self.router.methods(request.path)
        if not methods:
            return error_response(404, "there is nothing at this path", request.path)
        told = error_response(405, f"this path answers {', '.join(methods)}", request.path)
        allow = (b"allow", ", ".join(methods).encode())
        return Response(status=told.status, body=told.body, headers=(*told.headers, allow))


async def _guarded(promised: Awaitable[Response], path: str) -> Response:
    try:
        return await promised
    except Exception as error:
        told = response_to(error, path)
        if told is None:
            raise
        return told

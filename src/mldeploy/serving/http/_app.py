"""What answers requests: every protocol, by path."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final, final

import polars as pl

from mldeploy.serving.http._errors import error_response, response_to
from mldeploy.serving.http._health import Health
from mldeploy.serving.http._labels import LabelProtocol
from mldeploy.serving.http._messages import Request, Response
from mldeploy.serving.http._mlflow import MLflowProtocol
from mldeploy.serving.http._oip import InferenceProtocol
from mldeploy.serving.http._openapi import OpenAPI
from mldeploy.serving.http._plain import PlainProtocol
from mldeploy.serving.http._routing import Action, Role, Route, Router
from mldeploy.serving.http._service import Service
from mldeploy.serving.http._vertex import VertexProtocol

Permits = Callable[[Request, Role], Response | None]
"""Returns what a client is told who may not ask; None for one who may."""

_LARGE: Final = 128 * 1024
"""Bytes of a body that takes longer to read than others should wait."""


def _faults() -> tuple[type[BaseException], ...]:
    """Return what is answered; polars panics with what is no Exception."""
    return Exception, pl.exceptions.PanicException


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
        self._vertex = VertexProtocol(service)
        own = (
            *self._vertex.routes(),
            *PlainProtocol(service).routes(),
            *LabelProtocol(service).routes(),
            *Health(service).routes(),
            *InferenceProtocol(service).routes(),
            *MLflowProtocol(service).routes(),
        )
        described = OpenAPI(service, own_routes=self._vertex.own_routes)
        self.router = Router((*own, *extra, *described.routes()))

    def error_response(self, status: int, reason: str, path: str) -> Response:
        """Return what a client is told whose request never gets here."""
        return error_response(status, reason, self._vertex.form_of(path))

    def __call__(self, request: Request) -> Response | Awaitable[Response]:
        """Answer a request."""
        found = self.router.find(request)
        if found is None:
            return self._nothing(request)
        route, parts = found
        if request.headers.get(b"sec-fetch-site") == b"cross-site" and route.method != "GET":
            return self.error_response(403, "a page of another site may not ask", request.path)
        if self._permits is not None:
            form = self._vertex.form_of(request.path)
            asked = request if form == request.path else replace(request, path=form)
            refused = self._permits(asked, route.role)
            if refused is not None:
                return refused
        if len(request.body) > _LARGE:
            return self._guarded(_elsewhere(route.action, request, parts), request)
        try:
            answer = route.action(request, **parts)
        except _faults() as error:
            return self._told(error, request)
        return answer if isinstance(answer, Response) else self._guarded(answer, request)

    def _nothing(self, request: Request) -> Response:
        methods = self.router.methods(request.path)
        if not methods:
            return self.error_response(404, "there is nothing at this path", request.path)
        told = self.error_response(405, f"this path answers {', '.join(methods)}", request.path)
        allow = (b"allow", ", ".join(methods).encode())
        return Response(status=told.status, body=told.body, headers=(*told.headers, allow))

    async def _guarded(self, promised: Awaitable[Response], request: Request) -> Response:
        try:
            return await promised
        except _faults() as error:
            return self._told(error, request)

    def _told(self, error: BaseException, request: Request) -> Response:
        told = response_to(error, self._vertex.form_of(request.path), request.request_id)
        if told is not None:
            return told
        if isinstance(error, Exception):
            raise error
        raise RuntimeError("the model, or polars below it, panicked") from error


async def _elsewhere(action: Action, request: Request, parts: Mapping[str, str]) -> Response:
    """Read and answer a large request in a thread, so that others are answered meanwhile."""
    loop = asyncio.get_running_loop()
    answer = await loop.run_in_executor(None, lambda: action(request, **parts))
    return answer if isinstance(answer, Response) else await answer

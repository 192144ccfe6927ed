"""What a connection asks of the server that it belongs to."""

from __future__ import annotations

from typing import Any, Protocol

from mldeploy.serving.http._bounds import Limits
from mldeploy.serving.http._messages import Request, Response
from mldeploy.serving.http._protocol_answer import Encoder
from mldeploy.serving.http._protocol_head import Head
from mldeploy.serving.http._refusals import Refusal
from mldeploy.serving.http._request_ids import RequestIds
from mldeploy.serving.http._server_load import Load


class Host(Protocol):
    """A `Server`, as far as its connections know it."""

    limits: Limits
    head_seconds: float
    body_seconds: float
    idle_seconds: float
    clock: float
    closes_connections: bool
    encoder: Encoder
    request_id: RequestIds
    heads: dict[bytes, Head]
    load: Load

    def admit(self, connection: Any) -> None:
        """Take a new connection."""
        ...

    def forget(self, connection: Any) -> None:
        """Let go of a connection that has ended."""
        ...

    def hold(self, n_bytes: int) -> None:
        """Count bytes of bodies that have not arrived as a whole."""
        ...

    def read_head(self, data: bytes) -> Head:
        """Return what a head says."""
        ...

    def is_open_to(self, connection: Any, path: str) -> bool:
        """Tell whether a request will be answered, before its body is read."""
        ...

    def overloaded(self, path: str) -> Response:
        """Return what a client is told that asks more than can be answered."""
        ...

    def refusal(self, refusal: Refusal, path: str) -> Response:
        """Return what a client is told whose request is not answered."""
        ...

    def take(self, connection: Any, request: Request) -> None:
        """Let a request be answered after those that came before it."""
        ...

"""A request and a response, whatever carries them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias, final


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What a client asked.

    Attributes
    ----------
    method : str
        In capitals.
    path : str
        As it was sent: still percent-encoded, without the query.
    query : str
        What follows the question mark.
    headers : mapping of bytes to bytes
        Names in lower case; of a repeated name the values are joined by a comma.
    body : bytes
        Whole, and decoded as `Content-Encoding` says.
    request_id : str
        The client's own, or one that was made.
    """

    method: str
    path: str
    query: str = ""
    headers: Mapping[bytes, bytes] = field(default_factory=dict)
    body: bytes = b""
    request_id: str = ""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """What the client is told."""

    status: int = 200
    body: bytes = b""
    content_type: bytes = b"application/json"
    headers: tuple[tuple[bytes, bytes], ...] = ()


Handler: TypeAlias = Callable[[Request], Response | Awaitable[Response]]
"""Answers a request: at once, or later if the model takes long."""

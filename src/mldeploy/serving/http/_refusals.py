"""Why a request is not answered."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable
from typing import TypeAlias, final

from mldeploy.serving.http._messages import Response

ErrorResponse: TypeAlias = Callable[[int, str, str], Response]
"""Takes a status, what is wrong in words, and the path; returns what the client is told."""


@final
class Refusal(Exception):  # noqa: N818 (an answer, not a fault of ours)
    """A request that is not answered: with which status, and why."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status, self.reason = status, reason


def plain_error(status: int, reason: str, path: str) -> Response:
    """Return an error as JSON: ``{"error": reason}``."""
    del path
    return Response(status=status, body=json.dumps({"error": reason}).encode())


def decompressed(body: bytes, encoding: bytes, *, max_bytes: int) -> bytes:
    """Return a body as it was before it was compressed, and never more than allowed.

    Raises
    ------
    Refusal
        With 413 if it would be larger, 415 if the encoding is unknown, 400 if it is damaged.
    """
    windows = {b"gzip": (31,), b"x-gzip": (31,), b"deflate": (15, -15)}.get(encoding.lower())
    if windows is None:
        raise Refusal(415, "the body may be encoded as gzip or deflate")
    for window in windows:
        decoder = zlib.decompressobj(window)
        try:
            plain = decoder.decompress(body, max_bytes + 1)
        except zlib.error:
            continue
        if len(plain) > max_bytes:
            raise Refusal(413, f"the body unpacks to over {max_bytes} bytes")
        if decoder.eof and not decoder.unused_data:
            return plain
    raise Refusal(400, f"the body is no {encoding.decode('latin-1')}, or is cut short")

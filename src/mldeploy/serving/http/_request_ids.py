"""Names of requests, for logs."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Final, final

_GIVEN: Final = re.compile(rb"[A-Za-z0-9._-]{1,128}")
_AT_ONCE: Final = 256


@final
class RequestIds:
    """Return the client's own name of a request, if it is a plain one, or a random one.

    Examples
    --------
    >>> RequestIds()({b"x-request-id": b"order-17"})
    'order-17'
    >>> len(RequestIds()({b"x-request-id": b"no name"}))
    16
    """

    def __init__(self) -> None:
        self._made: list[str] = []

    def __call__(self, headers: Mapping[bytes, bytes]) -> str:
        """Return the name of a request with these headers."""
        given = headers.get(b"x-request-id")
        if given is not None and _GIVEN.fullmatch(given):
            return given.decode("ascii")
        return self.new()

    def new(self) -> str:
        """Return a random name."""
        if not self._made:
            digits = os.urandom(8 * _AT_ONCE).hex()
            self._made = [digits[i : i + 16] for i in range(0, len(digits), 16)]
        return self._made.pop()

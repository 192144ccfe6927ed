"""The bytes of an answer."""

from __future__ import annotations

import re
from email.utils import formatdate
from http import HTTPStatus
from typing import Final, final

from mldeploy.serving.http._messages import Response

_STATUS_LINES: Final = {
    int(status): f"HTTP/1.1 {int(status)} {status.phrase}\r\n".encode() for status in HTTPStatus
}
_NAME: Final = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_VALUE: Final = re.compile(rb"[\t -~\x80-\xff]*")
_OURS: Final = frozenset(
    {b"connection", b"content-length", b"content-type", b"date", b"transfer-encoding"}
)


@final
class Encoder:
    """Write answers, which bear the date of the last look at the clock."""

    def __init__(self) -> None:
        self._begins: dict[tuple[int, bytes], bytes] = {}
        self._date = b""

    def tick(self) -> None:
        """Look at the clock."""
        date = formatdate(usegmt=True).encode()
        if date != self._date:
            self._date = date
            self._begins = {}

    def encode(
        self, response: Response, request_id: str, *, is_last: bool, is_old: bool, with_body: bool
    ) -> bytes:
        """Return the bytes of an answer.

        Parameters
        ----------
        response : Response
            The answer.
        request_id : str
            Which request it answers.
        is_last : bool
            Whether the connection ends after it.
        is_old : bool
            Whether the client speaks HTTP/1.0, and must be told that the connection stays.
        with_body : bool
            Whether its body is sent, too: not in answer to HEAD.

        Raises
        ------
        ValueError
            If a header of it would break the line.
        """
        key = (response.status, response.content_type)
        begin = self._begins.get(key) or self._begin(*key)
        body = response.body
        if response.headers or is_last or is_old or not with_body or response.status in (204, 304):
            extra = b"".join([b"%b: %b\r\n" % _sound(*header) for header in response.headers])
            if is_last:
                extra += b"connection: close\r\n"
            elif is_old:
                extra += b"connection: keep-alive\r\n"
            if response.status not in (204, 304):
                extra += b"content-length: %d\r\n" % len(body)
            head = b"%b%bx-request-id: %b\r\n\r\n" % (begin, extra, request_id.encode())
            return head + body if with_body and response.status not in (204, 304) else head
        return b"%bcontent-length: %d\r\nx-request-id: %b\r\n\r\n%b" % (
            begin, len(body), request_id.encode(), body,
        )  # fmt: skip

    def _begin(self, status: int, content_type: bytes) -> bytes:
        line = _STATUS_LINES.get(status) or b"HTTP/1.1 %d \r\n" % status
        begin = line + b"date: %b\r\n" % self._date
        if status not in (204, 304):
            begin += b"content-type: %b\r\n" % _sound(b"content-type", content_type, ours=True)[1]
        if len(self._begins) < 256:
            self._begins[status, content_type] = begin
        return begin


def _sound(name: bytes, value: bytes, *, ours: bool = False) -> tuple[bytes, bytes]:
    is_ours = name.lower() in _OURS
    if not _NAME.fullmatch(name) or not _VALUE.fullmatch(value) or (is_ours and not ours):
        raise ValueError(f"an answer may not have the header {name!r}: {value!r}")
    return name, value

"""The head of a request: one grammar, and no other reading of it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, final

from mldeploy.errors import MissingExtraError
from mldeploy.serving.http._bounds import Limits
from mldeploy.serving.http._refusals import Refusal

try:
    import msgspec
except ImportError as error:
    raise MissingExtraError("the HTTP server", extra="serve") from error

_LINE: Final = rb"([A-Z]{1,24}) ([!-\"$-~]+) HTTP/1\.([01])\r\n"
_FIELD: Final = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[^\x00-\x08\x0a-\x1f\x7f]*\r\n"
_HEAD: Final = re.compile(_LINE + rb"((?:" + _FIELD + rb")*+)\r\n")
"""RFC 9112 without what is obsolete: no folded line, no space before a colon, no bare CR, LF or
control character, no other version."""

_BEGIN: Final = re.compile(_LINE + rb"(?:" + _FIELD + rb")*+")
_OTHER_VERSION: Final = re.compile(rb"[A-Z]+ [!-~]+ HTTP/(?!1\.[01]\r)[0-9](?:\.[0-9])?\r\n")
_OTHER: Final = (505, "this server speaks HTTP/1.1 and HTTP/1.0")
_NO_HEAD: Final = (400, "the head of the request is no HTTP/1.1 by RFC 9112")
_HOST: Final = re.compile(rb"[A-Za-z0-9._~!$&'()*+,;=:\[\]%-]+")

SINGULAR: Final = frozenset(
    {
        *(b"host", b"content-length", b"transfer-encoding", b"content-encoding", b"content-type"),
        *(b"expect", b"authorization", b"x-api-key", b"inference-header-content-length"),
    }
)
"""Headers that mean something else when they are there twice."""


@final
class Head(msgspec.Struct, frozen=True, kw_only=True):
    """What the head of a request says.

    Attributes
    ----------
    method, path, query, headers
        As in `Request`.
    length : int
        Bytes of the body; -1 if it comes in chunks.
    keep_alive : bool
        Whether the client lets the connection stay open.
    expects_continue : bool
        Whether the client waits for a word before it sends the body.
    encoding : bytes
        How the body is compressed; empty if it is not.
    is_old : bool
        Whether the client speaks HTTP/1.0.
    is_plain : bool
        Whether nothing of the above asks for more than to take the body and to answer.
    """

    method: str
    path: str
    query: str
    headers: Mapping[bytes, bytes]
    length: int
    keep_alive: bool
    expects_continue: bool
    encoding: bytes
    is_old: bool
    is_plain: bool = False


def read_head(head: bytes, limits: Limits) -> Head:
    r"""Return what a head says, which ends in an empty line.

    Raises
    ------
    Refusal
        If it can be read in two ways, is too long, or asks what this server does not do.

    Examples
    --------
    >>> read_head(b"GET /livez?x=1 HTTP/1.1\r\nHost: me\r\n\r\n", Limits()).path
    '/livez'
    """
    if len(head) > limits.max_head:
        raise Refusal(431, f"the head is over {limits.max_head} bytes")
    found = _HEAD.fullmatch(head)
    if found is None:
        if _OTHER_VERSION.match(head):
            raise Refusal(*_OTHER)
        raise Refusal(*_NO_HEAD)
    method, target, minor, fields = found.groups()
    headers = _headers(fields, limits)
    is_old = minor == b"0"
    host = headers.get(b"host")
    if host is None and not is_old:
        raise Refusal(400, "the header Host is missing")
    if host is not None and not _HOST.fullmatch(host):
        raise Refusal(400, "the header Host names no host")
    path, _, query = _path_of(target, method).partition(b"?")
    expected = headers.get(b"expect")
    if expected is not None and expected.lower() != b"100-continue":
        raise Refusal(417, "the only expectation met is 100-continue")
    encoding = headers.get(b"content-encoding", b"").lower()
    encoding = b"" if encoding == b"identity" else encoding
    length = _length(headers, limits, is_old=is_old)
    keep_alive = _keeps_alive(headers.get(b"connection"), is_old=is_old)
    is_named = b"x-request-id" in headers
    return Head(
        method=method.decode("ascii"),
        path=path.decode("ascii"),
        query=query.decode("ascii"),
        headers=MappingProxyType(headers),
        length=length,
        keep_alive=keep_alive,
        expects_continue=expected is not None and not is_old,
        encoding=encoding,
        is_old=is_old,
        is_plain=length >= 0 and keep_alive and not (encoding or is_named or is_old),
    )


def check_begin(begun: bytes) -> None:
    """Refuse what has arrived so far if it is not the beginning of a head.

    Raises
    ------
    Refusal
        If no head begins so.
    """
    lines = begun[: begun.rfind(b"\n") + 1]
    if _OTHER_VERSION.match(lines):
        raise Refusal(*_OTHER)
    if _BEGIN.fullmatch(lines) is None if lines else not b"A" <= begun[:1] <= b"Z":
        raise Refusal(*_NO_HEAD)


def _headers(fields: bytes, limits: Limits) -> dict[bytes, bytes]:
    lines = fields.split(b"\r\n")
    lines.pop()
    if len(lines) > limits.max_headers:
        raise Refusal(431, f"there are more than {limits.max_headers} headers")
    headers: dict[bytes, bytes] = {}
    for line in lines:
        name, _, value = line.partition(b":")
        name, value = name.lower(), value.strip(b" \t")
        known = headers.get(name)
        if known is None:
            headers[name] = value
        elif name in SINGULAR:
            raise Refusal(400, f"the header {name.decode('ascii')} is there twice")
        else:
            headers[name] = known + b", " + value
    return headers


def _keeps_alive(connection: bytes | None, *, is_old: bool) -> bool:
    if connection is None:
        return not is_old
    options = [option.strip() for option in connection.lower().split(b",")]
    return b"keep-alive" in options if is_old else b"close" not in options


def _length(headers: Mapping[bytes, bytes], limits: Limits, *, is_old: bool) -> int:
    length, coding = headers.get(b"content-length"), headers.get(b"transfer-encoding")
    if coding is not None:
        if length is not None:
            raise Refusal(400, "Content-Length and Transfer-Encoding exclude each other")
        if coding.lower() != b"chunked" or is_old:
            raise Refusal(400, "the only transfer coding is chunked, in HTTP/1.1")
        return -1
    if length is None:
        return 0
    if not length.isdigit() or len(length) > 19:
        raise Refusal(400, "Content-Length is no number")
    if int(length) > limits.max_body:
        raise Refusal(413, f"the body is over {limits.max_body} bytes")
    return int(length)


def _path_of(target: bytes, method: bytes) -> bytes:
    """Return the path and query of a target, also of one in absolute form."""
    if target.startswith(b"/") or (target == b"*" and method == b"OPTIONS"):
        return target
    scheme, found, rest = target.partition(b"://")
    if not found or scheme.lower() not in (b"http", b"https") or rest[:1] in (b"", b"/", b"?"):
        raise Refusal(400, "the target is no path")
    authority, slash, path = rest.partition(b"/")
    if b"@" in authority or b"?" in authority:
        raise Refusal(400, "the target is no path")
    return slash + path if slash else b"/"

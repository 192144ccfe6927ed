"""Who may ask what: keys, kept as hashes."""

from __future__ import annotations

import base64
import hashlib
import hmac
import ipaddress
import json
import secrets
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final, Self, final

import pydantic

from mldeploy._record import Record
from mldeploy.errors import DeploymentError, InvalidDataError
from mldeploy.serving.http._errors import error_response
from mldeploy.serving.http._messages import Request, Response
from mldeploy.serving.http._routing import Role


@final
class ApiKey(Record):
    """One key: whose it is, what it opens, and the hash that tells it.

    Attributes
    ----------
    name : str
        Whose it is; told in logs, where the key never is.
    roles : tuple of Role
        What it opens.
    sha256 : str
        Hash of the key. Keys are 256 random bits, which no table of hashes can hold: a slow hash
        would protect nothing and cost every request.
    """

    name: str
    roles: tuple[Role, ...]
    sha256: str = pydantic.Field(pattern="^[0-9a-f]{64}$")

    @classmethod
    def new(cls, name: str, roles: Iterable[Role]) -> tuple[Self, str]:
        """Return a new key's record, and the key itself, which is kept nowhere."""
        key = secrets.token_urlsafe(32)
        digest = hashlib.sha256(key.encode()).hexdigest()
        return cls(name=name, roles=tuple(roles), sha256=digest), key


@final
class ApiKeys:
    """Judge requests by the key that they carry.

    A key comes as ``Authorization: Bearer KEY`` or ``X-API-Key: KEY``, or as the password that a
    browser asks for. Routes for anyone, such as health checks, need none.

    Parameters
    ----------
    keys : sequence of ApiKey
        At least one.

    Attributes
    ----------
    keys : tuple of ApiKey
        The same.
    """

    def __init__(self, keys: Sequence[ApiKey]) -> None:
        if not keys:
            raise ValueError("without a key nobody could ask anything; pass at least one")
        self.keys = tuple(keys)

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read keys from a JSON file: a list of objects with name, roles and sha256.

        Raises
        ------
        InvalidDataError
            If it holds something else.
        """
        try:
            return cls([ApiKey.model_validate(one) for one in json.loads(path.read_text())])
        except (ValueError, TypeError) as error:
            raise InvalidDataError(f"{path} holds no list of keys: {error}") from error

    def __call__(self, request: Request, role: Role) -> Response | None:
        """Return what a client is told who may not ask; None for one who may."""
        if role is Role.ANYONE:
            return None
        given = _given(request)
        if given is None:
            return _challenge("this needs a key: Authorization: Bearer KEY", request)
        digest = hashlib.sha256(given).hexdigest()
        known = [key for key in self.keys if hmac.compare_digest(key.sha256, digest)]
        if not known:
            return _challenge("this key is not known", request)
        if role not in known[0].roles:
            return error_response(403, f"this key does not open {role}", request.path)
        return None


_BASIC: Final = (b"www-authenticate", b'Basic realm="mldeploy", charset="UTF-8"')
"""Alone: browsers read one challenge in a header, and ask for a password if it is this one."""


def _challenge(reason: str, request: Request) -> Response:
    told = error_response(401, reason, request.path)
    return Response(status=401, body=told.body, headers=(_BASIC,))


def _given(request: Request) -> bytes | None:
    kind, _, key = request.headers.get(b"authorization", b"").partition(b" ")
    if kind.lower() == b"bearer" and key:
        return key.strip()
    if kind.lower() == b"basic" and key:
        try:
            return base64.b64decode(key, validate=True).partition(b":")[2]
        except ValueError:
            return b""
    return request.headers.get(b"x-api-key")


def require_guard(host: str, keys: ApiKeys | None, *, open_to_all: bool = False) -> None:
    """Refuse to serve beyond this machine without keys, unless that is what was asked for.

    Raises
    ------
    DeploymentError
        If the address is not loopback, and there are no keys.
    """
    if keys is not None or open_to_all or _is_loopback(host):
        return
    raise DeploymentError(
        f"{host} can be reached from elsewhere, and there are no keys: anybody could ask. Pass "
        "keys, put it behind something that asks for them and say so (--open), or listen on "
        "127.0.0.1"
    )


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False

"""Who may ask what: keys, kept as hashes, with roles."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import secrets
from collections.abc import Collection, Iterable, Mapping
from typing import Annotated, Final, Self, final

import pydantic

from mldeploy._record import Record
from mldeploy.errors import DeploymentError
from mldeploy.serving.http._messages import Request, Response
from mldeploy.serving.http._refusals import ErrorResponse, Refusal, plain_error
from mldeploy.serving.http._routing import Role

_PREFIX: Final = "mld_"
_SHORTEST: Final = 16


@final
class ApiKey(Record):
    """A key, without what would let anybody use it.

    Attributes
    ----------
    name : str
        Whose it is; written to logs.
    sha256 : str
        Hash of the key. Keys are long and random, so no slower hash is needed.
    roles : frozenset of Role
        What it lets its owner do.
    """

    name: Annotated[str, pydantic.Field(min_length=1, max_length=100)]
    sha256: Annotated[str, pydantic.Field(pattern=r"\A[0-9a-f]{64}\Z")]
    roles: frozenset[Role]

    @classmethod
    def of(cls, secret: str, *, name: str, roles: Collection[Role]) -> Self:
        """Return the key that a secret is.

        Raises
        ------
        ValueError
            If the secret is so short that it can be guessed.
        """
        if len(secret) < _SHORTEST:
            raise ValueError(
                f"the key of {name} has {len(secret)} characters and can be guessed; "
                f"make one with `ApiKey.make`, or of at least {_SHORTEST} random characters"
            )
        return cls(name=name, sha256=_hash(secret.encode()).hex(), roles=frozenset(roles))

    @classmethod
    def make(cls, *, name: str, roles: Collection[Role]) -> tuple[str, Self]:
        """Return a new secret, which is kept nowhere, and its key."""
        secret = _PREFIX + secrets.token_urlsafe(32)
        return secret, cls.of(secret, name=name, roles=roles)


@final
class ApiKeys:
    """Tell who asks, by ``Authorization: Bearer KEY`` or ``X-API-Key: KEY``.

    Parameters
    ----------
    keys : iterable of ApiKey
        Those that are known; without any, everybody may ask everything.
    error_response : callable, optional
        Takes status, reason and path, and returns what the client is told.

    Examples
    --------
    >>> secret, key = ApiKey.make(name="shop", roles=[Role.PREDICT])
    >>> keys = ApiKeys([key])
    >>> keys.admit({b"x-api-key": secret.encode()}, Role.PREDICT)
    'shop'
    """

    def __init__(
        self, keys: Iterable[ApiKey] = (), *, error_response: ErrorResponse = plain_error
    ) -> None:
        self.keys = tuple(keys)
        self._error = error_response
        names = [key.name for key in self.keys]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(
                f"two keys have the name {twice[0]!r}; logs could not tell them apart"
            )
        self._known = [(bytes.fromhex(key.sha256), key) for key in self.keys]

    @property
    def are_required(self) -> bool:
        """Whether somebody without a key is refused."""
        return bool(self.keys)

    def admit(self, headers: Mapping[bytes, bytes], role: Role) -> str:
        """Return the name of the key that a request bears; empty if none is needed.

        Raises
        ------
        Refusal
            With 401 if there is no known key, 403 if it does not let its owner do this.
        """
        if role is Role.ANYONE or not self._known:
            return ""
        secret = _secret(headers)
        if secret is None:
            raise Refusal(401, "a key is needed: Authorization: Bearer KEY, or X-API-Key: KEY")
        given, found = _hash(secret), None
        for known, key in self._known:
            if hmac.compare_digest(given, known):
                found = key
        if found is None:
            raise Refusal(401, "this key is not known")
        if role not in found.roles:
            raise Refusal(403, f"the key of {found.name} does not have the role {role}")
        return found.name

    def permits(self, request: Request, role: Role) -> Response | None:
        """Return what a client is told who may not ask; None for one who may."""
        try:
            self.admit(request.headers, role)
        except Refusal as refusal:
            response = self._error(refusal.status, refusal.reason, request.path)
            extra = ((b"www-authenticate", b"Bearer"),) if refusal.status == 401 else ()
            return Response(
                status=response.status,
                body=response.body,
                content_type=response.content_type,
                headers=(*response.headers, *extra),
            )
        return None

    def check_address(self, host: str, *, insecure: bool = False) -> None:
        """Refuse to let everybody in from everywhere by mistake.

        Parameters
        ----------
        host : str
            Where the server is to listen.
        insecure : bool, default=False
            Whether that is wanted: something else decides who may ask.

        Raises
        ------
        DeploymentError
            If there is no key, and others than this machine can reach the address.
        """
        if not self.are_required and not insecure and not is_loopback(host):
            raise DeploymentError(
                f"{host} can be reached by others, and no API key is set: anybody could ask. "
                "Set keys, listen on 127.0.0.1, or say that it is to be insecure"
            )


def is_loopback(host: str) -> bool:
    """Tell whether an address is reached from this machine only.

    Examples
    --------
    >>> [is_loopback(host) for host in ("127.0.0.1", "::1", "localhost", "0.0.0.0", "")]
    [True, True, True, False, False]
    """
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _hash(secret: bytes) -> bytes:
    return hashlib.sha256(secret).digest()


def _secret(headers: Mapping[bytes, bytes]) -> bytes | None:
    bearer, key = headers.get(b"authorization"), headers.get(b"x-api-key")
    if bearer is not None:
        scheme, _, secret = bearer.partition(b" ")
        secret = secret.strip()
        return secret if scheme.lower() == b"bearer" and secret else None
    return key or None

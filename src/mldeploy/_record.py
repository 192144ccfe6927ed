"""Values that are stored or sent: frozen, closed, and with one canonical form."""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TypeAlias, final

import pydantic

Clock: TypeAlias = Callable[[], datetime]
"""Anything that tells the time; it must answer with a zone."""


def utc_now() -> datetime:
    """Tell the time in UTC: the default `Clock`."""
    return datetime.now(UTC)


def sha256_hex(content: bytes) -> str:
    """Return the SHA-256 digest of `content` as 64 hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()


def canonical_json(value: object) -> bytes:
    """Return the one JSON text that equal values share, whatever their key order.

    Parameters
    ----------
    value : object
        A value made of dicts with string keys, lists, strings, finite numbers, booleans and None.

    Returns
    -------
    bytes
        UTF-8, keys sorted, no insignificant white space.

    Raises
    ------
    ValueError
        If a number is NaN or infinite: those have no JSON form.

    Examples
    --------
    >>> canonical_json({"b": 1, "a": [True, None]})
    b'{"a":[true,null],"b":1}'
    """
    text = json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )
    return text.encode()


def digest_of(value: object) -> str:
    """Return the SHA-256 digest of the canonical JSON of `value`."""
    return sha256_hex(canonical_json(value))


class Record(pydantic.BaseModel):
    """Base of every stored or sent value.

    Records are immutable, refuse unknown fields, and compare by value. Infinite numbers are
    written as the strings ``"Infinity"`` and ``"-Infinity"``, so that the text stays JSON.
    """

    model_config = pydantic.ConfigDict(
        frozen=True,
        extra="forbid",
        ser_json_inf_nan="strings",
        ser_json_timedelta="float",
        ser_json_bytes="base64",
        val_json_bytes="base64",
        validate_default=True,
        defer_build=True,
    )

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        if not cls.__pydantic_complete__:
            cls.__signature__ = _SignatureWhenAsked()  # type: ignore[assignment]

    @property
    def digest(self) -> str:
        """SHA-256 of the canonical JSON of this record, 64 hexadecimal digits."""
        return digest_of(self.to_jsonable())

    def to_jsonable(self) -> dict[str, Any]:
        """Return this record as plain JSON values."""
        jsonable: dict[str, Any] = json.loads(self.model_dump_json())
        return jsonable

    def to_json(self) -> str:
        """Return this record as JSON text; `model_validate_json` reads it back."""
        return self.model_dump_json()


@final
class _SignatureWhenAsked:
    """The signature of a class that pydantic builds when it is first used: to ask is to use it."""

    def __get__(self, instance: object, owner: type[Record]) -> inspect.Signature:
        if instance is not None:
            raise AttributeError("__signature__")  # as pydantic has it: a value cannot be called
        owner.model_rebuild()
        return owner.__signature__

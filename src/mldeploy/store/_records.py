"""What the ledger and the verification of a store tell."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Literal, TypeAlias, final

import pydantic
import sqlalchemy as sa

from mldeploy._record import Record, canonical_json

JsonValue: TypeAlias = pydantic.JsonValue
"""What JSON can say: dicts with string keys, lists, strings, finite numbers, booleans, None."""

RowRef: TypeAlias = tuple[sa.Table, Mapping[str, str | int]]
"""One row: its table, and the values of its primary key by column name."""

Hasher: TypeAlias = Callable[[bytes], str]
"""Turns bytes into 64 hexadecimal digits: SHA-256, or HMAC-SHA-256 under a key."""


@final
class Event(Record):
    """One line of the ledger: who did what, when, to which thing.

    `hash` covers every other field, and `previous` is the hash of the event before, so that an
    event cannot be edited, removed, inserted or moved without breaking the chain after it.
    """

    sequence: int = pydantic.Field(ge=1)
    """Position in the ledger, from 1 without gaps."""
    time: datetime
    kind: str
    subject: str
    actor: str
    details: dict[str, JsonValue]
    previous: str
    hash: str

    def expected_hash(self, hasher: Hasher) -> str:
        """Return the hash that the other fields of this event have."""
        content = self.to_jsonable()
        del content["hash"]
        return hasher(canonical_json(content))


@final
class Head(Record):
    """The end of a ledger. Kept elsewhere, it betrays a later rewriting or truncation."""

    sequence: int = pydantic.Field(ge=0)
    hash: str


@final
class Damage(Record):
    """One thing in a store that is not what was written."""

    kind: Literal["artifact", "database", "ledger", "row"]
    where: str
    """The digest, the event's number, or the table and the key of the row."""
    problem: str

    def __str__(self) -> str:
        return f"{self.kind} {self.where} {self.problem}"

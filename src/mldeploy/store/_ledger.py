"""The hash chain: appended in the transaction it tells of, walked from its first event."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path
from typing import ClassVar, Final, final

import sqlalchemy as sa

from mldeploy._record import sha256_hex
from mldeploy.errors import IntegrityError, LedgerKeyError

from ._files import write_atomically
from ._records import Damage, Event, Hasher, Head, JsonValue, RowRef
from ._schema import LEDGER, META
from ._seals import (
    AnyRow,
    Seal,
    check_rows,
    event_of,
    key_text,
    read_seal,
    row_digest,
    sealing_event,
    seals_of,
    write_seal,
)

GENESIS: Final = "0" * 64
"""What the first event has for a predecessor."""
LEDGER_KEY_ID: Final = "ledger_key_id"
"""Name in the table of facts under which the key's id lies."""


def hasher_of(key: bytes | None) -> Hasher:
    """Return HMAC-SHA-256 under `key`, or SHA-256 when there is none."""
    if key is None:
        return sha256_hex
    return lambda content: hmac.new(key, content, hashlib.sha256).hexdigest()


def stored_key_id(connection: sa.Connection) -> str:
    """Return the id of the key that the ledger was begun with; empty for none."""
    return str(connection.scalar(sa.select(META.c.value).where(META.c.key == LEDGER_KEY_ID)) or "")


def key_id_of(key: bytes | None) -> str:
    """Return what tells one key from another without giving it away; empty for no key."""
    return hasher_of(key)(b"mldeploy ledger key")[:16] if key is not None else ""


@final
class Ledger:
    """Who did what, when, to which hashes: append-only events, each holding the last one's hash.

    `Transaction.record` appends, in the transaction that makes the change. An event may name
    rows: the digest of each is then part of the event, and an edited, deleted or inserted row
    of a sealed table is noticed like an edited event.

    Notes
    -----
    *With a key* (HMAC-SHA-256), whoever can write the files but does not hold the key can
    neither edit, insert, reorder nor append events unnoticed. *Without a key* (SHA-256), the
    chain shows accidents and edits of single rows; it proves nothing against somebody who can
    write the files, since they can recompute every hash after their edit. In neither case does
    the chain alone show that its *last* events were cut off, or that the whole folder was
    replaced by an older copy. For that, keep the head elsewhere (`export_head`) and pass it to
    `verify`: any other history then differs at that head, keyed or not.

    Examples
    --------
    >>> import tempfile
    >>> from mldeploy.store import Store
    >>> with tempfile.TemporaryDirectory() as folder, Store.open(folder) as store:
    ...     with store.write() as tx:
    ...         event = tx.record("note", subject="late-arrivals", actor="ana")
    ...     [e.kind for e in store.ledger.events()], store.ledger.verify(store.ledger.head())
    (['store.created', 'note'], ())
    """

    KEY_VARIABLE: ClassVar[str] = "MLDEPLOY_LEDGER_KEY"
    """Environment variable that holds the key, if `Store.open` is not given one."""

    def __init__(
        self,
        reading: Callable[[], AbstractContextManager[sa.Connection]],
        *,
        key: bytes | None,
    ) -> None:
        self._reading = reading
        self._hasher = hasher_of(key)
        self._key_id = key_id_of(key)

    def events(
        self, *, kind: str | None = None, subject: str | None = None, limit: int | None = None
    ) -> tuple[Event, ...]:
        """Return events in order, oldest first; with `limit`, the newest so many of them.

        Raises
        ------
        IntegrityError
            If an event is not what was written, or one is missing among those returned.
        """
        query = sa.select(LEDGER).order_by(LEDGER.c.sequence.desc()).limit(limit)
        if kind is not None:
            query = query.where(LEDGER.c.kind == kind)
        if subject is not None:
            query = query.where(LEDGER.c.subject == subject)
        with self._reading() as connection:
            checkable = self._is_checkable(connection)
            events = [event_of(row) for row in connection.execute(query).mappings()][::-1]
        whole = kind is None and subject is None
        for previous, event in zip([None, *events], events, strict=False):
            if whole and previous and event.sequence != previous.sequence + 1:
                raise IntegrityError(f"the ledger after event {previous.sequence}")
            if checkable:
                self._require_sound(event)
        return tuple(events)

    def head(self) -> Head:
        """Return the number and the hash of the last event."""
        with self._reading() as connection:
            return self.head_in(connection)

    def export_head(self, path: str | Path) -> Head:
        """Write the head to a file, as JSON, and return it.

        Keep the file where those who can write the store cannot: another machine, a mail, a
        tag of a repository. `Head.model_validate_json` reads it back for `verify`.
        """
        head = self.head()
        write_atomically(Path(path), head.to_json().encode())
        return head

    def verify(self, known_head: Head | None = None) -> tuple[Damage, ...]:
        """Walk the chain from its first event and check every sealed row against it.

        Parameters
        ----------
        known_head : Head, optional
            A head that was kept elsewhere; the ledger must still hold it.

        Returns
        -------
        tuple of Damage
            Empty when nothing is wrong.

        Raises
        ------
        LedgerKeyError
            If the ledger is keyed and this store was opened without its key: then nobody can
            tell whether the chain is sound.
        """
        with self._reading() as connection:
            self._require_key(connection)
            seals: dict[tuple[str, str], tuple[Seal, int]] = {}
            damages = list(self._walk(connection, known_head, seals))
            damages += check_rows(connection, seals)
        return tuple(damages)

    def check_row(self, connection: sa.Connection, table: sa.Table, row: AnyRow) -> None:
        """Refuse a row of a sealed table that is not what its last event says.

        Parameters
        ----------
        connection : sqlalchemy.Connection
            From `Store.read` or `Transaction.connection`.
        table : sqlalchemy.Table
            The table, with a row for each thing that was sealed (`tables.versions`, ...).
        row : mapping
            All columns of the row as they were just read, for example a `RowMapping`.

        Raises
        ------
        IntegrityError
            If the row was edited or inserted behind the ledger's back.

        Notes
        -----
        This looks at one event, and is quick. That a row was put back to what an *earlier* event
        says is found by `verify`, which walks them all.
        """
        place = (table.name, key_text(table, row))
        where = f"the row {place[1]} of {place[0]}"
        event = sealing_event(connection, place)
        if event is None:
            raise IntegrityError(f"{where}, which no event of the ledger names,")
        if self._is_checkable(connection):
            self._require_sound(event)
        sealed = {seal.place: seal.sha256 for seal in seals_of(event)}.get(place)
        if sealed != (found := row_digest(row)):
            raise IntegrityError(where, expected=str(sealed), found=found)

    def append(
        self,
        connection: sa.Connection,
        *,
        time: datetime,
        kind: str,
        subject: str,
        actor: str,
        details: Mapping[str, JsonValue],
        rows: Sequence[RowRef] = (),
    ) -> Event:
        """Append an event under the write lock; `Transaction.record` is the way to call this."""
        self._require_key(connection)
        content = dict(details)
        if "rows" in content:
            raise ValueError("details may not hold 'rows': the sealed rows are written there")
        seals = [read_seal(connection, reference) for reference in rows]
        if seals:
            content["rows"] = [seal.to_jsonable() for seal in seals]
        head = self.head_in(connection)
        event = Event(
            sequence=head.sequence + 1,
            time=time,
            kind=kind,
            subject=subject,
            actor=actor,
            details=content,
            previous=head.hash,
            hash="",
        )
        event = event.model_copy(update={"hash": event.expected_hash(self._hasher)})
        connection.execute(sa.insert(LEDGER), event.model_dump())
        for seal in seals:
            write_seal(connection, seal, sequence=event.sequence)
        return event

    def head_in(self, connection: sa.Connection) -> Head:
        """Return the head as a given connection sees it."""
        query = sa.select(LEDGER.c.sequence, LEDGER.c.hash).order_by(LEDGER.c.sequence.desc())
        row = connection.execute(query.limit(1)).first()
        return (
            Head(sequence=0, hash=GENESIS) if row is None else Head(sequence=row[0], hash=row[1])
        )

    def _walk(
        self,
        connection: sa.Connection,
        known_head: Head | None,
        seals: dict[tuple[str, str], tuple[Seal, int]],
    ) -> Iterator[Damage]:
        last = Head(sequence=0, hash=GENESIS)
        known_is_held = known_head is None or known_head == last
        for row in connection.execute(sa.select(LEDGER).order_by(LEDGER.c.sequence)).mappings():
            where = str(row["sequence"])
            try:
                event = event_of(row)
            except IntegrityError as error:
                yield Damage(kind="ledger", where=where, problem=str(error))
                last = Head(sequence=row["sequence"], hash=str(row["hash"]))
                continue
            if event.sequence != last.sequence + 1:
                problem = f"follows event {last.sequence}: events in between are missing"
                yield Damage(kind="ledger", where=where, problem=problem)
            if event.previous != last.hash:
                problem = "does not hold the hash of the event before it"
                yield Damage(kind="ledger", where=where, problem=problem)
            if event.hash != event.expected_hash(self._hasher):
                problem = "was edited, or written under another key: its hash is another"
                yield Damage(kind="ledger", where=where, problem=problem)
            last = Head(sequence=event.sequence, hash=event.hash)
            known_is_held = known_is_held or known_head == last
            seals.update({seal.place: (seal, event.sequence) for seal in seals_of(event)})
        if last.sequence == 0:
            yield Damage(kind="ledger", where="1", problem="is missing: the ledger is empty")
        if not known_is_held and known_head is not None:
            problem = "is not the one that was known: the ledger was truncated or rewritten"
            yield Damage(kind="ledger", where=str(known_head.sequence), problem=problem)

    def _require_sound(self, event: Event) -> None:
        if (found := event.expected_hash(self._hasher)) != event.hash:
            what = f"event {event.sequence} of the ledger"
            raise IntegrityError(what, expected=event.hash, found=found)

    def _require_key(self, connection: sa.Connection) -> None:
        if (stored := stored_key_id(connection)) != self._key_id:
            raise LedgerKeyError(expected=stored, found=self._key_id)

    def _is_checkable(self, connection: sa.Connection) -> bool:
        """Tell whether hashes can be recomputed: not if the ledger is keyed and we have no key."""
        if not self._key_id:
            return not stored_key_id(connection)
        self._require_key(connection)
        return True

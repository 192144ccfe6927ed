"""Digests of rows, as events of the ledger record them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final, TypeAlias, final

import pydantic
import sqlalchemy as sa

from mldeploy._record import Record, canonical_json, digest_of
from mldeploy.errors import IntegrityError

from ._records import Damage, Event, RowRef
from ._schema import LEDGER, METADATA, SEALED, SEALS

AnyRow: TypeAlias = sa.RowMapping | Mapping[str, Any]

SEALED_TABLES: Final = {
    table.name: table for table in METADATA.sorted_tables if SEALED.items() <= table.info.items()
}


@final
class Seal(Record):
    """What an event says of one row: the digest of its values, or None for a row that is gone."""

    table: str
    key: dict[str, str | int]
    sha256: str | None

    @property
    def place(self) -> tuple[str, str]:
        """The table and the canonical text of the key."""
        return self.table, canonical_json(self.key).decode()


_SEALS: Final = pydantic.TypeAdapter(list[Seal])


def key_text(table: sa.Table, row: AnyRow) -> str:
    """Return the canonical text of the primary key of `row`."""
    return canonical_json({c.name: row[c.name] for c in table.primary_key.columns}).decode()


def row_digest(row: AnyRow) -> str:
    """Return the digest of a row; columns without a value do not count, so new ones may come."""
    return digest_of({str(name): _plain(v) for name, v in row.items() if v is not None})


def read_seal(connection: sa.Connection, reference: RowRef) -> Seal:
    """Return the seal of a row as it stands in this transaction."""
    table, key = reference
    if table.name not in SEALED_TABLES:
        raise ValueError(f"rows of {table.name} are not sealed; seal {', '.join(SEALED_TABLES)}")
    if set(key) != {c.name for c in table.primary_key.columns}:
        raise ValueError(f"{dict(key)} is not a primary key of {table.name}")
    where = [table.c[name] == value for name, value in key.items()]
    row = connection.execute(sa.select(table).where(*where)).mappings().first()
    return Seal(table=table.name, key=dict(key), sha256=None if row is None else row_digest(row))


def event_of(row: AnyRow) -> Event:
    """Return the event of a ledger row, or raise `IntegrityError` if it cannot be one."""
    try:
        return Event.model_validate(dict(row))
    except pydantic.ValidationError as error:
        raise IntegrityError(f"event {row['sequence']} of the ledger") from error


def seals_of(event: Event) -> list[Seal]:
    """Return the seals that an event records."""
    try:
        return _SEALS.validate_python(event.details.get("rows", []))
    except pydantic.ValidationError as error:
        raise IntegrityError(f"event {event.sequence} of the ledger") from error


def sealing_event(connection: sa.Connection, place: tuple[str, str]) -> Event | None:
    """Return the event that the table of seals names for a row."""
    query = sa.select(LEDGER).join(SEALS, SEALS.c.sequence == LEDGER.c.sequence)
    query = query.where(SEALS.c.table == place[0], SEALS.c.key == place[1])
    row = connection.execute(query).mappings().first()
    return None if row is None else event_of(row)


def write_seal(connection: sa.Connection, seal: Seal, *, sequence: int) -> None:
    """Note which event sealed a row last, so that reading a row finds it at once."""
    table, key = seal.place
    connection.execute(sa.delete(SEALS).where(SEALS.c.table == table, SEALS.c.key == key))
    values = {"table": table, "key": key, "digest": seal.sha256, "sequence": sequence}
    connection.execute(sa.insert(SEALS), values)


def check_rows(
    connection: sa.Connection, seals: Mapping[tuple[str, str], tuple[Seal, int]]
) -> Iterator[Damage]:
    """Yield every sealed row that is not what its last event says.

    `seals` holds, by table and key, what the walk over the ledger found last, and at which event.
    """
    yield from _check_notes(connection, seals)
    unseen = {place for place, (seal, _) in seals.items() if seal.sha256 is not None}
    for table in SEALED_TABLES.values():
        for row in connection.execute(sa.select(table)).mappings():
            place = (table.name, key_text(table, row))
            unseen.discard(place)
            seal, _ = seals.get(place, (None, 0))
            where = f"{place[0]} {place[1]}"
            if seal is None:
                yield Damage(kind="row", where=where, problem="is named by no event of the ledger")
            elif seal.sha256 is None:
                yield Damage(kind="row", where=where, problem="is there, though it was deleted")
            elif seal.sha256 != row_digest(row):
                yield Damage(kind="row", where=where, problem="was edited after its last event")
    for table_name, key in sorted(unseen):
        where = f"{table_name} {key}"
        yield Damage(
            kind="row", where=where, problem="is gone, and no event of the ledger says so"
        )


def _check_notes(
    connection: sa.Connection, seals: Mapping[tuple[str, str], tuple[Seal, int]]
) -> Iterator[Damage]:
    """Yield where the table of seals names another event than the last one of a row."""
    noted = {(row.table, row.key): row.sequence for row in connection.execute(sa.select(SEALS))}
    for place in sorted(noted.keys() | seals.keys()):
        _, sequence = seals.get(place, (None, None))
        if noted.get(place) != sequence:
            problem = f"points to event {noted.get(place)} instead of {sequence}"
            yield Damage(kind="row", where=f"seals {place[0]} {place[1]}", problem=problem)


def _plain(value: Any) -> Any:
    return value.isoformat(timespec="microseconds") if isinstance(value, datetime) else value

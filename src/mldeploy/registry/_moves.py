"""How aliases moved, read from the store and held against the ledger."""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from typing import Any

import sqlalchemy as sa

from mldeploy.errors import IntegrityError
from mldeploy.registry._records import ModelVersion, Promotion
from mldeploy.store import JsonValue, Ledger, Transaction, tables


def aliased(connection: sa.Connection, ledger: Ledger, name: str, alias: str) -> int | None:
    """Return the number that an alias names; the alias and its last move must agree."""
    table, history = tables.aliases, tables.alias_history
    query = sa.select(table).where(table.c.name == name, table.c.alias == alias)
    row = connection.execute(query).mappings().first()
    if row is not None:
        ledger.check_row(connection, table, row)
    moves = sa.select(history).where(history.c.name == name, history.c.alias == alias)
    last = connection.execute(moves.order_by(history.c.id.desc()).limit(1)).mappings().first()
    if last is not None:
        ledger.check_row(connection, history, last)
    number = None if row is None else int(row["number"])
    if number != (moved := None if last is None else int(last["number"])):
        what = f"the alias {alias!r} of {name!r}"
        raise IntegrityError(what, expected=str(moved), found=str(number))
    return number


def moves_of(
    connection: sa.Connection, ledger: Ledger, name: str, alias: str | None = None
) -> tuple[Promotion, ...]:
    """Return the moves of one alias, or of all, oldest first; no move may be missing."""
    table = tables.alias_history
    query = sa.select(table).where(table.c.name == name).order_by(table.c.id)
    if alias is not None:
        query = query.where(table.c.alias == alias)
    moves: list[Promotion] = []
    at: dict[str, int] = {}
    for row in connection.execute(query).mappings().all():
        ledger.check_row(connection, table, row)
        move = _promotion(row)
        if move.previous != (expected := at.get(move.alias)):
            what = f"the history of {move.alias!r} of {name!r} before {move.at:%Y-%m-%d %H:%M:%S}"
            raise IntegrityError(what, expected=str(move.previous), found=str(expected))
        moves.append(move)
        at[move.alias] = move.number
    for moved, number in at.items():
        if number != (found := aliased(connection, ledger, name, moved)):
            what = f"the alias {moved!r} of {name!r}"
            raise IntegrityError(what, expected=str(number), found=str(found))
    return tuple(moves)


def served_before(moves: Sequence[Promotion], *, there: AbstractSet[int]) -> int | None:
    """Return the version that served before the present one, of those that are still there.

    A rollback takes back the moves that it undid: after 1, 2, 3 and a rollback to 2, version 1
    served before.
    """
    served: list[int] = []
    for move in moves:
        if move.is_rollback:
            while served and served[-1] != move.number:
                served.pop()
        elif not served or served[-1] != move.number:
            served.append(move.number)
    return next((n for n in reversed(served[:-1]) if n != served[-1] and n in there), None)


def move(
    tx: Transaction,
    ledger: Ledger,
    version: ModelVersion,
    alias: str,
    *,
    by: str,
    reason: str,
    approval: str | None,
) -> Promotion:
    """Let an alias name a version, with its line in the history and its event."""
    moved = Promotion(
        name=version.name,
        alias=alias,
        number=version.number,
        previous=aliased(tx.connection, ledger, version.name, alias),
        at=tx.now,
        by=by,
        reason=reason,
        approval=approval,
        report=version.report,
        is_rollback=approval is None,
    )
    key: dict[str, str | int] = {"name": version.name, "alias": alias}
    table = tables.aliases
    gone = sa.and_(table.c.name == version.name, table.c.alias == alias)
    tx.connection.execute(sa.delete(table).where(gone))
    tx.connection.execute(sa.insert(table), {**key, "number": version.number, "since": tx.now})
    inserted = tx.connection.execute(sa.insert(tables.alias_history), _row(moved))
    (history_id,) = inserted.inserted_primary_key or (0,)
    details: dict[str, JsonValue] = {"promotion": moved.to_jsonable()}
    tx.record(
        "alias.moved",
        subject=f"{version.name}@{alias}",
        actor=by,
        details=details,
        rows=[(table, key), (tables.alias_history, {"id": history_id})],
    )
    return moved


def _row(promotion: Promotion) -> dict[str, Any]:
    return {
        "name": promotion.name,
        "alias": promotion.alias,
        "number": promotion.number,
        "previous_number": promotion.previous,
        "at": promotion.at,
        "by": promotion.by,
        "reason": promotion.reason,
        "report_digest": promotion.report,
        "approval_id": promotion.approval,
    }


def _promotion(row: sa.RowMapping) -> Promotion:
    return Promotion(
        name=row["name"],
        alias=row["alias"],
        number=row["number"],
        previous=row["previous_number"],
        at=row["at"],
        by=row["by"],
        reason=row["reason"],
        approval=row["approval_id"],
        report=row["report_digest"],
        is_rollback=row["approval_id"] is None,
    )

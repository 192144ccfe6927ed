"""Approvals and waivers, as they are kept."""

from __future__ import annotations

from collections.abc import Mapping
from typing import final

import sqlalchemy as sa

from mldeploy.errors import ApprovalError, IntegrityError
from mldeploy.evidence import Approval, Waiver
from mldeploy.registry._records import ModelVersion
from mldeploy.registry._rows import require_stored
from mldeploy.registry._rules import approval_complaint
from mldeploy.store import Event, JsonValue, Store, tables


@final
class SignOffs:
    """Who approved which version, and who waived which finding about it.

    Parameters
    ----------
    store : Store
        Where they are kept, each with its event in the ledger.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def approve(self, version: ModelVersion, approval: Approval) -> None:
        """Keep an approval; one that is kept already stays as it is.

        Raises
        ------
        ApprovalError
            If it is of another version, or the trainer's own without a waiver.
        NotFoundError
            If the registry does not hold this version.
        """
        if complaint := approval_complaint(approval, version, at=approval.at):
            raise ApprovalError(f"{version.label} cannot be approved so: {complaint}")
        row = {
            "id": approval.digest,
            "name": approval.model_name,
            "number": approval.number,
            "version_digest": approval.version_digest,
            "by": approval.by,
            "reason": approval.reason,
            "at": approval.at,
        }
        details: dict[str, JsonValue] = {"approval": approval.to_jsonable()}
        self._keep("version.approved", version, tables.approvals, row, details)

    def approvals(self, version: ModelVersion) -> tuple[Approval, ...]:
        """Return the approvals of a version, oldest first.

        Raises
        ------
        IntegrityError
            If one was edited or removed behind the ledger's back.
        """
        kept = self._kept("version.approved", version, tables.approvals, field="approval")
        return tuple(Approval.model_validate(approval) for approval in kept)

    def waive(self, version: ModelVersion, waiver: Waiver) -> None:
        """Keep somebody's decision to go on although a finding about a version did not hold.

        Raises
        ------
        NotFoundError
            If the registry does not hold this version.
        """
        row = {
            "id": f"{version.label}/{waiver.digest}",
            "by": waiver.by,
            "reason": waiver.reason,
            "finding": waiver.to_json(),
            "scope": version.label,
            "until": waiver.until,
        }
        details: dict[str, JsonValue] = {"waiver": waiver.to_jsonable()}
        self._keep("finding.waived", version, tables.waivers, row, details)

    def waivers(self, version: ModelVersion) -> tuple[Waiver, ...]:
        """Return the waivers for a version, oldest first, whether they have ended or not.

        Raises
        ------
        IntegrityError
            If one was edited or removed behind the ledger's back.
        """
        kept = self._kept("finding.waived", version, tables.waivers, field="waiver")
        return tuple(Waiver.model_validate(waiver) for waiver in kept)

    def _keep(
        self,
        kind: str,
        version: ModelVersion,
        table: sa.Table,
        row: Mapping[str, object],
        details: Mapping[str, JsonValue],
    ) -> None:
        key = {"id": str(row["id"])}
        with self._store.write() as tx:
            require_stored(tx.connection, self._store.ledger, version)
            if tx.connection.scalar(sa.select(table.c.id).where(table.c.id == key["id"])):
                return
            tx.connection.execute(sa.insert(table), {"at": tx.now, **row})
            tx.record(
                kind,
                subject=version.label,
                actor=str(row["by"]),
                details=details,
                rows=[(table, key)],
            )

    def _kept(
        self, kind: str, version: ModelVersion, table: sa.Table, *, field: str
    ) -> list[JsonValue]:
        """Return what the events say, when the row of each is there and what its event says.

        Events are read before rows: then a row that is missing was not merely late.
        """
        ledger = self._store.ledger
        events = {
            _sealed_id(event): event.details[field]
            for event in ledger.events(kind=kind, subject=version.label)
        }
        in_table = (
            (table.c.name == version.name, table.c.number == version.number)
            if table is tables.approvals
            else (table.c.scope == version.label,)
        )
        with self._store.read() as connection:
            rows = connection.execute(sa.select(table).where(*in_table)).mappings().all()
            for row in rows:
                ledger.check_row(connection, table, row)
        if missing := events.keys() - {row["id"] for row in rows}:
            raise IntegrityError(
                f"{table.name} of {version.label}, of which some are gone,",
                expected=", ".join(sorted(missing)),
                found="none",
            )
        return list(events.values())


def _sealed_id(event: Event) -> str:
    match event.details.get("rows"):
        case [{"key": {"id": str(sealed)}}]:
            return sealed
    raise IntegrityError(f"event {event.sequence} of the ledger")

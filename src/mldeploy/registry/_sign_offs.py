"""Approvals and waivers, as they are kept."""

from __future__ import annotations

from typing import final

import sqlalchemy as sa

from mldeploy.errors import ApprovalError
from mldeploy.evidence import Approval, Waiver
from mldeploy.registry._records import ModelVersion
from mldeploy.registry._rows import exists
from mldeploy.registry._rules import approval_complaint
from mldeploy.store import Store, tables


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
        """Keep an approval.

        Raises
        ------
        ApprovalError
            If it is of another version, or the trainer's own without a waiver.
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
        with self._store.write() as tx:
            if exists(tx.connection, tables.approvals, approval.digest):
                return
            tx.connection.execute(sa.insert(tables.approvals), row)
            tx.record(
                "version.approved",
                subject=version.label,
                actor=approval.by,
                details={"approval": approval.to_jsonable()},
                rows=[(tables.approvals, {"id": approval.digest})],
            )

    def approvals(self, version: ModelVersion) -> tuple[Approval, ...]:
        """Return the approvals of a version, oldest first."""
        events = self._store.ledger.events(kind="version.approved", subject=version.label)
        return tuple(Approval.model_validate(e.details["approval"]) for e in events)

    def waive(self, version: ModelVersion, waiver: Waiver) -> None:
        """Keep somebody's decision to go on although a finding about a version did not hold."""
        waiver_id = f"{version.label}/{waiver.digest}"
        row = {
            "id": waiver_id,
            "by": waiver.by,
            "reason": waiver.reason,
            "finding": waiver.to_json(),
            "scope": version.label,
            "until": waiver.until,
        }
        with self._store.write() as tx:
            if exists(tx.connection, tables.waivers, waiver_id):
                return
            tx.connection.execute(sa.insert(tables.waivers), {**row, "at": tx.now})
            tx.record(
                "finding.waived",
                subject=version.label,
                actor=waiver.by,
                details={"waiver": waiver.to_jsonable()},
                rows=[(tables.waivers, {"id": waiver_id})],
            )

    def waivers(self, version: ModelVersion) -> tuple[Waiver, ...]:
        """Return the waivers for a version, whether they have ended or not."""
        table = tables.waivers
        query = sa.select(table).where(table.c.scope == version.label).order_by(table.c.at)
        with self._store.read() as connection:
            rows = connection.execute(query).mappings().all()
            for row in rows:
                self._store.ledger.check_row(connection, table, row)
        return tuple(Waiver.model_validate_json(row["finding"]) for row in rows)

"""Which bundles exist, with what evidence, and which of them serve."""

from __future__ import annotations

import tempfile
from datetime import datetime
from pathlib import Path
from typing import Final, final

import sqlalchemy as sa

from mldeploy.errors import (
    LiveVersionError,
    NotFoundError,
    PromotionError,
)
from mldeploy.evidence import Approval, Report, Verdict
from mldeploy.model import Bundle
from mldeploy.registry._records import ModelVersion, Promotion
from mldeploy.registry._rows import exists, next_number, served_numbers, version_of, version_row
from mldeploy.registry._rules import approval_complaint, evidence_complaint
from mldeploy.registry._sign_offs import SignOffs
from mldeploy.store import JsonValue, Store, Transaction, tables

CHAMPION: Final = "champion"


@final
class Registry:
    """Which bundles exist, with what evidence, and which of them serve.

    Every change and its event in the ledger commit together. An alias moves only to a version
    whose validation passed (or whose failures are waived), on an approval of exactly that
    version by somebody else than the person who trained it.

    Parameters
    ----------
    store : Store
        Where versions, aliases and approvals are kept.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self.sign_offs = SignOffs(store)

    # --- versions -------------------------------------------------------------------------

    def register(self, bundle: Bundle, report: Report, *, by: str) -> ModelVersion:
        """Keep a bundle with its evidence as the next version of its problem's name.

        Parameters
        ----------
        bundle : Bundle
            What would serve.
        report : Report
            What its validation found, whatever the verdict.
        by : str
            Who registers it.

        Returns
        -------
        ModelVersion
            Durable when this returns.

        Raises
        ------
        PromotionError
            If the report is about another model or problem.
        StoreBusyError, StoreFullError
            If the store could not be written; no half version remains.
        """
        if complaint := evidence_complaint(
            report, model=bundle.model_digest, problem=bundle.problem.digest
        ):
            raise PromotionError(f"this bundle cannot be registered with this report: {complaint}")
        directory = self._store.artifacts.put_directory(bundle.directory)
        with self._store.write() as tx:
            version = ModelVersion(
                name=bundle.problem.name,
                number=next_number(tx.connection, bundle.problem.name),
                bundle=directory,
                model=bundle.model_digest,
                problem=bundle.problem.digest,
                report=report.digest,
                data=bundle.provenance.data,
                evaluation=report.about.get("data", ""),
                verdict=report.verdict,
                trained_by=bundle.provenance.trained_by,
                created_by=by,
                created_at=tx.now,
            )
            self._insert_report(tx, report, subject=version.label)
            tx.connection.execute(sa.insert(tables.versions), version_row(version))
            tx.record(
                "version.registered",
                subject=version.label,
                actor=by,
                details={"version": version.digest, "verdict": str(version.verdict)},
                rows=[
                    (tables.versions, {"name": version.name, "number": version.number}),
                    (tables.reports, {"digest": report.digest}),
                ],
            )
        return version

    def get(self, name: str, which: int | str = CHAMPION) -> ModelVersion:
        """Return a version by its number or by an alias.

        Raises
        ------
        NotFoundError
            If there is no such version or alias, or the version was deleted.
        IntegrityError
            If the row was edited behind the ledger's back.
        """
        with self._store.read() as connection:
            number = which if isinstance(which, int) else self._aliased(connection, name, which)
            if number is None:
                raise NotFoundError(f"{name!r} has no alias {which!r}; promote a version to it")
            return self._version(connection, name, number)

    def versions(self, name: str) -> tuple[ModelVersion, ...]:
        """Return the versions of a name that were not deleted, oldest first."""
        rows = sa.select(tables.versions).where(
            tables.versions.c.name == name, tables.versions.c.deleted_at.is_(None)
        )
        with self._store.read() as connection:
            found = connection.execute(rows.order_by(tables.versions.c.number)).mappings().all()
            return tuple(self._checked(connection, row) for row in found)

    def names(self) -> tuple[str, ...]:
        """Return every registered name, sorted."""
        query = sa.select(tables.versions.c.name).distinct().order_by(tables.versions.c.name)
        with self._store.read() as connection:
            return tuple(connection.scalars(query))

    def report(self, version: ModelVersion) -> Report:
        """Return the validation report of a version.

        Raises
        ------
        IntegrityError
            If it was edited.
        """
        table = tables.reports
        with self._store.read() as connection:
            query = sa.select(table).where(table.c.digest == version.report)
            row = connection.execute(query).mappings().first()
            if row is None:
                raise NotFoundError(f"the report of {version.label} is not in the store")
            self._store.ledger.check_row(connection, table, row)
            return Report.model_validate(row["json"])

    def open_bundle(self, version: ModelVersion, *, target: Path | None = None) -> Bundle:
        """Return the bundle of a version, verified file by file before anything is read.

        Parameters
        ----------
        version : ModelVersion
            Which.
        target : Path, optional
            Where to put the files; a temporary directory that the caller owns when None.

        Raises
        ------
        IntegrityError
            If a file is not what was registered.
        """
        place = target or Path(tempfile.mkdtemp(prefix="mldeploy-")) / "bundle"
        bundle = Bundle.open(self._store.artifacts.restore_directory(version.bundle, place))
        if bundle.model_digest != version.model:
            raise NotFoundError(f"the bundle of {version.label} holds another model")
        return bundle

    def delete(self, version: ModelVersion, *, by: str, reason: str) -> None:
        """Take a version out of the list; its number is not used again.

        Raises
        ------
        LiveVersionError
            If an alias names it: what serves cannot be deleted.
        """
        table, aliases = tables.versions, tables.aliases
        with self._store.write() as tx:
            self._version(tx.connection, version.name, version.number)
            serving = tx.connection.scalars(
                sa.select(aliases.c.alias).where(
                    aliases.c.name == version.name, aliases.c.number == version.number
                )
            ).all()
            if serving:
                raise LiveVersionError(
                    f"{version.label} is {', '.join(serving)} and cannot be deleted; promote "
                    "another version first"
                )
            key: dict[str, str | int] = {"name": version.name, "number": version.number}
            where = sa.and_(*(table.c[column] == value for column, value in key.items()))
            tx.connection.execute(sa.update(table).where(where).values(deleted_at=tx.now))
            tx.record(
                "version.deleted",
                subject=version.label,
                actor=by,
                details={"reason": reason},
                rows=[(table, key)],
            )

    # --- aliases --------------------------------------------------------------------------

    def evidence(self, version: ModelVersion, *, at: datetime) -> Report:
        """Return the validation report with the waivers that hold at a time."""
        return self.report(version).waive(self.sign_offs.waivers(version), at=at)

    def promote(
        self,
        version: ModelVersion,
        alias: str = CHAMPION,
        *,
        approval: Approval,
        by: str,
        reason: str = "",
    ) -> Promotion:
        """Let an alias name a version.

        Raises
        ------
        PromotionError
            If the validation did not pass and is not waived, if it is about something else,
            or if the approval was not kept, is of another version, or is the trainer's own.
        """
        at = self._store.clock()
        report = self.evidence(version, at=at)
        complaint = evidence_complaint(report, model=version.model, problem=version.problem)
        if complaint is None and report.verdict is not Verdict.PASS:
            complaint = f"its validation says {report.verdict}; mend it, or have it waived"
        complaint = complaint or approval_complaint(approval, version, at=at)
        if complaint is None and approval not in self.sign_offs.approvals(version):
            complaint = "the approval is not in the store; keep it with sign_offs.approve first"
        if complaint:
            raise PromotionError(f"{version.label} cannot become {alias}: {complaint}")
        with self._store.write() as tx:
            self._version(tx.connection, version.name, version.number)
            return self._move(tx, version, alias, by=by, reason=reason, approval=approval.digest)

    def rollback(self, name: str, alias: str = CHAMPION, *, by: str, reason: str) -> ModelVersion:
        """Return an alias to the version that served before the present one.

        Raises
        ------
        NotFoundError
            If none served before, or it was deleted.
        """
        with self._store.write() as tx:
            current = self._aliased(tx.connection, name, alias)
            served = served_numbers(tx.connection, name, alias)
            before = served[-2] if len(served) > 1 else None
            if current is None or before is None:
                raise NotFoundError(f"nothing served as {alias} of {name!r} before; see history")
            version = self._version(tx.connection, name, before)
            self._move(tx, version, alias, by=by, reason=reason, approval=None)
            return version

    def alias(self, name: str, alias: str = CHAMPION) -> ModelVersion | None:
        """Return the version that an alias names, or None."""
        with self._store.read() as connection:
            number = self._aliased(connection, name, alias)
            return None if number is None else self._version(connection, name, number)

    def history(self, name: str, alias: str | None = None) -> tuple[Promotion, ...]:
        """Return the moves of one alias, or of all, oldest first."""
        events = self._store.ledger.events(kind="alias.moved")
        moves = (Promotion.model_validate(e.details["promotion"]) for e in events)
        return tuple(m for m in moves if m.name == name and alias in {None, m.alias})

    def _move(
        self,
        tx: Transaction,
        version: ModelVersion,
        alias: str,
        *,
        by: str,
        reason: str,
        approval: str | None,
    ) -> Promotion:
        move = Promotion(
            name=version.name,
            alias=alias,
            number=version.number,
            previous=self._aliased(tx.connection, version.name, alias),
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
        inserted = tx.connection.execute(
            sa.insert(tables.alias_history),
            {
                **key,
                "number": move.number,
                "previous_number": move.previous,
                "at": move.at,
                "by": by,
                "reason": reason,
                "report_digest": move.report,
                "approval_id": approval,
            },
        )
        details: dict[str, JsonValue] = {"promotion": move.to_jsonable()}
        (history_id,) = inserted.inserted_primary_key or (0,)
        tx.record(
            "alias.moved",
            subject=f"{version.name}@{alias}",
            actor=by,
            details=details,
            rows=[(table, key), (tables.alias_history, {"id": history_id})],
        )
        return move

    def _insert_report(self, tx: Transaction, report: Report, *, subject: str) -> None:
        if exists(tx.connection, tables.reports, report.digest, column="digest"):
            return
        row = {
            "digest": report.digest,
            "step": report.step,
            "subject": subject,
            "created_at": report.started_at,
            "verdict": str(report.verdict),
            "json": report.to_jsonable(),
        }
        tx.connection.execute(sa.insert(tables.reports), row)

    def _version(self, connection: sa.Connection, name: str, number: int) -> ModelVersion:
        table = tables.versions
        query = sa.select(table).where(table.c.name == name, table.c.number == number)
        row = connection.execute(query).mappings().first()
        if row is None or row["deleted_at"] is not None:
            gone = "was deleted" if row is not None else "is not in the registry"
            raise NotFoundError(f"{name}:{number} {gone}")
        return self._checked(connection, row)

    def _aliased(self, connection: sa.Connection, name: str, alias: str) -> int | None:
        table = tables.aliases
        query = sa.select(table).where(table.c.name == name, table.c.alias == alias)
        row = connection.execute(query).mappings().first()
        if row is None:
            return None
        self._store.ledger.check_row(connection, table, row)
        return int(row["number"])

    def _checked(self, connection: sa.Connection, row: sa.RowMapping) -> ModelVersion:
        self._store.ledger.check_row(connection, tables.versions, row)
        return version_of(dict(row))

"""Which bundles exist, with what evidence, and which of them serve."""

from __future__ import annotations

import shutil
import tempfile
from datetime import datetime
from pathlib import Path
from typing import Final, final

import sqlalchemy as sa

from mldeploy._record import digest_of
from mldeploy.errors import IntegrityError, LiveVersionError, NotFoundError, PromotionError
from mldeploy.evidence import Approval, Report, Verdict
from mldeploy.model import Bundle
from mldeploy.registry._evaluations import Evaluations
from mldeploy.registry._moves import aliased, move, moves_of, served_before
from mldeploy.registry._records import ModelVersion, Promotion
from mldeploy.registry._rows import (
    checked_version,
    next_number,
    read_version,
    require_stored,
    version_row,
)
from mldeploy.registry._rules import (
    approval_complaint,
    evidence_complaint,
    judged_at,
    provenance_complaint,
    require_alias,
    require_person,
)
from mldeploy.registry._sign_offs import SignOffs
from mldeploy.registry._uploads import keep_bundle, keep_report
from mldeploy.store import Store, tables

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
        self._ledger = store.ledger
        self.sign_offs = SignOffs(store)
        self.evaluations = Evaluations(store)

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
        IntegrityError
            If a file of the bundle is no longer what its manifest says.
        StoreBusyError, StoreFullError
            If the store could not be written; no half version remains.
        """
        by = require_person(by)
        if complaint := evidence_complaint(
            report, model=bundle.model_digest, problem=bundle.problem.digest
        ) or provenance_complaint(report, bundle.provenance):
            raise PromotionError(f"this bundle cannot be registered with this report: {complaint}")
        directory = keep_bundle(self._store.artifacts, bundle)
        with self._store.write() as tx:
            version = ModelVersion(
                name=bundle.problem.name,
                number=next_number(tx.connection, bundle.problem.name),
                bundle=directory,
                model=bundle.model_digest,
                problem=bundle.problem.digest,
                report=report.digest,
                data=bundle.provenance.data,
                evaluation=report.about["data"],
                verdict=judged_at(report, (), at=tx.now).verdict,
                trained_by=bundle.provenance.trained_by,
                created_by=by,
                created_at=tx.now,
            )
            keep_report(tx, self._ledger, report, subject=version.label)
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
            number = (
                which if isinstance(which, int) else aliased(connection, self._ledger, name, which)
            )
            if number is None:
                raise NotFoundError(f"{name!r} has no alias {which!r}; promote a version to it")
            return read_version(connection, self._ledger, name, number)

    def versions(self, name: str) -> tuple[ModelVersion, ...]:
        """Return the versions of a name that were not deleted, oldest first.

        Raises
        ------
        IntegrityError
            If a row was edited behind the ledger's back.
        """
        table = tables.versions
        query = sa.select(table).where(table.c.name == name, table.c.deleted_at.is_(None))
        with self._store.read() as connection:
            rows = connection.execute(query.order_by(table.c.number)).mappings().all()
            return tuple(checked_version(connection, self._ledger, row) for row in rows)

    def names(self) -> tuple[str, ...]:
        """Return every name that has a version, sorted."""
        table = tables.versions
        query = sa.select(table.c.name).where(table.c.deleted_at.is_(None)).distinct()
        with self._store.read() as connection:
            return tuple(connection.scalars(query.order_by(table.c.name)))

    def report(self, version: ModelVersion) -> Report:
        """Return the validation report of a version, also of a deleted one.

        Raises
        ------
        NotFoundError
            If the registry does not hold this version.
        IntegrityError
            If the report or the version was edited.
        """
        table = tables.reports
        with self._store.read() as connection:
            require_stored(connection, self._ledger, version, deleted_too=True)
            query = sa.select(table).where(table.c.digest == version.report)
            row = connection.execute(query).mappings().first()
            if row is None:
                raise IntegrityError(f"the report of {version.label}, which is gone,")
            self._ledger.check_row(connection, table, row)
        if (found := digest_of(row["json"])) != version.report:
            what = f"the report of {version.label}"
            raise IntegrityError(what, expected=version.report, found=found)
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
        NotFoundError
            If the registry does not hold this version, or it was deleted, or a file is missing.
        IntegrityError
            If a file, or the version, is not what was registered; nothing is left at `target`.
        """
        with self._store.read() as connection:
            require_stored(connection, self._ledger, version)
        place = target or Path(tempfile.mkdtemp(prefix="mldeploy-")) / "bundle"
        try:
            self._store.artifacts.restore_directory(version.bundle, place)
        except BaseException:
            if target is None:
                shutil.rmtree(place.parent, ignore_errors=True)
            raise
        return Bundle.open(place)

    def delete(self, version: ModelVersion, *, by: str, reason: str) -> None:
        """Take a version out of the list; its number is not used again, its record stays.

        Raises
        ------
        NotFoundError
            If the registry does not hold this version, or it was deleted.
        LiveVersionError
            If an alias names it: what serves cannot be deleted.
        """
        table = tables.versions
        with self._store.write() as tx:
            require_stored(tx.connection, self._ledger, version)
            moves = moves_of(tx.connection, self._ledger, version.name)
            at = {m.alias: m.number for m in moves}
            if serving := [alias for alias, number in at.items() if number == version.number]:
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
                actor=require_person(by),
                details={"reason": reason},
                rows=[(table, key)],
            )

    # --- aliases --------------------------------------------------------------------------

    def evidence(self, version: ModelVersion, *, at: datetime) -> Report:
        """Return the validation report with the waivers that hold at a time."""
        return judged_at(self.report(version), self.sign_offs.waivers(version), at=at)

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
        NotFoundError
            If the registry does not hold this version, or it was deleted.
        IntegrityError
            If the version, its evidence or an approval was edited behind the ledger's back.
        """
        by, alias = require_person(by), require_alias(alias)
        with self._store.write() as tx:
            require_stored(tx.connection, self._ledger, version)
            if complaint := self._complaint(version, approval, at=tx.now):
                raise PromotionError(f"{version.label} cannot become {alias}: {complaint}")
            return move(
                tx, self._ledger, version, alias, by=by, reason=reason, approval=approval.digest
            )

    def rollback(self, name: str, alias: str = CHAMPION, *, by: str, reason: str) -> ModelVersion:
        """Return an alias to the version that served before the present one.

        Versions that were deleted since are passed over. A second rollback goes back one further.

        Raises
        ------
        NotFoundError
            If none served before that is still there.
        """
        by, table = require_person(by), tables.versions
        there = sa.select(table.c.number).where(table.c.name == name, table.c.deleted_at.is_(None))
        with self._store.write() as tx:
            before = served_before(
                moves_of(tx.connection, self._ledger, name, alias),
                there=set(tx.connection.scalars(there)),
            )
            if before is None:
                raise NotFoundError(
                    f"nothing that is still there served as {alias} of {name!r} before; see "
                    "history, and promote a version"
                )
            version = read_version(tx.connection, self._ledger, name, before)
            move(tx, self._ledger, version, alias, by=by, reason=reason, approval=None)
            return version

    def alias(self, name: str, alias: str = CHAMPION) -> ModelVersion | None:
        """Return the version that an alias names, or None."""
        with self._store.read() as connection:
            number = aliased(connection, self._ledger, name, alias)
            return None if number is None else read_version(connection, self._ledger, name, number)

    def history(self, name: str, alias: str | None = None) -> tuple[Promotion, ...]:
        """Return the moves of one alias, or of all, oldest first.

        Raises
        ------
        IntegrityError
            If a move was edited or removed behind the ledger's back.
        """
        with self._store.read() as connection:
            return moves_of(connection, self._ledger, name, alias)

    def _complaint(self, version: ModelVersion, approval: Approval, *, at: datetime) -> str | None:
        """Say what keeps a version from serving; None if nothing does."""
        report = self.evidence(version, at=at)
        complaint = evidence_complaint(report, model=version.model, problem=version.problem)
        complaint = complaint or self.evaluations.superseded(report)
        if complaint is None and report.verdict is not Verdict.PASS:
            complaint = f"its validation says {report.verdict}; mend it, or have it waived"
        complaint = complaint or approval_complaint(approval, version, at=at)
        if complaint is None and approval not in self.sign_offs.approvals(version):
            complaint = "the approval is not in the store; keep it with sign_offs.approve first"
        return complaint

"""Versions as rows of the store."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from mldeploy.errors import NotFoundError
from mldeploy.registry._records import ModelVersion
from mldeploy.store import Ledger, tables


def version_row(version: ModelVersion) -> dict[str, Any]:
    return {
        "name": version.name,
        "number": version.number,
        "bundle_digest": version.bundle,
        "model_digest": version.model,
        "problem_digest": version.problem,
        "data_fingerprint": version.data,
        "report_digest": version.report,
        "created_at": version.created_at,
        "created_by": version.created_by,
        "details": {
            "evaluation": version.evaluation,
            "verdict": str(version.verdict),
            "trained_by": version.trained_by,
        },
    }


def checked_version(connection: sa.Connection, ledger: Ledger, row: sa.RowMapping) -> ModelVersion:
    """Return the version of a row that is what the ledger says."""
    ledger.check_row(connection, tables.versions, row)
    return ModelVersion(
        name=row["name"],
        number=row["number"],
        bundle=row["bundle_digest"],
        model=row["model_digest"],
        problem=row["problem_digest"],
        data=row["data_fingerprint"],
        report=row["report_digest"],
        created_at=row["created_at"],
        created_by=row["created_by"],
        **row["details"],
    )


def read_version(
    connection: sa.Connection, ledger: Ledger, name: str, number: int, *, deleted_too: bool = False
) -> ModelVersion:
    """Return a version, or raise `NotFoundError` if it is not there, or was deleted."""
    table = tables.versions
    query = sa.select(table).where(table.c.name == name, table.c.number == number)
    row = connection.execute(query).mappings().first()
    if row is None:
        raise NotFoundError(f"{name}:{number} is not in the registry; see names() and versions()")
    version = checked_version(connection, ledger, row)
    if row["deleted_at"] is not None and not deleted_too:
        raise NotFoundError(f"{name}:{number} was deleted; choose another of versions({name!r})")
    return version


def require_stored(
    connection: sa.Connection, ledger: Ledger, version: ModelVersion, *, deleted_too: bool = False
) -> None:
    """Refuse a version that is not, field by field, the one in the store."""
    stored = read_version(
        connection, ledger, version.name, version.number, deleted_too=deleted_too
    )
    if stored != version:
        raise NotFoundError(
            f"{version.label} in the registry is another than the one given; take it from get()"
        )


def next_number(connection: sa.Connection, name: str) -> int:
    """Return the number after the highest ever given; deleted versions keep theirs."""
    table = tables.versions
    query = sa.select(sa.func.max(table.c.number)).where(table.c.name == name)
    return int(connection.scalar(query) or 0) + 1

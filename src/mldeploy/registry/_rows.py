"""Versions and aliases as rows of the store."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from mldeploy.registry._records import ModelVersion
from mldeploy.store import tables


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


def version_of(row: Mapping[str, Any]) -> ModelVersion:
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


def next_number(connection: sa.Connection, name: str) -> int:
    table = tables.versions
    query = sa.select(sa.func.max(table.c.number)).where(table.c.name == name)
    return int(connection.scalar(query) or 0) + 1


def served_numbers(connection: sa.Connection, name: str, alias: str) -> list[int]:
    """Return the versions that an alias has come through, rolled-back ones taken out again."""
    table = tables.alias_history
    moves = connection.execute(
        sa.select(table.c.number, table.c.approval_id)
        .where(table.c.name == name, table.c.alias == alias)
        .order_by(table.c.id)
    )
    served: list[int] = []
    for number, approval in moves:
        if approval is None and served:
            served.pop()
        elif not served or served[-1] != number:
            served.append(number)
    return served


def exists(connection: sa.Connection, table: sa.Table, key: object, *, column: str = "id") -> bool:
    query = sa.select(sa.literal(1)).where(table.c[column] == key)
    return connection.scalar(query) is not None

"""What a version refers to, put into the store before the version itself."""

from __future__ import annotations

import json

import sqlalchemy as sa

from mldeploy.errors import IntegrityError
from mldeploy.evidence import Report
from mldeploy.model import Bundle
from mldeploy.store import Artifacts, Ledger, Transaction, tables

_MANIFEST = "manifest.json"


def keep_bundle(artifacts: Artifacts, bundle: Bundle) -> str:
    """Store a bundle's directory and return its digest; what was stored is what was opened."""
    digest = artifacts.put_directory(bundle.directory)
    stored = {name: file.sha256 for name, file in artifacts.read_manifest(digest).files.items()}
    named = {name: file["sha256"] for name, file in json.loads(bundle.manifest)["files"].items()}
    expected = {**named, _MANIFEST: bundle.digest}
    if changed := sorted(dict(stored.items() ^ expected.items())):
        raise IntegrityError(f"{bundle.directory} ({', '.join(changed)})")
    return digest


def keep_report(tx: Transaction, ledger: Ledger, report: Report, *, subject: str) -> None:
    """Store a report; one that is stored already must be what the ledger says."""
    table = tables.reports
    query = sa.select(table).where(table.c.digest == report.digest)
    if (row := tx.connection.execute(query).mappings().first()) is not None:
        ledger.check_row(tx.connection, table, row)
        return
    values = {
        "digest": report.digest,
        "step": report.step,
        "subject": subject,
        "created_at": report.started_at,
        "verdict": str(report.verdict),
        "json": report.to_jsonable(),
    }
    tx.connection.execute(sa.insert(table), values)

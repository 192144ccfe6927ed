"""Entries and versions as rows of the store."""

from __future__ import annotations

from typing import Any, Final

import sqlalchemy as sa

from mldeploy.data._catalogue_records import DatasetEntry, DatasetVersion
from mldeploy.errors import InvalidDataError, NotFoundError
from mldeploy.store import Ledger, tables

_IN_DETAILS: Final = (
    *("columns", "roles", "location", "files", "time", "timezone", "made_from", "made_by"),
)
_AS_ROWS: Final = {"rows": "n_rows"}


def entry_row(entry: DatasetEntry) -> dict[str, Any]:
    """Return what the table of the catalogue holds of an entry."""
    said = entry.to_jsonable()
    apart = {"name": entry.name, "described_at": entry.described_at}
    for name in ("name", "described_at", "described_by"):
        del said[name]
    return {**apart, "described_by": entry.described_by, "json": said}


def checked_entry(connection: sa.Connection, ledger: Ledger, row: sa.RowMapping) -> DatasetEntry:
    """Return the entry of a row that is what the ledger says."""
    ledger.check_row(connection, tables.catalogue, row)
    apart = {name: row[name] for name in ("name", "described_at", "described_by")}
    return DatasetEntry.model_validate({**apart, **row["json"]})


def version_row(version: DatasetVersion) -> dict[str, Any]:
    """Return what the table of versions holds of one."""
    details = version.to_jsonable()
    apart = ("name", "number", "fingerprint", "schema_digest", "profile_digest")
    times = ("added_at", "added_by", "withdrawn_at")
    return {
        **{name: getattr(version, name) for name in (*apart, *times)},
        "rows": version.n_rows,
        "details": {name: details[name] for name in _IN_DETAILS},
    }


def checked_version(
    connection: sa.Connection, ledger: Ledger, row: sa.RowMapping
) -> DatasetVersion:
    """Return the version of a row that is what the ledger says."""
    ledger.check_row(connection, tables.dataset_versions, row)
    plain = {_AS_ROWS.get(n, n): value for n, value in row.items() if n != "details"}
    return DatasetVersion.model_validate({**plain, **row["details"]})


def read_entry(connection: sa.Connection, ledger: Ledger, name: str) -> DatasetEntry:
    """Return an entry, or raise `NotFoundError`."""
    table = tables.catalogue
    row = connection.execute(sa.select(table).where(table.c.name == name)).mappings().first()
    if row is None:
        raise NotFoundError(
            f"the catalogue has no data set {name!r}; see names(), or say what it is: "
            f"catalogue.describe({name!r}, description=..., owner=..., by=...)"
        )
    return checked_entry(connection, ledger, row)


def read_versions(
    connection: sa.Connection, ledger: Ledger, **equal: str | int
) -> tuple[DatasetVersion, ...]:
    """Return the versions with some values, by name and number."""
    table = tables.dataset_versions
    query = sa.select(table).order_by(table.c.name, table.c.number)
    for column, value in equal.items():
        query = query.where(table.c[column] == value)
    rows = connection.execute(query).mappings().all()
    return tuple(checked_version(connection, ledger, row) for row in rows)


def read_version(
    connection: sa.Connection, ledger: Ledger, name: str, number: int | None
) -> DatasetVersion:
    """Return a version, the latest that is not withdrawn by default, or raise `NotFoundError`."""
    found = read_versions(connection, ledger, name=name)
    for version in reversed(found):
        if version.number == number or (number is None and not version.is_withdrawn):
            return version
    wanted = f"{name}:{number}" if number is not None else f"version of {name!r} in use"
    known = ", ".join(str(version.number) for version in found) or "none"
    raise NotFoundError(f"the catalogue has no {wanted}; its versions are: {known}")


def require_stored(connection: sa.Connection, ledger: Ledger, version: DatasetVersion) -> None:
    """Refuse a version that is not, field by field, the one in the store."""
    stored = read_version(connection, ledger, version.name, version.number)
    if stored != version:
        raise NotFoundError(
            f"{version.label} in the catalogue is another than the one given; take it from get()"
        )


def require_person(by: str) -> str:
    """Refuse an act of nobody."""
    if not by.strip():
        raise InvalidDataError("somebody does this: pass their name as by=")
    return by.strip()

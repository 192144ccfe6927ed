"""Data sets by name: what they are, which versions there are, and what was made from what."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, final

import sqlalchemy as sa

from mldeploy.data._catalogue_lineage import Lineage, lineage_of
from mldeploy.data._catalogue_place import files_of, in_one_place, place_of, source_at
from mldeploy.data._catalogue_records import AccessRule, DatasetEntry, DatasetVersion
from mldeploy.data._catalogue_rows import (
    entry_row,
    read_entry,
    read_version,
    read_versions,
    require_person,
    require_stored,
    version_row,
)
from mldeploy.data._catalogue_schema import schema_of_profile
from mldeploy.data._catalogue_search import Found, found_in
from mldeploy.data._catalogue_sheet import DataSheet, data_sheet
from mldeploy.data._data_source import DataSource
from mldeploy.data._dataset import Dataset
from mldeploy.data._engine import Engine
from mldeploy.data._engine_reductions import fingerprint_source, profile_source
from mldeploy.data._file_source import FileSource
from mldeploy.data._profile import Profile
from mldeploy.data._roles import valid_record
from mldeploy.data._schema import Schema
from mldeploy.data._source import TableLike
from mldeploy.data._sources import source_of
from mldeploy.errors import AccessDeniedError, InvalidDataError, NotFoundError
from mldeploy.store import Store, tables


@final
class Catalogue:
    """Named data sets with their versions, kept in the store.

    Every change and its event in the ledger commit together; what is read was not edited behind
    the ledger's back. The catalogue keeps what is known of data, and where they lie; the data
    stay there.

    Parameters
    ----------
    store : Store
        Where it is kept.

    Examples
    --------
    >>> import tempfile
    >>> import polars as pl
    >>> with tempfile.TemporaryDirectory() as folder, Store.open(folder) as store:
    ...     catalogue = Catalogue(store)
    ...     _ = catalogue.describe("flights", description="Departures, a row for each.",
    ...                            owner="ops@example.org", tags=["nyc"], by="ana")
    ...     version = catalogue.add(pl.DataFrame({"hour": [5, 23]}), name="flights", by="ana")
    ...     version.label, [found.name for found in catalogue.search("nyc departures")]
    ('flights:1', ['flights'])
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._ledger = store.ledger

    # --- what is said ---------------------------------------------------------------------

    def describe(
        self,
        name: str,
        *,
        description: str,
        owner: str,
        licence: str = "",
        tags: Sequence[str] = (),
        access: AccessRule | None = None,
        by: str,
    ) -> DatasetEntry:
        """Say what a data set is, anew if it was said before; the ledger keeps both.

        Parameters
        ----------
        name : str
            By which it will be asked for.
        description, owner, licence, tags, access
            See `DatasetEntry`.
        by : str
            Who says so.

        Raises
        ------
        InvalidDataError
            If the name has other characters than letters, digits and ``_ . / -``, or there is no
            description or owner.
        """
        table = tables.catalogue
        with self._store.write() as tx:
            with valid_record():
                entry = DatasetEntry(
                    name=name, description=description, owner=owner, licence=licence,
                    tags=_distinct(tags), access=access or AccessRule(),
                    described_at=tx.now, described_by=by,
                )  # fmt: skip
            row = entry_row(entry)
            here = table.c.name == entry.name
            changed = tx.connection.execute(sa.update(table).where(here).values(row))
            if not changed.rowcount:
                tx.connection.execute(sa.insert(table), row)
            tx.record(
                "catalogue.described",
                subject=entry.name,
                actor=entry.described_by,
                details={"entry": entry.to_jsonable()},
                rows=[(table, {"name": entry.name})],
            )
        return entry

    def entry(self, name: str) -> DatasetEntry:
        """Return what is said of a data set.

        Raises
        ------
        NotFoundError
            If nobody has described it.
        IntegrityError
            If it was edited behind the ledger's back.
        """
        with self._store.read() as connection:
            return read_entry(connection, self._ledger, name)

    def names(self) -> tuple[str, ...]:
        """Return the names of all data sets, sorted."""
        table = tables.catalogue
        with self._store.read() as connection:
            return tuple(connection.scalars(sa.select(table.c.name).order_by(table.c.name)))

    def search(
        self,
        text: str = "",
        *,
        tags: Sequence[str] = (),
        owner: str | None = None,
        column: str | None = None,
    ) -> tuple[Found, ...]:
        """Find data sets, the likeliest first.

        Parameters
        ----------
        text : str, default=""
            Words that all occur in name, description, tags, owner, licence or columns; beginnings
            of words suffice, and case is no matter.
        tags : sequence of str
            Tags that it has.
        owner : str, optional
            Its owner.
        column : str, optional
            A column of its version in use.

        Returns
        -------
        tuple of Found
            Names with why they were found.
        """
        with self._store.read() as connection:
            names = connection.scalars(sa.select(tables.catalogue.c.name)).all()
            known = [read_entry(connection, self._ledger, name) for name in names]
            columns = {
                version.name: version.columns
                for version in read_versions(connection, self._ledger)
                if not version.is_withdrawn
            }
        return found_in(known, columns, text=text, tags=tags, owner=owner, column=column)

    # --- versions -------------------------------------------------------------------------

    def add(
        self,
        data: DataSource | TableLike | Dataset,
        *,
        name: str,
        by: str,
        made_from: Sequence[DatasetVersion] = (),
        made_by: str = "",
        engine: Engine | None = None,
    ) -> DatasetVersion:
        """Keep what is known of some data as the next version of a data set.

        Parameters
        ----------
        data : DataSource, or any table
            It is read twice: for its profile, and for its fingerprint. A path is kept as where
            it lies; the roles of a `Dataset` are kept.
        name : str
            Of a data set that was described.
        by : str
            Who adds it.
        made_from : sequence of DatasetVersion
            The versions that it was made from.
        made_by : str, default=""
            What made it: a program and its revision.
        engine : Engine, optional
            Where it is read; threads of this process by default.

        Returns
        -------
        DatasetVersion
            Durable when this returns. Data with the fingerprint of the latest version are that
            version, and are not added again.

        Raises
        ------
        NotFoundError
            If nobody has described the data set, or a version that it was made from is not in
            the catalogue.
        InvalidDataError
            If the data cannot be read.
        """
        self.entry(name)
        source = in_one_place(source_of(data))
        files = files_of(source)
        profile = profile_source(source, engine=engine)
        fingerprint = fingerprint_source(source, engine=engine)
        if files != files_of(source):
            raise InvalidDataError(f"{source.name} changed while it was read; add it again")
        schema = schema_of_profile(source.schema(), profile)
        artifacts = self._store.artifacts
        facts = {
            "fingerprint": fingerprint,
            "n_rows": profile.n_rows,
            "columns": schema.names,
            "roles": data.roles if isinstance(data, Dataset) else None,
            "files": files,
            "made_by": made_by,
            "added_by": by,
            "schema_digest": artifacts.put_bytes(schema.to_json().encode()),
            "profile_digest": artifacts.put_bytes(profile.to_json().encode()),
            **place_of(source),
        }
        return self._append(name, facts, made_from)

    def _append(
        self, name: str, facts: Mapping[str, Any], made_from: Sequence[DatasetVersion]
    ) -> DatasetVersion:
        """Keep facts as the next version, unless the latest one is of the same data."""
        table = tables.dataset_versions
        with self._store.write() as tx:
            before = read_versions(tx.connection, self._ledger, name=name)
            last = before[-1] if before else None
            if last and last.fingerprint == facts["fingerprint"] and not last.is_withdrawn:
                return last
            for parent in made_from:
                require_stored(tx.connection, self._ledger, parent)
            with valid_record():
                version = DatasetVersion(
                    name=name,
                    number=len(before) + 1,
                    made_from=_distinct(parent.label for parent in made_from),
                    added_at=tx.now,
                    **facts,
                )
            tx.connection.execute(sa.insert(table), version_row(version))
            tx.record(
                "dataset.added",
                subject=version.label,
                actor=version.added_by,
                details={"fingerprint": version.fingerprint, "rows_added": version.n_rows},
                rows=[(table, {"name": version.name, "number": version.number})],
            )
        return version

    def get(self, name: str, number: int | None = None) -> DatasetVersion:
        """Return a version; by default the latest that is not withdrawn.

        Raises
        ------
        NotFoundError
            If there is none.
        IntegrityError
            If it was edited behind the ledger's back.
        """
        with self._store.read() as connection:
            return read_version(connection, self._ledger, name, number)

    def versions(self, name: str) -> tuple[DatasetVersion, ...]:
        """Return the versions of a data set, oldest first, also those withdrawn."""
        with self._store.read() as connection:
            return read_versions(connection, self._ledger, name=name)

    def find(self, fingerprint: str) -> tuple[DatasetVersion, ...]:
        """Return the versions that hold the data of a fingerprint, under any name."""
        with self._store.read() as connection:
            return read_versions(connection, self._ledger, fingerprint=fingerprint)

    def withdraw(self, version: DatasetVersion, *, by: str, reason: str) -> DatasetVersion:
        """Say that a version should not be used any more; what is known of it stays.

        Raises
        ------
        NotFoundError
            If the catalogue does not hold this version.
        """
        table = tables.dataset_versions
        key: dict[str, str | int] = {"name": version.name, "number": version.number}
        here = sa.and_(*(table.c[column] == value for column, value in key.items()))
        with self._store.write() as tx:
            require_stored(tx.connection, self._ledger, version)
            tx.connection.execute(sa.update(table).where(here).values(withdrawn_at=tx.now))
            tx.record(
                "dataset.withdrawn", subject=version.label, actor=require_person(by),
                details={"reason": reason}, rows=[(table, key)],
            )  # fmt: skip
            return read_version(tx.connection, self._ledger, version.name, version.number)

    # --- what is known of a version -------------------------------------------------------

    def open(self, version: DatasetVersion, *, by: str, reason: str = "") -> FileSource:
        """Return the data of a version, for somebody who may read them; the ledger keeps who.

        Parameters
        ----------
        version : DatasetVersion
            Which; its files are held against their digests as they are read.
        by : str
            Who reads.
        reason : str, default=""
            What for.

        Raises
        ------
        AccessDeniedError
            If the access rule does not allow it, which the ledger keeps as well.
        NotFoundError
            If the version was withdrawn, or the catalogue does not know where its data lie.
        """
        person, wanted = require_person(by), {"reason": reason}
        with self._store.write() as tx:
            require_stored(tx.connection, self._ledger, version)
            rule = read_entry(tx.connection, self._ledger, version.name).access
            kind = "dataset.opened" if rule.allows(person) else "dataset.refused"
            tx.record(kind, subject=version.label, actor=person, details=wanted)
        if not rule.allows(person):
            raise AccessDeniedError(version.label, person=person, readers=rule.readers)
        if version.is_withdrawn:
            raise NotFoundError(f"{version.label} was withdrawn; choose another version")
        return source_at(version, self.schema(version))

    def schema(self, version: DatasetVersion) -> Schema:
        """Return the schema of a version: types, ranges and categories of its columns."""
        content = self._store.artifacts.read_bytes(version.schema_digest)
        return Schema.model_validate_json(content)

    def profile(self, version: DatasetVersion) -> Profile:
        """Return the profile of a version."""
        content = self._store.artifacts.read_bytes(version.profile_digest)
        return Profile.model_validate_json(content)

    def lineage(self, version: DatasetVersion) -> Lineage:
        """Return what a version was made from, and what was made from it, over all steps."""
        with self._store.read() as connection:
            return lineage_of(version, read_versions(connection, self._ledger))

    def sheet(self, version: DatasetVersion) -> DataSheet:
        """Return the data sheet of a version, made from the record alone."""
        return data_sheet(
            self.entry(version.name),
            version,
            schema=self.schema(version),
            profile=self.profile(version),
            lineage=self.lineage(version),
        )


def _distinct(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(values))

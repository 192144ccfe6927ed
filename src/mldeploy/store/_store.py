"""The store: one folder, one write lock, one ledger."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import ClassVar, Final, Self, final

import sqlalchemy as sa
from tqdm import tqdm

from mldeploy._record import Clock, utc_now
from mldeploy.errors import AlreadyExistsError, IntegrityError, StoreVersionError

from ._artifacts import Artifacts
from ._database import Database
from ._files import full_disk_as_error, make_folder
from ._ledger import LEDGER_KEY_ID, Ledger, key_id_of
from ._records import Damage, Head, JsonValue
from ._schema import ARTIFACT, FORMAT, META, METADATA, MIGRATIONS
from ._sqlite import SQLiteDatabase
from ._transaction import Transaction

_FORMAT_KEY: Final = "format"
_SYSTEM: Final = "mldeploy"
_DEFAULT_PATIENCE: Final = timedelta(seconds=30)


@final
class Store:
    """One folder that holds everything: rows, content-addressed artifacts, and the ledger.

    ::

        mlstore/
          store.sqlite      rows and ledger (WAL, every commit fsynced)
          artifacts/ab/cd…  files named by their SHA-256
          predictions/      Parquet logs, created by their writer

    Put artifacts *before* the transaction whose rows name them: then no row ever names bytes
    that are not on the disk, wherever a process is killed. Any number of processes and threads
    may use one folder; writers queue, readers see a snapshot and never wait. Reading writes
    nothing, and goes on when the disk is full.

    Rows are reached through SQLAlchemy Core alone; all that is particular to SQLite lies behind
    the `Database` that the constructor takes beside the folder of the artifacts, where another
    can take its place. SQLite on a local disk is what is built and tested: network file systems
    do not keep its locks.

    Use `Store.open`.

    Examples
    --------
    >>> import sqlalchemy as sa, tempfile
    >>> from mldeploy.store import Store, tables
    >>> with tempfile.TemporaryDirectory() as folder, Store.open(folder) as store:
    ...     with store.write() as tx:
    ...         row = {"fingerprint": "f00", "name": "flights", "rows": 3, "json": {}}
    ...         _ = tx.connection.execute(sa.insert(tables.datasets), row)
    ...         event = tx.record("dataset.added", subject="flights", actor="ana")
    ...     with store.read() as connection:
    ...         names = connection.scalars(sa.select(tables.datasets.c.name)).all()
    ...     names, event.sequence, store.verify()
    (['flights'], 2, ())
    """

    FOLDER_OF_PREDICTIONS: ClassVar[str] = "predictions"

    def __init__(
        self, root: Path, database: Database, *, clock: Clock, ledger_key: bytes | None
    ) -> None:
        self.root = root
        self.artifacts = Artifacts(root / "artifacts")
        self.predictions = root / self.FOLDER_OF_PREDICTIONS
        """Folder for the logs of predictions; whoever writes there creates it."""
        self.clock = clock
        self.ledger = Ledger(self.read, key=ledger_key)
        self._database = database

    @classmethod
    def open(
        cls,
        location: str | Path,
        *,
        clock: Clock = utc_now,
        patience: timedelta = _DEFAULT_PATIENCE,
        ledger_key: bytes | None = None,
    ) -> Store:
        """Open the store in a folder; a new one is created, an older format is migrated.

        Parameters
        ----------
        location : str or Path
            The folder.
        clock : Clock, default=utc_now
            Tells the time of transactions.
        patience : timedelta, default=30 s
            How long to wait for other writers.
        ledger_key : bytes, optional
            Key of the ledger's HMAC chain; by default the value of the environment variable
            ``MLDEPLOY_LEDGER_KEY``, and without it the chain is not keyed (see `Ledger` for what
            that does not prove). A ledger keeps the key that it was begun with.

        Raises
        ------
        ValueError
            If `location` is a URL.
        AlreadyExistsError
            If there is a file at `location`.
        StoreVersionError
            If a newer mldeploy has written the store.
        StoreBusyError, StoreFullError
            If another process creates the store for too long, or the disk is full.
        IntegrityError
            If there is something else than a store's database in the folder.
        """
        if "://" in str(location):
            raise ValueError(f"{location} is a URL; stores are kept in folders, name one")
        root = Path(location)
        if root.exists() and not root.is_dir():
            raise AlreadyExistsError(f"{root} is a file; name a folder for the store")
        key = ledger_key if ledger_key is not None else _key_of_environment()
        database = SQLiteDatabase(root / "store.sqlite", patience=patience)
        store = cls(root, database, clock=clock, ledger_key=key)
        if not database.exists():
            with full_disk_as_error(root):
                make_folder(root)
            database.create(lambda connection: store._initialise(connection, key))
        store._bring_up_to_date()
        return store

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """Yield a connection that sees one snapshot and cannot write."""
        with self._database.reading() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Transaction]:
        """Yield a transaction under the write lock: committed at the end, or rolled back.

        Raises
        ------
        StoreBusyError
            If another writer held the lock for longer than the patience.
        StoreFullError
            If the disk is full; nothing of the transaction remains.
        """
        with self._database.writing() as connection:
            yield Transaction(connection, self.ledger, now=self.clock())

    def verify(
        self, *, known_head: Head | None = None, progress: bool = True
    ) -> tuple[Damage, ...]:
        """Check all that is stored: database, ledger, sealed rows, artifacts, references.

        Parameters
        ----------
        known_head : Head, optional
            A head of the ledger that was kept elsewhere, which it must still hold.
        progress : bool, default=True
            Show a progress bar if it takes longer than a second.

        Returns
        -------
        tuple of Damage
            Empty when everything is what was written. Temporary files and artifacts that no row
            names are not damage: they are what a killed writer leaves.

        Raises
        ------
        LedgerKeyError
            If the ledger is keyed and the store was opened without its key.
        """
        found = [
            Damage(kind="database", where=str(self.root / "store.sqlite"), problem=problem)
            for problem in self._database.problems()
        ]
        try:
            found += self.ledger.verify(known_head)
            found += self._missing_references()
        except (IntegrityError, sa.exc.DBAPIError) as error:
            where = str(self.root / "store.sqlite")
            found.append(Damage(kind="database", where=where, problem=str(error)))
        digests = list(self.artifacts.digests())
        for digest in tqdm(digests, desc="verify", unit="artifact", delay=1, disable=not progress):
            found += self.artifacts.check(digest)
        return tuple(found)

    def close(self) -> None:
        """Close the connections of this process."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Store({str(self.root)!r})"

    def _initialise(self, connection: sa.Connection, key: bytes | None) -> None:
        METADATA.create_all(connection, checkfirst=False)
        identity = uuid.uuid4().hex
        facts = {_FORMAT_KEY: str(FORMAT), LEDGER_KEY_ID: key_id_of(key), "id": identity}
        connection.execute(sa.insert(META), [{"key": k, "value": v} for k, v in facts.items()])
        self.ledger.append(
            connection,
            time=self.clock(),
            kind="store.created",
            subject=identity,
            actor=_SYSTEM,
            details={"format": FORMAT, "ledger_key_id": key_id_of(key)},
        )

    def _bring_up_to_date(self) -> None:
        with self.read() as connection:
            found = self._format(connection)
        if found == FORMAT:
            return
        if found > FORMAT:
            raise StoreVersionError(self.root, found=found, supported=FORMAT)
        with self.write() as tx:
            for version in range(self._format(tx.connection), FORMAT):
                MIGRATIONS[version](tx.connection)
                value = str(version + 1)
                update = sa.update(META).where(META.c.key == _FORMAT_KEY).values(value=value)
                tx.connection.execute(update)
                details: dict[str, JsonValue] = {"format": version + 1}
                tx.record("store.migrated", subject="store", actor=_SYSTEM, details=details)

    def _format(self, connection: sa.Connection) -> int:
        try:
            query = sa.select(META.c.value).where(META.c.key == _FORMAT_KEY)
            return int(connection.execute(query).scalar_one())
        except (sa.exc.OperationalError, sa.exc.NoResultFound, ValueError) as error:
            raise IntegrityError(f"{self.root / 'store.sqlite'}, as the store of mldeploy,") from (
                error
            )

    def _missing_references(self) -> Iterator[Damage]:
        with self.read() as connection:
            for table in METADATA.sorted_tables:
                for column in table.columns:
                    if not ARTIFACT.items() <= column.info.items():
                        continue
                    for digest in connection.scalars(sa.select(column).distinct()):
                        if not self.artifacts.exists(digest):
                            problem = f"names artifact {digest}, which is missing"
                            where = f"{table.name}.{column.name}"
                            yield Damage(kind="row", where=where, problem=problem)


def _key_of_environment() -> bytes | None:
    value = os.environ.get(Ledger.KEY_VARIABLE, "")
    return value.encode() or None

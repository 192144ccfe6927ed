"""Everything that only SQLite needs: its modes, its locks, its errors, its files."""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
import threading
import time
import uuid
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Final, final

import sqlalchemy as sa
from sqlalchemy import exc as sa_exc

from mldeploy.errors import IntegrityError, StoreBusyError

from ._files import discard, full_disk_as_error, store_full, sync_folder
from ._sqlite_pool import Engines, begin_snapshot, begin_writing, fill_new, unshared_engine

_BUSY: Final = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
_DISK: Final = {sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY}
_DAMAGED: Final = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_FIRST_PAUSE: Final = 0.002
_LONGEST_PAUSE: Final = 0.1
_MARGIN_BYTES: Final = 1 << 18
"""Less free space than this counts as a full disk: SQLite extends its index by 32 KiB."""


@final
class SQLiteDatabase:
    """One SQLite file in WAL mode; writers queue, readers never wait and never write.

    Parameters
    ----------
    path : Path
        The file; `create` makes it.
    patience : timedelta
        How long to wait for another writer.
    """

    def __init__(self, path: Path, *, patience: timedelta) -> None:
        self.path = path
        self._patience = patience
        self._turn = threading.Lock()
        self._holder: int | None = None
        self._engines = Engines(path, patience=patience)
        self._finalizer = weakref.finalize(self, Engines.close, self._engines)

    def exists(self) -> bool:
        """Tell whether the file is there; it appears whole, with all its tables."""
        return self.path.exists()

    def create(self, fill: Callable[[sa.Connection], None]) -> None:
        """Make the file unless another process was faster; `fill` creates tables and rows.

        It is filled under a temporary name, fsynced and renamed, all under one exclusive lock.
        A database that was lost, but whose log is there, is an `IntegrityError`.
        """
        with full_disk_as_error(self.path.parent), self._exclusively():
            if self.exists():
                return
            self._refuse_log_without_database()
            temporary = self.path.with_name(f".{self.path.name}.{uuid.uuid4().hex}.tmp")
            try:
                with self._translated():
                    fill_new(temporary, fill)
                descriptor = os.open(temporary, os.O_RDWR)
                try:
                    os.fsync(descriptor)
                finally:
                    os.close(descriptor)
                os.replace(temporary, self.path)  # noqa: PTH105 -- changes of the disk in sight
                sync_folder(self.path.parent)
            finally:
                discard(temporary)

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """Open a snapshot for reading.

        SQLite needs 32 KiB of shared index to read beside writers. Where the disk has none
        left (or may not be written), nobody writes either, and the file is read without.
        """
        with self._translated():
            try:
                connection = self._patiently(lambda: begin_snapshot(self._engines.reading))
            except sa_exc.OperationalError as error:
                if _code(error) not in _DISK | {sqlite3.SQLITE_FULL}:
                    raise
                with unshared_engine(self.path) as engine, engine.connect() as alone:
                    yield alone
                return
            with connection:
                yield connection

    @contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """Open a transaction that holds the write lock; commit at the end, or roll back."""
        with self._my_turn(), self._translated():
            connection = self._patiently(lambda: begin_writing(self._engines.writing))
            with connection:
                try:
                    yield connection
                    connection.commit()
                except BaseException:
                    _roll_back(connection)
                    raise

    def problems(self) -> list[str]:
        """Return what SQLite's own check of the file says."""
        try:
            with self.reading() as connection:
                rows = connection.exec_driver_sql("PRAGMA integrity_check").scalars().all()
        except IntegrityError as error:
            return [str(error)]
        return [str(row) for row in rows if row != "ok"]

    def close(self) -> None:
        """Close every connection; the next use opens new ones."""
        self._engines.close()

    def _refuse_log_without_database(self) -> None:
        """A log of committed changes would be played into whatever database came to lie there."""
        log = self.path.with_name(f"{self.path.name}-wal")
        if log.exists() and log.stat().st_size:
            raise IntegrityError(f"{self.path}, which is missing beside its log {log.name},")

    @contextmanager
    def _my_turn(self) -> Iterator[None]:
        me = threading.get_ident()
        if self._holder == me:
            raise RuntimeError(
                "this thread already writes to the store; use the transaction that is open, "
                "since a second one would wait for it for ever"
            )
        if not self._turn.acquire(timeout=self._patience.total_seconds()):
            raise self._busy()
        self._holder = me
        try:
            yield
        finally:
            self._holder = None
            self._turn.release()

    @contextmanager
    def _exclusively(self) -> Iterator[None]:
        """Hold the one lock under which a store is created; a killed holder lets it go."""
        timeout = self._patience.total_seconds()
        lock = sqlite3.connect(self.path.with_name("lock"), timeout=timeout, isolation_level=None)
        try:
            try:
                lock.execute("BEGIN EXCLUSIVE")
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF in _BUSY:
                    raise self._busy() from error
                raise self._disk_error(error) from error
            yield
        finally:
            lock.close()

    def _patiently(self, attempt: Callable[[], sa.Connection]) -> sa.Connection:
        deadline = time.monotonic() + self._patience.total_seconds()
        pause = _FIRST_PAUSE
        while True:
            try:
                return attempt()
            except sa_exc.OperationalError as error:
                if _code(error) not in _BUSY:
                    raise
                if time.monotonic() >= deadline:
                    raise self._busy() from error
            # Jitter keeps writers that were refused together from coming back together.
            time.sleep(pause * random.uniform(0.5, 1))  # noqa: S311
            pause = min(2 * pause, _LONGEST_PAUSE)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except sa_exc.DBAPIError as error:
            code = _code(error)
            if code in _BUSY:
                raise self._busy() from error
            if code in _DAMAGED:
                raise IntegrityError(f"the database {self.path}") from error
            if code in _DISK | {sqlite3.SQLITE_FULL}:
                raise self._disk_error(error) from error
            raise

    def _disk_error(self, error: Exception) -> OSError:
        cause = error.orig if isinstance(error, sa_exc.DBAPIError) else error
        code = getattr(cause, "sqlite_errorcode", 0) & 0xFF
        with suppress(OSError):
            free = shutil.disk_usage(self.path.parent).free
            if code == sqlite3.SQLITE_FULL or free < _MARGIN_BYTES:
                return store_full(self.path.parent)
        return OSError(f"the database {self.path} cannot be used: {cause}; see to the disk")

    def _busy(self) -> StoreBusyError:
        return StoreBusyError(
            f"another writer held the store at {self.path.parent} for longer than "
            f"{self._patience.total_seconds():g} s; repeat the call, or give more patience"
        )


def _roll_back(connection: sa.Connection) -> None:
    """Leave no transaction open in a connection that goes back to the pool.

    After a commit that failed, SQLAlchemy takes the transaction for finished; SQLite may not.
    """
    with suppress(sa_exc.DBAPIError):
        connection.rollback()
    raw = connection.connection.driver_connection
    assert isinstance(raw, sqlite3.Connection)
    with suppress(sqlite3.Error):
        raw.rollback()
    if raw.in_transaction:
        connection.invalidate()


def _code(error: sa_exc.DBAPIError) -> int:
    return int(getattr(error.orig, "sqlite_errorcode", 0)) & 0xFF

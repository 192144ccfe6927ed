"""Connections to one SQLite file: for reading, for writing, and for its first filling."""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Final, final
from urllib.parse import quote

import sqlalchemy as sa
from sqlalchemy import event as sa_event
from sqlalchemy import exc as sa_exc
from sqlalchemy.pool import NullPool, QueuePool

_LONGEST_WAIT_IN_SQLITE: Final = 1.0
"""Seconds that SQLite waits by itself; between its waits, the caller looks at the clock."""


@final
class Engines:
    """The pools of connections of one process; a forked child gets its own."""

    def __init__(self, path: Path, *, patience: timedelta) -> None:
        self._path = path
        self._wait = min(patience.total_seconds(), _LONGEST_WAIT_IN_SQLITE)
        self._lock = threading.Lock()
        self._pid = os.getpid()
        self._reading: sa.Engine | None = None
        self._writing: sa.Engine | None = None
        self._inherited: list[sa.Engine | None] = []

    @property
    def reading(self) -> sa.Engine:
        """Connections that cannot write."""
        with self._lock:
            self._leave_parent()
            if self._reading is None:
                self._reading = _engine(self._path, mode="ro", begin="BEGIN", wait=self._wait)
            return self._reading

    @property
    def writing(self) -> sa.Engine:
        """Connections that take the write lock when they begin."""
        with self._lock:
            self._leave_parent()
            if self._writing is None:
                begin = "BEGIN IMMEDIATE"
                self._writing = _engine(self._path, mode="rw", begin=begin, wait=self._wait)
            return self._writing

    def close(self) -> None:
        """Close the writing connections first, while a reading one is open.

        The last connection that could write removes the log and its index when it closes, and
        the next reader would have to create them: on a full disk it could not.
        """
        with self._lock:
            self._leave_parent()
            writing, self._writing = self._writing, None
            reading, self._reading = self._reading, None
        if writing is not None:
            reading = reading or _engine(self._path, mode="ro", begin="BEGIN", wait=self._wait)
            with suppress(sa_exc.DBAPIError), writing.connect() as last:
                _shorten_log(last)
            with suppress(sa_exc.DBAPIError), reading.connect() as keeper:
                _begin_reading(keeper)  # it stays open in its pool
            writing.dispose()
        if reading is not None:
            reading.dispose()

    def _leave_parent(self) -> None:
        """Give up inherited connections unclosed: SQLite forbids their use after a fork."""
        if self._pid != os.getpid():
            self._inherited += [self._reading, self._writing]
            self._pid, self._reading, self._writing = os.getpid(), None, None


def _engine(path: Path, *, mode: str, begin: str, wait: float) -> sa.Engine:
    uri = f"file:{quote(str(path.absolute()))}?mode={mode}"

    def connect() -> sqlite3.Connection:
        connection = sqlite3.connect(
            uri, uri=True, timeout=wait, isolation_level=None, check_same_thread=False
        )
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA foreign_keys=ON")
        connection.execute("PRAGMA cache_size=-65536")  # KiB; many labels at once need it
        connection.execute("PRAGMA journal_size_limit=67108864")
        return connection

    engine = sa.create_engine(
        "sqlite://", creator=connect, poolclass=QueuePool, pool_size=4, max_overflow=-1
    )
    sa_event.listen(engine, "begin", lambda connection: connection.exec_driver_sql(begin))
    return engine


def _shorten_log(connection: sa.Connection) -> None:
    """Empty the log into the database, unless another process needs it now."""
    raw = connection.connection.driver_connection
    assert isinstance(raw, sqlite3.Connection)
    with suppress(sqlite3.Error):
        raw.execute("PRAGMA busy_timeout=0")
        raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def begin_writing(engine: sa.Engine) -> sa.Connection:
    connection = engine.connect()
    try:
        connection.begin()
    except BaseException:
        connection.close()
        raise
    return connection


def begin_snapshot(engine: sa.Engine) -> sa.Connection:
    connection = engine.connect()
    try:
        _begin_reading(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _begin_reading(connection: sa.Connection) -> None:
    """Take the snapshot now: SQLite takes it with the first row that is read."""
    connection.begin()
    connection.exec_driver_sql("SELECT 1 FROM sqlite_master LIMIT 1")


@contextmanager
def unshared_engine(path: Path) -> Iterator[sa.Engine]:
    """Read without the shared index: in place if the log is empty, or else a copy of both."""
    log = path.with_name(f"{path.name}-wal")
    with tempfile.TemporaryDirectory(prefix="mldeploy-") as folder:
        options = "mode=ro&immutable=1"
        if log.exists() and log.stat().st_size:
            copy = Path(folder) / path.name
            shutil.copyfile(path, copy)
            shutil.copyfile(log, copy.with_name(log.name))
            path, options = copy, "mode=rw"
        uri = f"file:{quote(str(path.absolute()))}?{options}"
        engine = sa.create_engine(
            "sqlite://", creator=lambda: sqlite3.connect(uri, uri=True), poolclass=NullPool
        )
        yield engine
        engine.dispose()


def fill_new(path: Path, fill: Callable[[sa.Connection], None]) -> None:
    """Fill a file that nobody sees yet: no journal, and one fsync at the end by the caller."""
    engine = sa.create_engine(
        "sqlite://",
        creator=lambda: sqlite3.connect(path, isolation_level=None),
        poolclass=NullPool,
    )
    sa_event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN"))

    @sa_event.listens_for(engine, "connect")
    def _(connection: sqlite3.Connection, _record: object) -> None:
        connection.execute("PRAGMA journal_mode=MEMORY")
        connection.execute("PRAGMA synchronous=OFF")

    @sa_event.listens_for(engine, "close")
    def _(connection: sqlite3.Connection, _record: object) -> None:
        connection.execute("PRAGMA journal_mode=WAL")

    with engine.begin() as connection:
        fill(connection)
    engine.dispose()

"""Reading only what is new, each row once, whatever is killed in between."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, final, runtime_checkable

import sqlalchemy as sa

from mldeploy._record import digest_of
from mldeploy.data._data_source import DataSource, Position, SupportsIncrements
from mldeploy.errors import AlreadyExistsError, InvalidDataError
from mldeploy.store import Store, Transaction, tables


@runtime_checkable
class GrowingSource(DataSource, SupportsIncrements, Protocol):
    """A source that can say what is new, such as a `FileSource` or a `CursorSource`."""


@final
@dataclass(frozen=True, kw_only=True)
class Increment:
    """What is new in a source, until somebody confirms that it was read.

    Attributes
    ----------
    id : str
        SHA-256 of who reads, and from where to where: the same after a crash, so that what is
        kept elsewhere than in the store can tell a repetition.
    reader : str
        Who reads.
    number : int
        Counts up from 1 for each reader.
    source : DataSource
        The new rows.
    until : mapping
        The position that is reached when they were read.
    """

    id: str
    reader: str
    number: int
    source: DataSource
    until: Position


@final
class IncrementalReader:
    """Reads what came since the last time, and remembers in the store how far it got.

    An increment is written down before it is handed out. Until it is confirmed, by this process
    or by one that comes after a crash, `read` hands out the same rows again. Confirm it in the
    transaction that keeps what was made of the rows: then each row counts once. What is kept
    elsewhere is told apart by `Increment.id`.

    Parameters
    ----------
    store : Store
        Where positions are kept.
    source : GrowingSource
        What is read.
    name : str
        Name of the reader; readers of different names read independently of each other.
    by : str
        Who reads, for the ledger.

    Examples
    --------
    >>> import tempfile
    >>> import polars as pl
    >>> from mldeploy.data import FileSource, rows_of
    >>> with tempfile.TemporaryDirectory() as folder, Store.open(f"{folder}/store") as store:
    ...     pl.DataFrame({"x": [1, 2]}).write_parquet(f"{folder}/monday.parquet")
    ...     source = FileSource(pattern=f"{folder}/*.parquet")
    ...     reader = IncrementalReader(store, source, name="daily", by="ana")
    ...     new = reader.read()
    ...     with store.write() as tx:
    ...         reader.confirm(new, tx)
    ...     rows_of(new.source)["x"].to_list(), reader.read()
    ([1, 2], None)
    """

    def __init__(self, store: Store, source: GrowingSource, *, name: str, by: str) -> None:
        if not isinstance(source, GrowingSource):
            raise InvalidDataError(
                f"a {type(source).__name__} cannot say what is new; pass a FileSource, a "
                "CursorSource, or a source with position and increment"
            )
        if not name.strip() or not by.strip():
            raise InvalidDataError("a reader has a name, and somebody reads: pass name= and by=")
        self.name = name
        self._store = store
        self._source = source
        self._by = by

    def read(self) -> Increment | None:
        """Return what is new and not confirmed, or None if nothing is.

        Raises
        ------
        InvalidDataError
            If what was read has changed since, so that nobody can say what is new.
        IntegrityError
            If the position was edited behind the ledger's back.
        """
        with self._store.read() as connection:
            kept = self._kept(connection)
        if not kept.pending:
            until = self._source.position(kept.position or None)
            if until == kept.position:
                return None
            with self._store.write() as tx:
                kept = self._kept(tx.connection)
                if not kept.pending:
                    kept = self._write(tx, kept, pending=until)
                    details = {"number": kept.number + 1, "id": self._increment(kept).id}
                    self._record(tx, "source.taken", details)
        return self._increment(kept)

    def confirm(self, increment: Increment, tx: Transaction | None = None) -> None:
        """Say that an increment was read; it is not handed out again.

        Parameters
        ----------
        increment : Increment
            From `read`.
        tx : Transaction, optional
            The transaction of the store that keeps what was made of the rows: both are done, or
            neither. Without one it is confirmed alone, after what was made of it.

        Raises
        ------
        AlreadyExistsError
            If it was confirmed before, such as by another process that read the same; let the
            transaction fail, and nothing is done twice.
        """
        if tx is None:
            with self._store.write() as alone:
                self.confirm(increment, alone)
            return
        kept = self._kept(tx.connection)
        if not kept.pending or self._increment(kept).id != increment.id:
            raise AlreadyExistsError(
                f"increment {increment.number} of reader {self.name!r} was confirmed before; "
                "call read() for what is new since"
            )
        self._write(tx, kept, position=kept.pending, pending={}, number=kept.number + 1)
        self._record(tx, "source.read", {"number": increment.number, "id": increment.id})

    def _increment(self, kept: _Kept) -> Increment:
        number = kept.number + 1
        return Increment(
            id=digest_of([self.name, number, kept.position, kept.pending]),
            reader=self.name,
            number=number,
            source=self._source.increment(kept.position or None, kept.pending),
            until=kept.pending,
        )

    def _kept(self, connection: sa.Connection) -> _Kept:
        table = tables.readings
        query = sa.select(table).where(table.c.reader == self.name)
        row = connection.execute(query).mappings().first()
        if row is None:
            return _Kept()
        self._store.ledger.check_row(connection, table, row)
        return _Kept(number=row["number"], position=row["position"], pending=row["pending"])

    def _write(self, tx: Transaction, kept: _Kept, **changes: Any) -> _Kept:
        table = tables.readings
        facts = {"number": kept.number, "position": kept.position, "pending": kept.pending}
        facts |= changes
        here = table.c.reader == self.name
        row = {**facts, "at": tx.now}
        if not tx.connection.execute(sa.update(table).where(here).values(row)).rowcount:
            tx.connection.execute(sa.insert(table), {**row, "reader": self.name})
        return _Kept(**facts)

    def _record(self, tx: Transaction, kind: str, details: dict[str, Any]) -> None:
        rows = [(tables.readings, {"reader": self.name})]
        tx.record(kind, subject=self.name, actor=self._by, details=details, rows=rows)


@final
@dataclass(frozen=True, kw_only=True)
class _Kept:
    """What the store knows of a reader: how far it got, and what it was handed since."""

    number: int = 0
    position: Any = None
    pending: Any = None

    def __post_init__(self) -> None:
        for name in ("position", "pending"):
            object.__setattr__(self, name, getattr(self, name) or {})

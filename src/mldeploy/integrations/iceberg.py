"""Apache Iceberg: a table at one snapshot, and what was appended since another."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final, TypeAlias, final

import polars as pl

from mldeploy._record import digest_of
from mldeploy.data import Position, QuerySource
from mldeploy.errors import InvalidDataError, MissingExtraError, UnreadableFileError

try:
    from pyiceberg.catalog import load_catalog
    from pyiceberg.exceptions import NoSuchTableError, RESTError, ValidationError
    from pyiceberg.table import StaticTable, Table
    from pyiceberg.table.snapshots import Operation, Snapshot
except ImportError as error:
    raise MissingExtraError("mldeploy.integrations.iceberg", extra="iceberg") from error

Bounds: TypeAlias = tuple[datetime | None, datetime | None]

_KEEPS_ROWS: Final = frozenset({Operation.APPEND, Operation.REPLACE})
"""Operations that take no row away: `REPLACE` writes the same rows to other files."""

__all__ = ["IcebergSource"]


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class IcebergSource:
    """An Iceberg table at a snapshot; increments are its appended rows.

    Attributes
    ----------
    table : str
        Name in a catalogue, such as ``"operations.flights"``; or path or address of a file of
        metadata (``….metadata.json``), which is the table as it was then.
    catalog : str or None
        Name of the catalogue, as pyiceberg's configuration has it; None for a file of metadata.
    snapshot : int or None
        Number of the snapshot to read; None for the current one each time that it is read. See
        `pinned`.
    time : str or None
        Column with the time of each row, with a zone.
    name : str
        What people call it; the table by default.
    properties : mapping of str to str
        Settings of the catalogue and the store, as pyiceberg has them (``uri``, ``s3.endpoint``).
    batch_rows : int
        Rows of a batch.

    Examples
    --------
    >>> import tempfile
    >>> from pyiceberg.catalog import load_catalog
    >>> from mldeploy.data import rows_of
    >>> folder = tempfile.mkdtemp()
    >>> where = {"type": "sql", "uri": f"sqlite:///{folder}/catalogue", "warehouse": folder}
    >>> with load_catalog("lake", **where) as catalogue:
    ...     catalogue.create_namespace("operations")
    ...     rows = pl.DataFrame({"x": [1, 2]}).to_arrow()
    ...     table = catalogue.create_table("operations.flights", rows.schema)
    ...     table.append(rows)
    >>> source = IcebergSource(table="operations.flights", catalog="lake", properties=where)
    >>> rows_of(source.pinned())["x"].to_list()
    [1, 2]
    """

    table: str
    catalog: str | None = None
    snapshot: int | None = None
    time: str | None = None
    name: str = ""
    properties: Mapping[str, str] = field(default_factory=dict, repr=False)
    batch_rows: int = 1 << 17
    after: int | None = field(default=None, repr=False)
    """The snapshot after which rows are new; of an increment."""
    windows: tuple[Bounds, ...] = field(default=(), repr=False)
    """Windows of time, in all of which a row lies."""

    def __post_init__(self) -> None:
        if not self.name:
            object.__setattr__(self, "name", self.table)

    def pinned(self) -> IcebergSource:
        """Return the source at the snapshot that is current now, whatever is written later.

        Raises
        ------
        InvalidDataError
            If the table has no snapshot, since nothing was ever written.
        """
        if self.snapshot is not None:
            return self
        with self._opened() as table:
            current = table.current_snapshot()
        if current is None:
            raise InvalidDataError(f"{self.name} has no snapshot yet; write some rows to it first")
        return replace(self, snapshot=current.snapshot_id)

    def schema(self) -> pl.Schema:
        """Return the columns and their types.

        Raises
        ------
        UnreadableFileError
            If there is no table, or no such snapshot of it any more.
        InvalidDataError
            If it has nested columns.
        """
        with self._opened() as table:
            return self._rows(table).schema()

    def batches(self) -> Iterator[pl.DataFrame]:
        """Yield the rows, a batch at a time."""
        with self._opened() as table:
            yield from self._rows(table).batches()

    def fingerprint(self) -> str:
        """Return a digest of the table's identifier, snapshot, schema and the windows.

        No data is read: a snapshot of an Iceberg table never changes.
        """
        bounds = [[None if at is None else at.timestamp() for at in w] for w in self.windows]
        with self._opened() as table:
            last = self._last(table)
            schema = last.schema_id if last and self.snapshot else table.schema().schema_id
            facts = [str(table.metadata.table_uuid), last and last.snapshot_id, schema]
        return digest_of([*facts, self.after, bounds, self.time])

    def between(self, start: datetime | None, end: datetime | None) -> IcebergSource:
        """Return the rows of a window of time; files without such rows are not opened."""
        with self._opened() as table:
            self._rows(table).between(start, end)
        return replace(self, windows=(*self.windows, (start, end)))

    # --- what is new ----------------------------------------------------------------------

    def position(self, since: Position | None = None) -> Position:
        """Return the table's identifier and snapshot.

        Raises
        ------
        InvalidDataError
            If rows were changed or deleted since an earlier position, or it is another table.
        """
        with self._opened() as table:
            last = self._last(table)
            now: Position = {
                "table": str(table.metadata.table_uuid),
                "snapshot": None if last is None else last.snapshot_id,
            }
            if since and dict(since) != dict(now):
                self._require_appended(table, since, now)
        return now

    def increment(self, since: Position | None, until: Position) -> IcebergSource:
        """Return the rows that were appended after one snapshot and up to another.

        Raises
        ------
        InvalidDataError
            If rows were changed or deleted in between, or it is another table.
        UnreadableFileError
            If the table does not hold the snapshots any more.
        """
        upto = replace(self, snapshot=_snapshot_of(until))
        if not since or _snapshot_of(since) is None:
            return upto
        with self._opened() as table:
            self._require_appended(table, since, until)
        return replace(upto, after=_snapshot_of(since))

    def _require_appended(self, table: Table, since: Position, until: Position) -> None:
        if {since["table"], until["table"]} != {str(table.metadata.table_uuid)}:
            raise InvalidDataError(
                f"{self.table} is another table than the one that was read: it was made anew; "
                "read it from its beginning"
            )
        first, number = _snapshot_of(since), _snapshot_of(until)
        while number != first:
            snapshot = self._snapshot(table, number)
            if snapshot is None:
                raise InvalidDataError(
                    f"snapshot {first} of {self.table}, which was read, is none that led to "
                    f"{_snapshot_of(until)}: the table was put back; read it from its beginning"
                )
            if snapshot.summary is None or snapshot.summary.operation not in _KEEPS_ROWS:
                done = snapshot.summary.operation.value if snapshot.summary else "unknown"
                raise InvalidDataError(
                    f"snapshot {snapshot.snapshot_id} of {self.table} changed rows that were "
                    f"read (its operation: {done}); read the table from its beginning"
                )
            number = snapshot.parent_snapshot_id

    # --- one snapshot ---------------------------------------------------------------------

    @contextmanager
    def _opened(self) -> Iterator[Table]:
        try:
            if self.catalog is None:
                yield StaticTable.from_metadata(self.table, dict(self.properties))
                return
            with load_catalog(self.catalog, **self.properties) as catalogue:
                yield catalogue.load_table(self.table)
        except UnreadableFileError:
            raise
        except (NoSuchTableError, FileNotFoundError) as error:
            why = (
                "there is no Iceberg table; check its name and catalogue, or pass the path of a "
                "file of metadata"
            )
            raise UnreadableFileError(self.table, why) from error
        except (OSError, RESTError, ValidationError) as error:
            raise UnreadableFileError(self.table, str(error).partition("\n")[0]) from error

    def _last(self, table: Table) -> Snapshot | None:
        return (
            table.current_snapshot()
            if self.snapshot is None
            else self._snapshot(table, self.snapshot)
        )

    def _snapshot(self, table: Table, number: int | None) -> Snapshot | None:
        if number is None:
            return None
        found = table.snapshot_by_id(number)
        if found is None:
            why = f"it does not hold snapshot {number}, never or no longer; it may have expired"
            raise UnreadableFileError(self.table, why)
        return found

    def _rows(self, table: Table) -> QuerySource:
        last = self._last(table)
        if last is None or last.snapshot_id == self.after:
            query = pl.scan_iceberg(table).limit(0)
        elif self.after is not None:
            query = pl.scan_iceberg(
                table,
                from_snapshot_id_exclusive=self.after,
                to_snapshot_id_inclusive=last.snapshot_id,
            )
        else:
            query = pl.scan_iceberg(table, snapshot_id=self.snapshot)
        whole = QuerySource(
            query=query, time=self.time, name=self.name, batch_rows=self.batch_rows
        )
        for window in self.windows:
            whole = whole.between(*window)
        return whole


def _snapshot_of(position: Position) -> int | None:
    number = position.get("snapshot")
    if "snapshot" not in position or not isinstance(number, int | None):
        raise InvalidDataError(f"{dict(position)} is no position of an Iceberg table")
    return number

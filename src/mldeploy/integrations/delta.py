"""Delta Lake: a table at one version, in parts, and what was appended since another."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final, TypeAlias, final

import polars as pl

from mldeploy._record import digest_of
from mldeploy.data import DataSource, Position, QuerySource
from mldeploy.errors import InvalidDataError, MissingExtraError, UnreadableFileError

try:
    from deltalake import DeltaTable
    from deltalake.exceptions import DeltaError, TableNotFoundError
except ImportError as error:
    raise MissingExtraError("mldeploy.integrations.delta", extra="delta") from error

Bounds: TypeAlias = tuple[datetime | None, datetime | None]

_COMPACTION: Final = "OPTIMIZE"
"""The operation that writes rows anew and changes none."""

_PLAIN_FEATURES: Final = frozenset({"timestampNtz"})
"""What a reader of the Parquet files alone may overlook."""

_STRUCK_OUT: Final = frozenset({"deletionVectors"})
"""Rows are struck out beside the files; polars reads that, part by part it cannot be read."""

_MAPPED_READER: Final = 2
"""The reader version whose files may have other names for the columns."""

__all__ = ["DeltaSource"]


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class DeltaSource:
    """A Delta table at a version; parts are its files, increments its appended rows.

    Attributes
    ----------
    table : str
        Path or address of the table, such as ``s3://lake/flights``.
    version : int or None
        The version to read; None for the latest each time that it is read. See `pinned`.
    time : str or None
        Column with the time of each row, with a zone.
    name : str
        What people call it; the address by default.
    storage_options : mapping of str to str
        Credentials and settings of the store, as polars and deltalake have them.
    batch_rows : int
        Rows of a batch.

    Examples
    --------
    >>> import tempfile
    >>> from mldeploy.data import rows_of
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     pl.DataFrame({"x": [1, 2]}).write_delta(folder)
    ...     source = DeltaSource(table=folder).pinned()
    ...     pl.DataFrame({"x": [3]}).write_delta(folder, mode="append")
    ...     before, now = source.position(), DeltaSource(table=folder).position()
    ...     new = source.increment(before, now)
    ...     rows_of(source)["x"].to_list(), rows_of(new)["x"].to_list()
    ([1, 2], [3])
    """

    table: str
    version: int | None = None
    time: str | None = None
    name: str = ""
    storage_options: Mapping[str, str] = field(default_factory=dict, repr=False)
    batch_rows: int = 1 << 17
    only: tuple[str, ...] | None = field(default=None, repr=False)
    """Files to read and no others; of a part, or of what is new."""
    windows: tuple[Bounds, ...] = field(default=(), repr=False)
    """Windows of time, in all of which a row lies."""

    def __post_init__(self) -> None:
        if not self.name:
            object.__setattr__(self, "name", self.table)

    def pinned(self) -> DeltaSource:
        """Return the source at the version that is the latest now, whatever is written later."""
        return self if self.version is not None else replace(self, version=self._open().version())

    def schema(self) -> pl.Schema:
        """Return the columns and their types.

        Raises
        ------
        UnreadableFileError
            If there is no table, or no such version of it any more.
        InvalidDataError
            If it has nested columns, or features that nobody here can read.
        """
        return self._rows(self._open()).schema()

    def batches(self) -> Iterator[pl.DataFrame]:
        """Yield the rows, a batch at a time, one file after the other."""
        yield from self._rows(self._open()).batches()

    def fingerprint(self) -> str:
        """Return a digest of the table's identifier, the version, the files and the windows.

        No data is read: a version of a Delta table never changes.
        """
        table = self._open()
        root = self.table.rstrip("/")
        files = None if self.only is None else [file.removeprefix(root) for file in self.only]
        bounds = [[None if at is None else at.timestamp() for at in w] for w in self.windows]
        return digest_of([table.metadata().id, table.version(), files, bounds, self.time])

    def between(self, start: datetime | None, end: datetime | None) -> DeltaSource:
        """Return the rows of a window of time; files without such rows are not opened."""
        self._rows(self._open()).between(start, end)
        return replace(self, windows=(*self.windows, (start, end)))

    def parts(self) -> Sequence[DataSource]:
        """Return a source for each file; the whole one where rows of files are struck out."""
        table = self._open()
        here = replace(self, version=table.version())
        if not _is_plain(table):
            return [here]
        return [replace(here, only=(file,)) for file in self._read(table)] or [here]

    # --- what is new ----------------------------------------------------------------------

    def position(self, since: Position | None = None) -> Position:
        """Return the table's identifier and version.

        Raises
        ------
        InvalidDataError
            If rows were changed or deleted since an earlier position, or it is another table.
        """
        table = self._open()
        now: Position = {"table": table.metadata().id, "version": table.version()}
        if since and dict(since) != dict(now):
            self._appended(since, now)
        return now

    def increment(self, since: Position | None, until: Position) -> DeltaSource:
        """Return the rows that were appended after one version and up to another.

        Raises
        ------
        InvalidDataError
            If rows were changed or deleted in between, or it is another table.
        UnreadableFileError
            If the log does not hold the versions any more.
        """
        if not since:
            return replace(self, version=_version_of(until))
        return replace(self, version=_version_of(until), only=self._appended(since, until))

    def _appended(self, since: Position, until: Position) -> tuple[str, ...]:
        """Return the files that were added, version by version."""
        first, last = _version_of(since), _version_of(until)
        table = self._open(last)
        if {since["table"], until["table"]} != {table.metadata().id}:
            raise InvalidDataError(
                f"the table at {self.table} is another than the one that was read: it was made "
                "anew; read it from its beginning"
            )
        if first > last:
            raise InvalidDataError(
                f"version {last} of {self.table} comes before version {first}, which was read: "
                "the table was put back; read it from its beginning"
            )
        if not _is_plain(table):
            raise InvalidDataError(
                f"{self.table} strikes rows out without writing files, so its files do not say "
                "what is new; read it whole, or by a column that grows: CursorSource"
            )
        done = {commit["version"]: str(commit.get("operation")) for commit in table.history()}
        before, new = _files(self._open(first)), set[str]()
        for version in range(first + 1, last + 1):
            now = _files(self._open(version))
            operation = done.get(version, "an unknown operation")
            if operation != _COMPACTION:
                if gone := set(before) - set(now):
                    raise InvalidDataError(
                        f"{operation} of version {version} of {self.table} took {len(gone)} "
                        "files away that were read; read the table from its beginning"
                    )
                new |= set(now) - set(before)
            before = now
        return tuple(sorted(new))

    # --- one version ----------------------------------------------------------------------

    def _open(self, version: int | None = None) -> DeltaTable:
        version = self.version if version is None else version
        options = dict(self.storage_options) or None
        with _told_of(self.table, version):
            return DeltaTable(self.table, version=version, storage_options=options)

    def _read(self, table: DeltaTable) -> tuple[str, ...]:
        return _files(table) if self.only is None else self.only

    def _require_readable(self, table: DeltaTable) -> None:
        protocol = table.protocol()
        asked = set(protocol.reader_features or ())
        if protocol.min_reader_version == _MAPPED_READER:
            asked = {"columnMapping"}
        if unknown := asked - _PLAIN_FEATURES - _STRUCK_OUT:
            raise InvalidDataError(
                f"{self.table} has the features {', '.join(sorted(unknown))}, which are not read "
                "here; read it by the engine that wrote it, and pass a copy in plain Parquet"
            )

    def _rows(self, table: DeltaTable) -> QuerySource:
        whole = QuerySource(
            query=self._query(table), time=self.time, name=self.name, batch_rows=self.batch_rows
        )
        for window in self.windows:
            whole = whole.between(*window)
        return whole

    def _query(self, table: DeltaTable) -> pl.LazyFrame:
        options = dict(self.storage_options) or None
        if not _is_plain(table):
            self._require_readable(table)
            return pl.scan_delta(table, storage_options=options)
        schema = pl.Schema(table.schema())
        files = self._read(table)
        if not files:
            return pl.LazyFrame(schema=schema)
        among = table.metadata().partition_columns
        rows = pl.scan_parquet(
            list(files),
            glob=False,
            hive_partitioning=bool(among),
            hive_schema={name: schema[name] for name in among} or None,
            schema={name: dtype for name, dtype in schema.items() if name not in among},
            missing_columns="insert",
            cast_options=_CASTS,
            storage_options=options,
        )
        return rows.select(*schema)


_CASTS: Final = pl.ScanCastOptions(
    integer_cast="upcast",
    float_cast="upcast",
    datetime_cast=["nanosecond-downcast", "convert-timezone"],
)
"""What a file may hold that was written before a column was widened."""


def _files(table: DeltaTable) -> tuple[str, ...]:
    return tuple(sorted(table.file_uris()))


def _is_plain(table: DeltaTable) -> bool:
    """Whether the files hold the rows as they are: none struck out, no column renamed."""
    protocol = table.protocol()
    if protocol.min_reader_version == _MAPPED_READER:
        return False
    return set(protocol.reader_features or ()) <= _PLAIN_FEATURES


def _version_of(position: Position) -> int:
    version = position.get("version")
    if not isinstance(version, int):
        raise InvalidDataError(f"{dict(position)} is no position of a Delta table")
    return version


@contextmanager
def _told_of(table: str, version: int | None) -> Iterator[None]:
    try:
        yield
    except TableNotFoundError as error:
        why = "there is no Delta table; check the address and the credentials (storage_options=)"
        raise UnreadableFileError(table, why) from error
    except (DeltaError, OSError, ValueError) as error:
        said = str(error).partition("\n")[0]
        if version is None:
            raise UnreadableFileError(table, said) from error
        why = f"its log does not hold version {version}, never or no longer: {said}"
        raise UnreadableFileError(table, why) from error

"""The files of a folder as a source that grows."""

from __future__ import annotations

import glob
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Final, final

import polars as pl
import pydantic

from mldeploy._record import digest_of
from mldeploy.data._convert import check_names
from mldeploy.data._data_source import DataSource, Position
from mldeploy.data._prepare import with_utc_time
from mldeploy.data._source_rows import (
    BATCH_ROWS,
    OPEN,
    Window,
    in_window,
    lazy_batches,
    narrowed,
    plain_batch,
    plain_schema,
    readable,
    require_time,
    widest,
)
from mldeploy.errors import InvalidDataError

_KINDS: Final = {".parquet": "parquet", ".pq": "parquet", ".csv": "csv", ".ndjson": "ndjson",
                 ".jsonl": "ndjson"}  # fmt: skip


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class FileSource:
    """Parquet, CSV or NDJSON files: one, a folder with those in its folders, or a glob.

    The files are looked up each time; one that comes later is read later. Files whose names
    begin with a dot or an underscore are those of somebody who still writes, and are left out.

    Attributes
    ----------
    pattern : str
        Path of a file or folder, or a glob; files on this machine.
    time : str or None
        Column with the time of each row.
    timezone : str or None
        Zone that times without one were written in.
    name : str
        What people call it; the pattern by default.
    types : mapping of str to polars type
        Types of columns that cannot be told from the text of CSV and NDJSON files.
    batch_rows : int
        Rows of a batch.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for day in ("monday", "tuesday"):
    ...         pl.DataFrame({"day": [day]}).write_parquet(f"{folder}/{day}.parquet")
    ...     source = FileSource(pattern=folder)
    ...     [part.name for part in source.parts()], next(source.batches()).rows()
    (['monday.parquet', 'tuesday.parquet'], [('monday',)])
    """

    pattern: str
    time: str | None = None
    timezone: str | None = None
    name: str = ""
    types: Mapping[str, pl.DataType | type[pl.DataType]] = field(default_factory=dict)
    batch_rows: int = BATCH_ROWS
    only: Mapping[str, str | None] | None = field(default=None, repr=False)
    """Files to read and no others, each with the digest it must have, where that is known."""
    window: Window = field(default=OPEN, repr=False)
    fixed: pl.Schema | None = field(default=None, repr=False)
    """The schema of the whole of which this is a part."""

    def __post_init__(self) -> None:
        if self.batch_rows < 1:
            raise InvalidDataError(f"{self.batch_rows=} is no number of rows; pass at least 1")
        if "://" in self.pattern:
            raise InvalidDataError(
                f"{self.pattern} is a URL; pass QuerySource(query=pl.scan_parquet(...)), which "
                "reads what polars can reach"
            )
        if not self.name:
            object.__setattr__(self, "name", self.pattern)

    def files(self) -> tuple[str, ...]:
        """Return the files as they are now, sorted; relative to the folder if it is one.

        Raises
        ------
        InvalidDataError
            If there is none, or they are of several kinds, or of none that is known.
        """
        if self.only is not None:
            return tuple(sorted(self.only))
        found = _found(self.pattern)
        if not found:
            raise InvalidDataError(f"no file matches {self.pattern!r}; check the path or the glob")
        return tuple(found)

    def schema(self) -> pl.Schema:
        """Return the columns and types that the files have in common.

        Raises
        ------
        SchemaMismatchError
            If a file lacks a column of another, or holds it in another type; it names the file.
        InvalidDataError
            If a file cannot be read, or a time has no zone.
        """
        return self.fixed if self.fixed is not None else self._schema

    def batches(self) -> Iterator[pl.DataFrame]:
        """Yield the rows of one file after the other, a batch at a time."""
        schema = self.schema()
        for file in self.files():
            self._require_unchanged(file)
            rows = self._scan(file)
            for batch in lazy_batches(rows, self.batch_rows, self._path(file)):
                plain = self._plain(batch, schema, file)
                if plain.height:
                    yield plain

    def fingerprint(self) -> str:
        """Return a digest of the files' bytes, their places, and the window."""
        files = {file: self._digest(file) for file in self.files()}
        window = [None if bound is None else bound.timestamp() for bound in self.window]
        types = {name: str(dtype) for name, dtype in self.types.items()}
        return digest_of([files, window, types, self.time, self.timezone])

    def between(self, start: datetime | None, end: datetime | None) -> FileSource:
        """Return the rows of a window of time."""
        require_time(self.time, self.schema(), self.name)
        return replace(self, window=narrowed(self.window, start, end))

    def parts(self) -> Sequence[DataSource]:
        """Return a source for each file."""
        schema, known = self.schema(), self.only or {}
        return [
            replace(self, name=file, only={file: known.get(file)}, fixed=schema)
            for file in self.files()
        ]

    # --- what is new ----------------------------------------------------------------------

    def position(self, since: Position | None = None) -> Position:
        """Return the files that are or were there, each with the digest of its bytes.

        A file of an earlier position whose size and time of change are the same is not read
        again.

        Raises
        ------
        InvalidDataError
            If a file of an earlier position is another now: its rows were read. One that is gone
            may go, and is not new if it comes back.
        """
        before = dict(since or {})
        there = _found(self.pattern) if self.only is None else self.files()
        now = {file: self._mark(file, before.get(file)) for file in there}
        changed = [f for f, mark in now.items() if f in before and mark != before[f]]
        if changed:
            raise InvalidDataError(
                f"{', '.join(changed[:5])} changed after it was read; what is read once only may "
                "grow by new files, not by new rows of old ones"
            )
        return {**before, **now}

    def increment(self, since: Position | None, until: Position) -> FileSource:
        """Return the files that came between two positions, held against their digests."""
        before = since or {}
        new = {f: digest for f, digest in digests_of(until).items() if f not in before}
        return replace(self, only=new)

    # --- one file -------------------------------------------------------------------------

    @cached_property
    def _schema(self) -> pl.Schema:
        files = self.files() or replace(self, only=None).files()
        schemas = {}
        for file in files:
            path = self._path(file)
            with readable(path):
                self._require_names(file)
                schemas[path] = plain_schema(self._scan(file, whole=True).collect_schema())
        common = widest(schemas)
        if self.time is None:
            return common
        if self.time not in common:
            raise InvalidDataError(f"there is no column {self.time!r} in {self.name}")
        empty = with_utc_time(pl.DataFrame(schema=common), self.time, self.timezone)
        return empty.schema

    def _scan(self, file: str, *, whole: bool = False) -> pl.LazyFrame:
        path, kind = self._path(file), _KINDS.get(Path(file).suffix.lower())
        if kind == "parquet":
            rows = pl.scan_parquet(path, glob=False)
        elif kind == "csv":
            rows = pl.scan_csv(
                path, try_parse_dates=True, infer_schema_length=None, glob=False,
                schema_overrides=dict(self.types),
            )  # fmt: skip
        elif kind == "ndjson":
            rows = pl.scan_ndjson(
                path, infer_schema_length=None, schema_overrides=dict(self.types)
            )
        else:
            raise InvalidDataError(
                f"{path} is no .parquet, .csv or .ndjson file; read it, and pass the frame"
            )
        if whole or self.window == OPEN or self.timezone is not None:
            return rows
        return rows.filter(in_window(str(self.time), self.window))

    def _plain(self, batch: pl.DataFrame, schema: pl.Schema, file: str) -> pl.DataFrame:
        with readable(self._path(file)):
            if self.time is not None:
                batch = with_utc_time(batch, self.time, self.timezone)
                if self.window != OPEN and self.timezone is not None:
                    batch = batch.filter(in_window(self.time, self.window))
            return plain_batch(batch, schema, self._path(file))

    def _path(self, file: str) -> str:
        folder = Path(self.pattern)
        return str(folder / file) if folder.is_dir() else file

    def _mark(self, file: str, before: pydantic.JsonValue) -> pydantic.JsonValue:
        """Return what tells a file from another; what was told before, if it is the same."""
        path = self._path(file)
        with readable(path):
            facts = Path(path).stat()
        seen: dict[str, pydantic.JsonValue] = {
            "size": facts.st_size,
            "changed_ns": facts.st_mtime_ns,
        }
        if isinstance(before, dict) and seen.items() <= before.items():
            return before
        digest = self._digest(file)
        if isinstance(before, dict) and before["sha256"] == digest:
            return before
        return {"sha256": digest, **seen}

    def _digest(self, file: str) -> str:
        path = self._path(file)
        with readable(path), Path(path).open("rb") as opened:
            return hashlib.file_digest(opened, "sha256").hexdigest()

    def _require_names(self, file: str) -> None:
        """Refuse a text file whose header names a column twice, which polars would rename."""
        if _KINDS.get(Path(file).suffix.lower()) == "csv":
            head = pl.read_csv(self._path(file), has_header=False, n_rows=1, infer_schema=False)
            check_names(str(name) for name in (head.row(0) if head.height else ()))

    def _require_unchanged(self, file: str) -> None:
        expected = (self.only or {}).get(file)
        if expected is not None and self._digest(file) != expected:
            raise InvalidDataError(
                f"{self._path(file)} is not the file that was found before; restore it"
            )


def digests_of(position: Position) -> dict[str, str]:
    """Return the digest of each file of a position."""
    return {file: str(mark["sha256"]) for file, mark in position.items() if isinstance(mark, dict)}


def _found(pattern: str) -> list[str]:
    path = Path(pattern)
    if path.is_file():
        return [pattern]
    if path.is_dir():
        inside = (p.relative_to(path) for p in path.rglob("*") if p.is_file())
        known = [p for p in inside if p.suffix.lower() in _KINDS]
        return sorted(p.as_posix() for p in known if not any(n[0] in "._" for n in p.parts))
    return sorted(glob.glob(pattern, recursive=True))  # noqa: PTH207 (absolute globs)

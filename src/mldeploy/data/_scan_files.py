"""Files as batches to be counted: a file is read to its end, or it is named in an error."""

from __future__ import annotations

import glob
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeAlias, final

import polars as pl

from mldeploy.data._column_counts import TableCounts, merged_tables
from mldeploy.data._scan import Batch, count
from mldeploy.data._scan_slices import slices_of
from mldeploy.data._scan_source import Scan, batch_rows
from mldeploy.data._scan_stores import said_of_store
from mldeploy.data._scan_text_files import (
    csv_header,
    first_fault,
    require_unique,
    text_error,
    widened,
)
from mldeploy.errors import InvalidDataError, SchemaMismatchError, UnreadableFileError

Types: TypeAlias = Mapping[str, pl.DataType | type[pl.DataType]]

FORMATS: Final = {
    ".parquet": "parquet", ".pq": "parquet", ".csv": "csv", ".ndjson": "ndjson",
    ".jsonl": "ndjson", ".arrow": "ipc", ".ipc": "ipc", ".feather": "ipc",
}  # fmt: skip
"""What a file holds, by the end of its name."""

_PROBED_ROWS: Final = 10_000
_PROBED_BYTES: Final = 1 << 26


@final
@dataclass(frozen=True, kw_only=True)
class Opening:
    """How to open files.

    Attributes
    ----------
    types : mapping of str to polars type
        Types of columns that are not told from the text.
    storage_options : mapping of str to str
        Options of the store that holds the files.
    named_folders : bool
        Whether folders called ``month=1`` are a column.
    probes_all : bool
        Whether types are told from all rows of a file of text.
    """

    types: Types
    storage_options: Mapping[str, str]
    named_folders: bool = False
    probes_all: bool = False

    def scan(self, path: str) -> pl.LazyFrame:
        """Return the rows of a file as a query."""
        where: dict[str, Any] = {"storage_options": dict(self.storage_options) or None}
        if not is_remote(path):
            where["glob"] = False
        types = dict(self.types)
        match format_of(path):
            case "parquet":
                folders = None if is_remote(path) else self.named_folders
                return pl.scan_parquet(path, hive_partitioning=folders, **where)
            case "ipc":
                return pl.scan_ipc(path, **where)
            case "csv":
                return pl.scan_csv(
                    path, try_parse_dates=True, schema_overrides=types,
                    infer_schema_length=None if self.probes_all else _n_probed(path), **where,
                )  # fmt: skip
        where.pop("glob", None)
        return pl.scan_ndjson(path, infer_schema_length=None, schema_overrides=types, **where)


def _n_probed(path: str) -> int:
    """Return from how many rows to tell types: fewer if they are long."""
    if is_remote(path):
        return _PROBED_ROWS
    with open(path, "rb") as opened:  # noqa: PTH123 - a path as text
        block = opened.read(1 << 20)
    bytes_a_row = len(block) / (block.count(b"\n") or 1)
    return int(min(_PROBED_ROWS, max(_PROBED_BYTES / max(bytes_a_row, 1), 1)))


def format_of(path: str) -> str:
    """Return what a file holds; what has no ending in a store is Parquet."""
    suffix = Path(path.rstrip("/*")).suffix.lower()
    if not suffix and is_remote(path):
        return "parquet"
    if suffix not in FORMATS:
        raise InvalidDataError(
            f"{path} ends in {suffix or 'nothing'}; pass .parquet or .csv files, .arrow or "
            ".ndjson, or read them yourself and pass the frame"
        )
    return FORMATS[suffix]


def is_remote(path: str) -> bool:
    """Whether a path is an address, such as one of S3."""
    return "://" in path


def matching_files(pattern: str) -> list[str]:
    """Return the files that a path, folder or glob names, sorted; an address is one file.

    Files of a folder whose names start with a dot or an underscore are left out.
    """
    if is_remote(pattern):
        return [pattern]
    path = Path(pattern)
    try:
        if path.is_dir():
            inside = [p for p in path.rglob("*") if p.suffix.lower() in FORMATS and p.is_file()]
            found = [str(p) for p in inside if not _is_hidden(p.relative_to(path))]
        else:
            found = [pattern] if path.is_file() else glob.glob(pattern, recursive=True)  # noqa: PTH207 (absolute globs)
    except OSError as error:
        raise UnreadableFileError(pattern, _said(error)) from error
    if not found:
        raise InvalidDataError(f"no file matches {pattern!r}; check the path or the glob")
    return sorted(found)


def _is_hidden(path: Path) -> bool:
    return any(part.startswith((".", "_")) for part in path.parts)


def count_files(
    pattern: str, opening: Opening, *, limit: int, weight: str | None, progress: bool
) -> TableCounts:
    """Return the counts of all rows of the files that a path, folder or glob names.

    Raises
    ------
    UnreadableFileError
        If a file is cut off, damaged, not allowed, gone or changed before it was read, or no
        table of its columns' types as it goes on; it names the file, and the row if it is known.
    SchemaMismatchError
        If a file lacks a column of another, or holds it in another kind.
    """
    paths = matching_files(pattern)
    opening = replace(opening, named_folders=_has_named_folders(pattern, paths))
    formats = {format_of(path) for path in paths}
    if len(formats) > 1:
        raise InvalidDataError(
            f"{pattern} names {' and '.join(sorted(formats))} files; pass those of one kind"
        )
    _require_same_columns(paths, opening)
    counted = partial(count, limit=limit, weight=weight, progress=progress)
    if formats <= {"parquet", "ipc"}:
        scan = _binary(paths, opening)
        return counted(scan.batches, n_rows=scan.n_rows)
    whole = _count_text(paths[0], opening, counted)
    for path in paths[1:]:
        with in_file(path):
            whole = merged_tables([whole, _count_text(path, opening, counted)])
    return whole


def _has_named_folders(pattern: str, paths: Sequence[str]) -> bool:
    if not Path(pattern).is_dir():
        return False
    inside = (Path(path).relative_to(pattern).parent.parts for path in paths)
    return any("=" in part for parts in inside for part in parts)


def _require_same_columns(paths: Sequence[str], opening: Opening) -> None:
    first: pl.Schema | None = None
    for path in paths:
        schema = schema_of(path, opening)
        first = schema if first is None else first
        if lacking := [name for name in first if name not in schema]:
            raise SchemaMismatchError(missing=lacking, path=path)
        if more := [name for name in schema if name not in first]:
            raise SchemaMismatchError(missing=more, path=paths[0])


def schema_of(path: str, opening: Opening) -> pl.Schema:
    """Return the columns and types of a file."""
    kind = format_of(path)
    try:
        with reading(path):
            if kind == "csv" and not is_remote(path):
                require_unique(path, csv_header(path))
            return opening.scan(path).collect_schema()
    except UnreadableFileError as error:
        if kind not in ("csv", "ndjson") or is_remote(path) or error.row is not None:
            raise
        raise text_error(path, first_fault(path, kind, str(error.__cause__)), error) from error


def _binary(paths: Sequence[str], opening: Opening) -> Scan:
    heights = []
    for path in paths:
        with reading(path):
            heights.append(int(opening.scan(path).select(pl.len()).collect().item()))
    each = zip(paths, heights, strict=True)
    batches = (b for path, height in each for b in _batches(path, opening, height))
    return Scan(batches=batches, n_rows=sum(heights))


def _batches(path: str, opening: Opening, height: int | None) -> Iterator[Batch]:
    """Yield the rows of one file, and make sure that it was the same file all the while."""
    with reading(path):
        before = None if is_remote(path) else os.stat(path)  # noqa: PTH116 - a path as text
        query = opening.scan(path)
        schema = query.collect_schema()
        size = 0 if before is None or not height else before.st_size / height
        yield Batch(frame=pl.DataFrame(schema=schema), of=path)
        n_read = 0
        in_slices = before is not None and height is not None and format_of(path) == "parquet"
        for rows in slices_of(query, height or 0, size, path) if in_slices else [query]:
            for frame in rows.collect_batches(
                chunk_size=batch_rows(len(schema), size), maintain_order=False, engine="streaming"
            ):
                n_read += frame.height
                yield Batch(frame=frame, of=path)
        after = None if is_remote(path) else os.stat(path)  # noqa: PTH116 - as above
    if before is not None and after is not None:
        same = (before.st_size, before.st_mtime_ns, before.st_ino) == (
            after.st_size, after.st_mtime_ns, after.st_ino,
        )  # fmt: skip
        if not same or (height is not None and height != n_read):
            why = "it changed while it was read; read it once nobody writes to it"
            raise UnreadableFileError(path, why)


@final
class reading:  # noqa: N801 - reads as a sentence where it is used
    """Name the file in what polars or the system says of it."""

    def __init__(self, path: str) -> None:
        self._path = path

    def __enter__(self) -> None:
        return

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, UnreadableFileError):
            return
        if isinstance(error, pl.exceptions.PolarsError | pl.exceptions.PanicException | OSError):
            said = said_of_store if is_remote(self._path) else _said
            raise UnreadableFileError(self._path, said(error)) from error


@contextmanager
def in_file(path: str) -> Iterator[None]:
    """Name the file whose columns do not go with those before it."""
    try:
        yield
    except (UnreadableFileError, SchemaMismatchError):
        raise
    except InvalidDataError as error:
        raise InvalidDataError(f"{path} does not go with the files before it: {error}") from error


def _said(error: BaseException) -> str:
    if isinstance(error, FileNotFoundError):
        return "there is no such file; if it was there, it went while the table was read"
    if isinstance(error, PermissionError):
        return "permission denied; run as a user who may read it"
    return str(error).partition("\n")[0]


# --- text ---------------------------------------------------------------------------------


def _count_text(path: str, opening: Opening, counted: Callable[..., TableCounts]) -> TableCounts:
    """Count a file of text; one whose whole numbers become fractions later is begun again.

    Types are told from the first 10,000 rows of a CSV file.
    """
    types = dict(opening.types)
    while True:
        attempt = replace(opening, types=types)
        try:
            return counted(_batches(path, attempt, None))
        except UnreadableFileError as error:
            cause = error.__cause__
            if not isinstance(cause, pl.exceptions.PolarsError) or is_remote(path):
                raise
            wider = widened(str(cause), types)
            if wider is None:
                fault = first_fault(path, format_of(path), str(cause))
                raise text_error(path, fault, error) from cause
            types = wider

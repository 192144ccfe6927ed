"""Tables of any size, read piece by piece and always in the same order."""

from __future__ import annotations

import abc
import glob
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, final

import polars as pl
from typing_extensions import override

from mldeploy._record import digest_of
from mldeploy.errors import InvalidDataError
from mldeploy.serving._bulk_csv import csv_blocks, csv_header

FORMATS: Final = {
    ".parquet": "parquet", ".pq": "parquet",
    ".csv": "csv",
    ".arrow": "ipc", ".ipc": "ipc", ".feather": "ipc",
}  # fmt: skip
"""What a file holds, by the end of its name."""

_PROBE: Final = 1_000


class Source(abc.ABC):
    """Rows in a fixed order, of which any stretch can be read again."""

    is_text: bool = False
    """Whether every value arrives as text, which the schema has yet to read."""

    @property
    @abc.abstractmethod
    def name(self) -> str:
        """How people call it."""

    @property
    @abc.abstractmethod
    def columns(self) -> tuple[str, ...]:
        """Names of its columns."""

    @property
    @abc.abstractmethod
    def n_rows(self) -> int | None:
        """Number of its rows, if that can be told without reading them."""

    @abc.abstractmethod
    def nothing(self, columns: Sequence[str]) -> pl.DataFrame:
        """Return these columns without a row."""

    @abc.abstractmethod
    def identity(self) -> dict[str, Any]:
        """Return what changes when the rows change, as JSON."""

    @abc.abstractmethod
    def pieces(self, columns: Sequence[str], *, start: int, n_rows: int) -> Iterator[pl.DataFrame]:
        """Yield the rows from number `start` on, in order, at most `n_rows` at a time."""


def format_of(name: str) -> str:
    """Return what a file holds, by the end of its name.

    Raises
    ------
    InvalidDataError
        If the end of the name says nothing.
    """
    kind = FORMATS.get(Path(name).suffix.lower())
    if kind is None:
        raise InvalidDataError(f"{name} should end in {', '.join(FORMATS)}, or name an SqlTable")
    return kind


def is_remote(name: str) -> bool:
    """Whether a name is the address of an object in a store, such as ``s3://bucket/rows``."""
    return "://" in name and not name.startswith("file://")


def files_source(name: str | Path, *, storage_options: Mapping[str, str] | None = None) -> Source:
    """Open the file, the files of a folder, or those that a pattern matches.

    Raises
    ------
    InvalidDataError
        If there is none, they are of several kinds, or one is no table.
    """
    text = str(name)
    if is_remote(text):
        return _Scanned(text, kind=_remote_format(text), options=dict(storage_options or {}))
    paths = _matching(text)
    kinds = {format_of(str(path)) for path in paths}
    if len(kinds) > 1:
        raise InvalidDataError(
            f"{text} holds {' and '.join(sorted(kinds))} files; name those of one kind"
        )
    return _LocalText(text, paths) if kinds == {"csv"} else _Sliced(text, paths, min(kinds))


def _matching(pattern: str) -> list[Path]:
    path = Path(pattern)
    if path.is_file():
        return [path]
    if path.is_dir():
        inside = sorted(p for p in path.rglob("*") if p.suffix.lower() in FORMATS)
        found = [p for p in inside if p.is_file() and not p.name.startswith(".")]
    else:
        names = glob.glob(pattern, recursive=True)  # noqa: PTH207 (absolute globs)
        found = [p for p in map(Path, sorted(names)) if p.is_file()]
    if not found:
        raise InvalidDataError(f"no file matches {pattern!r}; check the path or the glob")
    return found


def _remote_format(address: str) -> str:
    end = Path(address.partition("?")[0]).suffix.lower()
    return FORMATS.get(end, "parquet")


@contextmanager
def unreadable_as_invalid(name: str) -> Iterator[None]:
    """Turn what polars says of a table that is none into `InvalidDataError`."""
    try:
        yield
    except (pl.exceptions.PolarsError, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise InvalidDataError(f"{name} cannot be read as a table: {error}") from error


def scan(kind: str, paths: Any, options: dict[str, str] | None = None) -> pl.LazyFrame:
    """Return a query for the rows of files or objects; those of CSV are text."""
    if kind == "parquet":
        return pl.scan_parquet(paths, storage_options=options, hive_partitioning=False)
    if kind == "ipc":
        return pl.scan_ipc(paths, storage_options=options, hive_partitioning=False)
    return pl.scan_csv(paths, storage_options=options, infer_schema=False)


def _stats(paths: Sequence[Path]) -> list[list[Any]]:
    found = []
    for path in paths:
        stat = path.stat()
        found.append([str(path.absolute()), stat.st_size, stat.st_mtime_ns])
    return found


@final
@dataclass
class _Sliced(Source):
    """Parquet and Arrow files, of which any stretch can be read without what stands before it.

    Reading a stretch costs its own bytes whatever the size of the row groups, and no more
    memory than the stretch.
    """

    pattern: str
    paths: list[Path]
    kind: str
    _heights: list[int] = field(init=False)
    _columns: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        with unreadable_as_invalid(self.pattern):
            scans = [scan(self.kind, path) for path in self.paths]
            schemas = [rows.collect_schema() for rows in scans]
            self._heights = [rows.select(pl.len()).collect().item() for rows in scans]
        self._columns = tuple(schemas[0])
        for path, schema in zip(self.paths, schemas, strict=True):
            if lacking := [name for name in self._columns if name not in schema]:
                raise InvalidDataError(
                    f"{path} lacks {', '.join(map(repr, lacking))}, which {self.paths[0]} has; "
                    "name files that belong together"
                )

    @property
    @override
    def name(self) -> str:
        return self.pattern

    @property
    @override
    def columns(self) -> tuple[str, ...]:
        return self._columns

    @property
    @override
    def n_rows(self) -> int:
        return sum(self._heights)

    @override
    def nothing(self, columns: Sequence[str]) -> pl.DataFrame:
        return scan(self.kind, self.paths[0]).select(columns).head(0).collect()

    @override
    def identity(self) -> dict[str, Any]:
        return {"files": _stats(self.paths), "rows": self._heights}

    @override
    def pieces(self, columns: Sequence[str], *, start: int, n_rows: int) -> Iterator[pl.DataFrame]:
        for path, height in zip(self.paths, self._heights, strict=True):
            if start >= height:
                start -= height
                continue
            rows = scan(self.kind, path).select(columns)
            for begin in range(start, height, n_rows):
                with unreadable_as_invalid(str(path)):
                    yield rows.slice(begin, min(n_rows, height - begin)).collect()
            start = 0


def evenly(frames: Iterator[pl.DataFrame], n_rows: int) -> Iterator[pl.DataFrame]:
    """Yield the rows of frames of any height, exactly `n_rows` at a time but for the last."""
    waiting: list[pl.DataFrame] = []
    n_waiting = 0
    for frame in frames:
        waiting.append(frame)
        n_waiting += frame.height
        while n_waiting >= n_rows:
            joined = waiting[0] if len(waiting) == 1 else pl.concat(waiting)
            yield joined.head(n_rows)
            n_waiting -= n_rows
            waiting = [joined.slice(n_rows)] if n_waiting else []
    if n_waiting:
        yield pl.concat(waiting)


@final
@dataclass
class _LocalText(Source):
    """CSV files."""

    pattern: str
    paths: list[Path]
    is_text = True
    _columns: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        with unreadable_as_invalid(self.pattern):
            headers = [csv_header(path) for path in self.paths]
        for path, header in zip(self.paths, headers, strict=True):
            if header != headers[0]:
                raise InvalidDataError(
                    f"{path} and {self.paths[0]} have other columns; name files that belong "
                    "together"
                )
        self._columns = headers[0]

    @property
    @override
    def name(self) -> str:
        return self.pattern

    @property
    @override
    def columns(self) -> tuple[str, ...]:
        return self._columns

    @property
    @override
    def n_rows(self) -> None:
        return None

    @override
    def nothing(self, columns: Sequence[str]) -> pl.DataFrame:
        return pl.DataFrame(schema=dict.fromkeys(columns, pl.String))

    @override
    def identity(self) -> dict[str, Any]:
        return {"files": _stats(self.paths)}

    @override
    def pieces(self, columns: Sequence[str], *, start: int, n_rows: int) -> Iterator[pl.DataFrame]:
        yield from evenly(self._blocks(columns, start), n_rows)

    def _blocks(self, columns: Sequence[str], start: int) -> Iterator[pl.DataFrame]:
        for path in self.paths:
            with unreadable_as_invalid(str(path)):
                for block in csv_blocks(path, columns):
                    if start < block.height:
                        yield block.slice(start)
                    start = max(0, start - block.height)


@final
class _Scanned(Source):
    """Objects in a store, read by polars; credentials come from its options or environment."""

    def __init__(self, address: str, *, kind: str, options: dict[str, str]) -> None:
        self._address = address
        self._kind = kind
        self._options = options
        self.is_text = kind == "csv"
        with unreadable_as_invalid(address):
            self._schema = self._rows().collect_schema()
            self._n_rows: int = self._rows().select(pl.len()).collect().item()

    @property
    @override
    def name(self) -> str:
        return self._address

    @property
    @override
    def columns(self) -> tuple[str, ...]:
        return tuple(self._schema)

    @property
    @override
    def n_rows(self) -> int:
        return self._n_rows

    @override
    def identity(self) -> dict[str, Any]:
        """Tell objects apart by their columns, height, first and last rows.

        Stores differ in what they say about an object, and polars does not ask them.
        """
        with unreadable_as_invalid(self._address):
            first = self._rows().head(_PROBE).collect()
            last = self._rows().slice(max(0, self._n_rows - _PROBE)).collect()
        seen = [
            {name: str(dtype) for name, dtype in self._schema.items()},
            *(part.hash_rows(seed=0).to_list() for part in (first, last)),
        ]
        return {"address": self._address, "rows": self._n_rows, "seen": digest_of(seen)}

    @override
    def nothing(self, columns: Sequence[str]) -> pl.DataFrame:
        return self._rows().select(columns).head(0).collect()

    @override
    def pieces(self, columns: Sequence[str], *, start: int, n_rows: int) -> Iterator[pl.DataFrame]:
        rows = self._rows().select(columns)
        with unreadable_as_invalid(self.name):
            batches = (rows.slice(start) if start else rows).collect_batches(
                chunk_size=n_rows, maintain_order=True, engine="streaming"
            )
            yield from evenly(batches, n_rows)

    def _rows(self) -> pl.LazyFrame:
        return scan(self._kind, self._address, self._options)

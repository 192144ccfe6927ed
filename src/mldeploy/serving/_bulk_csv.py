"""CSV files in blocks that end where a row ends."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Final

import polars as pl

from mldeploy.errors import DuplicateColumnsError, InvalidDataError

_BLOCK: Final = 8 << 20
"""Bytes to read at once: some hundred thousand rows of a narrow table."""

_LONGEST_ROW: Final = 256 << 20


def csv_header(path: Path) -> tuple[str, ...]:
    """Return the names of a file's columns.

    Raises
    ------
    DuplicateColumnsError
        If two share a name.
    """
    with path.open("rb") as file:
        line, _ = _whole_rows(file, b"", path, first_only=True)
    if not line.strip():
        return ()
    row = pl.read_csv(line, has_header=False, infer_schema=False).row(0)
    names = tuple(str(name) for name in row)
    if len(set(names)) != len(names):
        raise DuplicateColumnsError(dict.fromkeys(n for n in names if names.count(n) > 1))
    return names


def csv_blocks(path: Path, columns: Sequence[str]) -> Iterator[pl.DataFrame]:
    """Yield the rows of a file as text, some at a time, in order.

    A row ends at a line end that no pair of quotes encloses, so that text may hold line ends.
    Only one block is in memory, whatever the size of the file.

    Raises
    ------
    InvalidDataError
        If a row is longer than 256 MB: a quote was opened and never closed.
    """
    with path.open("rb") as file:
        header, rest = _whole_rows(file, b"", path, first_only=True)
        while True:
            block, rest = _whole_rows(file, rest, path)
            if not block:
                return
            rows = pl.read_csv(header + block, columns=list(columns), infer_schema=False)
            if rows.height:
                yield rows.select(columns)


def _whole_rows(
    file: IO[bytes], begun: bytes, path: Path, *, first_only: bool = False
) -> tuple[bytes, bytes]:
    """Return whole rows, and the beginning of the row after them."""
    content = begun
    while more := file.read(_BLOCK):
        content += more
        end = _first_end(content) if first_only else _last_end(content)
        if end:
            return content[:end], content[end:]
        if len(content) > _LONGEST_ROW:
            raise InvalidDataError(
                f"{path} cannot be read as a table: a row is longer than {_LONGEST_ROW >> 20} MB, "
                "so that a quote was probably opened and never closed"
            )
    end = _first_end(content) if first_only else 0
    return (content[:end], content[end:]) if end else (content, b"")


def _last_end(content: bytes) -> int:
    """Return where the last whole row ends; 0 if none does. Rows begin outside quotes."""
    end = content.rfind(b"\n")
    if b'"' in content:
        while end >= 0 and content.count(b'"', 0, end) % 2:
            end = content.rfind(b"\n", 0, end)
    return end + 1


def _first_end(content: bytes) -> int:
    end = content.find(b"\n")
    while end >= 0 and content.count(b'"', 0, end) % 2:
        end = content.find(b"\n", end + 1)
    return end + 1

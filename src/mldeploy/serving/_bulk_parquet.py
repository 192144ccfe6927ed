"""Put Parquet files behind each other without decoding what is in them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import IO, Final

from mldeploy.serving._bulk_thrift import Field, Struct, read_struct, write_struct

_MAGIC: Final = b"PAR1"
_CHUNK: Final = 1 << 20

_SCHEMA, _ROWS, _GROUPS = 2, 3, 4
"""Fields of a file's footer [1]_.

.. [1] Apache Parquet, "parquet.thrift", https://github.com/apache/parquet-format
"""
_COLUMNS, _GROUP_OFFSET, _ORDINAL = 1, 5, 7
"""Fields of a row group."""

_CHUNK_OFFSET, _METADATA = 2, 3
"""Fields of a column of a row group."""

_OFFSETS_OF_CHUNK: Final = (4, 6)
"""Where the offset index and the column index of a column are."""

_OFFSETS_OF_METADATA: Final = (9, 10, 11, 14)
"""Where the data, index and dictionary pages and the Bloom filter of a column are."""


def append_parquet(parts: Sequence[Path], target: IO[bytes]) -> bool:
    """Write the row groups of files, in order, as one file; False if their columns differ.

    The bytes of the row groups are copied as they are; only the offsets in the footer change.

    Parameters
    ----------
    parts : sequence of Path
        Files that this process, or the one before it, has written; at least one.
    target : binary file
        Open for writing, and empty.

    Raises
    ------
    ValueError
        If a file is none of Parquet.
    """
    footers = [_footer(part) for part in parts]
    first, _ = footers[0]
    if any(footer[_SCHEMA] != first[_SCHEMA] for footer, _ in footers):
        return False
    groups: list[Struct] = []
    n_rows, end = 0, target.write(_MAGIC)
    for part, (footer, length) in zip(parts, footers, strict=True):
        body = part.stat().st_size - length - 8 - len(_MAGIC)
        moved = end - len(_MAGIC)
        for group in footer[_GROUPS].value[1]:
            groups.append(_moved_group(group, moved, len(groups)))
        n_rows += footer[_ROWS].value
        _copy(part, target, body)
        end += body
    kind = first[_GROUPS].value[0]
    joined = {
        **first,
        _ROWS: Field(first[_ROWS].kind, n_rows),
        _GROUPS: Field(first[_GROUPS].kind, (kind, groups)),
    }
    content = write_struct(joined)
    target.write(content + len(content).to_bytes(4, "little") + _MAGIC)
    return True


def _footer(path: Path) -> tuple[Struct, int]:
    """Return the footer of a file, and its length in bytes."""
    with path.open("rb") as file:
        file.seek(-8, 2)
        tail = file.read(8)
        if tail[4:] != _MAGIC:
            raise ValueError(f"{path} is no file of Parquet")
        length = int.from_bytes(tail[:4], "little")
        file.seek(-8 - length, 2)
        return read_struct(file.read(length)), length


def _copy(part: Path, target: IO[bytes], n_bytes: int) -> None:
    with part.open("rb") as file:
        file.seek(len(_MAGIC))
        while n_bytes:
            content = file.read(min(n_bytes, _CHUNK))
            if not content:
                raise ValueError(f"{part} has become shorter")
            target.write(content)
            n_bytes -= len(content)


def _moved_group(group: Struct, by: int, ordinal: int) -> Struct:
    kind, columns = group[_COLUMNS].value
    moved = [_moved_column(column, by) for column in columns]
    changed = {_COLUMNS: Field(group[_COLUMNS].kind, (kind, moved))}
    if _ORDINAL in group:
        changed[_ORDINAL] = Field(group[_ORDINAL].kind, min(ordinal, 2**15 - 1))
    return {**_shifted(group, (_GROUP_OFFSET,), by), **changed}


def _moved_column(column: Struct, by: int) -> Struct:
    moved = _shifted(column, (_CHUNK_OFFSET, *_OFFSETS_OF_CHUNK), by)
    metadata = _shifted(column[_METADATA].value, _OFFSETS_OF_METADATA, by)
    return {**moved, _METADATA: Field(column[_METADATA].kind, metadata)}


def _shifted(struct: Struct, numbers: Sequence[int], by: int) -> Struct:
    """Move the offsets of a struct; 0 stands for none."""
    places = {n: struct[n] for n in numbers if n in struct and struct[n].value}
    return {**struct, **{n: Field(f.kind, f.value + by) for n, f in places.items()}}

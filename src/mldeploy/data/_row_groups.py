"""How many row groups a Parquet file has, which polars does not tell."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import BinaryIO, Final, final

_ROW_GROUPS: Final = 4
"""The number of the field in `FileMetaData`, parquet.thrift."""

_STOP, _TRUE, _FALSE, _BYTE, _I16, _I64, _DOUBLE, _BINARY, _LIST, _SET, _STRUCT = (
    0, 1, 2, 3, 4, 6, 7, 8, 9, 10, 12,
)  # fmt: skip


def n_row_groups(path: str) -> int:
    """Return the number of row groups; 1 of a footer that is not to be understood."""
    with Path(path).open("rb") as opened:
        footer = _footer(opened)
    try:
        return _Compact(footer).length_of_list(_ROW_GROUPS)
    except (IndexError, ValueError, RecursionError):
        return 1


def _footer(opened: BinaryIO) -> bytes:
    n_bytes = opened.seek(0, 2)
    opened.seek(max(n_bytes - 8, 0))
    tail = opened.read(8)
    if len(tail) < 8 or tail[4:] != b"PAR1":
        return b""
    length = struct.unpack("<I", tail[:4])[0]
    opened.seek(max(n_bytes - 8 - length, 0))
    return opened.read(length)


@final
class _Compact:
    """A reader of Thrift's compact protocol that passes over what it is not asked for."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._at = 0

    def length_of_list(self, wanted: int) -> int:
        """Return the length of a list, a field of the structure that begins here."""
        number = 0
        while True:
            number, kind = self._field(number)
            if kind == _STOP:
                raise ValueError(f"there is no field {wanted}")
            if number == wanted:
                return self._list_head()[0]
            self._skip(kind)

    def _field(self, before: int) -> tuple[int, int]:
        head = self._byte()
        if head == _STOP:
            return before, _STOP
        step = head >> 4
        number = before + step if step else self._varint() >> 1
        return number, head & 15

    def _list_head(self) -> tuple[int, int]:
        head = self._byte()
        size = head >> 4
        return (self._varint() if size == 15 else size), head & 15

    def _skip(self, kind: int) -> None:
        if _I16 <= kind <= _I64:
            self._varint()
        elif kind in (_BYTE, _DOUBLE):
            self._at += 1 if kind == _BYTE else 8
        elif kind == _BINARY:
            length = self._varint()
            self._at += length
        elif kind in (_LIST, _SET):
            size, of = self._list_head()
            for _ in range(size):
                self._skip(_BYTE if of in (_TRUE, _FALSE) else of)
        elif kind == _STRUCT:
            number = 0
            while (found := self._field(number))[1] != _STOP:
                number = found[0]
                self._skip(found[1])
        elif kind not in (_TRUE, _FALSE):
            raise ValueError(f"a type {kind} that Parquet's metadata has not")

    def _varint(self) -> int:
        value = shift = 0
        while True:
            byte = self._byte()
            value |= (byte & 127) << shift
            if byte < 128:
                return value
            shift += 7

    def _byte(self) -> int:
        self._at += 1
        return self._content[self._at - 1]

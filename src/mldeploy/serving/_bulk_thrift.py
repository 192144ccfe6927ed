"""The compact protocol of Apache Thrift, in which the footer of a Parquet file is written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, TypeAlias, final

Struct: TypeAlias = "dict[int, Field]"

_TRUE, _FALSE, _BYTE, _I16, _I32, _I64, _DOUBLE, _BINARY, _LIST, _SET, _MAP, _STRUCT = range(1, 13)
_VARINTS: Final = frozenset({_I16, _I32, _I64})


@final
@dataclass(frozen=True)
class Field:
    """A value and its type; lists are tuples of their elements' type and the elements."""

    kind: int
    value: Any


def read_struct(content: bytes) -> Struct:
    """Read one struct, fields by number, in their order.

    Raises
    ------
    ValueError
        If the bytes are no struct.
    """
    reader = _Reader(content)
    try:
        return reader.struct()
    except IndexError as error:
        raise ValueError("the bytes end within a struct") from error


def write_struct(struct: Struct) -> bytes:
    """Write a struct; what `read_struct` has read is written as it was.

    Examples
    --------
    >>> content = bytes([0x15, 0x02, 0x19, 0x25, 0x04, 0x06, 0x18, 0x01, 0x61, 0x00])
    >>> write_struct(read_struct(content)) == content
    True
    """
    out = bytearray()
    _write_struct(out, struct)
    return bytes(out)


@final
class _Reader:
    def __init__(self, content: bytes) -> None:
        self._content = content
        self._place = 0

    def struct(self) -> Struct:
        fields: Struct = {}
        number = 0
        while header := self._byte():
            step, kind = header >> 4, header & 15
            number = number + step if step else _unzigzag(self._varint())
            fields[number] = Field(kind, self._value(kind))
        return fields

    def _value(self, kind: int) -> Any:
        if kind in (_TRUE, _FALSE):
            return None
        if kind in _VARINTS:
            return _unzigzag(self._varint())
        if kind == _BINARY:
            return self._bytes(self._varint())
        if kind == _STRUCT:
            return self.struct()
        if kind in (_LIST, _SET):
            return self._list()
        if kind in (_BYTE, _DOUBLE):
            return self._bytes(1 if kind == _BYTE else 8)
        raise ValueError(f"{kind} is no type that a footer holds")

    def _list(self) -> tuple[int, list[Any]]:
        header = self._byte()
        size, kind = header >> 4, header & 15
        size = self._varint() if size == 15 else size
        if kind in (_TRUE, _FALSE):
            return kind, [self._byte() for _ in range(size)]
        return kind, [self._value(kind) for _ in range(size)]

    def _byte(self) -> int:
        self._place += 1
        return self._content[self._place - 1]

    def _bytes(self, size: int) -> bytes:
        self._place += size
        if self._place > len(self._content):
            raise ValueError("the bytes end within a value")
        return self._content[self._place - size : self._place]

    def _varint(self) -> int:
        value = shift = 0
        while (byte := self._byte()) & 0x80:
            value |= (byte & 0x7F) << shift
            shift += 7
        return value | byte << shift


def _write_struct(out: bytearray, struct: Struct) -> None:
    last = 0
    for number, field in struct.items():
        step = number - last
        if 0 < step < 16:
            out.append(step << 4 | field.kind)
        else:
            out.append(field.kind)
            _write_varint(out, _zigzag(number))
        _write_value(out, field.kind, field.value)
        last = number
    out.append(0)


def _write_value(out: bytearray, kind: int, value: Any) -> None:
    if kind in (_TRUE, _FALSE):
        return
    if kind in _VARINTS:
        _write_varint(out, _zigzag(value))
    elif kind == _BINARY:
        _write_varint(out, len(value))
        out += value
    elif kind == _STRUCT:
        _write_struct(out, value)
    elif kind in (_LIST, _SET):
        _write_list(out, *value)
    else:
        out += value


def _write_list(out: bytearray, kind: int, values: list[Any]) -> None:
    size = len(values)
    out.append(min(size, 15) << 4 | kind)
    if size >= 15:
        _write_varint(out, size)
    if kind in (_TRUE, _FALSE):
        out += bytes(values)
        return
    for value in values:
        _write_value(out, kind, value)


def _write_varint(out: bytearray, value: int) -> None:
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)


def _zigzag(value: int) -> int:
    return value << 1 if value >= 0 else (-value << 1) - 1


def _unzigzag(value: int) -> int:
    return value >> 1 if not value & 1 else -(value >> 1) - 1

"""Arrow tables as bytes: looked through before anything is made of them.

What an Arrow stream says of its own sizes is believed by whoever decodes it. A client could claim
columns of 2^50 bytes, or nest types until the stack ends, and end the process. So every claim is
held against the bytes that there are, and only plain columns are let through.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from typing import Final, final

import polars as pl

from mldeploy.serving.http._errors import BadRequest

_MAGIC: Final = b"ARROW1"
_GOES_ON: Final = 0xFFFFFFFF
_SCHEMA, _DICTIONARY, _ROWS = 1, 2, 3
_MOST_COLUMNS: Final = 10_000
_TYPES: Final = {
    1: "null", 2: "integer", 3: "floating point", 5: "text", 6: "boolean", 8: "date", 9: "time",
    10: "timestamp", 18: "duration", 20: "text", 24: "text",
}  # fmt: skip
_POINTS_BEYOND: Final = (struct.error, IndexError, OverflowError)


def frame_of(body: bytes, *, is_file: bool, max_bytes: int, max_rows: int) -> pl.DataFrame:
    """Return the table that an Arrow stream, or a file, is.

    Parameters
    ----------
    body : bytes
        The stream or file.
    is_file : bool
        Which of the two it is.
    max_bytes : int
        Bytes that its columns may take, decompressed.
    max_rows : int
        Rows that it may have.

    Raises
    ------
    BadRequest
        With 413 if it is too large, and 400 if it is damaged, or has columns that are not plain.
    """
    walk = _Walk(body, max_bytes=max_bytes, max_rows=max_rows)
    try:
        (walk.file if is_file else walk.stream)()
    except _POINTS_BEYOND:
        raise _damaged("its metadata point beyond it") from None
    read = pl.read_ipc if is_file else pl.read_ipc_stream
    try:
        return read(io.BytesIO(body))
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError, ValueError) as error:
        raise BadRequest(400, "the Arrow table is damaged") from error


def stream_of_frame(frame: pl.DataFrame) -> bytes:
    """Return a table as an Arrow stream that readers of any age understand."""
    buffer = io.BytesIO()
    frame.write_ipc_stream(buffer, compat_level=pl.CompatLevel.oldest())
    return buffer.getvalue()


def file_of_frame(frame: pl.DataFrame) -> bytes:
    """Return a table as an Arrow file that readers of any age understand."""
    buffer = io.BytesIO()
    frame.write_ipc(buffer, compat_level=pl.CompatLevel.oldest())
    return buffer.getvalue()


@final
class _Table:
    """A table of flatbuffers: fields by number, each perhaps absent."""

    def __init__(self, data: bytes, at: int) -> None:
        self.data, self._at = data, at
        fields = at - _read("<i", data, at)
        n_bytes = _read("<H", data, fields)
        self._fields = struct.unpack_from(f"<{max(0, n_bytes // 2 - 2)}H", data, fields + 4)

    def _place(self, field: int) -> int:
        offset = self._fields[field] if field < len(self._fields) else 0
        return self._at + offset if offset else 0

    def number(self, field: int, kind: str) -> int:
        """Return a number; 0 where it is absent."""
        place = self._place(field)
        return _read(kind, self.data, place) if place else 0

    def table(self, field: int) -> _Table | None:
        """Return a table, None where it is absent."""
        place = self._place(field)
        return _Table(self.data, place + _read("<I", self.data, place)) if place else None

    def vector(self, field: int, n_bytes: int) -> tuple[int, int]:
        """Return where the items of a vector begin and how many there are."""
        place = self._place(field)
        if not place:
            return 0, 0
        place += _read("<I", self.data, place)
        n_items = _read("<I", self.data, place)
        if place + 4 + n_items * n_bytes > len(self.data):
            raise IndexError
        return place + 4, n_items

    def tables(self, field: int) -> Iterator[_Table]:
        """Yield the tables of a vector."""
        begin, n_items = self.vector(field, 4)
        for place in range(begin, begin + 4 * n_items, 4):
            yield _Table(self.data, place + _read("<I", self.data, place))

    def pairs(self, field: int) -> list[tuple[int, int]]:
        """Return a vector of structures of two long numbers."""
        begin, n_items = self.vector(field, 16)
        flat = struct.unpack_from(f"<{2 * n_items}q", self.data, begin)
        return list(zip(flat[::2], flat[1::2], strict=True))

    def blocks(self, field: int) -> list[tuple[int, int, int]]:
        """Return a footer's blocks: where each is, and how long its head and its body are."""
        begin, n_items = self.vector(field, 24)
        data = self.data[begin : begin + 24 * n_items]
        return list(struct.iter_unpack("<qi4xq", data))


@final
class _Walk:
    """Go through the messages of a table, and hold what they claim against what there is."""

    def __init__(self, body: bytes, *, max_bytes: int, max_rows: int) -> None:
        self._body = body
        self._max_rows, self._rows_left = max_rows, max_rows
        self._bytes_left = max_bytes

    def stream(self) -> None:
        """Go through a stream."""
        at, is_first = 0, True
        while at < len(self._body):
            found = self._message_at(at)
            if found is None:
                break
            message, begin = found
            if (message.number(1, "<B") == _SCHEMA) is not is_first:
                raise _damaged("it does not begin with one schema")
            is_first = False
            at = self._check(message, begin)
        if is_first:
            raise _damaged("it has no schema")

    def file(self) -> None:
        """Go through the blocks that a file's footer lists."""
        body = self._body
        if len(body) < 22 or not (body.startswith(_MAGIC) and body.endswith(_MAGIC)):
            raise _damaged("it is no file")
        end = len(body) - 10
        size = _read("<i", body, end)
        if not 8 <= size <= end - 8:
            raise _damaged("it has no footer")
        data = body[end - size : end]
        footer = _Table(data, _read("<I", data, 0))
        schema = footer.table(1)
        if schema is None:
            raise _damaged("it has no schema")
        _check_schema(schema)
        for field in (2, 3):
            for at, n_head, length in footer.blocks(field):
                found = self._message_at(at)
                if found is None:
                    raise _damaged("a block is empty")
                message, begin = found
                if begin != at + n_head or length != message.number(3, "<q"):
                    raise _damaged("its footer and its blocks differ")
                self._check(message, begin)

    def _message_at(self, at: int) -> tuple[_Table, int] | None:
        if _read("<I", self._body, at) != _GOES_ON:
            raise _damaged("a message does not begin where it should")
        size, begin = _read("<i", self._body, at + 4), at + 8
        if size == 0:
            return None
        if size < 8 or begin + size > len(self._body):
            raise _damaged("a message goes beyond its end")
        head = self._body[begin : begin + size]
        return _Table(head, _read("<I", head, 0)), begin + size

    def _check(self, message: _Table, begin: int) -> int:
        content, length = message.table(2), message.number(3, "<q")
        if content is None or not 0 <= length <= len(self._body) - begin:
            raise _damaged("a message goes beyond its end")
        self._content(message.number(1, "<B"), content, begin, length)
        return begin + length

    def _content(self, kind: int, content: _Table, begin: int, length: int) -> None:
        if kind == _SCHEMA:
            _check_schema(content)
        elif kind == _ROWS:
            self._rows_left -= self._check_rows(content, begin, length)
            if self._rows_left < 0:
                raise BadRequest(413, f"the rows are over the {self._max_rows:,} allowed")
        elif kind == _DICTIONARY:
            rows = content.table(1)
            if rows is None:
                raise _damaged("a dictionary is empty")
            self._check_rows(rows, begin, length)
        else:
            raise _damaged("it holds something else than a table")

    def _check_rows(self, rows: _Table, begin: int, length: int) -> int:
        n_rows = rows.number(0, "<q")
        nodes, buffers = rows.pairs(1), rows.pairs(2)
        if any(n != n_rows or not 0 <= nulls <= n for n, nulls in nodes):
            raise _damaged("its columns differ in length")
        if n_rows < 0 or (n_rows > self._max_rows and nodes):
            raise BadRequest(413, f"{n_rows:,} rows are over the {self._max_rows:,} allowed")
        if any(at < 0 or size < 0 or at + size > length for at, size in buffers):
            raise _damaged("a column goes beyond its end")
        if rows.table(3) is None:
            sizes = [size for _, size in buffers]
        else:
            sizes = [self._unpacked(begin + at, size) for at, size in buffers]
        self._bytes_left -= sum(sizes)
        if self._bytes_left < 0:
            raise BadRequest(413, "the columns are larger than a body may be")
        begin_counts, n_counts = rows.vector(4, 8)
        counts = struct.unpack_from(f"<{n_counts}q", rows.data, begin_counts)
        if any(not 0 <= count <= len(buffers) for count in counts):
            raise _damaged("a column has more parts than there are")
        return n_rows

    def _unpacked(self, at: int, size: int) -> int:
        if not size:
            return 0
        unpacked = _read("<q", self._body, at)
        if size < 8 or unpacked < -1:
            raise _damaged("a compressed column is cut short")
        return size - 8 if unpacked == -1 else unpacked


def _check_schema(schema: _Table) -> None:
    if schema.number(0, "<h"):
        raise _damaged("its numbers are big-endian")
    n_columns = schema.vector(1, 4)[1]
    if n_columns > _MOST_COLUMNS:
        raise BadRequest(413, f"{n_columns:,} columns are over the {_MOST_COLUMNS:,} allowed")
    for field in schema.tables(1):
        if field.vector(5, 4)[1] or field.number(2, "<B") not in _TYPES:
            wanted = ", ".join(sorted(set(_TYPES.values())))
            raise BadRequest(400, f"a column is of another type than {wanted}")


def _read(kind: str, data: bytes, at: int) -> int:
    if at < 0:
        raise IndexError
    value: int = struct.unpack_from(kind, data, at)[0]
    return value


def _damaged(why: str) -> BadRequest:
    return BadRequest(400, f"the Arrow table is damaged: {why}")

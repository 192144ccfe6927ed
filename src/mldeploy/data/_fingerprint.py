"""A digest of a table's content, whatever the order of its rows and columns."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from mldeploy._record import canonical_json

_CHUNK_BYTES = 1 << 18
"""Of rows that are laid out at a time: what a processor keeps near."""
_NULL, _INTEGER, _LARGE, _REAL = 0, 1, 2, 3
_WIDTHS = {
    **dict.fromkeys(("empty", "boolean"), 1),
    **dict.fromkeys(("date", "time", "datetime", "duration", "instant"), 13),
    "number": 9,
    "text": 33,
}
"""Bytes of a cell by kind; a missing value is all zeros in each."""


def fingerprint_of(frame: pl.DataFrame) -> str:
    """Digest a table's values by SHA-256.

    Parameters
    ----------
    frame : polars.DataFrame
        A frame as `to_polars` returns it.

    Returns
    -------
    str
        64 hexadecimal digits.

    Notes
    -----
    Each row is written as bytes, its columns in the order of their names, and digested by
    SHA-256; the sorted digests, preceded by the columns' names and kinds, are digested again.
    Sorting makes the order of rows irrelevant while keeping how often equal rows occur, and
    leaves the collision resistance that of SHA-256: the digest detects accidental change and
    change by an adversary who can choose every value. It hides nothing: whoever can guess a
    table can confirm the guess.

    Values are digested, not their storage: 3 and 3.0 are equal, -0.0 and 0.0 are equal, NaN and
    null are equal, text and categories are equal, times of any unit and zone are equal if they
    are the same instant. Booleans are not numbers. A column without a value has no type.

    Examples
    --------
    >>> one = pl.DataFrame({"a": [1, 2], "b": ["x", "y"]})
    >>> fingerprint_of(one) == fingerprint_of(one.reverse().select("b", "a"))
    True
    """
    columns = sorted(frame.get_columns(), key=lambda column: column.name)
    encoded = [encode(column) for column in columns]
    kinds = {c.name: kind for c, (kind, _) in zip(columns, encoded, strict=True)}
    return whole_digest(kinds, digest_rows([cells for _, cells in encoded], frame.height))


def whole_digest(kinds: Mapping[str, str], digests: list[bytes]) -> str:
    """Digest the digests of rows, whatever their order, with the kinds of their columns."""
    named = [[name, kind] for name, kind in sorted(kinds.items())]
    digest = hashlib.sha256(canonical_json([len(digests), named]))
    digest.update(np.sort(np.frombuffer(b"".join(digests), "S32")).tobytes())
    return digest.hexdigest()


def digest_rows(columns: list[npt.NDArray[np.uint8]], height: int) -> list[bytes]:
    """Digest each row: its cells in all columns."""
    width = sum(cells.shape[1] for cells in columns)
    step = max(1, _CHUNK_BYTES // max(width, 1))
    digests: list[bytes] = []
    for start in range(0, height, step):
        chunk = np.concatenate([cells[start : start + step] for cells in columns], axis=1)
        rows, n_bytes = chunk.reshape(-1).data, chunk.shape[1]
        digests += [
            hashlib.sha256(rows[at : at + n_bytes]).digest()
            for at in range(0, len(chunk) * n_bytes, n_bytes)
        ]
    return digests


def no_values(kind: str, n: int) -> npt.NDArray[np.uint8]:
    """Return the cells of a column of a kind in which every value is missing."""
    return np.zeros((n, _WIDTHS[kind]), np.uint8)


def kind_of_values(dtype: pl.DataType) -> str:
    """Return the kind under which values of a type are digested."""
    if dtype == pl.Boolean:
        return "boolean"
    if dtype.is_numeric():
        return "number"
    if dtype.is_temporal():
        has_zone = getattr(dtype, "time_zone", None)
        return "instant" if has_zone else str(dtype.base_type()).lower()
    return "text"


def encode(column: pl.Series) -> tuple[str, npt.NDArray[np.uint8]]:
    """Return the column's kind, and its cells as fixed-width bytes led by a flag."""
    dtype, n = column.dtype, len(column)
    if column.null_count() == n:
        return "empty", no_values("empty", n)
    if dtype == pl.Boolean:
        codes = column.cast(pl.Int8).fill_null(-1).to_numpy() + 1
        return "boolean", codes.astype(np.uint8).reshape(n, 1)
    if dtype.is_integer():
        return "number", _cells(*_integer_words(column))
    if dtype.is_float():
        return _real_cells(column)
    if dtype.is_temporal():
        return _temporal_cells(column)
    return "text", _text_cells(column.cast(pl.String))


def _integer_words(column: pl.Series) -> tuple[npt.NDArray[np.uint8], npt.NDArray[Any]]:
    known = column.is_not_null().to_numpy().astype(np.uint8)
    if column.dtype == pl.UInt64:
        words = column.fill_null(0).to_numpy()
        known[words > np.iinfo(np.int64).max] = _LARGE
        return known, words.view(np.int64)
    return known, column.fill_null(0).cast(pl.Int64).to_numpy()


def _real_cells(column: pl.Series) -> tuple[str, npt.NDArray[np.uint8]]:
    values = column.cast(pl.Float64).to_numpy()
    missing = np.isnan(values)
    if missing.all():
        return "empty", no_values("empty", len(values))
    whole = (np.trunc(values) == values) & (np.abs(values) < 2.0**63)
    flags = np.where(whole, np.uint8(_INTEGER), np.uint8(_REAL))
    flags[missing] = _NULL
    words = np.where(missing, 0.0, values).view(np.int64)
    words[whole] = values[whole].astype(np.int64)
    return "number", _cells(flags, words)


def _temporal_cells(column: pl.Series) -> tuple[str, npt.NDArray[np.uint8]]:
    dtype, known = column.dtype, column.is_not_null().to_numpy().astype(np.uint8)
    words = column.to_physical().fill_null(0).cast(pl.Int64).to_numpy()
    kind = kind_of_values(dtype)
    unit = getattr(dtype, "time_unit", None)
    per_second = {"ms": 10**3, "us": 10**6, "ns": 10**9}.get(unit or "", 1)
    seconds, rest = np.divmod(words, per_second)
    nanoseconds = (rest * (10**9 // per_second)).astype(">u4")
    tail = nanoseconds.view(np.uint8).reshape(len(words), 4)
    return kind, np.concatenate([_cells(known, seconds), tail], axis=1)


def _text_cells(column: pl.Series) -> npt.NDArray[np.uint8]:
    levels = column.unique()
    digests = b"".join(
        bytes(33) if text is None else b"\x01" + hashlib.sha256(text.encode()).digest()
        for text in levels.to_list()
    )
    table = np.frombuffer(digests, np.uint8).reshape(len(levels), 33)
    places = pl.DataFrame({"text": levels, "at": np.arange(len(levels))})
    rows = column.to_frame("text").join(
        places, on="text", how="left", nulls_equal=True, maintain_order="left"
    )
    cells: npt.NDArray[np.uint8] = np.take(table, rows["at"].to_numpy(), axis=0)
    return cells


def _cells(flags: npt.NDArray[np.uint8], words: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    cells = np.empty(len(flags), [("flag", "u1"), ("word", ">i8")])
    cells["flag"], cells["word"] = flags, words
    return cells.view(np.uint8).reshape(len(flags), 9)

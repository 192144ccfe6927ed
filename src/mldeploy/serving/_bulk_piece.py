"""Score one piece of a table: accepted rows are answered, the others told why not."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, final

import numpy as np
import numpy.typing as npt
import polars as pl

from mldeploy.data import Schema
from mldeploy.errors import FieldError, InvalidDataError, InvalidRowsError
from mldeploy.model import Signature
from mldeploy.serving._bulk_text import read_text

Array = npt.NDArray[Any]

ROW, ERRORS = "refused_row", "refused_errors"
"""Columns that say of a refused row which it was, and what is wrong with it."""


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Judged:
    """Rows that a schema has judged.

    Attributes
    ----------
    accepted : polars.DataFrame
        Rows that it accepts, in its columns, order and types.
    rows : ndarray of shape (n_accepted,), optional
        Their numbers within the piece; None if every row was accepted.
    errors : tuple of FieldError
        What is wrong with the others, with numbers within the piece.
    """

    accepted: pl.DataFrame
    rows: npt.NDArray[np.int64] | None = None
    errors: tuple[FieldError, ...] = ()


def judge(piece: pl.DataFrame, schema: Schema, *, is_text: bool) -> Judged:
    """Hold each row of a piece against a schema.

    Parameters
    ----------
    piece : polars.DataFrame
        At least the schema's columns.
    schema : Schema
        What is asked of a row.
    is_text : bool
        Whether the values are text that the schema has yet to read.
    """
    unread: tuple[FieldError, ...] = ()
    if is_text:
        piece, unread = read_text(piece, schema)
    if not unread:
        try:
            return Judged(accepted=schema.enforce(piece))
        except InvalidRowsError:
            pass
    told = {(e.row, e.column) for e in unread}
    wrong = [e for e in schema.check(piece, limit=piece.height) if (e.row, e.column) not in told]
    errors = sorted((*unread, *wrong), key=lambda error: error.row)
    keep = np.ones(piece.height, dtype=bool)
    keep[[error.row for error in errors]] = False
    accepted = schema.enforce(piece.filter(pl.Series(keep)))
    return Judged(accepted=accepted, rows=np.flatnonzero(keep), errors=tuple(errors))


def refused_rows(piece: pl.DataFrame, errors: Sequence[FieldError], *, first: int) -> pl.DataFrame:
    """Return the rows that were refused, as they were given, with the reasons as JSON.

    Parameters
    ----------
    piece : polars.DataFrame
        All rows of the piece.
    errors : sequence of FieldError
        Sorted by row; numbers within the piece.
    first : int
        Number of the piece's first row within the table.
    """
    reasons: dict[int, list[dict[str, str]]] = {}
    for error in errors:
        told = {"column": error.column, "code": error.code, "message": error.message}
        reasons.setdefault(error.row, []).append(told)
    rows = list(reasons)
    texts = [json.dumps(reasons[row], ensure_ascii=False) for row in rows]
    return pl.DataFrame(
        [
            pl.Series(ROW, [first + row for row in rows], dtype=pl.Int64),
            pl.Series(ERRORS, texts, dtype=pl.String),
            *piece[rows].get_columns(),
        ]
    )


def at_rows_of_the_table(errors: Sequence[FieldError], first: int) -> list[FieldError]:
    """Return errors with the numbers that rows have in the whole table."""
    return [replace(error, row=first + error.row) for error in errors]


# --- columns of the answer ----------------------------------------------------------------

_PLAIN: Final[dict[type, pl.DataType]] = {
    bool: pl.Boolean(), int: pl.Int64(), str: pl.String(), float: pl.Float64()
}  # fmt: skip


def prediction_type(signature: Signature) -> pl.DataType:
    """Return the type of the decisions, which an empty table has too."""
    kinds: set[type] = {type(label) for label in signature.classes} or {float}
    return _PLAIN.get(min(kinds, key=str), pl.String()) if len(kinds) == 1 else pl.String()


def score_type(signature: Signature) -> pl.DataType | None:
    """Return the type of the scores, or None for a task that has none."""
    if not signature.classes:
        return None
    return pl.Float64() if len(signature.classes) == 2 else pl.List(pl.Float64())


def prediction_column(values: Array, signature: Signature) -> pl.Series:
    """Return decisions as a column."""
    dtype = prediction_type(signature)
    plain: Any = values.tolist() if values.dtype.kind in "OU" else values
    if dtype == pl.String and values.dtype.kind not in "OU":
        plain = [str(value) for value in values.tolist()]
    return pl.Series("prediction", plain).cast(dtype)


def score_column(values: Array | None, signature: Signature, *, n_rows: int) -> pl.Series | None:
    """Return scores as a column, null where the model knows none."""
    dtype = score_type(signature)
    if dtype is None:
        return None
    if values is None:
        return pl.Series("score", [None], dtype=dtype).new_from_index(0, n_rows)
    return pl.Series("score", np.ascontiguousarray(values)).cast(dtype)


def refuse_clashes(kept: Sequence[str]) -> None:
    """Refuse to keep a column under a name that the answer itself uses.

    Raises
    ------
    InvalidDataError
        If there is one.
    """
    if clash := [name for name in kept if name in _OWN]:
        raise InvalidDataError(
            f"the answers have columns {', '.join(map(repr, clash))} of their own; rename the "
            "input's, or do not keep them"
        )


def refuse_unknown(names: Sequence[str], columns: Sequence[str], source: str) -> None:
    """Refuse to keep, or to name rows by, a column that is not there.

    Raises
    ------
    InvalidDataError
        If there is one.
    """
    for name in names:
        if name not in columns:
            raise InvalidDataError(f"{source} has no column {name!r}; it has {list(columns[:20])}")


_OWN: Final = frozenset({"key", "prediction_id", "prediction", "score", "route", "version"})

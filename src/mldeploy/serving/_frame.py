"""Everything that a log takes, and the table it becomes."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Final, TypeAlias

import polars as pl

from mldeploy.serving._batch import PredictionBatch, frame_of_batches, stack
from mldeploy.serving._one_row import LoggedRow, frame_of_rows

Loggable: TypeAlias = PredictionBatch | LoggedRow
"""What a sink takes."""


PIECE: Final = 500
"""Single rows to turn into columns before other threads get their turn: a bit more than 1 ms."""


def effort(record: Loggable) -> int:
    """Return how many single rows take as long to turn into columns."""
    return 1 if type(record) is LoggedRow else 20 + len(record) // 10


def pieces(records: Sequence[Loggable]) -> Iterator[list[Loggable]]:
    """Yield records by pieces of work, and let other threads in between them."""
    piece: list[Loggable] = []
    work = 0
    for record in records:
        piece.append(record)
        work += effort(record)
        if work >= PIECE:
            yield piece
            time.sleep(0)
            piece, work = [], 0
    if piece:
        yield piece


def frame_of(records: Sequence[Loggable]) -> pl.DataFrame:
    """Return records as one table with the columns of `read_log`."""
    rows = [record for record in records if type(record) is LoggedRow]
    if len(rows) == len(records):
        return frame_of_rows(rows)
    batches = [record for record in records if isinstance(record, PredictionBatch)]
    tables = [frame_of_batches(batches)]
    if rows:
        tables.append(frame_of_rows(rows))
    return stack(tables)

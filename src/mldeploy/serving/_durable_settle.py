"""Turn journals into Parquet files, exactly once."""

from __future__ import annotations

import io
import logging
import time
from pathlib import Path

import polars as pl

from mldeploy.serving._batch import stack
from mldeploy.serving._durable_journal import (
    Content,
    JournalName,
    Sealed,
    journals,
    read_journal,
    take_over,
)
from mldeploy.serving._observers import Observers
from mldeploy.serving._segments import DROPPED_SO_FAR, Segment, cut

_logger = logging.getLogger(__name__)


def pack(rows: pl.DataFrame) -> bytes:
    """Return rows of the log as a record of a journal: an Arrow IPC stream."""
    content = io.BytesIO()
    rows.write_ipc_stream(content)
    return content.getvalue()


def rows_of(path: Path) -> pl.DataFrame | None:
    """Return the rows of a journal, or None if it holds none."""
    return _unpack(read_journal(path))


def segments_of(
    rows: pl.DataFrame, *, root: Path, deployment: str, name: JournalName
) -> list[Segment]:
    """Return the files that the rows of a journal become: always the same ones."""
    return cut(
        rows,
        root=root,
        deployment=deployment,
        partition=name.partition,
        name=lambda: name.segment,
    )


def settle(journal: Sealed, *, root: Path, deployment: str, observers: Observers) -> int:
    """Write the rows of a journal as Parquet and remove it; return how many rows.

    A process that is killed on the way leaves the journal, and the next one writes the same
    files again: their names come from the journal's.
    """
    name = JournalName.of(journal.path)
    assert name is not None, journal
    content = read_journal(journal.path)
    rows = _unpack(content)
    if rows is not None:
        for segment in segments_of(rows, root=root, deployment=deployment, name=name):
            segment.write({DROPPED_SO_FAR: "0"})
    n_rows = 0 if rows is None else rows.height
    if content.n_cut:
        _tell_about_tail(journal.path, content, n_rows)
    aside = journal.path.with_name(f".damaged{journal.path.name}")
    journal.remove(aside=aside if content.is_damaged else None)
    if rows is not None:
        observers(rows)
    return n_rows


def recover(root: Path, deployment: str, *, observers: Observers) -> int:
    """Settle the journals that processes left when they were killed; return how many rows."""
    n_rows = 0
    for _, path, _ in journals(root, deployment):
        journal = take_over(path)
        if journal is None:
            continue
        try:
            n_rows += settle(journal, root=root, deployment=deployment, observers=observers)
        except BaseException:
            journal.leave()
            raise
    return n_rows


def _unpack(content: Content) -> pl.DataFrame | None:
    frames = []
    for payload in content.payloads:
        frames.append(pl.read_ipc_stream(io.BytesIO(payload)))
        time.sleep(0)  # the answering threads come first
    return stack(frames) if frames else None


def _tell_about_tail(path: Path, content: Content, n_rows: int) -> None:
    if content.is_damaged:
        _logger.error(
            "the journal %s is damaged behind the %d rows that were recovered, and no crash "
            "explains it; it is kept beside the log",
            path,
            n_rows,
        )
    else:
        _logger.warning(
            "the journal %s ended with %d bytes of a record that was never acknowledged, behind "
            "%d rows",
            path,
            content.n_cut,
            n_rows,
        )

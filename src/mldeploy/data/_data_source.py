"""Rows that can be read again and again, larger than memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Protocol, TypeAlias, runtime_checkable

import polars as pl
import pydantic

Position: TypeAlias = Mapping[str, pydantic.JsonValue]
"""Where a source ends, as plain JSON values; only the source itself reads meaning into it."""


@runtime_checkable
class DataSource(Protocol):
    """Rows that can be read again and again, in batches: whole, or a window of time.

    Reading twice yields the same batches while the fingerprint is the same. Sources hold no
    data that is not theirs, can be pickled, and may be shared between threads and processes.
    `FrameSource`, `FileSource` and `QuerySource` are those that mldeploy has; `source_of` turns
    any table into one of them.
    """

    @property
    def name(self) -> str:
        """What people call the source."""
        ...

    def schema(self) -> pl.Schema:
        """Return the columns and their types, which every batch has, in order."""
        ...

    def batches(self) -> Iterator[pl.DataFrame]:
        """Yield the rows, each once; no batch is empty, and there may be none.

        Raises
        ------
        InvalidDataError
            If the rows cannot be read, or are not of the schema. It names where.
        """
        ...

    def fingerprint(self) -> str:
        """Return 64 hexadecimal digits that differ whenever the rows do."""
        ...

    def between(self, start: datetime | None, end: datetime | None) -> DataSource:
        """Return the rows with start ≤ time < end; None leaves that side open.

        Raises
        ------
        InvalidDataError
            If the source declares no time, or a bound has no zone.
        """
        ...


@runtime_checkable
class SupportsParts(Protocol):
    """A source that can be read in several places at once."""

    def parts(self) -> Sequence[DataSource]:
        """Return sources of the same schema that hold each row once between them, in order."""
        ...


@runtime_checkable
class SupportsIncrements(Protocol):
    """A source that grows, and can say what is new."""

    def position(self, since: Position | None = None) -> Position:
        """Return where the source ends now, which is `since` if nothing came after it.

        Raises
        ------
        InvalidDataError
            If what was there at an earlier position has changed.
        """
        ...

    def increment(self, since: Position | None, until: Position) -> DataSource:
        """Return the rows that came after one position and up to another.

        The answer to the same question is the same rows, whenever it is asked.

        Parameters
        ----------
        since : mapping, optional
            A position of this source; None for its beginning.
        until : mapping
            A later position.

        Raises
        ------
        InvalidDataError
            If rows that belong to either position are gone or have changed.
        """
        ...

"""What becomes of predictions that find no room in the log's buffer."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TypeAlias, final


@final
@dataclass(frozen=True, kw_only=True)
class DropNewest:
    """Drop and count the rows that find no room: an answer never waits for the disk."""


@final
@dataclass(frozen=True, kw_only=True)
class Wait:
    """Let the caller wait for room: for replays and batch scoring.

    Parameters
    ----------
    timeout : timedelta
        Longest wait for one batch. What then still finds no room is dropped and counted, or in
        a durable log refused.
    """

    timeout: timedelta = timedelta(minutes=1)


@final
@dataclass(frozen=True, kw_only=True)
class Refuse:
    """Raise `PredictionLogFullError` and take no row of the batch: no answer without a record.

    A server answers 503 then, and the client may come back.
    """


OnFull: TypeAlias = DropNewest | Wait | Refuse

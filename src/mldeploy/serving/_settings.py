"""How a prediction log is written."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, final

from mldeploy._record import Clock
from mldeploy.serving._observers import Observers
from mldeploy.serving._on_full import OnFull
from mldeploy.serving._privacy import Protection
from mldeploy.serving._segments import Partition

if TYPE_CHECKING:
    from mldeploy.serving._retention import Retention


@final
@dataclass(frozen=True, kw_only=True)
class Settings:
    """What the parts of one log share."""

    root: Path
    deployment: str
    capacity_rows: int
    flush_rows: int
    flush_interval: timedelta
    on_full: OnFull
    partition: Partition
    protect: Protection
    observers: Observers
    retention: Retention | None
    compact_after: timedelta | None
    upkeep_interval: timedelta
    clock: Clock

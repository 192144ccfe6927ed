"""One round of upkeep of a log: settle journals, merge small files, remove old ones."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import final

from mldeploy.serving._compact import compact
from mldeploy.serving._durable_settle import recover
from mldeploy.serving._file_lock import try_lock
from mldeploy.serving._retention import Expired, expire
from mldeploy.serving._segments import home_of
from mldeploy.serving._settings import Settings


@final
@dataclass(frozen=True, kw_only=True)
class Upkept:
    """What one round did.

    Attributes
    ----------
    n_recovered : int
        Rows from journals of processes that were killed.
    n_merged : int
        Files that were merged away.
    expired : Expired
        What was too old, or too much.
    """

    n_recovered: int = 0
    n_merged: int = 0
    expired: Expired = field(default_factory=Expired)

    @property
    def did_something(self) -> bool:
        """Whether there was anything to do."""
        return self != Upkept()


def one_round(settings: Settings) -> Upkept:
    """Recover, merge and remove once, unless another process is at it."""
    root, deployment, now = settings.root, settings.deployment, settings.clock()
    n_recovered = recover(root, deployment, observers=settings.observers)
    home = home_of(root, deployment)
    if not home.is_dir():
        return Upkept(n_recovered=n_recovered)
    n_merged, expired = 0, Expired()
    descriptor = os.open(home / ".upkeep.lock", os.O_RDWR | os.O_CREAT, 0o666)
    try:
        if not try_lock(descriptor):
            return Upkept(n_recovered=n_recovered)
        if settings.retention is not None:
            expired = expire(
                root,
                before=now - settings.retention.keep,
                deployment=deployment,
                max_bytes=settings.retention.max_bytes,
            )
        if settings.compact_after is not None:
            ripe = now - settings.compact_after
            n_merged = compact(root, before=ripe, deployment=deployment, progress=False)
    finally:
        os.close(descriptor)
    return Upkept(n_recovered=n_recovered, n_merged=n_merged, expired=expired)

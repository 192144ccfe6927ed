"""How many answers were logged, by version, part of the traffic, and who decides."""

from __future__ import annotations

import threading
from collections import Counter
from typing import final

import polars as pl


@final
class LoggedCounts:
    """Count rows as they are written; an observer of a `ParquetLog`.

    Examples
    --------
    >>> counts = LoggedCounts()
    >>> row = {"version": "late:3", "arm": "champion", "route": "auto", "error": None}
    >>> counts(pl.DataFrame([row, row]))
    >>> counts.by_version_arm_route
    {('late:3', 'champion', 'auto'): 2}
    """

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, str, str]] = Counter()
        self._lock = threading.Lock()

    def __call__(self, rows: pl.DataFrame) -> None:
        """Count rows of the log; those that failed have the route ``"failed"``."""
        for told in _alike(rows):
            version, arm = told["version"][0], told["arm"][0]
            answered = told.filter(told["error"].is_null())
            found = dict(answered["route"].cast(pl.String).value_counts().iter_rows())
            found["failed"] = told.height - answered.height
            with self._lock:
                for route, n in found.items():
                    if n:
                        self._counts[version, arm, route or "none"] += n

    @property
    def by_version_arm_route(self) -> dict[tuple[str, str, str], int]:
        """What was counted so far."""
        with self._lock:
            return dict(self._counts)


def _alike(rows: pl.DataFrame) -> list[pl.DataFrame]:
    """Return rows by version and part of the traffic: mostly there is one of each."""
    if not rows.height:
        return []
    if all((rows[name] == rows[name][0]).all() for name in ("version", "arm")):
        return [rows]
    return rows.partition_by("version", "arm")

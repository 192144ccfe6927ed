"""How many answers were logged, by version, part of the traffic, and who decides."""

from __future__ import annotations

import threading
from collections import Counter
from typing import final

import polars as pl

_BY = ("version", "arm", "route")


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
        who = pl.when(pl.col("error").is_null()).then(pl.col("route").cast(pl.String))
        found = (
            rows.lazy()
            .group_by("version", "arm", who.otherwise(pl.lit("failed")).alias("route"))
            .len()
            .collect()
        )
        with self._lock:
            for version, arm, route, n in found.iter_rows():
                self._counts[version, arm, route or "none"] += n

    @property
    def by_version_arm_route(self) -> dict[tuple[str, str, str], int]:
        """What was counted so far."""
        with self._lock:
            return dict(self._counts)

"""How many rows were answered, refused and failed."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import final


@final
@dataclass(frozen=True, kw_only=True)
class Counts:
    """Rows that a predictor has seen."""

    accepted: int = 0
    """Answered."""
    rejected: int = 0
    """Refused, since they, or another row of their call, do not fit the schema."""
    failed: int = 0
    """Accepted by the schema, but the model raised."""

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            accepted=self.accepted + other.accepted,
            rejected=self.rejected + other.rejected,
            failed=self.failed + other.failed,
        )


@final
class Counter:
    """Counts that grow, from any thread; they outlive the predictor that they belong to."""

    def __init__(self) -> None:
        self._accepted = self._rejected = self._failed = 0
        self._lock = threading.Lock()

    def add(self, *, accepted: int = 0, rejected: int = 0, failed: int = 0) -> None:
        """Add rows."""
        with self._lock:
            self._accepted += accepted
            self._rejected += rejected
            self._failed += failed

    @property
    def counts(self) -> Counts:
        """What was added so far."""
        with self._lock:
            return Counts(accepted=self._accepted, rejected=self._rejected, failed=self._failed)

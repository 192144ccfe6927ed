"""What a store asks of a database."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Protocol

import sqlalchemy as sa


class Database(Protocol):
    """Rows with snapshots for readers and one writer at a time, reached by SQLAlchemy Core."""

    def exists(self) -> bool:
        """Tell whether `create` has succeeded, in this process or another."""

    def create(self, fill: Callable[[sa.Connection], None]) -> None:
        """Let `fill` make tables and rows, once however many processes call this together."""

    def reading(self) -> AbstractContextManager[sa.Connection]:
        """Open a snapshot that never waits for writers."""

    def writing(self) -> AbstractContextManager[sa.Connection]:
        """Open the one writing transaction; durable when it ends, undone when it raises."""

    def problems(self) -> list[str]:
        """Return what the database finds wrong with itself."""

    def close(self) -> None:
        """Close the connections of this process."""

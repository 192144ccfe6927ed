"""The connections that are open: no more than may be, and who checks the health gets in."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final, final

if TYPE_CHECKING:
    from mldeploy.serving.http._protocol import Connection

_EXTRA: Final = 128
"""Connections beyond the bound that are heard, for two seconds, if they check the health.

One more closes the oldest: who checks the health speaks at once, who fills the bound does not."""

_EXTRA_SECONDS: Final = 2.0
_EXPENDABLE_AFTER: Final = 1.0


@final
class Connections:
    """Hold the connections that are open, and make room for those that ask something."""

    def __init__(self) -> None:
        self.most = 1
        """Connections that may be open at the same time."""
        self._open: set[Connection] = set()
        self._extra: deque[Connection] = deque()
        self._expendable: list[Connection] = []
        self._expendable_at = -1.0

    def __len__(self) -> int:
        return len(self._open)

    def __iter__(self) -> Iterator[Connection]:
        return iter(tuple(self._open))

    def admit(self, connection: Connection, now: float) -> None:
        """Take a new connection; if there are too many, for a check of the health only."""
        n_extra = len(self._open) - self.most
        self._open.add(connection)
        if n_extra < 0 or self._make_room(now):
            return
        connection.is_extra = True
        connection.deadline = now + _EXTRA_SECONDS
        self._extra.append(connection)
        if len(self._extra) > _EXTRA and (oldest := self._extra.popleft()).is_expendable:
            oldest.close()

    def discard(self, connection: Connection) -> None:
        """Let go of a connection that has ended."""
        self._open.discard(connection)

    def _make_room(self, now: float) -> bool:
        """Close the connection that has said nothing whole the longest, if there is any."""
        if self._expendable_at != now:
            self._expendable_at = now
            latest = now - _EXPENDABLE_AFTER
            self._expendable = sorted(
                (c for c in self._open if c.is_expendable and c.heard_at <= latest),
                key=lambda connection: -connection.heard_at,
            )
        while self._expendable:
            oldest = self._expendable.pop()
            if oldest.is_expendable and oldest in self._open:
                oldest.close()
                self._open.discard(oldest)
                return True
        return False

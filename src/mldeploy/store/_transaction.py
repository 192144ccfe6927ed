"""Changes and the events that tell of them, committed together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import final

import sqlalchemy as sa

from ._ledger import Ledger
from ._records import Event, JsonValue, RowRef


@final
class Transaction:
    """Changes that become visible and durable together, with the events that tell of them."""

    def __init__(self, connection: sa.Connection, ledger: Ledger, *, now: datetime) -> None:
        self.connection = connection
        self.now = now
        """When the transaction began, by the store's clock."""
        self._ledger = ledger

    def record(
        self,
        kind: str,
        *,
        subject: str,
        actor: str,
        details: Mapping[str, JsonValue] | None = None,
        rows: Sequence[RowRef] = (),
    ) -> Event:
        """Append an event to the ledger in this transaction.

        Parameters
        ----------
        kind : str
            What was done, as ``thing.verb`` in the past tense (``version.registered``).
        subject : str
            What it was done to.
        actor : str
            Who did it.
        details : mapping, optional
            Further facts, as JSON values; the name ``rows`` is taken.
        rows : sequence of (Table, key), optional
            Rows of sealed tables that this transaction has inserted, changed or deleted, by
            primary key. Their digests become part of the event: call this *after* the changes.
            A row of a sealed table that no event names counts as damage.

        Returns
        -------
        Event
            The event as it will stand in the ledger once the transaction commits.

        Raises
        ------
        LedgerKeyError
            If the ledger was begun with another key.
        """
        return self._ledger.append(
            self.connection,
            time=self.now,
            kind=kind,
            subject=subject,
            actor=actor,
            details=details or {},
            rows=rows,
        )

"""Rows of the label table: which are new, written in bulk, read back as columns."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import polars as pl
import sqlalchemy as sa

from mldeploy.feedback._incoming import Incoming, Target

_AT_ONCE: Final = 10_000
"""Values in one query; SQLite takes at most 32,766."""
_WHOLE: Final = 5_000
"""From so many targets on, reading every label is quicker than asking for each."""

_TEXT: Final = ("prediction_id", "key", "time", "value", "observed_at", "received_at")
# The columns as they stand in the database: their texts need no conversion, row by row.
_LABELS: Final = sa.table(
    "labels",
    sa.column("id", sa.BigInteger),
    sa.column("deployment", sa.Text),
    *(sa.column(name, sa.Text) for name in _TEXT),
    sa.column("revision", sa.BigInteger),
)
_READ: Final = [_LABELS.c[name] for name in (*_TEXT, "revision")]
SCHEMA: Final = {name: pl.String() for name in _TEXT} | {"revision": pl.Int64()}


@dataclass(kw_only=True, slots=True)
class _History:
    """What is stored about one target."""

    revision: int = -1
    said: set[tuple[str, str]] = field(default_factory=set)
    latest: tuple[str, str, int] = ("", "", -1)
    value: str | None = None

    def add(self, value: str, observed: str, received: str) -> None:
        self.revision += 1
        self.said.add((value, observed))
        order = (observed, received, self.revision)
        if order > self.latest:
            self.latest, self.value = order, value

    def repeats(self, label: Incoming) -> bool:
        if label.observed_at is None:
            return label.value == self.value
        return (label.value, label.observed_at) in self.said


@dataclass(frozen=True, kw_only=True)
class Changes:
    """What a delivery adds."""

    rows: list[dict[str, Any]]
    n_revised: int

    @property
    def digest(self) -> str:
        """SHA-256 of the rows, which the ledger keeps."""
        digest = hashlib.sha256()
        for row in self.rows:
            digest.update("\x1f".join(map(str, row.values())).encode())
        return digest.hexdigest()


def changes_of(connection: sa.Connection, scope: str, labels: Sequence[Incoming]) -> Changes:
    """Return the rows that say something new."""
    histories = _histories(connection, labels)
    rows, n_revised = [], 0
    for label in labels:
        history = histories.setdefault(label.target, _History())
        if history.repeats(label):
            continue
        observed = label.observed_at or label.received_at
        history.add(label.value, observed, label.received_at)
        n_revised += history.revision > 0
        identifier, key, time = label.target
        rows.append(
            {
                "deployment": scope,
                "prediction_id": identifier,
                "key": key,
                "time": time,
                "value": label.value,
                "observed_at": observed,
                "received_at": label.received_at,
                "revision": history.revision,
            }
        )
    return Changes(rows=rows, n_revised=n_revised)


def insert(connection: sa.Connection, rows: Sequence[dict[str, Any]]) -> Iterator[int]:
    """Insert rows in parts, yielding the number of each part."""
    statement = sa.insert(_LABELS)
    for part in batched_lists(rows, _AT_ONCE):
        connection.execute(statement, part)
        yield len(part)


def read(
    connection: sa.Connection,
    scope: str,
    *,
    as_of: str | None = None,
    ids: Sequence[str] | None = None,
    keys: Sequence[str] | None = None,
    between: tuple[str, str] | None = None,
) -> pl.DataFrame:
    """Read stored labels of some predictions, or all, as texts.

    Labels by identifier are read for `ids`; those by key for `keys`, with a time in `between`.
    """
    base = sa.select(*_READ).where(_LABELS.c.deployment == scope)
    if as_of is not None:
        base = base.where(_LABELS.c.received_at <= as_of)
    found: list[Any] = []
    if ids is None and keys is None:
        found = list(connection.execute(base))
    by_id, by_key = _LABELS.c.prediction_id, _LABELS.c.key
    for part in batched_lists(ids or (), _AT_ONCE):
        found += connection.execute(base.where(by_id.in_(part)))
    timed = base if between is None else base.where(_LABELS.c.time.between(*between))
    for part in batched_lists(keys or (), _AT_ONCE):
        found += connection.execute(timed.where(by_key.in_(part)))
    return pl.DataFrame([tuple(row) for row in found], schema=SCHEMA, orient="row")


def example(connection: sa.Connection, scope: str) -> str | None:
    """Return one stored label of a scope as text."""
    query = sa.select(_LABELS.c.value).where(_LABELS.c.deployment == scope)
    text: str | None = connection.execute(query.limit(1)).scalar()
    return text


def has_keys(connection: sa.Connection) -> bool:
    """Tell whether any label names its prediction by key."""
    query = sa.select(_LABELS.c.key).where(_LABELS.c.key.is_not(None)).limit(1)
    return connection.execute(query).first() is not None


def batched_lists(values: Iterable[Any], size: int) -> Iterator[list[Any]]:
    """Yield values in lists of at most `size`."""
    values = list(values)
    for begin in range(0, len(values), size):
        yield values[begin : begin + size]


def _histories(connection: sa.Connection, labels: Sequence[Incoming]) -> dict[Target, _History]:
    histories: dict[Target, _History] = {}
    for row in _stored(connection, {label.target for label in labels}):
        target = (row.prediction_id, row.key, row.time)
        history = histories.setdefault(target, _History())
        history.add(row.value, row.observed_at, row.received_at)
    return histories


def _stored(connection: sa.Connection, targets: set[Target]) -> Iterator[Any]:
    """Yield the stored labels of targets, and perhaps of others, in the order of revision."""
    query = sa.select(*_READ).order_by(_LABELS.c.revision)
    if len(targets) > _WHOLE:
        yield from connection.execute(query)
        return
    ids = [identifier for identifier, _, _ in targets if identifier is not None]
    keys = {key for _, key, _ in targets if key is not None}
    for part in batched_lists(ids, _AT_ONCE):
        yield from connection.execute(query.where(_LABELS.c.prediction_id.in_(part)))
    times = sorted({time for _, _, time in targets if time is not None})
    for part in batched_lists(keys, _AT_ONCE):
        near = _LABELS.c.time.between(times[0], times[-1])
        yield from connection.execute(query.where(_LABELS.c.key.in_(part), near))

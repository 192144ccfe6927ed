"""Labels as they are delivered: read from a frame or from mappings, or refused."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple, TypeAlias

import pandas as pd
import polars as pl

from mldeploy.data import to_polars
from mldeploy.errors import FieldError, InvalidDataError, InvalidRowsError
from mldeploy.feedback._values import LabelRule, kind_of, text_of

Labels: TypeAlias = pl.DataFrame | pd.DataFrame | Iterable[Mapping[str, object]]
"""Labels with ``value`` and ``prediction_id``, or ``key`` and ``time``; and, where known,
``observed_at`` and ``received_at``."""

_COLUMNS: Final = ("prediction_id", "key", "time", "value", "observed_at", "received_at")
_TIMES: Final = ("time", "observed_at", "received_at")

STAMP: Final = "%Y-%m-%dT%H:%M:%S%.6f+00:00"
"""How polars writes a time as the store does."""

_PLAIN_TYPES: Final = (bool, int, float, str)

Target: TypeAlias = tuple[str | None, str | None, str | None]
"""What a label is about: identifier of the prediction, or key and time as text."""


class Incoming(NamedTuple):
    """One label that was delivered, in the form in which it is stored."""

    target: Target
    value: str
    observed_at: str | None
    received_at: str


def iso(time: datetime) -> str:
    """Return a time as the store writes it: in UTC, with microseconds."""
    in_utc = time if time.tzinfo is UTC else time.astimezone(UTC)
    return in_utc.isoformat(timespec="microseconds")


def read_labels(
    labels: Labels, rule: LabelRule, *, received_at: datetime
) -> tuple[list[Incoming], int]:
    """Read what was delivered.

    Returns
    -------
    labels : list of Incoming
        In the order of delivery.
    n_empty : int
        Number of rows without a value, which say nothing.

    Raises
    ------
    InvalidRowsError
        If a row names no prediction, or its value is no label of the problem.
    InvalidDataError
        If a column is missing or unknown, or times have no zone.
    """
    columns = _columns(labels)
    times = {name: _iso_times(columns[name], name) for name in _TIMES}
    values, identifiers, keys = (list(columns[n]) for n in ("value", "prediction_id", "key"))
    arrived = iso(received_at)
    reader = _Reader(rule)
    read: list[Incoming] = []
    n_empty = 0
    for row, given in enumerate(values):
        if given is None or given != given:  # noqa: PLR0124 (NaN)
            n_empty += 1
            continue
        value = reader.value(row, given)
        target = reader.target(row, identifiers[row], keys[row], times["time"][row])
        if value is None or target is None:
            continue
        observed, received = times["observed_at"][row], times["received_at"][row] or arrived
        read.append(Incoming(target, value, observed, received))
    if reader.errors:
        raise InvalidRowsError(reader.errors)
    return read, n_empty


class _Reader:
    """Reads fields, and remembers what it refused; each distinct value is judged once."""

    def __init__(self, rule: LabelRule) -> None:
        self.errors: list[FieldError] = []
        self._rule = rule
        self._texts: dict[tuple[type, Any], str] = {}

    def value(self, row: int, given: Any) -> str | None:
        known = self._texts.get((type(given), given)) if _is_plain(given) else None
        if known is not None:
            return known
        try:
            label = self._rule.read(given)
        except ValueError as error:
            self._refuse(row, "value", "type", str(error))
            return None
        if self._rule.kind is None:
            self._rule = LabelRule(kind=kind_of(label))
        text = text_of(label)
        if len(self._texts) < 10_000:
            self._texts[type(given), given] = text
        return text

    def target(self, row: int, identifier: Any, key: Any, time: str | None) -> Target | None:
        if isinstance(identifier, str) and identifier:
            return identifier, None, None
        if identifier is not None:
            self._refuse(row, "prediction_id", "type", f"{identifier!r} is no identifier")
            return None
        if isinstance(key, int) and not isinstance(key, bool):
            key = str(key)
        if isinstance(key, str) and time is not None:
            return None, key, time
        column = "time" if isinstance(key, str) else "prediction_id"
        self._refuse(row, column, "missing", "name the prediction by its id, or by key and time")
        return None

    def _refuse(self, row: int, column: str, code: str, message: str) -> None:
        self.errors.append(FieldError(row=row, column=column, code=code, message=message))


def _is_plain(value: object) -> bool:
    return isinstance(value, _PLAIN_TYPES)


def _columns(labels: Labels) -> dict[str, Any]:
    if isinstance(labels, pd.DataFrame):
        labels = to_polars(labels)
    if isinstance(labels, pl.DataFrame):
        table: dict[str, Any] = {n: labels[n] for n in labels.columns}
        n_rows = labels.height
    else:
        rows = list(labels)
        names = dict.fromkeys(name for row in rows for name in row)
        table, n_rows = {n: [row.get(n) for row in rows] for n in names}, len(rows)
    if unknown := [name for name in table if name not in _COLUMNS]:
        raise InvalidDataError(
            f"labels have no field {', '.join(map(repr, unknown))}; the fields are "
            f"{', '.join(_COLUMNS)}"
        )
    if n_rows and "value" not in table:
        raise InvalidDataError("labels need a column 'value'; rename the one that holds the truth")
    nothing: list[None] = [None] * n_rows
    return {name: table.get(name, nothing) for name in _COLUMNS}


def _iso_times(values: Sequence[Any] | pl.Series, name: str) -> list[str | None]:
    if isinstance(values, pl.Series):
        if isinstance(values.dtype, pl.Datetime) and values.dtype.time_zone is not None:
            return values.dt.convert_time_zone("UTC").dt.strftime(STAMP).to_list()
        values = values.to_list()
    try:
        return [None if value is None else _iso_time(value) for value in values]
    except (TypeError, ValueError, AttributeError) as error:
        raise InvalidDataError(f"column {name!r} of the labels: {error}") from error


def _iso_time(value: Any) -> str | None:
    moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    if moment != moment:  # noqa: PLR0124 (NaT)
        return None
    if not isinstance(moment, datetime):
        raise TypeError(f"{value!r} is no time; pass datetime(..., tzinfo=timezone.utc)")
    if moment.tzinfo is None:
        raise ValueError(f"{moment} has no zone; pass datetime(..., tzinfo=timezone.utc)")
    return iso(moment)

"""All the runs of a store."""

from __future__ import annotations

import math
import uuid
from collections import defaultdict
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final, final

import pandas as pd
import sqlalchemy as sa

from mldeploy._record import canonical_json
from mldeploy.errors import NotFoundError, SerializationError
from mldeploy.store import JsonValue, Store, tables

from ._records import RunRecord, RunStatus
from ._run import Run

_FLUSH_AFTER: Final = timedelta(seconds=1)
_ROWS_SHOWN: Final = 20


@final
class Runs:
    """Record and look up runs: their parameters, metrics and artifacts.

    Parameters
    ----------
    store : Store
        Where they are kept.
    actor : str, default="mldeploy"
        Who is named in the ledger.
    flush_after : timedelta, default=1 s
        How old a buffered metric may grow before the next one takes it to the disk.

    Examples
    --------
    >>> import tempfile
    >>> from mldeploy.store import Store
    >>> with tempfile.TemporaryDirectory() as folder, Store.open(folder) as store:
    ...     runs = Runs(store)
    ...     with runs.start("late-arrivals", parameters={"C": 0.1}) as run:
    ...         for epoch, loss in enumerate([0.7, 0.5]):
    ...             run.log_metric("loss", loss, step=epoch)
    ...     record = runs.get(run.id)
    ...     record.status.value, record.parameters, record.metrics
    ('finished', {'C': 0.1}, {'loss': 0.5})
    """

    def __init__(
        self, store: Store, *, actor: str = "mldeploy", flush_after: timedelta = _FLUSH_AFTER
    ) -> None:
        self._store = store
        self._actor = actor
        self._flush_after = flush_after

    def start(
        self,
        name: str,
        *,
        parameters: Mapping[str, JsonValue] | None = None,
        parent: str | None = None,
    ) -> Run:
        """Begin a run; use it as a context manager, or call its `end`.

        Parameters
        ----------
        name : str
            What is tried; runs may share a name.
        parameters : mapping, optional
            What it is tried with, as JSON values.
        parent : str, optional
            Id of the run that this one is a part of.

        Raises
        ------
        SerializationError
            If a parameter is not a JSON value.
        NotFoundError
            If there is no run `parent`.
        """
        run_id = uuid.uuid4().hex
        rows = [
            {"run": run_id, "key": key, "value": _jsonable(key, value)}
            for key, value in (parameters or {}).items()
        ]
        with self._store.write() as tx:
            if parent is not None:
                _require_run(tx.connection, parent)
            run = {"id": run_id, "name": name, "started_at": tx.now, "parent": parent}
            status = RunStatus.RUNNING.value
            tx.connection.execute(sa.insert(tables.runs), {**run, "status": status})
            if rows:
                tx.connection.execute(sa.insert(tables.run_params), rows)
            details: dict[str, JsonValue] = {"name": name}
            tx.record("run.started", subject=run_id, actor=self._actor, details=details)
        return Run(
            self._store, run_id, name=name, actor=self._actor, flush_after=self._flush_after
        )

    def get(self, run_id: str) -> RunRecord:
        """Return one run.

        Raises
        ------
        NotFoundError
            If there is none of this id.
        """
        with self._store.read() as connection:
            _require_run(connection, run_id)
            return _load(connection, run_id=run_id)[0]

    def all(self, *, name: str | None = None) -> tuple[RunRecord, ...]:
        """Return all runs, or those of one name, in the order they began."""
        with self._store.read() as connection:
            return tuple(_load(connection, name=name))

    def history(self, run_id: str) -> pd.DataFrame:
        """Return every metric value of a run, in the order they were logged.

        Returns
        -------
        DataFrame
            With columns key, step (<NA> where none was given), value and at.

        Raises
        ------
        NotFoundError
            If there is no run of this id.
        """
        metrics = tables.run_metrics
        columns = [metrics.c.key, metrics.c.step, metrics.c.value, metrics.c.at]
        query = sa.select(*columns).where(metrics.c.run == run_id).order_by(metrics.c.id)
        with self._store.read() as connection:
            _require_run(connection, run_id)
            rows = connection.execute(query).all()
        frame = pd.DataFrame(
            [tuple(row) for row in rows], columns=pd.Index(["key", "step", "value", "at"])
        )
        frame["at"] = pd.to_datetime(frame["at"], utc=True)
        return frame.astype({"key": object, "step": "Int64", "value": float})

    def to_frame(self, *, name: str | None = None) -> pd.DataFrame:
        """Return one row for each run, by id, in the order they began.

        Returns
        -------
        DataFrame
            With columns name, status, started_at, ended_at, duration and parent, then
            ``params.<name>`` and ``metrics.<name>`` (the last value; NaN where there is none).
        """
        return _frame_of(self.all(name=name))

    def _repr_html_(self) -> str:
        frame = self.to_frame()
        shown: str = frame.tail(_ROWS_SHOWN).to_html(escape=True)
        return f"<p>{len(frame)} runs</p>{shown}"


def _jsonable(key: str, value: JsonValue) -> JsonValue:
    try:
        canonical_json(value)
    except (TypeError, ValueError) as error:
        raise SerializationError(
            f"parameter {key!r} is not a JSON value ({error}); pass a number, a text, or lists "
            "and dicts of them"
        ) from error
    return value


def _require_run(connection: sa.Connection, run_id: str) -> None:
    query = sa.select(tables.runs.c.id).where(tables.runs.c.id == run_id)
    if connection.execute(query).first() is None:
        raise NotFoundError(f"there is no run {run_id!r}; `Runs.to_frame` lists them")


def _load(
    connection: sa.Connection, *, run_id: str | None = None, name: str | None = None
) -> list[RunRecord]:
    runs, params, artifacts = tables.runs, tables.run_params, tables.run_artifacts
    chosen = sa.select(runs)
    if run_id is not None:
        chosen = chosen.where(runs.c.id == run_id)
    if name is not None:
        chosen = chosen.where(runs.c.name == name)
    ids = chosen.with_only_columns(runs.c.id)
    parts: dict[str, dict[str, dict[str, Any]]] = {
        "parameters": defaultdict(dict),
        "metrics": defaultdict(dict),
        "artifacts": defaultdict(dict),
    }
    queries = {
        "parameters": sa.select(params.c.run, params.c.key, params.c.value).where(
            params.c.run.in_(ids)
        ),
        "metrics": _last_metrics(ids),
        "artifacts": sa.select(artifacts.c.run, artifacts.c.name, artifacts.c.digest).where(
            artifacts.c.run.in_(ids)
        ),
    }
    for part, query in queries.items():
        for run, key, value in connection.execute(query):
            parts[part][run][key] = math.nan if part == "metrics" and value is None else value
    ordered = chosen.order_by(runs.c.started_at, runs.c.id)
    return [
        RunRecord(**row, **{part: found[row["id"]] for part, found in parts.items()})
        for row in connection.execute(ordered).mappings()
    ]


def _last_metrics(ids: sa.Select[Any]) -> sa.Select[Any]:
    metrics = tables.run_metrics
    last = sa.select(sa.func.max(metrics.c.id)).where(metrics.c.run.in_(ids))
    last = last.group_by(metrics.c.run, metrics.c.key)
    query = sa.select(metrics.c.run, metrics.c.key, metrics.c.value)
    return query.where(metrics.c.id.in_(last)).order_by(metrics.c.id)


def _frame_of(records: tuple[RunRecord, ...]) -> pd.DataFrame:
    facts = ["name", "status", "started_at", "ended_at", "duration", "parent"]
    columns: dict[str, list[object]] = {
        fact: [getattr(record, fact) for record in records] for fact in facts
    }
    columns["status"] = [record.status.value for record in records]
    for key in sorted({key for record in records for key in record.parameters}):
        columns[f"params.{key}"] = [record.parameters.get(key) for record in records]
    for key in sorted({key for record in records for key in record.metrics}):
        columns[f"metrics.{key}"] = [record.metrics.get(key, math.nan) for record in records]
    frame = pd.DataFrame(columns, index=pd.Index([r.id for r in records], name="id", dtype=object))
    for time in ("started_at", "ended_at"):
        frame[time] = pd.to_datetime(frame[time], utc=True)
    frame["duration"] = pd.to_timedelta(frame["duration"])
    return frame

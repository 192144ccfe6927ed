"""All the runs of a store."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Final, final

import pandas as pd
import sqlalchemy as sa

from mldeploy._record import canonical_json
from mldeploy.errors import NotFoundError, SerializationError
from mldeploy.store import JsonValue, Store, tables

from ._comparison import RunComparison, compared
from ._curves import curves_of
from ._read import load_runs, require_run
from ._records import RunRecord, RunStatus
from ._run import Run
from ._table import RunTable, frame_of
from ._trials import FOLDS, Folds, Trial, insert_trials

_FLUSH_AFTER: Final = timedelta(seconds=1)
_SEARCHES_SHOWN: Final = 5


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
        folds: Folds | None = None,
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
        folds : Folds, optional
            The folds that it is scored on, so that it can be compared; see `Run.log_scores`.

        Raises
        ------
        SerializationError
            If a parameter is not a JSON value.
        NotFoundError
            If there is no run `parent`.
        """
        run_id = uuid.uuid4().hex
        kept = dict(parameters or {}) | ({} if folds is None else {FOLDS: folds.to_jsonable()})
        rows = [
            {"run": run_id, "key": key, "value": _jsonable(key, value)}
            for key, value in kept.items()
        ]
        with self._store.write() as tx:
            if parent is not None:
                require_run(tx.connection, parent)
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

    def record(
        self,
        name: str,
        trials: Iterable[Trial],
        *,
        folds: Folds | None = None,
        parent: str | None = None,
    ) -> tuple[str, ...]:
        """Keep trials that have ended, as of a search, in one transaction.

        Parameters
        ----------
        name : str
            What was tried.
        trials : iterable of Trial
            Each becomes a run; one whose score on a fold is NaN is kept as failed.
        folds : Folds, optional
            The folds that all were scored on, so that they can be compared.
        parent : str, optional
            Id of the run that they are a part of.

        Returns
        -------
        tuple of str
            Ids, in the order of the trials; durable when this returns.

        Raises
        ------
        SerializationError
            If a parameter is not a JSON value; nothing is kept.
        NotFoundError
            If there is no run `parent`.
        """
        made = list(trials)
        for trial in made:
            for key, value in trial.parameters.items():
                _jsonable(key, value)
        with self._store.write() as tx:
            if parent is not None:
                require_run(tx.connection, parent)
            ids = insert_trials(tx, name, made, folds=folds, parent=parent)
            details: dict[str, JsonValue] = {"name": name, "n": len(ids)}
            tx.record("run.recorded", subject=parent or name, actor=self._actor, details=details)
        return ids

    def compare(
        self,
        metric: str,
        *,
        name: str | None = None,
        parent: str | None = None,
        greater_is_better: bool | None = None,
        confidence: float = 0.95,
    ) -> RunComparison:
        """Rank runs that were scored on the same folds, and say who is tied with the best.

        Parameters
        ----------
        metric : str
            By which; its value on each fold must have been kept.
        name, parent : str, optional
            Only runs of this name, or parts of this run.
        greater_is_better : bool, optional
            Direction of the metric. By default what the runs' `Folds` say: less is better of those
            in `lower_is_better`, and more of all others, as of scikit-learn's scores.
        confidence : float, default=0.95
            Chance that none of several equal runs is told apart from the best, in (0, 1).

        Returns
        -------
        RunComparison
            Over the folds that most of them share; the others are named with the reason.

        Raises
        ------
        NotFoundError
            If no run has the metric on each fold.
        """
        with self._store.read() as connection:
            records = load_runs(connection, name=name, parent=parent)
            return compared(
                connection,
                records,
                metric,
                greater_is_better=greater_is_better,
                confidence=confidence,
            )

    def __call__(self, *, name: str | None = None) -> RunTable:
        """Return runs side by side: as a page, a DataFrame, in a notebook or a terminal.

        Parameters
        ----------
        name : str, optional
            Only runs of this name, and their trials.
        """
        with self._store.read() as connection:
            everything = load_runs(connection)
            chosen = [r for r in everything if name is None or r.name == name]
            inside = {r.id for r in chosen}
            runs = [r for r in everything if r.id in inside or r.parent in inside]
            return RunTable(
                runs=tuple(runs),
                comparisons=tuple(_searches(connection, runs)),
                curves=curves_of(connection, runs),
            )

    def get(self, run_id: str) -> RunRecord:
        """Return one run.

        Raises
        ------
        NotFoundError
            If there is none of this id.
        """
        with self._store.read() as connection:
            require_run(connection, run_id)
            return load_runs(connection, run_id=run_id)[0]

    def all(self, *, name: str | None = None) -> tuple[RunRecord, ...]:
        """Return all runs, or those of one name, in the order they began."""
        with self._store.read() as connection:
            return tuple(load_runs(connection, name=name))

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
            require_run(connection, run_id)
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
        return frame_of(self.all(name=name))

    def _repr_html_(self) -> str:
        return self()._repr_html_()


def _searches(connection: sa.Connection, runs: Sequence[RunRecord]) -> Iterator[RunComparison]:
    """Compare the trials of each of the latest searches, by their first metric."""
    trials: dict[str, list[RunRecord]] = defaultdict(list)
    for run in runs:
        if run.parent is not None and FOLDS in run.parameters and run.metrics:
            trials[run.parent].append(run)
    for parent in list(trials)[: -_SEARCHES_SHOWN - 1 : -1]:
        metric = next(iter(trials[parent][0].metrics))
        try:
            yield compared(
                connection, trials[parent], metric, greater_is_better=None, confidence=0.95
            )
        except NotFoundError:
            continue


def _jsonable(key: str, value: JsonValue) -> JsonValue:
    try:
        canonical_json(value)
    except (TypeError, ValueError) as error:
        raise SerializationError(
            f"parameter {key!r} is not a JSON value ({error}); pass a number, a text, or lists "
            "and dicts of them"
        ) from error
    return value

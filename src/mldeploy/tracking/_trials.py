"""Trials of a search: many small runs, written at once."""

from __future__ import annotations

import hashlib
import math
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Self, final

import numpy as np
import numpy.typing as npt
import pydantic
import sqlalchemy as sa

from mldeploy._record import Record
from mldeploy.errors import InvalidDataError
from mldeploy.store import JsonValue, Transaction, tables

from ._records import RunStatus

FOLDS = "folds"
"""Parameter under which a run keeps the folds it was scored on."""


@final
class Folds(Record):
    """Which folds scores were measured on; runs of equal `rows` can be compared.

    Attributes
    ----------
    rows : str
        SHA-256 of the data's fingerprint and of the rows of every fold.
    n_folds : int
        How many there are, at least 2.
    n_train, n_test : float
        Rows that a fold trains on and is scored on, on average.
    lower_is_better : tuple of str
        Scores of which less is better, such as an error; scikit-learn's scorers are never so.
    """

    rows: str
    n_folds: int = pydantic.Field(ge=2)
    n_train: float = pydantic.Field(gt=0)
    n_test: float = pydantic.Field(gt=0)
    lower_is_better: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        fingerprint: str,
        folds: Sequence[tuple[npt.ArrayLike, npt.ArrayLike]],
        *,
        lower_is_better: Sequence[str] = (),
    ) -> Self:
        """Describe folds as positions of rows to train on and to be scored on.

        Parameters
        ----------
        fingerprint : str
            Of the data that the positions are of.
        folds : sequence of (train, test)
            Positions, as a cross-validation yields them.
        lower_is_better : sequence of str
            Scores of which less is better.

        Raises
        ------
        InvalidDataError
            If there are fewer than two folds, or one is empty.
        """
        parts = [tuple(np.asarray(p, dtype=np.int64) for p in fold) for fold in folds]
        if len(parts) < 2 or any(not part.size for fold in parts for part in fold):
            raise InvalidDataError(
                f"{len(parts)} folds, or an empty one: learners are compared on two folds or more"
            )
        found = hashlib.sha256(fingerprint.encode())
        for fold in parts:
            for rows in fold:
                found.update(len(rows).to_bytes(8, "little") + rows.tobytes())
        sizes = np.array([[part.size for part in fold] for fold in parts], dtype=float)
        n_train, n_test = sizes.mean(axis=0).tolist()
        return cls(
            rows=found.hexdigest(),
            n_folds=len(parts),
            n_train=n_train,
            n_test=n_test,
            lower_is_better=tuple(lower_is_better),
        )


@final
@dataclass(frozen=True, kw_only=True)
class Trial:
    """One setting that was tried, and what came of it.

    Attributes
    ----------
    parameters : mapping of str to JSON value
        The setting.
    scores : mapping of str to sequence of float
        For each metric its value on each fold; NaN where a fit failed.
    metrics : mapping of str to float
        Further figures of the trial as a whole.
    duration : timedelta
        How long it took.
    """

    parameters: Mapping[str, JsonValue]
    scores: Mapping[str, Sequence[float]] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    duration: timedelta = timedelta(0)

    @property
    def failed(self) -> bool:
        """Whether a fold has no score."""
        return any(not math.isfinite(s) for scores in self.scores.values() for s in scores)


def insert_trials(
    tx: Transaction,
    name: str,
    trials: Iterable[Trial],
    *,
    folds: Folds | None,
    parent: str | None,
) -> tuple[str, ...]:
    """Write trials as finished runs, each table in one statement; return their ids."""
    runs: list[dict[str, Any]] = []
    params: list[dict[str, Any]] = []
    metrics: list[dict[str, Any]] = []
    shared = {} if folds is None else {FOLDS: folds.to_jsonable()}
    made = list(trials)
    ends = _ends(made, tx.now)
    for trial, end in zip(made, ends, strict=True):
        run = uuid.uuid4().hex
        status = RunStatus.FAILED if trial.failed else RunStatus.FINISHED
        runs.append(
            {"id": run, "name": name, "status": status.value, "parent": parent,
             "started_at": end - trial.duration, "ended_at": end}
        )  # fmt: skip
        params += [
            {"run": run, "key": key, "value": value}
            for key, value in {**trial.parameters, **shared}.items()
        ]
        metrics += [
            {"run": run, "key": key, "step": step, "value": stored(value), "at": tx.now}
            for key, step, value in _values(trial)
        ]
    for table, rows in (
        (tables.runs, runs), (tables.run_params, params), (tables.run_metrics, metrics),
    ):  # fmt: skip
        if rows:
            tx.connection.execute(sa.insert(table), rows)
    return tuple(row["id"] for row in runs)


def _ends(trials: Sequence[Trial], now: datetime) -> list[datetime]:
    """Return when each trial ended, as if one came after the other and the last ended now."""
    ends = [now]
    for later in reversed(trials[1:]):
        ends.append(ends[-1] - later.duration - timedelta(microseconds=1))
    return ends[: len(trials)][::-1]


def stored(value: float) -> float | None:
    """Return what the database keeps of a value: NaN is no value there."""
    return None if math.isnan(value) else value


def _values(trial: Trial) -> Iterable[tuple[str, int | None, float]]:
    """Yield each metric by fold, then its mean, which is the last value of its name."""
    for key, scores in trial.scores.items():
        yield from ((key, i, float(score)) for i, score in enumerate(scores))
        known = [float(s) for s in scores if math.isfinite(s)]
        yield key, None, (sum(known) / len(known) if known and not trial.failed else math.nan)
    yield from ((key, None, float(value)) for key, value in trial.metrics.items())

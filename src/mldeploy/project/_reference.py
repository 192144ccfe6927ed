"""The rows that a version was validated on, kept so that its service can be judged by them."""

from __future__ import annotations

import io
from collections import OrderedDict
from typing import Final, final

import numpy as np
import polars as pl
import sqlalchemy as sa

from mldeploy.data import Dataset, Profile, dataset_for
from mldeploy.errors import NotFoundError
from mldeploy.evidence import Report
from mldeploy.model import Model
from mldeploy.monitoring import Reference, profile_of
from mldeploy.registry import ModelVersion
from mldeploy.serving import logged_name
from mldeploy.store import Store, tables

_MOST_ROWS: Final = 60_000
_KEPT: Final = 4
_NAME: Final = "reference.parquet"


@final
class ReferenceKeeper:
    """Keeps the rows that versions were validated on.

    Parameters
    ----------
    store : Store
        Where they are kept.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._recent: OrderedDict[str, Dataset] = OrderedDict()
        self._references: dict[str, Reference] = {}

    def remember(self, report: Report, dataset: Dataset) -> None:
        """Hold on to the rows behind a report until a version is registered with it."""
        self._recent[report.about["data"]] = dataset
        while len(self._recent) > _KEPT:
            self._recent.popitem(last=False)

    def rows(self, report: Report) -> Dataset | None:
        """Return the labelled rows behind a report, if they were seen in this process."""
        dataset = self._recent.get(report.about["data"])
        return None if dataset is None else _sample(dataset.labelled())

    def keep(self, version: ModelVersion, report: Report) -> None:
        """Store the rows behind a report as the reference of a version."""
        dataset = self.rows(report)
        if dataset is None:
            return
        buffer = io.BytesIO()
        dataset.polars().write_parquet(buffer)
        digest = self._store.artifacts.put_bytes(buffer.getvalue())
        row = {"run": version.label, "name": _NAME, "digest": digest}
        with self._store.write() as tx:
            tx.connection.execute(sa.insert(tables.run_artifacts), {**row, "at": tx.now})

    def reference(self, version: ModelVersion, model: Model) -> Reference:
        """Return what the service of a version is judged by.

        Raises
        ------
        NotFoundError
            If the version was registered without the rows that it was validated on.
        """
        if version.label not in self._references:
            dataset = dataset_for(self._read(version), model.problem)
            self._references[version.label] = reference_of(model, dataset)
        return self._references[version.label]

    def _read(self, version: ModelVersion) -> pl.DataFrame:
        table = tables.run_artifacts
        where = sa.and_(table.c.run == version.label, table.c.name == _NAME)
        with self._store.read() as connection:
            digest = connection.scalar(sa.select(table.c.digest).where(where))
        if digest is None:
            raise NotFoundError(
                f"{version.label} was registered without the rows it was validated on, so its "
                "service cannot be judged by them; validate and register in one project"
            )
        return pl.read_parquet(io.BytesIO(self._store.artifacts.read_bytes(digest)))


def reference_of(model: Model, dataset: Dataset) -> Reference:
    """Return held-out rows, with what the model answers to them, as a reference."""
    columns = sorted(
        {c for k in model.problem.criteria for c in k.used_columns if c in dataset.columns}
    )
    scored = model.scored_rows(dataset, columns=columns)
    frame = dataset.polars().select(model.signature.features)
    answers = frame.rename({name: logged_name(name) for name in frame.columns}).with_columns(
        pl.Series("prediction", model.predict(dataset).tolist()),
        *_score_column(model, dataset),
    )
    return Reference.of(
        profile_of(answers, model.signature),
        scored,
        model.problem,
        history=_daily_profiles(answers, dataset, model),
    )


def _daily_profiles(answers: pl.DataFrame, dataset: Dataset, model: Model) -> list[Profile]:
    """Return the profile of each day: by how much ordinary days differ, drift is judged."""
    if dataset.roles.time is None:
        return []
    days = answers.with_columns(pl.Series("day", dataset.times()).dt.truncate("1d"))
    parts = days.sort("day").partition_by("day", maintain_order=True, include_key=False)
    return [profile_of(part, model.signature) for part in parts]


def _score_column(model: Model, dataset: Dataset) -> list[pl.Series]:
    score = model.score(dataset)
    return [] if score is None or score.ndim == 2 else [pl.Series("score", score)]


def _sample(dataset: Dataset) -> Dataset:
    """Return rows spread evenly over a dataset, so that every stretch of time is in."""
    if len(dataset) <= _MOST_ROWS:
        return dataset
    return dataset.take(np.linspace(0, len(dataset) - 1, _MOST_ROWS).astype(np.int64))

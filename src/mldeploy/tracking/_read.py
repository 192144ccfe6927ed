"""Runs as they are read from the tables."""

from __future__ import annotations

import math
from collections import defaultdict
from typing import Any

import sqlalchemy as sa

from mldeploy.errors import NotFoundError
from mldeploy.store import tables

from ._records import RunRecord


def require_run(connection: sa.Connection, run_id: str) -> None:
    """Refuse an id that no run has."""
    query = sa.select(tables.runs.c.id).where(tables.runs.c.id == run_id)
    if connection.execute(query).first() is None:
        raise NotFoundError(f"there is no run {run_id!r}; `Runs.to_frame` lists them")


def load_runs(
    connection: sa.Connection,
    *,
    run_id: str | None = None,
    name: str | None = None,
    parent: str | None = None,
) -> list[RunRecord]:
    """Return the chosen runs with what belongs to them, in the order they began."""
    runs, params, artifacts = tables.runs, tables.run_params, tables.run_artifacts
    chosen = sa.select(runs)
    if run_id is not None:
        chosen = chosen.where(runs.c.id == run_id)
    if name is not None:
        chosen = chosen.where(runs.c.name == name)
    if parent is not None:
        chosen = chosen.where(runs.c.parent == parent)
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

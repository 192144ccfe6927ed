"""Metrics by step of the latest runs, such as a loss by epoch."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from typing import Final

import sqlalchemy as sa

from mldeploy.evidence import Curve
from mldeploy.store import tables

from ._records import RunRecord
from ._trials import FOLDS

_MOST_RUNS: Final = 5
_MOST_METRICS: Final = 6
_MOST_POINTS: Final = 500


def curves_of(
    connection: sa.Connection, runs: Sequence[RunRecord]
) -> dict[str, tuple[Curve, ...]]:
    """Return for each metric that was logged by step a curve for each of the latest runs.

    Scores by fold are no curve. A long one is thinned to 500 points.
    """
    names = {run.id: run.name for run in runs if FOLDS not in run.parameters}
    table = tables.run_metrics
    query = sa.select(table.c.run, table.c.key, table.c.step, table.c.value)
    query = query.where(table.c.step.is_not(None)).order_by(table.c.id)
    points: dict[str, dict[str, dict[int, float]]] = defaultdict(lambda: defaultdict(dict))
    for run, key, step, value in connection.execute(query):
        if run in names:
            points[key][run][step] = math.nan if value is None else value
    return {
        key: tuple(
            _curve(f"{names[run]} {run[:6]}", by_step)
            for run, by_step in list(by_run.items())[-_MOST_RUNS:]
        )
        for key, by_run in list(points.items())[:_MOST_METRICS]
    }


def _curve(name: str, by_step: dict[int, float]) -> Curve:
    steps = sorted(by_step)
    thinned = steps[:: -(-len(steps) // _MOST_POINTS)]
    return Curve(name=name, x=thinned, y=[by_step[step] for step in thinned])

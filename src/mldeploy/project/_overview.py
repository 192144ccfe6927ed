"""A project at a glance: its versions, which of them serves, and its deployments."""

from __future__ import annotations

import sqlalchemy as sa

from mldeploy.deployment import DeploymentStatus
from mldeploy.evidence import escape, html_fragment, html_table
from mldeploy.problem import Problem
from mldeploy.registry import CHAMPION, Registry
from mldeploy.store import Store, tables


def deployments_of(store: Store, name: str) -> tuple[DeploymentStatus, ...]:
    """Return the deployments of a problem as they were last recorded, oldest first."""
    table = tables.deployments
    query = sa.select(table.c.state).where(table.c.name == name).order_by(table.c.started_at)
    with store.read() as connection:
        states = connection.scalars(query).all()
    return tuple(map(DeploymentStatus.model_validate, states))


def overview_html(problem: Problem, store: Store, registry: Registry) -> str:
    """Return the problem and its versions as a fragment for notebooks."""
    champion = registry.alias(problem.name, CHAMPION)
    rows = [
        (
            v.label,
            CHAMPION if champion is not None and v.number == champion.number else "",
            str(v.verdict),
            v.trained_by,
            f"{v.created_at:%Y-%m-%d %H:%M}",
        )
        for v in registry.versions(problem.name)
    ]
    headers = ("Version", "Alias", "Validation", "Trained by", "Registered")
    return html_fragment(
        f"<p>Project in <code>{escape(store.root)}</code></p>"
        f"{problem._repr_html_()}" + html_table(headers, rows)
    )

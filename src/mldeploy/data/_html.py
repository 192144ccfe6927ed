"""How datasets show themselves in a notebook."""

from __future__ import annotations

from html import escape

import polars as pl

from mldeploy.data._roles import Roles

_N_ROWS, _N_COLUMNS = 5, 30


def dataset_html(table: pl.DataFrame, roles: Roles, name: str) -> str:
    """Render roles, counts and the first rows; every name and value is escaped."""
    head = table[:_N_ROWS, :_N_COLUMNS]
    hidden = table.width - head.width
    title = f"{name}: " if name else ""
    counts = f"{table.height:,} rows, {table.width:,} columns"
    heads = "".join(f"<th>{text(column)}</th>" for column in head.columns)
    kinds = "".join(
        f"<td><em>{text(_role(roles, column))}</em><br>{text(dtype)}</td>"
        for column, dtype in head.schema.items()
    )
    rows = "".join(
        "<tr>" + "".join(f"<td>{text(value)}</td>" for value in row) + "</tr>"
        for row in head.iter_rows()
    )
    more = f"<p>{hidden:,} more columns</p>" if hidden else ""
    return (
        f"<div class='mldeploy-dataset'><p><strong>{text(title)}</strong>{counts}</p>"
        f"<table><thead><tr>{heads}</tr></thead><tbody><tr>{kinds}</tr>{rows}</tbody></table>"
        f"{more}</div>"
    )


def text(value: object) -> str:
    """Return a value as escaped text; missing values as nothing."""
    return "" if value is None else escape(str(value), quote=True)


def _role(roles: Roles, column: str) -> str:
    single = {"target": roles.target, "time": roles.time, "unit": roles.unit}
    held = [role for role, name in {**single, "weight": roles.weight}.items() if name == column]
    held += ["sensitive"] if column in roles.sensitive else []
    held += ["feature"] if column in roles.features else []
    return ", ".join(held)

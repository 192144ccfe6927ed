"""How profiles show themselves in a notebook."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np

from mldeploy.data._column_profile import ColumnProfile

_WIDTH, _HEIGHT, _N_BINS, _N_COLUMNS = 120, 28, 24, 60


def profile_html(n_rows: int, columns: Sequence[ColumnProfile]) -> str:
    """Render a table of the columns, each with a small histogram; every text is escaped."""
    rows = "".join(_row(column) for column in columns[:_N_COLUMNS])
    hidden = len(columns) - _N_COLUMNS
    more = f"<p>{hidden:,} more columns</p>" if hidden > 0 else ""
    titles = ("column", "kind", "missing", "distinct", "values", "summary")
    heads = "".join(f"<th>{title}</th>" for title in titles)
    return (
        f"<div class='mldeploy-profile'><p><strong>Profile</strong> of {n_rows:,} rows, "
        f"{len(columns):,} columns</p><table><thead><tr>{heads}</tr></thead>"
        f"<tbody>{rows}</tbody></table>{more}</div>"
    )


def _row(column: ColumnProfile) -> str:
    about = "" if column.is_exact else "about "
    cells = (
        escape(column.name, quote=True),
        column.kind,
        f"{column.missing_share:.1%}",
        f"{about}{column.n_distinct:,}",
        _bars(_heights(column)),
        escape(_summary(column), quote=True),
    )
    return "<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"


def _summary(column: ColumnProfile) -> str:
    if not column.n_known:
        return "no value"
    if column.is_text or column.kind == "boolean":
        shown = column.top(3).items()
        return ", ".join(
            f"{value if isinstance(value, str) else column.readable(value)} "
            f"{count / column.n_known:.1%}"
            for value, count in shown
        )
    points = (0.0, 0.5, 1.0)
    low, middle, high = (column.readable(column.quantile(q)) for q in points)
    return f"{low} to {high}, median {middle}"


def _heights(column: ColumnProfile) -> list[int]:
    if column.is_text or column.kind == "boolean":
        return list(column.top(_N_BINS).values())
    finite = np.isfinite(column.table.values)
    values, counts = column.table.values[finite], column.table.counts[finite]
    if not values.size:
        return []
    edges = np.linspace(values[0] / 2, values[-1] / 2, _N_BINS + 1) * 2
    if not (edges[1:] > edges[:-1]).all():
        return [int(counts.sum())]
    bins = np.clip(np.searchsorted(edges, values, side="right") - 1, 0, _N_BINS - 1)
    return [int(n) for n in np.bincount(bins, counts, _N_BINS)]


def _bars(heights: list[int]) -> str:
    if not heights:
        return ""
    tallest, width = max(heights), _WIDTH / max(len(heights), 8)
    bars = "".join(
        f"<rect x='{i * width:.1f}' y='{_HEIGHT - _HEIGHT * h / tallest:.1f}' "
        f"width='{max(width - 1, 1):.1f}' height='{_HEIGHT * h / tallest:.1f}'/>"
        for i, h in enumerate(heights)
        if h
    )
    return (
        f"<svg width='{_WIDTH}' height='{_HEIGHT}' viewBox='0 0 {_WIDTH} {_HEIGHT}' "
        f"fill='currentColor' opacity='0.6' role='img' aria-label='histogram'>{bars}</svg>"
    )

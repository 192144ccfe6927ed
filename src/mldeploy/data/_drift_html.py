"""How a drift report shows itself: what changed first, with both distributions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol

from mldeploy.data._column_drift import ColumnDrift
from mldeploy.evidence import BarChart, escape, figure, html_table, text_table

_MOST_TILES: Final = 60
_MOST_ROWS: Final = 1_000
_MOST_NAMES: Final = 30
_HEADERS = ("Column", "Moved", "Implied", "PSI", "KS", "p", "Missing", "In words")


class Drift(Protocol):
    """What is shown of a drift report; see `DriftReport`."""

    @property
    def n_reference(self) -> int: ...
    @property
    def n_current(self) -> int: ...
    @property
    def target(self) -> str | None: ...
    @property
    def alpha(self) -> float: ...
    @property
    def epsilon(self) -> float: ...
    @property
    def floor(self) -> float: ...
    @property
    def columns(self) -> tuple[ColumnDrift, ...]: ...
    @property
    def drifted(self) -> tuple[ColumnDrift, ...]: ...
    @property
    def added(self) -> tuple[str, ...]: ...
    @property
    def removed(self) -> tuple[str, ...]: ...
    @property
    def retyped(self) -> tuple[str, ...]: ...


def drift_body(report: Drift) -> str:
    """Return the headline, a tile for each column that matters, and a table of all."""
    same = [c for c in report.columns if not c.drifted][
        : max(_MOST_TILES - len(report.drifted), 0)
    ]
    hidden = len(report.columns) - _MOST_ROWS
    more = f'<p class="quiet">{hidden:,} more columns</p>' if hidden > 0 else ""
    rows = [_row(column) for column in report.columns[:_MOST_ROWS]]
    return (
        f"<p><b>{escape(_headline(report))}</b></p>{_legend(report)}{_schema(report)}"
        f"{_tiles(report.drifted[:_MOST_TILES])}"
        f"<details><summary>Columns that did not change</summary>{_tiles(same)}</details>"
        f"<details><summary>All figures</summary>{html_table(_HEADERS, rows)}{more}</details>"
    )


def drift_text(report: Drift) -> str:
    """Return the headline and the table for a terminal."""
    lines = [_headline(report), *_schema_lines(report)]
    rows = [_row(column) for column in report.columns[:_MOST_ROWS]]
    return "\n".join([*lines, text_table(_HEADERS, rows)])


def _headline(report: Drift) -> str:
    return (
        f"{len(report.drifted)} of {len(report.columns)} columns changed: "
        f"{report.n_current:,} rows against {report.n_reference:,}"
    )


def _legend(report: Drift) -> str:
    ranked = (
        f"ranked by what the change implies for {report.target}"
        if report.target
        else "ranked by the share of rows that moved (no target is known)"
    )
    rule = (
        f"Bars: current; line: reference; {ranked}. A column changed if more than "
        f"{report.floor:.0%} of its rows moved and its index is above {report.epsilon:g} beyond "
        f"chance, or a rule is broken; {report.alpha:.0%} chance of any false alarm in the "
        "report where rows are independent."
    )
    return f'<p class="quiet">{escape(rule)}</p>'


def _schema_lines(report: Drift) -> list[str]:
    parts = {
        "Gone": report.removed,
        "New": report.added,
        "Of another type": report.retyped,
    }
    lines = []
    for what, names in parts.items():
        if names:
            more = f" and {len(names) - _MOST_NAMES:,} more" if len(names) > _MOST_NAMES else ""
            lines.append(f"{what}: {', '.join(names[:_MOST_NAMES])}{more}")
    return lines


def _schema(report: Drift) -> str:
    return "".join(f"<p>{escape(line)}</p>" for line in _schema_lines(report))


def _tiles(columns: Sequence[ColumnDrift]) -> str:
    return f'<div class="tiles">{"".join(map(_tile, columns))}</div>'


def _tile(column: ColumnDrift) -> str:
    chart = BarChart(
        title=f"{column.column}: current beside reference",
        labels=column.labels,
        values=column.current,
        outlines=column.reference,
        ends=(column.labels[0], column.labels[-1]) if len(column.labels) > 1 else (),
    )
    names = ", ".join(change.name.replace("_", " ") for change in column.changes)
    tag = f'<span class="tag FAIL">{escape(names)}</span>' if names else ""
    facts = f"{column.moved_share:.1%} moved, PSI {figure(column.psi)}"
    if column.implied is not None:
        facts += f", implies {column.implied:.1%} of the target"
    return (
        f'<section class="tile"><h3>{escape(column.column)} {tag}</h3>{chart.to_svg()}'
        f'<p>{escape(column.summary)}</p><p class="quiet">{escape(facts)}</p></section>'
    )


def _row(column: ColumnDrift) -> tuple[str, ...]:
    return (
        column.column,
        f"{column.moved_share:.1%}",
        "-" if column.implied is None else f"{column.implied:.1%}",
        figure(column.psi),
        figure(column.ks),
        f"{column.p_value:.2g}",
        f"{column.missing_reference:.1%} → {column.missing_current:.1%}",
        column.summary,
    )

"""How a report on a table shows itself: findings, what is missing, each column, examples."""

from __future__ import annotations

from typing import Final, Protocol

from mldeploy.data._by_target import ByTarget
from mldeploy.data._column_profile import ColumnProfile
from mldeploy.data._drift_html import drift_body
from mldeploy.data._drift_report import DriftReport
from mldeploy.data._histogram import Histogram
from mldeploy.data._missing_map import MissingMap
from mldeploy.data._profile import Profile
from mldeploy.evidence import (
    BarChart,
    HeatMap,
    Report,
    escape,
    figure,
    html_table,
    text_table,
)

_MOST_TILES: Final = 120
_MOST_LINES: Final = 1_000
_MOST_LEVELS: Final = 5
_FEWEST_SHOWN: Final = 10
"""Rows of a value below which a sensitive column's value is not told."""


class Shown(Protocol):
    """What is shown of a report on a table; see `DataReport`."""

    @property
    def name(self) -> str: ...
    @property
    def profile(self) -> Profile: ...
    @property
    def roles(self) -> dict[str, str]: ...
    @property
    def histograms(self) -> dict[str, Histogram]: ...
    @property
    def missing(self) -> MissingMap: ...
    @property
    def by_target(self) -> ByTarget | None: ...
    @property
    def halves(self) -> DriftReport | None: ...
    @property
    def examples(self) -> tuple[tuple[str, ...], ...]: ...
    @property
    def findings(self) -> Report | None: ...


def data_body(report: Shown) -> str:
    """Return the whole report as HTML; every name and value is escaped."""
    parts = [f"<h1>{escape(report.name)}</h1><p>{escape(_counts(report))}</p>"]
    if report.findings is not None:
        parts.append(f"<h2>What was found</h2>{report.findings.to_html()}")
    parts.append(_missing(report.missing))
    if report.by_target is not None:
        parts.append(_slices(report.by_target))
    parts.append(f"<h2>Columns</h2>{_tiles(report)}")
    if report.halves is not None:
        parts.append(f"<h2>The later half against the earlier</h2>{drift_body(report.halves)}")
    parts.append(_examples(report.examples))
    return "".join(parts)


def data_text(report: Shown) -> str:
    """Return one line for each column, with its distribution, for a terminal."""
    headers = ("Column", "Kind", "Role", "Missing", "Distinct", "Distribution", "Summary")
    rows = [
        (
            column.name,
            column.kind,
            report.roles.get(column.name, ""),
            _percent(column.missing_share),
            _distinct(column),
            report.histograms[column.name].sparkline,
            _summary(column, secret=_is_secret(report, column.name)),
        )
        for column in report.profile.columns[:_MOST_LINES]
    ]
    lines = [f"{report.name}: {_counts(report)}", text_table(headers, rows)]
    hidden = len(report.profile.columns) - _MOST_LINES
    lines += [f"{hidden:,} more columns"] if hidden > 0 else []
    return "\n".join(lines)


def _counts(report: Shown) -> str:
    profile = report.profile
    text = f"{profile.n_rows:,} rows, {len(profile.columns):,} columns"
    gaps = sum(column.n_missing for column in profile.columns)
    cells = profile.n_rows * len(profile.columns)
    return f"{text}, {_percent(gaps / cells)} of all values missing" if gaps else text


def _missing(missing: MissingMap) -> str:
    if not missing.columns:
        return '<h2>Missing values</h2><p class="quiet">No value is missing.</p>'
    chart = HeatMap(
        title="Missing values, from the first rows to the last",
        rows=missing.columns,
        values=missing.shares,
        ends=missing.ends,
    )
    rows = [(f"{p.n:,}", ", ".join(p.columns)) for p in missing.patterns]
    together = html_table(("Rows", "Missing together"), rows)
    return f"<h2>Missing values</h2>{chart.to_svg()}{together}"


def _slices(by_target: ByTarget) -> str:
    what = (
        f"share of {by_target.target} = {by_target.positive}"
        if by_target.positive
        else f"mean of {by_target.target}"
    )
    overall = _height(by_target.overall, by_target)
    text = (
        f"Overall the {what} is {overall}, on {by_target.n:,} rows drawn at random. Slices in "
        "which it differs beyond chance, those that matter most first:"
    )
    rows = [
        (
            f"{s.column}: {s.label}",
            _height(s.mean, by_target),
            f"{_height(s.interval.low, by_target)} to {_height(s.interval.high, by_target)}",
            _percent(s.share),
            f"{s.n:,}",
        )
        for s in by_target.slices
    ]
    if not rows:
        text = f"Overall the {what} is {overall}; no slice differs beyond chance."
    headers = ("Slice", "There", "Interval (all hold at once)", "Of all rows", "n")
    table = html_table(headers, rows) if rows else ""
    return f"<h2>{escape(by_target.target)} by slice</h2><p>{escape(text)}</p>{table}"


def _tiles(report: Shown) -> str:
    first = list(report.roles)
    told = list(report.by_target.columns) if report.by_target is not None else []
    order = {name: i for i, name in enumerate([*first, *told])}
    columns = sorted(report.profile.columns, key=lambda c: (order.get(c.name, len(order)), c.name))
    tiles = "".join(_tile(report, column) for column in columns[:_MOST_TILES])
    hidden = len(columns) - _MOST_TILES
    more = f'<p class="quiet">{hidden:,} more columns</p>' if hidden > 0 else ""
    return f'<div class="tiles">{tiles}</div>{more}'


def _tile(report: Shown, column: ColumnProfile) -> str:
    secret, role = _is_secret(report, column.name), report.roles.get(column.name, "")
    facts = [column.kind, role, f"{_distinct(column)} distinct"]
    if column.n_missing:
        facts.append(f"{_percent(column.missing_share)} missing")
    hidden = secret and column.is_text
    chart = "" if hidden else _bars(column.name, report.histograms[column.name])
    return (
        f'<section class="tile"><h3>{escape(column.name)}</h3>'
        f'<p class="quiet">{escape(", ".join(filter(None, facts)))}</p>{chart}'
        f"<p>{escape(_summary(column, secret=secret))}</p>{_with_target(report, column.name)}"
        "</section>"
    )


def _bars(name: str, histogram: Histogram) -> str:
    if not histogram.labels:
        return ""
    labels = histogram.labels
    first, last = labels[0].partition(" to ")[0], labels[-1].rpartition(" to ")[2]
    chart = BarChart(
        title=f"{name}: distribution",
        labels=labels,
        values=histogram.shares,
        ends=(first, last) if len(labels) > 1 else (first,) * 2,
    )
    beyond = f'<p class="quiet">{histogram.beyond:,} values beyond</p>' if histogram.beyond else ""
    return chart.to_svg() + beyond


def _with_target(report: Shown, name: str) -> str:
    by_target = report.by_target
    if by_target is None or name not in by_target.columns:
        return ""
    found = by_target.columns[name]
    text = f"explains {_percent(found.explained)} of {by_target.target} by itself"
    chart = ""
    if min(found.means) >= 0 and len(found.means) > 1:
        chart = BarChart(
            title=f"{by_target.target} by {name}",
            labels=found.labels,
            values=found.means,
            outlines=(by_target.overall,) * len(found.means),
            unit="%" if by_target.positive else "",
            height=52,
        ).to_svg()
    return f'<p class="quiet">{escape(text)}</p>{chart}'


def _examples(examples: tuple[tuple[str, ...], ...]) -> str:
    if len(examples) < 2:
        return ""
    table = html_table(examples[0], examples[1:])
    return f"<details><summary>Some rows</summary>{table}</details>"


def _summary(column: ColumnProfile, *, secret: bool) -> str:
    if not column.n_known:
        return "no value"
    if column.is_text or column.kind == "boolean":
        fewest = _FEWEST_SHOWN if secret else 1
        top = {v: n for v, n in column.top(_MOST_LEVELS).items() if n >= fewest}
        shown = [
            f"{v if isinstance(v, str) else column.readable(v)} {_percent(n / column.n_known)}"
            for v, n in top.items()
        ]
        return ", ".join(shown) or "values are not told"
    low, middle, high = (column.readable(column.quantile(q)) for q in (0.0, 0.5, 1.0))
    return f"{low} to {high}, median {middle}"


def _is_secret(report: Shown, name: str) -> bool:
    return "sensitive" in report.roles.get(name, "")


def _distinct(column: ColumnProfile) -> str:
    return f"{'' if column.is_exact else 'about '}{column.n_distinct:,}"


def _height(value: float, by_target: ByTarget) -> str:
    return _percent(value) if by_target.positive else figure(value)


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"

"""Estimates with their intervals against a bound, one row for each, as inline SVG."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias, final

from typing_extensions import override

from mldeploy.evidence._format import figure
from mldeploy.evidence._html import escape
from mldeploy.evidence._svg import round_values, svg_element, svg_line, svg_text
from mldeploy.evidence._titled_chart import TitledChart

Good: TypeAlias = Literal["above", "below", ""]

_WIDTH, _ROW, _TOP, _BOTTOM = 660, 24, 8, 34
_LEFT, _RIGHT = 200, 380
_LONGEST: Final = 32
_TOLD: Final = 12
_COLOURS: Final = {"PASS": "#1a7f37", "FAIL": "#cf222e", "INSUFFICIENT": "#9a6700"}
_PLAIN: Final = "#0969da"
_GOOD: Final = _COLOURS["PASS"]


@final
@dataclass(frozen=True, kw_only=True)
class ForestRow:
    """One estimate of a chart.

    Attributes
    ----------
    name : str
        What it is of.
    value : float
        The estimate.
    low, high : float, optional
        Its interval; ends that are infinite leave the chart.
    threshold : float, optional
        What it was held against.
    verdict : str
        What came of it: ``"PASS"``, ``"FAIL"``, ``"INSUFFICIENT"``, or nothing.
    """

    name: str
    value: float
    low: float | None = None
    high: float | None = None
    threshold: float | None = None
    verdict: str = ""


@final
@dataclass(frozen=True, kw_only=True)
class ForestChart(TitledChart):
    """Estimates with their intervals, one below the other on one scale.

    The verdict is told by the mark's shape (a disc, a cross, a ring), by its colour, and as a
    word beside the figures. Where it is known which side of the bound is good, it is shaded.

    Attributes
    ----------
    title : str
        What is shown; also read out by screen readers.
    rows : sequence of ForestRow
        From top to bottom.
    unit : str
        Unit of all figures.
    good : {"above", "below", ""}
        On which side of its bound an estimate should lie.
    x_name : str
        What the scale is.

    Examples
    --------
    >>> row = ForestRow(name="all rows", value=0.8, low=0.7, high=0.9, threshold=0.6,
    ...                 verdict="PASS")
    >>> ForestChart(title="recall", rows=[row], good="above").description
    'all rows 0.8 [0.7, 0.9], bound 0.6, PASS'
    """

    title: str
    rows: Sequence[ForestRow]
    unit: str = ""
    good: Good = ""
    x_name: str = ""

    @property
    def description(self) -> str:
        """The rows in words; of many the first twelve."""
        told = [self._told(row) for row in self.rows[:_TOLD]]
        hidden = len(self.rows) - _TOLD
        return "; ".join([*told, *([f"and {hidden} more"] if hidden > 0 else [])]) or "nothing"

    @override
    def to_svg(self) -> str:
        """Return the chart as an `<svg>` element; every name is escaped."""
        scale = _Scale.around(self.rows)
        height = _TOP + _ROW * len(self.rows) + _BOTTOM
        parts = [self._axis(scale, height - _BOTTOM)]
        for i, row in enumerate(self.rows):
            parts.append(self._row(row, scale, _TOP + _ROW * i))
        return svg_element(
            "".join(parts),
            width=_WIDTH,
            height=height,
            title=self.title,
            description=self.description,
        )

    def _told(self, row: ForestRow) -> str:
        bound = "" if row.threshold is None else f", bound {figure(row.threshold, self.unit)}"
        verdict = f", {row.verdict}" if row.verdict else ""
        return f"{row.name} {self._figures(row)}{bound}{verdict}"

    def _figures(self, row: ForestRow) -> str:
        text = figure(float(row.value), self.unit)
        if row.low is None or row.high is None:
            return text
        return f"{text} [{figure(row.low, self.unit)}, {figure(row.high, self.unit)}]"

    def _axis(self, scale: _Scale, bottom: float) -> str:
        parts = []
        for value in round_values(scale.low, scale.high, n=3):
            x = scale.x(value)
            parts.append(svg_line(x, _TOP, x, bottom + 3, more='stroke-opacity=".35"'))
            parts.append(svg_text(x, bottom + 15, figure(value, self.unit), anchor="middle"))
        told = self.x_name
        if self.good and any(row.threshold is not None for row in self.rows):
            told = f"{told}, " if told else ""
            told += "shaded: where it holds"
        parts.append(svg_text((_LEFT + _RIGHT) / 2, bottom + 29, told, anchor="middle"))
        return "".join(parts)

    def _row(self, row: ForestRow, scale: _Scale, top: float) -> str:
        middle = top + _ROW / 2
        shown = row.name if len(row.name) <= _LONGEST else f"{row.name[: _LONGEST - 1]}…"
        parts = [svg_text(_LEFT - 10, middle + 4, shown, anchor="end")]
        if row.threshold is not None and math.isfinite(row.threshold):
            parts.append(self._bound(row.threshold, scale, top))
        parts.append(_mark(row, scale, middle))
        told = f"{self._figures(row)} {row.verdict}"
        parts.append(svg_text(_RIGHT + 12, middle + 4, told))
        return f"<g><title>{escape(self._told(row))}</title>{''.join(parts)}</g>"

    def _bound(self, threshold: float, scale: _Scale, top: float) -> str:
        x = scale.x(threshold)
        start, end = {"above": (x, _RIGHT), "below": (_LEFT, x)}.get(self.good, (x, x))
        shade = (
            f'<rect x="{start:.1f}" y="{top:.1f}" width="{max(end - start, 0):.1f}" '
            f'height="{_ROW}" fill="{_GOOD}" fill-opacity=".12"/>'
        )
        line = svg_line(
            x, top, x, top + _ROW, stroke="currentColor", more='stroke-dasharray="3 3"'
        )
        return (shade if end > start else "") + line


@dataclass(frozen=True)
class _Scale:
    low: float
    high: float

    @classmethod
    def around(cls, rows: Sequence[ForestRow]) -> _Scale:
        figures = [v for r in rows for v in (r.value, r.low, r.high, r.threshold)]
        known = [v for v in figures if v is not None and math.isfinite(v)] or [0.0, 1.0]
        low, high = min(known), max(known)
        pad = (high - low) * 0.06 or abs(high) * 0.06 or 1.0
        return cls(low - pad, high + pad)

    def x(self, value: float) -> float:
        """Return where a value lies, at an edge where it is outside."""
        share = (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)
        return _LEFT + share * (_RIGHT - _LEFT)


def _mark(row: ForestRow, scale: _Scale, y: float) -> str:
    """Return the interval as a line, and the estimate as a shape that tells the verdict."""
    colour = _COLOURS.get(row.verdict, _PLAIN)
    parts = []
    if row.low is not None and row.high is not None and row.low <= row.high:
        parts.append(
            svg_line(scale.x(row.low), y, scale.x(row.high), y, stroke=colour,
                     more='stroke-width="2"')
        )  # fmt: skip
        ends = [(row.low, scale.low, 1), (row.high, scale.high, -1)]
        parts += [_end(end, edge, way, scale, y, colour) for end, edge, way in ends]
    if math.isfinite(row.value):
        parts.append(_shape(row.verdict, scale.x(row.value), y, colour))
    return "".join(parts)


def _end(end: float, edge: float, way: int, scale: _Scale, y: float, colour: str) -> str:
    """Return a bar where an interval ends, or an arrow where it leaves the chart."""
    x = scale.x(end)
    if math.isinf(end):
        x = scale.x(edge)
        points = f"{x:.1f},{y:.1f} {x + 6 * way:.1f},{y - 4:.1f} {x + 6 * way:.1f},{y + 4:.1f}"
        return f'<polygon points="{points}" fill="{colour}"/>'
    return svg_line(x, y - 4, x, y + 4, stroke=colour, more='stroke-width="1.5"')


def _shape(verdict: str, x: float, y: float, colour: str) -> str:
    if verdict == "FAIL":
        ends = [(x - 5, y - 5, x + 5, y + 5), (x - 5, y + 5, x + 5, y - 5)]
        return "".join(svg_line(*e, stroke=colour, more='stroke-width="2.5"') for e in ends)
    inside = "none" if verdict == "INSUFFICIENT" else colour
    return (
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="5" fill="{inside}" stroke="{colour}" '
        'stroke-width="2"/>'
    )

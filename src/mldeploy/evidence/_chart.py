"""Line charts as inline SVG: no script, readable without colour, described for screen readers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import final

import numpy as np

from mldeploy.evidence._format import figure
from mldeploy.evidence._html import escape
from mldeploy.evidence._svg import COLOURS, DASHES, round_values

_WIDTH, _HEIGHT = 900, 260
_LEFT, _RIGHT, _TOP, _BOTTOM = 60, 20, 16, 44


@final
@dataclass(frozen=True, kw_only=True)
class Series:
    """One line of a chart, with an optional band around it.

    Attributes
    ----------
    name : str
        What the legend says.
    times : sequence of datetime
        Where the points lie, with zone, ascending.
    values : sequence of float
        The points; NaN breaks the line.
    low, high : sequence of float
        The band, point by point; empty for none.
    """

    name: str
    times: Sequence[datetime]
    values: Sequence[float]
    low: Sequence[float] = ()
    high: Sequence[float] = ()


@final
@dataclass(frozen=True, kw_only=True)
class Mark:
    """A moment that a chart points at: an alarm, a promotion, a rollback."""

    time: datetime
    label: str
    kind: str = "event"


@final
@dataclass(frozen=True, kw_only=True)
class LineChart:
    """A chart over time that is written as one `<svg>` element.

    Attributes
    ----------
    title : str
        What is shown; also read out by screen readers.
    series : sequence of Series
        At most five lines.
    marks : sequence of Mark
        Vertical lines, numbered and explained under the chart.
    threshold : float, optional
        A horizontal line.
    unit : str
        Unit of the values.
    """

    title: str
    series: Sequence[Series]
    marks: Sequence[Mark] = field(default=())
    threshold: float | None = None
    unit: str = ""

    def to_svg(self) -> str:
        """Return the chart as an `<svg>` element; every name is escaped."""
        frame = _Frame.around(self)
        parts = [frame.axes(self.unit)]
        if self.threshold is not None:
            y = frame.y(self.threshold)
            parts.append(
                f'<line x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}" '
                'stroke="#cf222e" stroke-dasharray="4 4"/>'
            )
        for i, mark in enumerate(self.marks, 1):
            parts.append(frame.mark(i, mark))
        for i, line in enumerate(self.series):
            parts.append(frame.line(line, i % len(COLOURS)))
        return (
            f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" font-size="11" '
            f'font-family="system-ui,sans-serif"><title>{escape(self.title)}</title>'
            + "".join(parts)
            + "</svg>"
        )

    def to_html(self) -> str:
        """Return the chart with its title, and a list that explains the marks."""
        marks = "".join(
            f"<li>{escape(m.time.date().isoformat())}: {escape(m.label)}</li>" for m in self.marks
        )
        legend = f'<ol class="quiet">{marks}</ol>' if marks else ""
        caption = f"<figcaption><b>{escape(self.title)}</b></figcaption>"
        return f"<figure>{caption}{self.to_svg()}{legend}</figure>"

    def _repr_html_(self) -> str:
        return self.to_html()


@dataclass(frozen=True)
class _Frame:
    start: float
    end: float
    low: float
    high: float

    @classmethod
    def around(cls, chart: LineChart) -> _Frame:
        times = [t.timestamp() for s in chart.series for t in s.times]
        times += [m.time.timestamp() for m in chart.marks]
        values = np.array(
            [v for s in chart.series for v in (*s.values, *s.low, *s.high)]
            + ([] if chart.threshold is None else [chart.threshold]),
            dtype=float,
        )
        values = values[np.isfinite(values)]
        start, end = (min(times), max(times)) if times else (0.0, 1.0)
        low, high = (values.min(), values.max()) if len(values) else (0.0, 1.0)
        pad = (high - low) * 0.06 or abs(high) * 0.06 or 1.0
        return cls(start, end if end > start else start + 1, low - pad, high + pad)

    def x(self, time: datetime) -> float:
        share = (time.timestamp() - self.start) / (self.end - self.start)
        return float(_LEFT + share * (_WIDTH - _LEFT - _RIGHT))

    def y(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low)
        return float(_HEIGHT - _BOTTOM - share * (_HEIGHT - _TOP - _BOTTOM))

    def axes(self, unit: str) -> str:
        parts = []
        for value in round_values(self.low, self.high):
            y = self.y(value)
            parts.append(
                f'<line x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}" '
                'stroke="#8c959f" stroke-opacity=".3"/>'
                f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end" fill="currentColor">'
                f"{escape(figure(value, unit))}</text>"
            )
        for stamp in np.linspace(self.start, self.end, 7):
            time = datetime.fromtimestamp(stamp, UTC)
            parts.append(
                f'<text x="{self.x(time):.1f}" y="{_HEIGHT - _BOTTOM + 16}" text-anchor="middle" '
                f'fill="currentColor">{time:%d %b}</text>'
            )
        return "".join(parts)

    def mark(self, number: int, mark: Mark) -> str:
        x, colour = self.x(mark.time), "#cf222e" if mark.kind == "alarm" else "#57606a"
        return (
            f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{_TOP}" y2="{_HEIGHT - _BOTTOM}" '
            f'stroke="{colour}" stroke-dasharray="2 3"><title>{escape(mark.label)}</title></line>'
            f'<text x="{x:.1f}" y="{_TOP - 4}" text-anchor="middle" fill="currentColor">{number}'
            "</text>"
        )

    def line(self, series: Series, index: int) -> str:
        colour, parts = COLOURS[index], []
        if series.low and series.high:
            band = [
                (self.x(t), self.y(lo), self.y(hi))
                for t, lo, hi in zip(series.times, series.low, series.high, strict=True)
                if np.isfinite(lo) and np.isfinite(hi)
            ]
            upper = [f"{x:.1f},{hi:.1f}" for x, _, hi in band]
            lower = [f"{x:.1f},{lo:.1f}" for x, lo, _ in reversed(band)]
            points = " ".join(upper + lower)
            parts.append(f'<polygon points="{points}" fill="{colour}" fill-opacity=".18"/>')
        for run in _runs(series):
            points = " ".join(f"{self.x(t):.1f},{self.y(v):.1f}" for t, v in run)
            parts.append(
                f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.6" '
                f'stroke-dasharray="{DASHES[index]}"/>'
            )
        x, y = _LEFT + 8 + 200 * index, _HEIGHT - 8
        parts.append(
            f'<line x1="{x}" x2="{x + 26}" y1="{y - 4}" y2="{y - 4}" stroke="{colour}" '
            f'stroke-width="2" stroke-dasharray="{DASHES[index]}"/>'
            f'<text x="{x + 32}" y="{y}" fill="currentColor">{escape(series.name)}</text>'
        )
        return "".join(parts)


def _runs(series: Series) -> list[list[tuple[datetime, float]]]:
    """Cut a line where a value is missing."""
    runs: list[list[tuple[datetime, float]]] = [[]]
    for time, value in zip(series.times, series.values, strict=True):
        if np.isfinite(value):
            runs[-1].append((time, value))
        elif runs[-1]:
            runs.append([])
    return [run for run in runs if run]

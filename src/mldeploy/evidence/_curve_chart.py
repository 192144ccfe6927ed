"""Curves over a number, such as learning curves, as inline SVG that is described in words."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

from typing_extensions import override

from mldeploy.evidence._format import figure
from mldeploy.evidence._svg import (
    COLOURS,
    DASHES,
    round_values,
    svg_element,
    svg_line,
    svg_text,
)
from mldeploy.evidence._titled_chart import TitledChart

_WIDTH, _HEIGHT = 640, 260
_LEFT, _RIGHT, _TOP, _BOTTOM = 60, 14, 10, 48
_DASH, _LETTER, _LINE, _LONGEST = 27, 6.2, 16, 60
"""Of the legend: width of a dash, of a letter, height of a line, and letters of a name."""


@final
@dataclass(frozen=True, kw_only=True)
class Curve:
    """One line of a chart over a number, with an optional band around it.

    Attributes
    ----------
    name : str
        What the legend says.
    x, y : sequence of float
        The points, `x` ascending; a `y` that is not finite breaks the line.
    low, high : sequence of float
        The band, point by point; empty for none.
    """

    name: str
    x: Sequence[float]
    y: Sequence[float]
    low: Sequence[float] = ()
    high: Sequence[float] = ()


@final
@dataclass(frozen=True, kw_only=True)
class CurveChart(TitledChart):
    """Curves over one number: rows learnt from, epochs, thresholds.

    Attributes
    ----------
    title : str
        What is shown; also read out by screen readers.
    curves : sequence of Curve
        At most five can be told apart without colour.
    x_name, y_name : str
        What the axes are.

    Examples
    --------
    >>> chart = CurveChart(title="loss", curves=[Curve(name="a", x=[1, 2], y=[0.7, 0.5])])
    >>> chart.description
    'a: from 0.7 at 1 to 0.5 at 2'
    """

    title: str
    curves: Sequence[Curve]
    x_name: str = ""
    y_name: str = ""

    @property
    def description(self) -> str:
        """Where each curve begins and ends, in words."""
        told = []
        for curve in self.curves:
            points = _finite(curve.x, curve.y)
            if points:
                (x0, y0), (x1, y1) = points[0], points[-1]
                told.append(
                    f"{curve.name}: from {figure(y0)} at {figure(x0)} to {figure(y1)} "
                    f"at {figure(x1)}"
                )
        return "; ".join(told) or "nothing"

    @override
    def to_svg(self) -> str:
        """Return the chart as an `<svg>` element; every name is escaped."""
        frame = _Frame.around(self.curves)
        parts = [frame.axes(self.x_name, self.y_name)]
        legend, lines = _legend([curve.name for curve in self.curves])
        for i, curve in enumerate(self.curves):
            parts.append(frame.curve(curve, i))
        return svg_element(
            "".join([*parts, legend]),
            width=_WIDTH,
            height=_HEIGHT + _LINE * (lines - 1),
            title=self.title,
            description=self.description,
        )


@dataclass(frozen=True)
class _Frame:
    x0: float
    x1: float
    y0: float
    y1: float

    @classmethod
    def around(cls, curves: Sequence[Curve]) -> _Frame:
        points = [p for c in curves for p in _finite(c.x, c.y)]
        ends = [v for c in curves for v in (*c.low, *c.high) if math.isfinite(v)]
        xs = [x for x, _ in points] or [0.0, 1.0]
        ys = [*(y for _, y in points), *ends] or [0.0, 1.0]
        pad = (max(ys) - min(ys)) * 0.06 or abs(max(ys)) * 0.06 or 1.0
        right = max(xs) if max(xs) > min(xs) else min(xs) + 1
        return cls(min(xs), right, min(ys) - pad, max(ys) + pad)

    def x(self, value: float) -> float:
        return _LEFT + (value - self.x0) / (self.x1 - self.x0) * (_WIDTH - _LEFT - _RIGHT)

    def y(self, value: float) -> float:
        share = (value - self.y0) / (self.y1 - self.y0)
        return _HEIGHT - _BOTTOM - share * (_HEIGHT - _TOP - _BOTTOM)

    def axes(self, x_name: str, y_name: str) -> str:
        parts = []
        for value in round_values(self.y0, self.y1):
            y = self.y(value)
            parts.append(svg_line(_LEFT, y, _WIDTH - _RIGHT, y, more='stroke-opacity=".3"'))
            parts.append(svg_text(_LEFT - 6, y + 4, figure(value), anchor="end"))
        bottom = _HEIGHT - _BOTTOM
        for value in round_values(self.x0, self.x1):
            parts.append(svg_text(self.x(value), bottom + 14, figure(value), anchor="middle"))
        parts.append(svg_text(_WIDTH - _RIGHT, bottom + 28, x_name, anchor="end"))
        parts.append(svg_text(_LEFT + 4, _TOP + 10, y_name))
        return "".join(parts)

    def curve(self, curve: Curve, index: int) -> str:
        colour, dash = COLOURS[index % len(COLOURS)], DASHES[index % len(DASHES)]
        parts = [self._band(curve, colour)] if curve.low and curve.high else []
        for run in _runs(curve):
            points = " ".join(f"{self.x(x):.1f},{self.y(y):.1f}" for x, y in run)
            parts.append(
                f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.6" '
                f'stroke-dasharray="{dash}"/>'
            )
        return "".join(parts)

    def _band(self, curve: Curve, colour: str) -> str:
        known = [
            (self.x(x), self.y(low), self.y(high))
            for x, low, high in zip(curve.x, curve.low, curve.high, strict=True)
            if math.isfinite(low) and math.isfinite(high)
        ]
        upper = [f"{x:.1f},{high:.1f}" for x, _, high in known]
        lower = [f"{x:.1f},{low:.1f}" for x, low, _ in reversed(known)]
        points = " ".join(upper + lower)
        return f'<polygon points="{points}" fill="{colour}" fill-opacity=".16"/>'


def _legend(names: Sequence[str]) -> tuple[str, int]:
    """Return the names, each after its dash, on as many lines as they need."""
    parts, x, line = [], float(_LEFT + 8), 0
    for index, name in enumerate(names):
        colour, dash = COLOURS[index % len(COLOURS)], DASHES[index % len(DASHES)]
        told = name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1]}…"
        width = _DASH + _LETTER * len(told)
        if index and x + width > _WIDTH - _RIGHT:
            x, line = float(_LEFT + 8), line + 1
        y = _HEIGHT - 6 + _LINE * line
        more = f'stroke-dasharray="{dash}"'
        parts.append(svg_line(x, y - 4, x + 22, y - 4, stroke=colour, more=more))
        parts.append(svg_text(x + _DASH, y, told))
        x += width + 12
    return "".join(parts), line + 1


def _finite(x: Sequence[float], y: Sequence[float]) -> list[tuple[float, float]]:
    pairs = zip(x, y, strict=True)
    return [(float(a), float(b)) for a, b in pairs if math.isfinite(a) and math.isfinite(b)]


def _runs(curve: Curve) -> list[list[tuple[float, float]]]:
    """Cut a curve where a value is missing."""
    runs: list[list[tuple[float, float]]] = [[]]
    for x, y in zip(curve.x, curve.y, strict=True):
        if math.isfinite(x) and math.isfinite(y):
            runs[-1].append((x, y))
        elif runs[-1]:
            runs.append([])
    return [run for run in runs if run]

"""Histograms as inline SVG: no script, a tooltip on each bar, described in words."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

from mldeploy.evidence._format import figure
from mldeploy.evidence._html import escape
from mldeploy.evidence._svg import COLOURS, svg_element, svg_text

_TOLD = 3


@final
@dataclass(frozen=True, kw_only=True)
class BarChart:
    """Bars of one sample, with those of another as outlines before them.

    Attributes
    ----------
    title : str
        What is shown; also read out by screen readers.
    labels : sequence of str
        What each bar stands for, shown as a tooltip.
    values : sequence of float
        Height of each bar, at least 0.
    outlines : sequence of float
        Heights of the sample that it is held against, bar by bar; empty for none.
    ends : sequence of str
        Texts under the first and the last bar; empty for none.
    unit : str, default="%"
        Unit of the heights; ``"%"`` for shares in [0, 1].
    width, height : int
        Size in pixels at full width.

    Examples
    --------
    >>> chart = BarChart(title="origin", labels=["JFK", "LGA"], values=[0.75, 0.25])
    >>> chart.description
    'JFK 75.0 %, LGA 25.0 %'
    """

    title: str
    labels: Sequence[str]
    values: Sequence[float]
    outlines: Sequence[float] = ()
    ends: Sequence[str] = ()
    unit: str = "%"
    width: int = 280
    height: int = 84

    def __post_init__(self) -> None:
        lengths = {len(self.labels), len(self.values), len(self.outlines) or len(self.labels)}
        if len(lengths) > 1:
            raise ValueError(
                f"{len(self.labels)} labels, {len(self.values)} values and {len(self.outlines)} "
                "outlines: a bar has one of each"
            )

    @property
    def description(self) -> str:
        """The highest bars in words."""
        order = sorted(range(len(self.values)), key=lambda i: -self.values[i])[:_TOLD]
        return ", ".join(self._label(i) for i in order if self.values[i] > 0) or "nothing"

    def to_svg(self) -> str:
        """Return the chart as an `<svg>` element; every label is escaped."""
        bottom = self.height - (16 if self.ends else 2)
        tallest = max((*self.values, *self.outlines), default=0.0)
        tallest = tallest if math.isfinite(tallest) and tallest > 0 else 1.0
        parts = [self._bar(i, bottom, tallest) for i in range(len(self.values))]
        if self.outlines:
            parts.append(self._outline(bottom, tallest))
        if self.ends:
            parts.append(svg_text(0, self.height - 3, self.ends[0]))
            parts.append(self._end())
        return svg_element(
            "".join(parts),
            width=self.width,
            height=self.height,
            title=self.title,
            description=self.description,
        )

    def _label(self, i: int) -> str:
        text = f"{self.labels[i]} {self._height(self.values[i])}"
        return text + (f" (against {self._height(self.outlines[i])})" if self.outlines else "")

    def _height(self, value: float) -> str:
        return f"{100 * value:.1f} %" if self.unit == "%" else figure(value, self.unit)

    def _step(self) -> float:
        return self.width / max(len(self.values), 6)

    def _end(self) -> str:
        """Return the last text, under the last bar."""
        reached = self._step() * len(self.values)
        if reached < self.width:
            return svg_text(reached - self._step(), self.height - 3, self.ends[-1])
        return svg_text(self.width, self.height - 3, self.ends[-1], anchor="end")

    def _bar(self, i: int, bottom: float, tallest: float) -> str:
        if not self.values[i] > 0:
            return ""
        height = max(bottom * self.values[i] / tallest, 0.8)
        step = self._step()
        return (
            f'<rect x="{i * step:.1f}" y="{bottom - height:.1f}" width="{max(step - 1, 0.6):.1f}" '
            f'height="{height:.1f}" fill="{COLOURS[0]}"><title>{escape(self._label(i))}</title>'
            "</rect>"
        )

    def _outline(self, bottom: float, tallest: float) -> str:
        step, points = self._step(), []
        for i, value in enumerate(self.outlines):
            y = bottom - bottom * value / tallest
            points += [f"{i * step:.1f},{y:.1f}", f"{(i + 1) * step - 1:.1f},{y:.1f}"]
        return (
            f'<polyline points="{" ".join(points)}" fill="none" stroke="{COLOURS[1]}" '
            'stroke-width="1.6"/>'
        )

    def _repr_html_(self) -> str:
        return self.to_svg()

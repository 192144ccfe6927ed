"""A map of shares as inline SVG, such as of what is missing where."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

from mldeploy.evidence._html import escape
from mldeploy.evidence._svg import COLOURS, svg_element, svg_line, svg_text

_ROW, _NAME, _LONGEST = 14, 150, 24


@final
@dataclass(frozen=True, kw_only=True)
class HeatMap:
    """Shares by row and block: the darker a cell, the larger its share.

    Attributes
    ----------
    title : str
        What is shown; also read out by screen readers.
    rows : sequence of str
        Name of each row.
    values : sequence of sequence of float
        For each row the share in each block, in [0, 1].
    ends : sequence of str
        What the first and the last block are; empty for nothing.
    width : int
        Width in pixels at full width.

    Examples
    --------
    >>> HeatMap(title="missing", rows=["wind"], values=[[0.0, 0.5]]).description
    'wind: 25.0 %, most 50.0 %'
    """

    title: str
    rows: Sequence[str]
    values: Sequence[Sequence[float]]
    ends: Sequence[str] = ()
    width: int = 900

    @property
    def description(self) -> str:
        """Mean and largest share of each row in words."""
        told = []
        for name, cells in zip(self.rows, self.values, strict=True):
            mean, most = (sum(cells) / len(cells), max(cells)) if cells else (0.0, 0.0)
            told.append(f"{name}: {mean:.1%}, most {most:.1%}".replace("%", " %"))
        return "; ".join(told)

    def to_svg(self) -> str:
        """Return the map as an `<svg>` element; every name is escaped."""
        parts = [
            self._row(i, name, cells)
            for i, (name, cells) in enumerate(zip(self.rows, self.values, strict=True))
        ]
        bottom = _ROW * len(self.rows)
        if self.ends:
            parts.append(svg_text(_NAME, bottom + 14, self.ends[0]))
            parts.append(svg_text(self.width, bottom + 14, self.ends[-1], anchor="end"))
        return svg_element(
            "".join(parts),
            width=self.width,
            height=bottom + 18,
            title=self.title,
            description=self.description,
        )

    def _row(self, i: int, name: str, cells: Sequence[float]) -> str:
        y = i * _ROW
        shown = name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1]}…"
        parts = [
            svg_text(_NAME - 6, y + 11, shown, anchor="end"),
            svg_line(_NAME, y + _ROW - 1, self.width, y + _ROW - 1, more='stroke-opacity=".25"'),
        ]
        step = (self.width - _NAME) / max(len(cells), 1)
        for j, share in enumerate(cells):
            if share > 0:
                parts.append(
                    f'<rect x="{_NAME + j * step:.1f}" y="{y}" width="{step:.1f}" '
                    f'height="{_ROW - 2}" fill="{COLOURS[1]}" '
                    f'fill-opacity="{0.15 + 0.85 * min(share, 1.0):.2f}"/>'
                )
        return f"<g><title>{escape(name)}</title>{''.join(parts)}</g>"

    def _repr_html_(self) -> str:
        return self.to_svg()

"""Parallel coordinates: many trials, one axis for each setting, as inline SVG."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import final

from typing_extensions import override

from mldeploy.evidence._format import figure
from mldeploy.evidence._html import escape
from mldeploy.evidence._svg import COLOURS, GREY, svg_element, svg_line, svg_text
from mldeploy.evidence._titled_chart import TitledChart

_WIDTH, _HEIGHT, _TOP, _BOTTOM, _SIDE = 900, 300, 34, 22, 70
_MOST_LINES, _MOST_TICKS = 300, 12
_LONGEST, _LETTER = 16, 6.2
"""Letters of a value, and the width of a letter."""
_LARGEST = 10**300


@final
@dataclass(frozen=True, kw_only=True)
class ParallelChart(TitledChart):
    """One line for each trial across an axis for each setting and, last, the score.

    Numbers that span more than a factor of 100 have a logarithmic axis; what is no number has a
    place for each value. The best tenth of the lines is drawn last, in another colour and wider.

    Attributes
    ----------
    title : str
        What is shown; also read out by screen readers.
    settings : mapping of str to sequence
        For each setting its value in each trial; None where a trial has none.
    scores : sequence of float
        Score of each trial; trials without a finite one are left out.
    score_name : str
        What the last axis is.
    greater_is_better : bool
        Whether the best trial is the one with the largest score, or with the smallest.

    Examples
    --------
    >>> chart = ParallelChart(title="search", settings={"C": [0.1, 1.0, 10.0]},
    ...                       scores=[0.7, 0.9, 0.8], score_name="roc_auc")
    >>> chart.description
    '3 trials; best roc_auc 0.9 with C = 1'
    """

    title: str
    settings: Mapping[str, Sequence[object]]
    scores: Sequence[float]
    score_name: str = "score"
    greater_is_better: bool = True

    @property
    def description(self) -> str:
        """How many trials there are, and the best one, in words."""
        order = self._order()
        if not order:
            return "no trial has a score"
        best = order[-1]
        told = ", ".join(f"{name} = {_told(v[best])}" for name, v in self.settings.items())
        text = f"{len(order):,} trials; best {self.score_name} {figure(float(self.scores[best]))}"
        return f"{text} with {told}" if told else text

    @override
    def to_svg(self) -> str:
        """Return the chart as an `<svg>` element; every name and value is escaped."""
        order = self._order()[-_MOST_LINES:]
        axes = [_Axis.of(name, [v[i] for i in order]) for name, v in self.settings.items()]
        axes.append(_Axis.of(self.score_name, [self.scores[i] for i in order]))
        step = (_WIDTH - 2 * _SIDE) / max(len(axes) - 1, 1)
        xs = [_SIDE + i * step for i in range(len(axes))]
        n_best = max(len(order) // 10, 1)
        lines = [
            _line([(x, axis.places[place]) for x, axis in zip(xs, axes, strict=True)],
                  is_best=place >= len(order) - n_best)
            for place in range(len(order))
        ]  # fmt: skip
        room = int(min(step, 2 * _SIDE) / _LETTER)
        drawn = [axis.to_svg(x, room=room) for x, axis in zip(xs, axes, strict=True)]
        return svg_element(
            "".join(lines + drawn),
            width=_WIDTH,
            height=_HEIGHT,
            title=self.title,
            description=self.description,
        )

    def _order(self) -> list[int]:
        """Return the trials with a score, the best last."""
        known = [i for i, score in enumerate(self.scores) if math.isfinite(score)]
        sign = 1.0 if self.greater_is_better else -1.0
        return sorted(known, key=lambda i: sign * self.scores[i])


@dataclass(frozen=True)
class _Axis:
    name: str
    places: list[float | None]
    """Where each trial crosses, in [0, 1]; None where it has no value."""
    ticks: list[tuple[float, str]]

    @classmethod
    def of(cls, name: str, values: Sequence[object]) -> _Axis:
        known = [v for v in values if v is not None]
        if known and all(_is_number(v) for v in known):
            return cls._of_numbers(name, values)
        levels = sorted({_told(v) for v in known})
        place = {level: (i + 0.5) / len(levels) for i, level in enumerate(levels)}
        every = math.ceil(len(levels) / _MOST_TICKS) or 1
        return cls(
            name,
            [None if v is None else place[_told(v)] for v in values],
            [(place[level], level) for level in levels[::every]],
        )

    @classmethod
    def _of_numbers(cls, name: str, values: Sequence[object]) -> _Axis:
        numbers = [float(v) if isinstance(v, int | float) else None for v in values]
        known = [v for v in numbers if v is not None and math.isfinite(v)]
        low, high = (min(known), max(known)) if known else (0.0, 1.0)
        wide = low > 0 and high / low > 100

        def scaled(v: float) -> float:
            return math.log(v) if wide else v / 2  # halves cannot overflow

        span = scaled(high) - scaled(low)
        return cls(
            name,
            [
                None
                if v is None or not math.isfinite(v)
                else ((scaled(v) - scaled(low)) / span if span else 0.5)
                for v in numbers
            ],
            [(0.0, figure(low)), (1.0, figure(high))] if span else [(0.5, figure(low))],
        )

    def to_svg(self, x: float, *, room: int) -> str:
        parts = [
            svg_line(x, _y(0), x, _y(1), stroke=GREY),
            svg_text(x, 14, _short(self.name, room), anchor="middle"),
        ]
        parts += [svg_text(x + 4, _y(place) + 4, _short(text)) for place, text in self.ticks]
        return f"<g><title>{escape(self.name)}</title>{''.join(parts)}</g>"


def _y(place: float) -> float:
    return _HEIGHT - _BOTTOM - place * (_HEIGHT - _TOP - _BOTTOM)


def _line(points: list[tuple[float, float | None]], *, is_best: bool) -> str:
    drawn = " ".join(f"{x:.1f},{_y(place):.1f}" for x, place in points if place is not None)
    colour, width = (COLOURS[1], 1.8) if is_best else (COLOURS[0], 0.8)
    return (
        f'<polyline points="{drawn}" fill="none" stroke="{colour}" stroke-width="{width}" '
        f'stroke-opacity="{0.9 if is_best else 0.3}"/>'
    )


def _is_number(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return isinstance(value, float) or abs(value) < _LARGEST


def _told(value: object) -> str:
    return figure(float(value)) if isinstance(value, float) else str(value)


def _short(text: str, longest: int = _LONGEST) -> str:
    return text if len(text) <= longest else f"{text[: longest - 1]}…"

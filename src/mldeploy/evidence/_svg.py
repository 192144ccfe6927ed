"""What every chart shares: colours that differ in lightness, dashes, round numbers, the frame."""

from __future__ import annotations

import math

from mldeploy.evidence._html import escape

COLOURS = ("#0969da", "#bc4c00", "#1a7f37", "#8250df", "#cf222e")
DASHES = ("", "6 3", "2 3", "8 3 2 3", "1 4")
GREY = "#8c959f"


def svg_element(
    body: str, *, width: float, height: float, title: str, description: str = ""
) -> str:
    """Return an `<svg>` that screen readers announce by its title and describe in words."""
    told = f"<desc>{escape(description)}</desc>" if description else ""
    return (
        f'<svg viewBox="0 0 {width:g} {height:g}" role="img" font-size="11" '
        f'font-family="system-ui,sans-serif" style="max-width:{width:g}px;width:100%">'
        f"<title>{escape(title)}</title>{told}{body}</svg>"
    )


def svg_text(x: float, y: float, text: str, *, anchor: str = "start") -> str:
    """Return a text in the colour of the page; it is escaped."""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="currentColor">'
        f"{escape(text)}</text>"
    )


def svg_line(
    x1: float, y1: float, x2: float, y2: float, *, stroke: str = GREY, more: str = ""
) -> str:
    """Return a straight line."""
    return (
        f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" '
        f'stroke="{stroke}"{" " if more else ""}{more}/>'
    )


def round_values(low: float, high: float, *, n: int = 5) -> list[float]:
    """Return some `n` round values from `low` to `high`.

    Examples
    --------
    >>> round_values(0.12, 0.93)
    [0.2, 0.4, 0.6, 0.8]
    >>> round_values(3.0, 3.0)
    [3.0]
    """
    if not (math.isfinite(low) and math.isfinite(high)) or high <= low:
        return [low] if math.isfinite(low) else []
    rough = (high - low) / n
    power = 10.0 ** math.floor(math.log10(rough))
    step = power * min((1, 2, 2.5, 5, 10), key=lambda m: abs(m * power - rough))
    first = math.ceil(low / step)
    count = math.floor(high / step) - first + 1
    return [float(f"{(first + i) * step:.10g}") for i in range(count)]

"""How figures and intervals are written for people."""

from __future__ import annotations

import math

from mldeploy.stats import Interval


def figure(value: float | None, unit: str = "") -> str:
    """Write a figure with at most four significant digits and its unit.

    Examples
    --------
    >>> figure(0.123456), figure(0.0042, "s"), figure(336776.0), figure(None)
    ('0.1235', '4.2 ms', '336,776', '-')
    """
    if value is None or math.isnan(value):
        return "-"
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    if unit == "s":
        return _seconds(value)
    text = f"{value:,.0f}" if value.is_integer() and abs(value) >= 10 else _significant(value)
    return f"{text} {unit}".strip()


def _significant(value: float) -> str:
    return f"{value:,.1f}" if abs(value) >= 1000 else f"{value:.4g}"


def _seconds(value: float) -> str:
    size = abs(value)
    for limit, factor, name in ((1e-3, 1e6, "µs"), (1.0, 1e3, "ms"), (120.0, 1.0, "s")):
        if size < limit:
            return f"{value * factor:.4g} {name}"
    if size < 7200:
        return f"{value / 60:.4g} min"
    return f"{value / 3600:.4g} h" if size < 172_800 else f"{value / 86_400:.4g} d"


def figure_with_interval(value: float | None, interval: Interval | None, unit: str = "") -> str:
    """Write a figure with its interval in brackets.

    Examples
    --------
    >>> figure_with_interval(0.5, Interval(low=0.4, high=0.6, confidence=0.95))
    '0.5 [0.4, 0.6]'
    """
    text = figure(value, unit)
    if interval is None or value is None:
        return text
    return f"{text} [{figure(interval.low, unit)}, {figure(interval.high, unit)}]"


def count(value: int | None) -> str:
    """Write a count with thousands separated."""
    return "-" if value is None else f"{value:,}"

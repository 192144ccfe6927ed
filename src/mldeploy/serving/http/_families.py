"""Families of figures: how several processes' add up, and how Prometheus reads them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from typing import Final, TypeAlias

Labels: TypeAlias = dict[str, str]
Sample: TypeAlias = tuple[str, Labels, float]
"""What follows the family's name, the labels, and the value."""
Family: TypeAlias = tuple[str, str, str, Iterable[Sample]]
"""Name, help, type, and samples; the name of a counter ends in ``_total``."""
Source: TypeAlias = Callable[[], Iterable[Family]]

TEXT: Final = b"text/plain; version=0.0.4; charset=utf-8"
OPEN_METRICS: Final = b"application/openmetrics-text; version=1.0.0; charset=utf-8"

_ADDS_UP: Final = frozenset({"counter", "histogram"})


def counted(families: Iterable[Family]) -> list[Family]:
    """Return the families that only grow: what is left of a process that has ended."""
    return [family for family in families if family[2] in _ADDS_UP]


def merged(several: Sequence[Iterable[Family]]) -> list[Family]:
    """Return the families of several processes together, in the order in which they are found.

    Counters, histograms and gauges add up; what is an information stays 1, and of the times at
    which processes began the first is told.
    """
    heads: dict[str, tuple[str, str]] = {}
    values: dict[str, dict[tuple[str, tuple[tuple[str, str], ...]], float]] = {}
    for name, told, kind, samples in chain.from_iterable(several):
        heads.setdefault(name, (told, kind))
        into = values.setdefault(name, {})
        for suffix, labels, value in samples:
            key = (suffix, tuple(labels.items()))
            into[key] = _together(name, into[key], value) if key in into else value
    return [
        (name, *heads[name], [(suffix, dict(labels), v) for (suffix, labels), v in found.items()])
        for name, found in values.items()
    ]


def _together(name: str, one: float, other: float) -> float:
    if name.endswith("_info"):
        return max(one, other)
    if name.endswith("_start_time_seconds"):
        return min(one, other)
    return one + other


def text_of(families: Iterable[Family]) -> str:
    """Return families in Prometheus' text format, version 0.0.4."""
    lines: list[str] = []
    for name, told, kind, samples in families:
        lines += [f"# HELP {name} {_escaped_line(told)}", f"# TYPE {name} {kind}"]
        lines += _lines(name, samples)
    return "\n".join(lines) + "\n"


def open_metrics_of(families: Iterable[Family]) -> str:
    """Return families in OpenMetrics' text format, version 1.0."""
    lines: list[str] = []
    for name, told, kind, samples in families:
        family = name.removesuffix("_total") if kind == "counter" else name
        lines += [f"# TYPE {family} {kind}", f"# HELP {family} {_escaped(told)}"]
        lines += _lines(name, samples)
    return "\n".join((*lines, "# EOF")) + "\n"


def wants_open_metrics(accept: bytes) -> bool:
    """Tell whether a client would rather have OpenMetrics, as Prometheus would.

    Examples
    --------
    >>> wants_open_metrics(b"application/openmetrics-text;version=1.0.0,text/plain;q=0.5")
    True
    >>> wants_open_metrics(b"application/openmetrics-text;version=1.0.0;q=0.4, text/plain;q=0.5")
    False
    >>> wants_open_metrics(b"*/*")
    False
    """
    preferences = dict.fromkeys((b"application/openmetrics-text", b"text/plain", b"*/*"), 0.0)
    for one in accept.lower().split(b","):
        kind, *parameters = (part.strip() for part in one.split(b";"))
        given = dict(part.partition(b"=")[::2] for part in parameters)
        if kind in preferences and given.get(b"version", b"1.0.0") != b"0.0.1":
            preferences[kind] = max(preferences[kind], _quality(given.get(b"q", b"1")))
    wanted, text, anything = preferences.values()
    return wanted > 0 and wanted >= max(text, anything)


def _quality(text: bytes) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0


def _lines(name: str, samples: Iterable[Sample]) -> Iterator[str]:
    for suffix, labels, value in samples:
        yield f"{name}{suffix}{_labels(labels)} {number(value)}"


def _labels(labels: Labels) -> str:
    if not labels:
        return ""
    inside = ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items())
    return f"{{{inside}}}"


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _escaped_line(text: str) -> str:
    return text.replace("\\", r"\\").replace("\n", r"\n")


def number(value: float) -> str:
    """Write a number as Prometheus reads it.

    Examples
    --------
    >>> number(3.0), number(2.5e-05), number(float("-inf"))
    ('3', '2.5e-05', '-Inf')
    """
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else f"{value:+}".replace("inf", "Inf")
    return repr(int(value)) if value == int(value) and abs(value) < 1e15 else repr(float(value))

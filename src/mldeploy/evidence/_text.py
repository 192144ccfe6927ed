"""Tables as text: for the terminal, and in Markdown."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence


def text_table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return columns aligned for the terminal; the last column is as wide as it likes."""
    lines = [tuple(headers), *(tuple(map(one_line, row)) for row in rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(headers) - 1)]
    return "\n".join(
        "  ".join([*(c.ljust(w) for c, w in zip(line, widths, strict=False)), line[-1]]).rstrip()
        for line in lines
    )


def markdown_table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table whose cells cannot break out of it."""
    lines = [headers, ["---"] * len(headers), *(map(markdown_escape, row) for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def markdown_escape(text: str) -> str:
    """Return text that Markdown shows as it is: no markup, no HTML, on one line.

    Examples
    --------
    >>> markdown_escape("<b>|*x*")
    '&lt;b&gt;\\\\|\\\\*x\\\\*'
    """
    plain = one_line(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*_{}\[\]()#+!|~-])", r"\\\1", plain)


def one_line(text: str) -> str:
    """Replace control characters, which could move a terminal's cursor, by a visible mark."""
    kept = (" " if unicodedata.category(c)[0] == "C" else c for c in text)
    return " ".join("".join(kept).split())

"""Pages and tables as HTML: no script, nothing external, every name and value escaped."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from typing import final

STYLE = """
.mld{font:14px/1.45 system-ui,sans-serif;color:#1b1f24;background:#fff;padding:.25rem}
.mld table{border-collapse:collapse;margin:.4rem 0 1rem}
.mld th,.mld td{padding:.25rem .6rem;border-bottom:1px solid #d8dee4;text-align:left;
vertical-align:top;font-variant-numeric:tabular-nums}
.mld th{font-weight:600;color:#57606a}
.mld .tag{display:inline-block;padding:0 .5em;border-radius:.6em;font-weight:600;color:#fff}
.mld .PASS{background:#1a7f37}.mld .FAIL{background:#b3261e}.mld .INSUFFICIENT{background:#7d5700}
.mld .quiet{color:#57606a}.mld h1{font-size:1.6em}.mld h2{font-size:1.25em;margin-top:1.6em}
.mld svg{max-width:100%;height:auto}.mld h3{font-size:1em;margin:0 0 .4rem;overflow-wrap:anywhere}
.mld .tiles{display:grid;grid-template-columns:repeat(auto-fill,minmax(17rem,1fr));gap:.8rem}
.mld .tile{border:1px solid #d8dee4;border-radius:.5rem;padding:.7rem;overflow:hidden}
.mld .tile p{margin:.35rem 0 0;overflow-wrap:anywhere}.mld summary{cursor:pointer;margin:.8rem 0}
.mld .figures{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,30rem),1fr));
gap:.8rem;max-width:76rem}.mld .figures figure{margin:0;padding:.7rem;border:1px solid #d8dee4;
border-radius:.5rem}.mld figure{overflow-x:auto}.mld figure svg{min-width:32rem}
.mld .figures figcaption{overflow-wrap:anywhere;margin-bottom:.4rem}
.mld .figures h3{margin:0}.mld .scrolls{overflow-x:auto}
@media(prefers-color-scheme:dark){.mld{color:#e6edf3;background:#0d1117}
.mld th,.mld td,.mld .tile,.mld .figures figure{border-color:#30363d}
.mld th,.mld .quiet{color:#9ba6b2}}
"""
_CSP = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


def escape(value: object) -> str:
    """Return the text of a value such that HTML shows it and cannot run it.

    Examples
    --------
    >>> escape('<script>alert("1")</script>')
    '&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;'
    """
    return html.escape(str(value), quote=True)


def verdict_tag(verdict: object) -> str:
    """Return a coloured word for a verdict."""
    return f'<span class="tag {escape(verdict)}">{escape(verdict)}</span>'


def html_table(headers: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return an HTML table; strings are escaped, `Markup` cells are taken as they are."""
    head = "".join(f'<th scope="col">{escape(h)}</th>' for h in headers)
    body = "".join("<tr>" + "".join(map(_cell, row)) + "</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


@final
class Markup(str):
    """HTML that its maker has already escaped."""

    __slots__ = ()


def html_fragment(body: str) -> str:
    """Return HTML for a notebook's output cell, with its own style."""
    return f'<div class="mld"><style>{STYLE}</style>{body}</div>'


def html_page(title: str, body: str) -> str:
    """Return a self-contained page that may load and run nothing."""
    return (
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_CSP}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title>"
        f"<style>:root{{color-scheme:light dark}}body{{margin:0}}"
        ".mld.page{max-width:78rem;margin:auto;padding:1rem 1.5rem 4rem}"
        f"@media(prefers-color-scheme:dark){{body{{background:#0d1117}}}}{STYLE}</style></head>"
        f'<body><main class="mld page">{body}</main></body></html>'
    )


def _cell(value: object) -> str:
    return f"<td>{value if isinstance(value, Markup) else escape(value)}</td>"

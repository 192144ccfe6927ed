"""Markdown of model cards as HTML that can be nothing but text."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from mldeploy.evidence import escape

_HEADING: Final = re.compile(r"(#{1,6})[ \t]+(.+)")
_ITEM: Final = re.compile(r"[ \t]*[-*+][ \t]+(.+)")
_RULE: Final = re.compile(r"\|?[ \t]*:?-+:?[ \t]*(\|[ \t]*:?-+:?[ \t]*)*\|?")
_CELLS: Final = re.compile(r"((?:\\.|[^\\|])*)(?:\||$)")
_INLINE: Final = re.compile(
    r"\\(?P<plain>[!-/:-@\[-`{-~])|`(?P<code>[^`]+)`|\*\*(?P<bold>.+?)\*\*|&(?P<sign>lt|gt|amp);"
)
_FENCE: Final = "```"


def html_of_markdown(text: str) -> str:
    """Return headings, paragraphs, lists, tables and code as HTML.

    Everything else, links and markup included, is shown as it is written: no element or attribute
    comes from the text.

    Examples
    --------
    >>> html_of_markdown("# Late flights")
    '<h3>Late flights</h3>'
    >>> html_of_markdown("for **all** <b>")
    '<p>for <strong>all</strong> &lt;b&gt;</p>'
    """
    return "".join(_blocks(text.splitlines()))


def _blocks(lines: Sequence[str]) -> Iterator[str]:
    at = 0
    while at < len(lines):
        line = lines[at]
        if not line.strip():
            at += 1
        elif line.startswith(_FENCE):
            end = _end(lines, at + 1, lambda one: one.startswith(_FENCE))
            yield f"<pre>{escape(chr(10).join(lines[at + 1 : end]))}</pre>"
            at = end + 1
        elif found := _HEADING.fullmatch(line):
            level = min(len(found[1]) + 2, 6)
            yield f"<h{level}>{_inline(found[2])}</h{level}>"
            at += 1
        elif _is_table(lines, at):
            end = _end(lines, at + 2, lambda one: not one.strip().startswith("|"))
            yield _table(lines[at], lines[at + 2 : end])
            at = end
        elif _ITEM.fullmatch(line):
            end = _end(lines, at, lambda one: not _ITEM.fullmatch(one))
            items = (_ITEM.fullmatch(one) for one in lines[at:end])
            yield f"<ul>{''.join(f'<li>{_inline(item[1])}</li>' for item in items if item)}</ul>"
            at = end
        else:
            end = _end(lines, at + 1, lambda one: not one.strip() or _begins(one))
            yield f"<p>{_inline(' '.join(lines[at:end]))}</p>"
            at = end


def _end(lines: Sequence[str], start: int, is_end: Callable[[str], object]) -> int:
    return next((k for k in range(start, len(lines)) if is_end(lines[k])), len(lines))


def _begins(line: str) -> bool:
    """Tell whether a line begins something else than a paragraph."""
    return bool(
        line.startswith((_FENCE, "|")) or _HEADING.fullmatch(line) or _ITEM.fullmatch(line)
    )


def _is_table(lines: Sequence[str], at: int) -> bool:
    return (
        lines[at].strip().startswith("|")
        and at + 1 < len(lines)
        and _RULE.fullmatch(lines[at + 1].strip()) is not None
    )


def _table(head: str, rows: Sequence[str]) -> str:
    headers = _cells(head)
    first = "".join(f'<th scope="col">{cell}</th>' for cell in headers)
    body = "".join(
        f"<tr>{''.join(f'<td>{cell}</td>' for cell in _cells(row))}</tr>" for row in rows
    )
    shown = f"<thead><tr>{first}</tr></thead>" if any(headers) else ""
    return f'<div class="scrolls"><table>{shown}<tbody>{body}</tbody></table></div>'


def _cells(row: str) -> list[str]:
    inside = row.strip().removeprefix("|")
    cells = [found[1].strip() for found in _CELLS.finditer(inside)]
    while cells and not cells[-1]:
        cells.pop()
    return [_inline(cell) for cell in cells]


def _inline(text: str) -> str:
    parts, at = [], 0
    for found in _INLINE.finditer(text):
        parts.append(escape(text[at : found.start()]))
        if found["plain"] is not None:
            parts.append(escape(found["plain"]))
        elif found["sign"] is not None:
            parts.append(found[0])
        elif found["code"] is not None:
            parts.append(f"<code>{escape(found['code'])}</code>")
        else:
            parts.append(f"<strong>{_inline(found['bold'])}</strong>")
        at = found.end()
    return "".join([*parts, escape(text[at:])])

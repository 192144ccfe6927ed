"""One part of a card: a heading, a sentence, and a table."""

from __future__ import annotations

from typing import final

from mldeploy._record import Record
from mldeploy.evidence import (
    Markup,
    Verdict,
    escape,
    html_fragment,
    html_table,
    markdown_escape,
    markdown_table,
    verdict_tag,
)

_VERDICTS = {str(verdict) for verdict in Verdict}


@final
class CardSection(Record):
    """One part of a card: a heading, a sentence, and a table."""

    title: str
    text: str = ""
    headers: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()

    def to_markdown(self) -> str:
        """Return the part as Markdown; names and values cannot break out of it."""
        parts = [f"## {markdown_escape(self.title)}"]
        if self.text:
            parts.append(markdown_escape(self.text))
        if self.rows:
            parts.append(markdown_table([markdown_escape(h) for h in self.headers], self.rows))
        return "\n\n".join(parts)

    def to_html(self) -> str:
        """Return the part as HTML without style; names and values are escaped."""
        text = f"<p>{escape(self.text)}</p>" if self.text else ""
        return f"<h2>{escape(self.title)}</h2>{text}{self.table()}"

    def table(self) -> str:
        """Return the table alone, its verdicts as coloured words; empty without rows."""
        if not self.rows:
            return ""
        at = self.headers.index("Verdict") if "Verdict" in self.headers else -1
        rows = [
            tuple(tagged(cell) if i == at else cell for i, cell in enumerate(row))
            for row in self.rows
        ]
        return f'<div class="scrolls">{html_table(self.headers, rows)}</div>'

    def _repr_html_(self) -> str:
        return html_fragment(self.to_html())


def tagged(cell: str) -> str:
    """Return a cell with the verdict that it begins with as a coloured word."""
    verdict, _, rest = cell.partition(" ")
    if verdict not in _VERDICTS:
        return cell
    return Markup(f"{verdict_tag(verdict)} {escape(rest)}".rstrip())

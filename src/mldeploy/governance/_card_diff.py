"""What differs between two cards, line by line, and what was measured side by side."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, Protocol, Self, final

from mldeploy._record import Record
from mldeploy.evidence import (
    Finding,
    Report,
    Verdict,
    escape,
    html_fragment,
    html_page,
    html_table,
    markdown_escape,
    markdown_table,
)
from mldeploy.governance._card_figures import Figure, forests
from mldeploy.governance._card_section import CardSection, tagged
from mldeploy.governance._card_topics import is_comparison

_ABOUT: Final = {"What was found": (1, 2), "Known limits": (1, 2)}
"""Which cells of a row say what it is about, where it is not the first."""
_HEADERS: Final = ("Section", "Line", "Was", "Is")


class Comparable(Protocol):
    """What is compared of a card."""

    @property
    def title(self) -> str: ...
    @property
    def verdict(self) -> Verdict: ...
    @property
    def sections(self) -> Sequence[CardSection]: ...
    @property
    def report(self) -> Report | None: ...


@final
class CardDiff(Record):
    """What differs between two cards.

    Attributes
    ----------
    older, newer : str
        Titles of the cards.
    rows : tuple of (str, str, str, str)
        Section, line, what it was and what it is: empty where a card has no such line.
    before, after : Report, optional
        What the figures of both were read from.
    """

    older: str
    newer: str
    rows: tuple[tuple[str, str, str, str], ...]
    before: Report | None = None
    after: Report | None = None

    @property
    def title(self) -> str:
        """Which cards are compared."""
        return f"{self.older} → {self.newer}"

    @property
    def text(self) -> str:
        """How much differs, in a sentence."""
        if not self.rows:
            return "Nothing differs."
        new = sum(not was for _, _, was, _ in self.rows)
        gone = sum(not now for *_, now in self.rows)
        changed = len(self.rows) - new - gone
        return f"{len(self.rows)} lines differ: {changed} changed, {new} are new, {gone} are gone."

    @classmethod
    def between(cls, older: Comparable, newer: Comparable) -> Self:
        """Compare two cards."""
        was, now = _lines(older), _lines(newer)
        return cls(
            older=older.title,
            newer=newer.title,
            rows=tuple(
                (section, line, was.get((section, line), ""), now.get((section, line), ""))
                for section, line in _in_order(was, now)
                if was.get((section, line)) != now.get((section, line))
            ),
            before=older.report,
            after=newer.report,
        )

    def to_markdown(self) -> str:
        """Return the lines as Markdown; names and values cannot break out of it."""
        parts = [f"## {markdown_escape(self.title)}", markdown_escape(self.text)]
        if self.rows:
            parts.append(markdown_table(_HEADERS, self.rows))
        return "\n\n".join(parts) + "\n"

    def to_html(self) -> str:
        """Return a self-contained page that runs no script; every text is escaped."""
        return html_page(self.title, self._body())

    def _repr_html_(self) -> str:
        return html_fragment(self._body())

    def _body(self) -> str:
        parts = [f"<h1>{escape(self.title)}</h1><p>{escape(self.text)}</p>"]
        drawn = "".join(figure.to_html() for figure in self._figures())
        if drawn:
            parts.append(f'<h2>Side by side</h2><div class="figures">{drawn}</div>')
        for section in dict.fromkeys(row[0] for row in self.rows):
            told = [
                (line, was or "—", now or "—") for s, line, was, now in self.rows if s == section
            ]
            parts.append(f"<h2>{escape(section or 'Verdict')}</h2>")
            table = html_table(("Line", self.older, self.newer), map(_dashed, told))
            parts.append(f'<div class="scrolls">{table}</div>')
        return "".join(parts)

    def _figures(self) -> Iterator[Figure]:
        """Yield the criteria of both cards, each beside itself."""
        if self.before is None or self.after is None:
            return
        was, now = _judged(self.before), _judged(self.after)
        pairs: list[Finding] = []
        for key in dict.fromkeys([*now, *was]):
            for found, card in ((was, self.older), (now, self.newer)):
                pairs += [_of_card(f, card) for f in found.get(key, ())]
        yield from forests("Criteria", pairs, "The criteria of both, and their bounds")


def _dashed(row: tuple[str, ...]) -> tuple[str, ...]:
    """Return a row whose empty cells can be seen, and whose verdicts are coloured words."""
    return tuple(tagged(cell) or "—" for cell in row)


def _in_order(
    was: dict[tuple[str, str], str], now: dict[tuple[str, str], str]
) -> Iterator[tuple[str, str]]:
    """Yield the lines of both, section by section."""
    keys = list(dict.fromkeys([*now, *was]))
    for section in dict.fromkeys(key[0] for key in keys):
        yield from (key for key in keys if key[0] == section)


def _judged(report: Report) -> dict[tuple[str, str], list[Finding]]:
    found: dict[tuple[str, str], list[Finding]] = {}
    for f in report.findings:
        if f.criterion is not None and f.estimate is not None and not is_comparison(f):
            found.setdefault((f.name, f.subject), []).append(f)
    return found


def _of_card(finding: Finding, card: str) -> Finding:
    """Return a finding with its version before its subject."""
    version = card.rpartition(":")[2] or card
    return finding.model_copy(update={"slice": f"{version} {finding.slice or ''}".strip()})


def _lines(card: Comparable) -> dict[tuple[str, str], str]:
    """Return each line of a card by section and by what it is about."""
    found = {("", "Validation"): str(card.verdict)}
    for section in card.sections:
        if section.text:
            found[section.title, ""] = section.text
        about = _ABOUT.get(section.title, (0,))
        for row in section.rows:
            name = " · ".join(row[i] for i in about if row[i])
            while (section.title, name) in found:
                name += " (again)"
            told = (cell for i, cell in enumerate(row) if i not in about)
            found[section.title, name] = " | ".join(told)
    return found

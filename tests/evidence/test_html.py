"""HTML and tables that nothing in a name can break out of."""

from __future__ import annotations

from html.parser import HTMLParser

from hypothesis import given
from hypothesis import strategies as st

from mldeploy.evidence import (
    Markup,
    escape,
    html_fragment,
    html_page,
    html_table,
    markdown_table,
    text_table,
    verdict_tag,
)

SAFE = {"table", "thead", "tbody", "tr", "th", "td"}


class Tags(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.attributes: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append(tag)
        self.attributes |= {name for name, _ in attrs}


@given(st.text(), st.text())
def test_any_text_in_a_table_stays_text(head: str, cell: str) -> None:
    read = Tags(html_table([head], [[cell]]))

    assert set(read.found) <= SAFE
    assert read.found.count("td") == 1
    assert read.attributes == {"scope"}


@given(st.text(), st.text())
def test_any_text_keeps_a_markdown_row_of_two_cells_on_one_line(a: str, b: str) -> None:
    lines = markdown_table(["x", "y"], [[a, b]]).splitlines()

    assert len(lines) == 3
    assert lines[2].replace("\\\\", "").replace("\\|", "").count("|") == 3


@given(st.text(), st.text())
def test_any_text_keeps_a_terminal_row_on_one_line(a: str, b: str) -> None:
    shown = text_table(["x", "y"], [[a, b]])

    assert len(shown.split("\n")) == 2
    assert all(c.isprintable() or c == "\n" for c in shown)


def test_markup_is_taken_as_it_is() -> None:
    assert "<td><b>x</b></td>" in html_table(["h"], [[Markup("<b>x</b>")]])
    assert "<td>&lt;b&gt;</td>" in html_table(["h"], [["<b>"]])


def test_a_page_loads_and_runs_nothing() -> None:
    page = html_page('<x>"', f"<p>{escape('<i>')}</p>")

    assert "default-src 'none'" in page
    assert "<title>&lt;x&gt;&quot;</title>" in page
    assert "script" not in Tags(page).found
    assert "prefers-color-scheme:dark" in page
    assert "http://" not in page.replace("http-equiv", "")


def test_fragments_bring_their_own_style() -> None:
    assert html_fragment("<p>x</p>").startswith('<div class="mld"><style>')
    assert verdict_tag('"><b>') == (
        '<span class="tag &quot;&gt;&lt;b&gt;">&quot;&gt;&lt;b&gt;</span>'
    )

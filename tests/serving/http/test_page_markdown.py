"""Model cards as HTML: what they may say, and that they can say nothing else."""

from __future__ import annotations

import html
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mldeploy.serving.http._markdown import html_of_markdown

OURS = re.compile(
    r"</?(?:h[3-6]|p|ul|li|strong|code|pre|table|thead|tbody|tr|td)>"
    r'|<th scope="col">|</th>|<div class="scrolls">|</div>'
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ""),
        ("# A\n## B", "<h3>A</h3><h4>B</h4>"),
        ("###### deep", "<h6>deep</h6>"),
        ("#no heading", "<p>#no heading</p>"),
        ("one\ntwo\n\nthree", "<p>one two</p><p>three</p>"),
        ("- a\n* b\n\n+ c", "<ul><li>a</li><li>b</li></ul><ul><li>c</li></ul>"),
        ("text\n- a", "<p>text</p><ul><li>a</li></ul>"),
        ("**a** and `b**c**`", "<p><strong>a</strong> and <code>b**c**</code></p>"),
        (r"late\-arrivals \*\*not bold\*\*", "<p>late-arrivals **not bold**</p>"),
        ("**not closed", "<p>**not closed</p>"),
        ("```py\n# <b>\n```\nafter", "<pre># &lt;b&gt;</pre><p>after</p>"),
        ("```\nnever closed", "<pre>never closed</pre>"),
        ("[a](javascript:b)", "<p>[a](javascript:b)</p>"),
        ("| a\n", "<p>| a</p>"),
        ("wind&lt;11 &amp;amp; 5 &gt; 4", "<p>wind&lt;11 &amp;amp; 5 &gt; 4</p>"),
        ("&quot;&#60;&nbsp;", "<p>&amp;quot;&amp;#60;&amp;nbsp;</p>"),
    ],
)
def test_blocks_are_what_they_look_like(text: str, expected: str) -> None:
    assert html_of_markdown(text) == expected


def test_tables_have_heads_unless_these_are_empty() -> None:
    table = html_of_markdown("| a \\| b | c |\n| --- | :-: |\n| 1 | **2** |\n\nafter")
    assert table == (
        '<div class="scrolls"><table><thead><tr><th scope="col">a | b</th><th scope="col">c</th>'
        "</tr></thead><tbody><tr><td>1</td><td><strong>2</strong></td></tr></tbody></table></div>"
        "<p>after</p>"
    )
    assert "<thead>" not in html_of_markdown("|  |  |\n| --- | --- |\n| 1 | 2 |")


pieces = st.sampled_from(
    ["<", ">", "&", '"', "'", "\\", "`", "**", "|", "\n", "# ", "- ", "```", "| --- |", "a", " "]
)


@given(st.lists(pieces | st.text(max_size=3), max_size=40).map("".join))
def test_no_text_becomes_markup(text: str) -> None:
    """What is not one of our own tags holds none of the characters that could be one."""
    shown = html_of_markdown(text)
    assert not set(OURS.sub("", shown)) & set("<>\"'")
    assert re.fullmatch(r"(?:[^&]|&(?:lt|gt|amp|quot|#x27);)*", shown, re.DOTALL)


@given(st.lists(pieces | st.text("abc<&xyz", max_size=3), max_size=40).map("".join))
def test_every_letter_is_shown(text: str) -> None:
    """But what follows the marks of a code block: its language."""
    plain = re.sub(r"(?m)^```.*$", "", text)
    shown = html.unescape(OURS.sub("", html_of_markdown(text)))
    for letter in "bcxyz<&":
        assert shown.count(letter) >= plain.count(letter)

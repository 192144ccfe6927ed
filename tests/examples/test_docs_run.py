"""Every Python block of the tutorial and of the how-to pages runs, and prints what it shows."""

from __future__ import annotations

import contextlib
import doctest
import io
import re
import sys
import types
from dataclasses import dataclass
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
PAGES = [DOCS / "tutorial.md", *sorted((DOCS / "how-to").glob("*.md"))]
FENCE = re.compile(
    r"^```python\n(?P<code>.*?)^```\n(?:\n```text\n(?P<shown>.*?)^```\n)?",
    re.DOTALL | re.MULTILINE,
)
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


@dataclass(frozen=True)
class Block:
    """A Python block, and the text block behind it: what it prints."""

    line: int
    code: str
    shown: str | None


def blocks_of(page: Path) -> list[Block]:
    """Return the Python blocks of a page in their order."""
    text = page.read_text(encoding="utf-8")
    return [
        Block(text.count("\n", 0, found.start()) + 2, found["code"], found["shown"])
        for found in FENCE.finditer(text)
    ]


def run(block: Block, page: Path, namespace: dict[str, object]) -> str:
    """Run a block as if it stood in the page's own line, and return what it printed."""
    code = compile("\n" * (block.line - 1) + block.code, str(page), "exec")
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(code, namespace)
    return printed.getvalue()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_blocks_of_a_page_run_in_order_and_print_what_is_shown(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One namespace a page, as in a notebook; `...` stands for what differs between machines."""
    monkeypatch.chdir(tmp_path)
    module = types.ModuleType(f"page_{page.stem.replace('-', '_')}")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    blocks = blocks_of(page)

    assert blocks
    for block in blocks:
        printed = run(block, page, vars(module))
        if block.shown is not None:
            held = doctest.OutputChecker().check_output(block.shown, printed, FLAGS)
            assert held, f"{page.name}:{block.line} prints\n{printed}\nand shows\n{block.shown}"


def test_every_block_between_fences_is_found() -> None:
    """A fence that the pattern overlooked would be a block that nobody runs."""
    for page in PAGES:
        assert page.read_text(encoding="utf-8").count("```python") == len(blocks_of(page)), page

"""The parts that the how-to pages write keep the rules of the kits that the pages show."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

HOW_TO = Path(__file__).parents[2] / "docs" / "how-to"
BLOCK = re.compile(r"^```py(?:thon)?\n(.*?)^```$", re.DOTALL | re.MULTILINE)
PAGES = sorted(HOW_TO.glob("write-a*.md"))


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_part_of_a_page_passes_its_kit(page: Path, tmp_path: Path) -> None:
    """All blocks in one module, which pytest collects: the last one derives from the kit."""
    blocks = BLOCK.findall(page.read_text(encoding="utf-8"))
    module = tmp_path / f"test_{page.stem.replace('-', '_')}.py"
    module.write_text("\n\n".join(blocks), encoding="utf-8")

    ran = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-W",
            "error",
            "-p",
            "no:cacheprovider",
            module.name,
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert ran.returncode == 0, ran.stdout[-3000:]
    assert re.search(r"\d{1,3} passed", ran.stdout)

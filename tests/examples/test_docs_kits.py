"""The parts that the how-to pages write keep the rules of the kits that the pages show."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

HOW_TO = Path(__file__).parents[2] / "docs" / "how-to"
BLOCK = re.compile(r"^```py(?:thon)?\n(.*?)^```$", re.DOTALL | re.MULTILINE)
PAGES = sorted(HOW_TO.glob("write-a*.md"))


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> ET.Element:
    """What one pytest says of all pages; the blocks of each are a module, and end in its kit."""
    folder = tmp_path_factory.mktemp("pages")
    for page in PAGES:
        blocks = BLOCK.findall(page.read_text(encoding="utf-8"))
        (folder / f"{_module(page)}.py").write_text("\n\n".join(blocks), encoding="utf-8")
    options = ["-q", "-W", "error", "-p", "no:cacheprovider", "--junitxml=report.xml"]
    subprocess.run([sys.executable, "-m", "pytest", *options], cwd=folder, check=False)
    return ET.parse(folder / "report.xml").getroot()


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_part_of_a_page_passes_its_kit(page: Path, report: ET.Element) -> None:
    cases = [c for c in report.iter("testcase") if _module(page) in (c.get("classname") or "")]
    broken = [c for c in cases if c.find("failure") is not None or c.find("error") is not None]

    assert len(cases) - len([c for c in cases if c.find("skipped") is not None]) > 3
    assert not broken, "\n".join("".join(c.itertext())[-3000:] for c in broken)


def _module(page: Path) -> str:
    return f"test_{page.stem.replace('-', '_')}"

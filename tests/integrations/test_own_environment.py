"""Dask, Ray, Spark and the checkers of our exports, in an environment of their own."""

from __future__ import annotations

import os
import subprocess
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PYTHON = ROOT / ".venv-engines" / "bin" / "python"


@pytest.mark.slow
@pytest.mark.timeout(1_200)
@pytest.mark.skipif(find_spec("mlcroissant") is not None, reason="this is that environment")
def test_what_needs_large_libraries_passes_where_they_are_installed() -> None:
    if not PYTHON.exists():
        wanted = "the engines are not installed: make .venv-engines/.done"
        pytest.fail(wanted) if os.environ.get("CI") else pytest.skip(wanted)
    command = [PYTHON, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/integrations/apart"]

    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert run.returncode == 0, run.stdout[-10_000:] + run.stderr[-2_000:]
    assert " passed" in run.stdout

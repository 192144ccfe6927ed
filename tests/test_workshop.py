"""Promises of the project's own files: what the README says works, and what is imported when."""

from __future__ import annotations

import ast
import pkgutil
import re
import runpy
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import mldeploy

ROOT = Path(__file__).resolve().parents[1]
OPTIONAL = {"cli", "hub", "integrations", "testing"}
FRAGMENT = re.compile(r"\d+\.(added|changed|deprecated|removed|fixed|security)(\.\d+)?\.md")
MACHINE_PATHS = tuple(f"/{name}/" for name in ("work", "farm", "tmp/bash_jobs"))


def python_blocks(page: Path) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```$", page.read_text(), flags=re.DOTALL | re.MULTILINE)


def in_fresh_interpreter(program: str) -> str:
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    return run.stdout.strip()


def tracked_files() -> list[Path]:
    run = subprocess.run(
        ["git", "-C", ROOT, "ls-files", "-z"], capture_output=True, text=True, check=False
    )
    if run.returncode:
        pytest.skip(f"not a git checkout: {run.stderr.strip()}")
    return [path for name in run.stdout.split("\0") if name and (path := ROOT / name).is_file()]


def test_the_code_in_the_readme_runs_from_top_to_bottom(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blocks = python_blocks(ROOT / "README.md")
    script = tmp_path / "readme.py"
    script.write_text("\n".join(blocks))
    monkeypatch.chdir(tmp_path)

    assert blocks
    runpy.run_path(str(script), run_name="readme")


@pytest.mark.parametrize("command", ["make example", "make test"])
def test_the_readme_gives_each_command_on_one_line_and_make_knows_it(command: str) -> None:
    lines = [
        line.partition("#")[0].strip() for line in (ROOT / "README.md").read_text().splitlines()
    ]
    makefile = (ROOT / "Makefile").read_text()

    assert command in lines
    assert re.search(rf"^{command.removeprefix('make ')}:", makefile, flags=re.MULTILINE)


def test_importing_mldeploy_loads_neither_pandas_nor_scikit_learn() -> None:
    probe = "import sys, mldeploy; print(*{'pandas', 'sklearn', 'polars'} & set(sys.modules))"

    assert in_fresh_interpreter(probe) == ""


def test_the_core_imports_without_pyarrow() -> None:
    names = [m.name for m in pkgutil.walk_packages(mldeploy.__path__, "mldeploy.")]
    core = [name for name in names if name.split(".")[1] not in OPTIONAL]
    program = f"import sys; sys.modules['pyarrow'] = None; import {', '.join(core)}"

    assert in_fresh_interpreter(program) == ""


def test_every_extra_that_an_error_tells_to_install_exists() -> None:
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text())
    named = {
        ast.literal_eval(keyword.value)
        for path in (ROOT / "src").rglob("*.py")
        for call in ast.walk(ast.parse(path.read_text()))
        if isinstance(call, ast.Call) and ast.unparse(call.func).endswith("MissingExtraError")
        for keyword in call.keywords
        if keyword.arg == "extra"
    }

    assert named <= set(pyproject["project"]["optional-dependencies"])


def test_the_extra_called_all_holds_every_other_extra() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"][
        "optional-dependencies"
    ]

    assert extras["all"] == [f"mldeploy[{','.join(sorted(set(extras) - {'all'}))}]"]


def test_every_fragment_of_the_changelog_has_a_name_that_says_its_issue_and_kind() -> None:
    names = {path.name for path in (ROOT / "changes").iterdir()}

    assert [name for name in sorted(names) if not FRAGMENT.fullmatch(name)] == []


def test_no_tracked_file_names_a_path_of_the_machine_it_was_written_on() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in tracked_files()
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), start=1)
        if any(needle in line for needle in MACHINE_PATHS)
    ]

    assert found == []


def test_the_lock_names_no_index_and_no_file() -> None:
    lines = (ROOT / "requirements.lock").read_text().splitlines()

    assert [line for line in lines if "://" in line or line.startswith("-")] == []

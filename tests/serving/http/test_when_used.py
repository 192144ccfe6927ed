"""A package that waits until something of it is used."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from types import ModuleType

import pytest

from mldeploy.serving.http import load_when_used

_PACKAGE = """
from pathlib import Path
with (Path(__file__).parent / "loaded").open("a") as file:
    file.write("x")
answer = 42
def __getattr__(name):
    if name == "old":
        return "as it was"
    raise AttributeError(name)
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package on the path that writes down each time it is loaded."""
    (tmp_path / "slowly").mkdir()
    (tmp_path / "slowly" / "__init__.py").write_text(_PACKAGE)
    (tmp_path / "slowly" / "part.py").write_text("value = 7")
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in ("slowly", "slowly.part"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    return tmp_path / "slowly"


def _waiting() -> ModuleType:
    load_when_used("slowly")
    import slowly

    return slowly


def test_importing_it_does_not_load_it_and_using_it_does(folder: Path) -> None:
    slowly = _waiting()
    assert not (folder / "loaded").exists()

    assert slowly.answer == 42
    assert slowly.old == "as it was"
    assert (folder / "loaded").read_text() == "x"


def test_a_part_of_it_is_found_as_ever(folder: Path) -> None:
    _waiting()

    from slowly.part import value

    assert value == 7
    assert (folder / "loaded").read_text() == "x"


def test_threads_that_use_it_at_once_load_it_once(folder: Path) -> None:
    slowly, together = _waiting(), Barrier(8)

    def use() -> int:
        together.wait()
        return int(slowly.answer)

    with ThreadPoolExecutor(8) as pool:
        answers = [future.result() for future in [pool.submit(use) for _ in range(8)]]

    assert answers == [42] * 8
    assert (folder / "loaded").read_text() == "x"


def test_a_name_that_it_has_not_is_an_attribute_error(folder: Path) -> None:
    with pytest.raises(AttributeError, match="nothing"):
        _waiting().nothing  # noqa: B018


def test_what_cannot_be_loaded_says_so_each_time(folder: Path) -> None:
    (folder / "__init__.py").write_text("raise ImportError('half installed')")
    slowly = _waiting()

    for _ in range(2):
        with pytest.raises(ImportError, match="half installed"):
            slowly.answer  # noqa: B018


def test_a_package_that_is_loaded_stays_as_it_is() -> None:
    before = sys.modules["pytest"]

    load_when_used("pytest")

    assert sys.modules["pytest"] is before


def test_what_serves_is_imported_without_polars_and_profiles() -> None:
    heavy = "{'polars.dataframe', 'mldeploy.data._profile', 'mldeploy.data._dataset'}"
    script = (
        "import sys; from mldeploy.serving.http import load_when_used; load_when_used('polars');"
        f"import mldeploy.cli._serve; print({heavy} & set(sys.modules))"
    )

    said = subprocess.run(
        [sys.executable, "-c", script], check=False, capture_output=True, text=True
    )

    assert said.stdout.strip() == "set()", said.stderr

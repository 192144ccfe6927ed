"""Every public docstring is well-formed numpydoc, by the checks that pyproject.toml names."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from numpydoc.validate import validate

import mldeploy

PYPROJECT = Path(__file__).resolve().parents[1] / "pyproject.toml"
CHECKS = set(tomllib.loads(PYPROJECT.read_text())["tool"]["numpydoc_validation"]["checks"])
PACKAGES = [m.name for m in pkgutil.iter_modules(mldeploy.__path__, "mldeploy.") if m.ispkg]


def public_objects(package: str) -> Iterator[str]:
    module = importlib.import_module(package)
    for name in module.__all__:
        value = getattr(module, name)
        if inspect.isfunction(value):
            yield f"{package}.{name}"
        elif inspect.isclass(value):
            yield f"{package}.{name}"
            own = ((n, v) for n, v in vars(value).items() if not n.startswith("_"))
            for member, what in own:
                if inspect.isroutine(what) or isinstance(what, property):
                    yield f"{package}.{name}.{member}"


@pytest.mark.parametrize("package", PACKAGES)
def test_public_docstrings_are_well_formed(package: str) -> None:
    complaints = [
        f"{name}: {code} {message}"
        for name in public_objects(package)
        for code, message in validate(name)["errors"]
        if code in CHECKS
    ]

    assert not complaints, "\n".join(complaints)

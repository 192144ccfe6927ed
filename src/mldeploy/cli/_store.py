"""The store that a command is about, and the version that its user means."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from mldeploy.errors import NotFoundError
from mldeploy.project import Project, stated_problem
from mldeploy.registry import CHAMPION, ModelVersion
from mldeploy.store import Store

_VERSION: Final = re.compile(
    r"(?P<name>[^:@]+)(?::(?P<number>[1-9][0-9]{0,8})|@(?P<alias>[^:@]+))?", flags=re.ASCII
)


@contextmanager
def open_store(folder: Path) -> Iterator[Store]:
    """Open a store that is there; asking a question must not make an empty one."""
    if not (folder / "store.sqlite").exists():
        raise NotFoundError(f"there is no store in {folder}; name its folder with --store")
    with Store.open(folder) as store:
        yield store


def find_version(store: Store, text: str) -> tuple[Project, ModelVersion]:
    """Return the version that ``NAME``, ``NAME:NUMBER`` or ``NAME@ALIAS`` means."""
    found = _VERSION.fullmatch(text)
    if found is None:
        raise NotFoundError(f"{text!r} names no version; write NAME, NAME:NUMBER or NAME@ALIAS")
    name, number, alias = found["name"], found["number"], found["alias"]
    project = Project(stated_problem(store, name), store=store)
    return project, project.registry.get(name, int(number) if number else alias or CHAMPION)

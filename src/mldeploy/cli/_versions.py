"""Registered versions as bundles on the disk, for a server that follows an alias."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import final

from mldeploy.cli._store import find_version, open_store
from mldeploy.model import Bundle
from mldeploy.project import Project, must_be_approved
from mldeploy.registry import ModelVersion
from mldeploy.serving import Arm, Plan
from mldeploy.store import Store


@final
class Following:
    """Where a version, or an alias, points; its bundles are put into a folder.

    Parameters
    ----------
    store : Store
        Where the versions are.
    options : argparse.Namespace
        ``target``, ``candidate``, ``share`` and ``shadow``.
    folder : Path
        Where bundles are put.
    """

    def __init__(self, store: Store, options: argparse.Namespace, folder: Path) -> None:
        self._store, self._options, self._folder = store, options, folder
        self._bundles: dict[str, Bundle] = {}
        self.name = find_version(store, options.target)[1].name
        self.is_alias = ":" not in options.target

    def plan(self) -> Plan:
        """Return the plan that holds now; only an approved version serves.

        Raises
        ------
        PromotionError
            If a version was not approved, or its validation did not pass.
        """
        champion = self._arm(self._options.target, "champion")
        if self._options.candidate is None:
            return Plan(champion=champion)
        name = "shadow" if self._options.shadow else "candidate"
        candidate = self._arm(self._options.candidate, name)
        if candidate.version == champion.version:
            return Plan(champion=champion)
        return Plan(
            champion=champion,
            candidate=candidate,
            share=0.0 if self._options.shadow else self._options.share,
            is_shadow=self._options.shadow,
        )

    def _arm(self, target: str, name: str) -> Arm:
        project, version = find_version(self._store, target)
        must_be_approved(project.registry, version, at=project.clock())
        bundle = self._bundle(project, version)
        return Arm(bundle=bundle.directory, version=version.label, seal=bundle.digest, name=name)

    def _bundle(self, project: Project, version: ModelVersion) -> Bundle:
        """Return a version's bundle, which was held against its hash when it was put there."""
        place = self._folder / version.digest
        if version.digest not in self._bundles:
            self._bundles[version.digest] = project.registry.open_bundle(version, target=place)
        return self._bundles[version.digest]


@contextmanager
def following(options: argparse.Namespace, folder: Path) -> Iterator[Following]:
    """Open the store, and yield where the options point."""
    with open_store(options.store) as store:
        yield Following(store, options, folder)

"""Versions as bundles and with their models in memory, and what the record says of them."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import final

from mldeploy.data import Dataset
from mldeploy.deployment import Release
from mldeploy.evidence import Report
from mldeploy.governance import draft_card
from mldeploy.model import Bundle, Compiler, Model
from mldeploy.registry import ModelVersion, Registry
from mldeploy.validation import conformal_from, routing_from


@final
class Releases:
    """Loads each version once, verified before.

    Parameters
    ----------
    registry : Registry
        Where the bundles are.
    trusted : sequence of str
        Types that may come to life, beyond scikit-learn's own.
    """

    def __init__(self, registry: Registry, trusted: Sequence[str]) -> None:
        self._registry = registry
        self._trusted = tuple(trusted)
        self._loaded: dict[str, Release] = {}

    def __call__(self, version: ModelVersion) -> Release:
        """Return a version with its model in memory; see `Project.release`."""
        if version.digest not in self._loaded:
            with opened(self._registry, version) as bundle:
                self._loaded[version.digest] = Release(
                    model=bundle.load_model(trusted=self._trusted),
                    version=version.label,
                    compiled=bundle.load_compiled(),
                )
        return self._loaded[version.digest]


@contextmanager
def bundled(
    model: Model,
    report: Report,
    *,
    golden: Dataset | None,
    compilers: Sequence[Compiler] | None,
) -> Iterator[Bundle]:
    """Yield a model as what would serve: with the routing, the sets and the card of its report.

    The bundle is in a folder that is gone afterwards.
    """
    routed = replace(model, routing=routing_from(report), conformal=conformal_from(report))
    with tempfile.TemporaryDirectory(prefix="mldeploy-") as folder:
        yield Bundle.write(
            Path(folder) / "bundle",
            routed,
            report=report,
            card=draft_card(routed, report).to_markdown(),
            golden=golden,
            compilers=compilers,
        )


@contextmanager
def opened(registry: Registry, version: ModelVersion) -> Iterator[Bundle]:
    """Yield a version's bundle in a folder that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="mldeploy-") as folder:
        yield registry.open_bundle(version, target=Path(folder) / "bundle")


def newest(registry: Registry, name: str, alias: str) -> ModelVersion:
    """Return what an alias names, else the version that was registered last.

    Raises
    ------
    NotFoundError
        If none was registered.
    """
    return registry.alias(name, alias) or registry.get(name, _last(registry, name))


def _last(registry: Registry, name: str) -> int:
    return max((version.number for version in registry.versions(name)), default=1)

"""Which way of hosting fits, and what it costs."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mldeploy.cli._store import find_version, open_store
from mldeploy.deployment import HostingComparison, compare_hosting


def bench(options: argparse.Namespace) -> int:
    """Measure a bundle as it is, compiled, in bulk and over HTTP."""
    with _bundle(options) as (directory, version):
        comparison = compare_hosting(
            directory,
            seconds=options.seconds,
            connections=options.connections,
            prices=dict(options.price),
            trusted=options.trust,
            version=version,
        )
    _show(comparison, options)
    return 0 if comparison.fitting else 1


@contextmanager
def _bundle(options: argparse.Namespace) -> Iterator[tuple[Path, str]]:
    if Path(options.target).is_dir():
        yield Path(options.target), Path(options.target).name
        return
    with (
        open_store(options.store) as store,
        tempfile.TemporaryDirectory(prefix="mldeploy-") as folder,
    ):
        project, version = find_version(store, options.target)
        project.registry.open_bundle(version, target=Path(folder) / "bundle")
        yield Path(folder) / "bundle", version.label


def _show(comparison: HostingComparison, options: argparse.Namespace) -> None:
    if options.out is None:
        print(comparison.to_text(), end="")
        return
    is_page = options.out.suffix in (".html", ".htm")
    text = comparison.to_html() if is_page else comparison.to_text()
    options.out.write_text(text, encoding="utf-8")
    print(f"fits: {', '.join(comparison.fitting) or 'nothing'}; written to {options.out}")

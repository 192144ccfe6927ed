"""Answer the rows of a table of any size."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, final

from mldeploy.errors import InvalidDataError
from mldeploy.model import Bundle
from mldeploy.serving import BulkLog, BulkSummary, PredictionSink, SqlTable, score_table

if TYPE_CHECKING:
    from mldeploy.model import CompiledModel, Model

INTERRUPTED: Final = 130
"""What shells say of a command that Ctrl-C has ended."""


def predict(options: argparse.Namespace) -> int:
    """Answer the rows of a table; unless told otherwise they are logged like a service's."""
    version, data = _named(options.what, options.bundle)
    order = tuple(options.order_by)
    source = SqlTable.parse(data, order_by=order) or data
    target = SqlTable.parse(options.out) or options.out
    with _answering(options, version) as answering:
        try:
            summary = _score(options, source, target, answering)
        except KeyboardInterrupt as stopped:
            print("mldeploy: stopped;", *getattr(stopped, "__notes__", []), file=sys.stderr)
            return INTERRUPTED
    print(summary)
    return 0


@final
@dataclass(frozen=True, kw_only=True)
class _Answering:
    """What answers, and where that is logged."""

    model: Model | CompiledModel
    version: str
    log: PredictionSink | None = None
    deployment: str = "bulk"


def _score(
    options: argparse.Namespace,
    source: str | SqlTable,
    target: str | SqlTable,
    answering: _Answering,
) -> BulkSummary:
    return score_table(
        source,
        target,
        answering.model,
        version=answering.version,
        key=options.key,
        keep=options.keep,
        quarantine=options.quarantine,
        log=answering.log,
        deployment=answering.deployment,
        resume=options.resume,
    )


def _named(what: list[str], bundle: Path | None) -> tuple[str | None, str]:
    """Return the version and the table that were named; with a bundle only the table is."""
    wanted = 1 if bundle is not None else 2
    if len(what) != wanted:
        raise InvalidDataError(
            "with --bundle name the data alone"
            if wanted == 1
            else "name a version and the data: mldeploy predict NAME DATA --out OUT"
        )
    return (None if wanted == 1 else what[0]), what[-1]


@contextmanager
def _answering(options: argparse.Namespace, version: str | None) -> Iterator[_Answering]:
    if version is None:
        bundle = Bundle.open(options.bundle)
        yield _Answering(model=_model_of(bundle, options.trust), version=bundle.digest[:12])
        return
    from mldeploy.cli._store import find_version, open_store  # noqa: PLC0415 - for a store only

    with open_store(options.store) as store:
        project, found = find_version(store, version)
        release = project.release(found)
        deployment = f"batch-{found.number}"
        log = BulkLog(store.predictions, deployment) if options.log else None
        yield _Answering(
            model=release.answering, version=found.label, log=log, deployment=deployment
        )


def _model_of(bundle: Bundle, trusted: list[str]) -> Model | CompiledModel:
    return bundle.load_compiled() or bundle.load_model(trusted=trusted)

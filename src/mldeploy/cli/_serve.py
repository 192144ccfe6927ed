"""Serve a bundle, or a registered version, over HTTP."""

from __future__ import annotations

import argparse
import logging
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from mldeploy.cli._serve_settings import ServeSettings, say
from mldeploy.serving import Arm, Plan
from mldeploy.serving.http import ApiKeys, require_guard, run, settle

if TYPE_CHECKING:
    from mldeploy.cli._versions import Following


def serve(options: argparse.Namespace) -> int:
    """Serve until a signal ends it."""
    keys = None if options.keys is None else ApiKeys.read(options.keys)
    require_guard(options.host, keys, open_to_all=options.open)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    with _planned(options) as (name, plan, store, following):
        settings = ServeSettings(
            name=name,
            plan=plan,
            log=options.log or (Path("predictions") if store is None else store / "predictions"),
            durable=options.durable,
            keys=() if keys is None else keys.keys,
            store=store,
            trusted=tuple(options.trust),
        )
        if following is None and options.workers == 1:
            _serve_here(settings, host=options.host, port=options.port)
        else:
            from mldeploy.cli._serve_many import serve_many  # noqa: PLC0415 - one needs less

            serve_many(
                settings,
                following,
                n_workers=options.workers,
                host=options.host,
                port=options.port,
            )
    return 0


def _serve_here(settings: ServeSettings, *, host: str, port: int) -> None:
    with ExitStack() as stack:
        assembly, _, _ = settings.assemble(stack)
        server = assembly.server()

        async def main() -> None:
            await server.start(host, port)
            with server.signals_drain():
                settle()
                say(settings.name, host, server.port)
                await server.wait_ended()

        run(main)


@contextmanager
def _planned(
    options: argparse.Namespace,
) -> Iterator[tuple[str, Plan, Path | None, Following | None]]:
    """Yield name, plan, store, and what follows an alias."""
    place = Path(options.target)
    if place.is_dir():
        arm = Arm(bundle=place.absolute(), version=options.label or place.name)
        yield place.name, Plan(champion=arm), None, None
        return
    from mldeploy.cli._versions import following  # noqa: PLC0415 - a bundle needs no store

    with (
        tempfile.TemporaryDirectory(prefix="mldeploy-serve-") as folder,
        following(options, Path(folder)) as found,
    ):
        alias = found if found.is_alias else None
        yield found.name, found.plan(), options.store.absolute(), alias

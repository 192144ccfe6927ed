"""Serve a bundle over HTTP."""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path

from mldeploy.serving import Arm, ParquetLog, Partition, Plan
from mldeploy.serving.http import ApiKeys, Limits, assembled, require_guard, run


def serve(options: argparse.Namespace) -> int:
    """Serve until a signal ends it."""
    keys = None if options.keys is None else ApiKeys.read(options.keys)
    require_guard(options.host, keys, open_to_all=options.open)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    bundle = Path(options.target)
    name = bundle.name
    plan = Plan(champion=Arm(bundle=bundle, version=options.label or name))
    with (
        ParquetLog(options.log, name, partition=Partition.HOUR) as log,
        assembled(plan, name=name, sink=log, permits=keys, limits=Limits()) as (assembly, _),
    ):
        server = assembly.server

        async def main() -> None:
            await server.start(options.host, options.port)
            with server.signals_drain():
                print(f"serving {name} on http://{options.host}:{server.port}",
                      file=sys.stderr, flush=True)  # fmt: skip
                await server.wait_ended()

        run(main)
    return 0

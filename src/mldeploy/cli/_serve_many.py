"""Serve with several processes, or what an alias points to."""

from __future__ import annotations

import asyncio
import logging
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Final

from mldeploy.cli._serve_settings import ServeSettings, say
from mldeploy.errors import MLDeployError
from mldeploy.serving import Plan
from mldeploy.serving.http import (
    Assembly,
    SharedFigures,
    Supervisor,
    Watched,
    Work,
    WorkerContext,
    WorkerSpec,
    folder_in_memory,
    load_of,
    run,
    settle,
)

if TYPE_CHECKING:
    from mldeploy.cli._versions import Following

_logger = logging.getLogger(__name__)
_LOOK: Final = 1.0
"""Seconds between two looks at where an alias points."""


def serve_many(
    settings: ServeSettings,
    following: Following | None,
    *,
    n_workers: int,
    host: str,
    port: int,
) -> None:
    """Serve until a signal ends it."""
    with tempfile.TemporaryDirectory(
        prefix="mldeploy-figures-", dir=folder_in_memory()
    ) as figures:
        settings = settings.model_copy(update={"figures": Path(figures)})
        supervisor = Supervisor(
            WorkerSpec(
                factory="mldeploy.cli._serve_many:work",
                arguments=settings.model_dump(mode="json"),
            ),
            n_workers,
            host=host,
            port=port,
        )
        run(lambda: _supervise(supervisor, settings, following))


async def _supervise(
    supervisor: Supervisor, settings: ServeSettings, following: Following | None
) -> None:
    async def follow() -> None:
        assert following is not None, "called only where there is an alias to follow"
        plan = settings.plan
        while True:
            await asyncio.sleep(_LOOK)
            try:
                found = await asyncio.to_thread(following.plan)
            except MLDeployError as error:
                _logger.warning("cannot tell which version should serve: %s", error)
                continue
            if found != plan:
                _logger.info("switching to %s", found.champion.version)
                outcomes = await supervisor.plan(found.model_dump(mode="json"))
                failed = [outcome for outcome in outcomes if outcome.error]
                for outcome in failed:
                    _logger.error("worker %d: %s", outcome.worker, outcome.error)
                plan = plan if failed else found

    async def announce() -> None:
        while len(supervisor.pids) < supervisor.n_workers:
            await asyncio.sleep(0.02)
        say(settings.name, supervisor.host, supervisor.port)

    beside = [asyncio.create_task(announce())]
    if following is not None:
        beside.append(asyncio.create_task(follow()))
    try:
        await supervisor.serve_forever()
    finally:
        for task in beside:
            task.cancel()
        await asyncio.gather(*beside, return_exceptions=True)


def work(arguments: dict[str, object], context: WorkerContext) -> Work:
    """Return what one of several processes does: the factory that a `Supervisor` imports."""
    settings = ServeSettings.model_validate(arguments)
    stack = ExitStack()
    assembly, board, watched = settings.assemble(stack, is_draining=lambda: context.is_draining)
    assembly.metrics.add(lambda: load_of(context))
    shared = _shared(settings, context, assembly, watched)
    settle()

    async def apply(plan: object) -> dict[str, object]:
        await asyncio.to_thread(board.apply, Plan.model_validate(plan))
        return {"version": board.traffic.version}

    def close() -> None:
        stack.close()
        if shared is not None:
            shared.close()

    return Work(
        handler=assembly.handler,
        apply=apply,
        close=close,
        limits=assembly.service.limits,
        error_response=assembly.app.error_response,
        observer=assembly.metrics,
    )


def _shared(
    settings: ServeSettings, context: WorkerContext, assembly: Assembly, watched: Watched
) -> SharedFigures | None:
    if settings.figures is None:
        return None
    shared = SharedFigures(
        settings.figures,
        context.index,
        families=assembly.metrics.families,
        drift=watched.drift.states,
    )
    assembly.metrics.share(shared.families)
    watched.share(shared.drift)
    return shared

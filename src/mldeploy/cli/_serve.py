"""Serve a bundle, or a registered version, over HTTP."""

from __future__ import annotations

import argparse
import asyncio
import gc
import logging
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final, final

from mldeploy._record import Record
from mldeploy.errors import MLDeployError
from mldeploy.model import Bundle
from mldeploy.serving import (
    Arm,
    Label,
    ParquetLog,
    Partition,
    Plan,
    Refuse,
    Switchboard,
)
from mldeploy.serving.http import (
    ApiKey,
    ApiKeys,
    Assembly,
    SharedFigures,
    Supervisor,
    Watched,
    Work,
    WorkerContext,
    WorkerSpec,
    assembled,
    folder_in_memory,
    load_of,
    require_guard,
    run,
)

if TYPE_CHECKING:
    from mldeploy.cli._versions import Following
    from mldeploy.serving.http import TakesLabels

_logger = logging.getLogger(__name__)
_LOOK: Final = 1.0
"""Seconds between two looks at where an alias points."""


@final
class ServeSettings(Record):
    """What every process that serves is told.

    Attributes
    ----------
    name : str
        Name of the model in paths, and of the deployment in the log.
    plan : Plan
        Which bundles answer first.
    log : Path
        Folder of the prediction log.
    durable : bool
        Whether an answer waits until it is logged on the disk.
    keys : tuple of ApiKey
        Who may ask; empty if everybody may.
    store : Path, optional
        Where labels are kept.
    trusted : tuple of str
        Types that may come to life in bundles that did not compile.
    figures : Path, optional
        Folder in which several workers tell each other their figures.
    """

    name: str
    plan: Plan
    log: Path
    durable: bool = False
    keys: tuple[ApiKey, ...] = ()
    store: Path | None = None
    trusted: tuple[str, ...] = ()
    figures: Path | None = None

    def permits(self) -> ApiKeys | None:
        """Return what judges who may ask."""
        return ApiKeys(self.keys) if self.keys else None

    def labels(self) -> TakesLabels | None:
        """Return what keeps labels, if there is a store."""
        return None if self.store is None else _labels_into(self.store, self.plan)

    def open_log(self, watched: Watched) -> ParquetLog:
        """Open the prediction log, and let it be watched."""
        return ParquetLog(
            self.log,
            self.name,
            partition=Partition.HOUR,
            durable=self.durable,
            on_full=Refuse() if self.durable else None,
            observers=watched.observers,
        )

    def assemble(
        self, stack: ExitStack, *, is_draining: Callable[[], bool] = lambda: False
    ) -> tuple[Assembly, Switchboard, Watched]:
        """Put together what answers; what it holds is let go of with the stack."""
        watched = Watched()
        log = stack.enter_context(self.open_log(watched))
        assembly, board = stack.enter_context(
            assembled(
                self.plan,
                name=self.name,
                sink=log,
                trusted=self.trusted,
                watched=watched,
                permits=self.permits(),
                labels=self.labels(),
                is_draining=is_draining,
            )
        )
        return assembly, board, watched


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
            with tempfile.TemporaryDirectory(
                prefix="mldeploy-figures-", dir=folder_in_memory()
            ) as figures:
                settings = settings.model_copy(update={"figures": Path(figures)})
                supervisor = Supervisor(
                    WorkerSpec(
                        factory="mldeploy.cli._serve:work",
                        arguments=settings.model_dump(mode="json"),
                    ),
                    options.workers,
                    host=options.host,
                    port=options.port,
                )
                run(lambda: _supervise(supervisor, settings, following))
    return 0


def _serve_here(settings: ServeSettings, *, host: str, port: int) -> None:
    with ExitStack() as stack:
        assembly, _, _ = settings.assemble(stack)
        server = assembly.server()

        async def main() -> None:
            await server.start(host, port)
            with server.signals_drain():
                _settle()
                _say(settings.name, host, server.port)
                await server.wait_ended()

        run(main)


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
        _say(settings.name, supervisor.host, supervisor.port)

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
    _settle()

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


def _labels_into(store: Path, plan: Plan) -> TakesLabels:
    keeper: TakesLabels | None = None

    def take(labels: Sequence[Label]) -> None:
        nonlocal keeper
        if keeper is None:
            from mldeploy.cli._labels import LabelKeeper  # noqa: PLC0415 - loads the store

            keeper = LabelKeeper(store, Bundle.open(plan.champion.bundle).problem)
        keeper(labels)

    return take


def _settle() -> None:
    """Tell the garbage collector that what is loaded stays: it need not look at it again."""
    gc.collect()
    gc.freeze()


def _say(name: str, host: str, port: int) -> None:
    print(f"serving {name} on http://{host}:{port}", file=sys.stderr, flush=True)

"""What every process that serves is told, and how it is put together."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, final

from mldeploy._record import Record
from mldeploy.model import Bundle
from mldeploy.serving import ParquetLog, Partition, Plan, Refuse
from mldeploy.serving.http import ApiKey, ApiKeys, Watched, assembled

if TYPE_CHECKING:
    from mldeploy.serving import Label, Switchboard
    from mldeploy.serving.http import Assembly, TakesLabels


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


def say(name: str, host: str, port: int) -> None:
    """Tell who started it where it listens."""
    print(f"serving {name} on http://{host}:{port}", file=sys.stderr, flush=True)


def _labels_into(store: Path, plan: Plan) -> TakesLabels:
    keeper: TakesLabels | None = None

    def take(labels: Sequence[Label]) -> None:
        nonlocal keeper
        if keeper is None:
            from mldeploy.cli._labels import LabelKeeper  # noqa: PLC0415 - loads the store

            keeper = LabelKeeper(store, Bundle.open(plan.champion.bundle).problem)
        keeper(labels)

    return take

"""Natural batching: whoever asks while the model is busy is answered together, next."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol, TypeAlias, final

from mldeploy.errors import DeploymentError, MLDeployError
from mldeploy.serving._answers import Answered
from mldeploy.serving._request import Asked

Outcome: TypeAlias = Answered | MLDeployError


class AnswersEach(Protocol):
    """A `Predictor` or `Traffic`, as far as batching needs one."""

    def predict_each(self, asked: Sequence[Asked]) -> list[Outcome]:
        """Answer each row, or say why not."""
        ...


@final
class Batcher:
    """Answer rows in a thread of its own, and leave the caller's event loop free.

    While a prediction runs, rows queue; the next prediction takes all of them. A lone row waits
    for nobody, and no timer delays it: batches grow by themselves as the load does. For models
    that did not compile, whose calls cost milliseconds however many rows they answer.

    Parameters
    ----------
    predictor : Predictor or Traffic
        What answers.
    max_rows : int, default=512
        Most rows to answer at once.
    """

    def __init__(self, predictor: AnswersEach, *, max_rows: int = 512) -> None:
        if max_rows < 1:
            raise ValueError(f"{max_rows=} answers nothing; pass at least 1")
        self._predictor = predictor
        self._max_rows = max_rows
        self._waiting: deque[tuple[Asked, asyncio.Future[Answered]]] = deque()
        self._changed = threading.Condition()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="mldeploy-batcher", daemon=True)
        self._thread.start()

    async def predict(
        self,
        row: Mapping[str, object],
        *,
        key: str | int | None = None,
        time: datetime | None = None,
    ) -> Answered:
        """Answer one row.

        Raises
        ------
        InvalidRowsError, InvalidDataError, PredictionFailedError
            As `Predictor.predict`.
        DeploymentError
            If the batcher was closed.
        """
        future: asyncio.Future[Answered] = asyncio.get_running_loop().create_future()
        with self._changed:
            if self._closing:
                raise DeploymentError("this batcher is closed; make a new one")
            self._waiting.append((Asked(row, key, time), future))
            self._changed.notify()
        return await future

    @property
    def n_waiting(self) -> int:
        """Rows that wait for the model."""
        return len(self._waiting)

    def close(self) -> None:
        """Answer what waits, and end the thread; a second call does nothing."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        while batch := self._next():
            wanted = [(asked, future) for asked, future in batch if not future.cancelled()]
            if not wanted:
                continue
            try:
                outcomes: Sequence[Outcome | Exception] = self._predictor.predict_each(
                    [asked for asked, _ in wanted]
                )
            except Exception as error:  # noqa: BLE001 - it belongs to those who wait
                outcomes = [error] * len(wanted)
            _deliver([future for _, future in wanted], outcomes)

    def _next(self) -> list[tuple[Asked, asyncio.Future[Answered]]]:
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closing)
            n_rows = min(len(self._waiting), self._max_rows)
            return [self._waiting.popleft() for _ in range(n_rows)]


def _deliver(
    futures: Sequence[asyncio.Future[Answered]], outcomes: Sequence[Outcome | Exception]
) -> None:
    """Hand the outcomes over in the futures' own loops: one wake-up for each loop."""
    by_loop: dict[asyncio.AbstractEventLoop, list[tuple[asyncio.Future[Answered], object]]] = {}
    for future, outcome in zip(futures, outcomes, strict=True):
        by_loop.setdefault(future.get_loop(), []).append((future, outcome))
    for loop, pairs in by_loop.items():
        if not loop.is_closed():
            loop.call_soon_threadsafe(_settle, pairs)


def _settle(pairs: Sequence[tuple[asyncio.Future[Answered], object]]) -> None:
    for future, outcome in pairs:
        if future.done():
            continue
        if isinstance(outcome, Exception):
            future.set_exception(outcome)
        else:
            future.set_result(outcome)  # type: ignore[arg-type]

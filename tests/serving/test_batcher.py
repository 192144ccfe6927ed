"""Whoever asks while the model is busy is answered together, and each by itself."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin

from mldeploy.errors import (
    DeploymentError,
    InvalidDataError,
    InvalidRowsError,
    PredictionFailedError,
)
from mldeploy.model import Model
from mldeploy.serving import Answered, Asked, Batcher, MemoryLog, Predictor, Traffic

NOW = datetime(2013, 4, 1, 5, 15, tzinfo=UTC)
ROW = {"wind": 3.5, "hour": 7, "carrier": "AA", "score": 3.5}

MakeModel = Callable[..., Model]


class HatesStorms(ClassifierMixin, BaseEstimator):
    """A classifier that cannot answer rows of strong wind."""

    def fit(self, X: Any, y: Any) -> HatesStorms:
        self.classes_ = np.unique(y)
        return self

    def predict(self, X: Any) -> Any:
        if (np.asarray(X)[:, -3] > 3).any():  # wind, standardised
            raise ZeroDivisionError("a storm")
        return np.full(len(X), self.classes_[0])


def serve(model: Model, sink: MemoryLog | None = None, version: str = "late:3") -> Predictor:
    sink = MemoryLog() if sink is None else sink
    return Predictor(model, version=version, deployment="late", sink=sink, clock=lambda: NOW)


def test_each_row_is_answered_as_if_it_were_alone(make_model: MakeModel) -> None:
    predictor, log = serve(make_model()), MemoryLog()
    rows = [ROW | {"hour": hour} for hour in (5, 12, 23)]

    together = serve(make_model(), log).predict_each(
        [Asked(r, str(i)) for i, r in enumerate(rows)]
    )

    alone = [predictor.predict(row) for row in rows]
    assert [(a.prediction, a.route) for a in together] == [
        (a.prediction, str(a.route)) for a in alone
    ]
    assert [a.score for a in together] == pytest.approx([a.score for a in alone], abs=1e-15)
    assert log.frame()["key"].sort().to_list() == ["0", "1", "2"]


def test_a_row_that_is_refused_does_not_touch_the_others(make_model: MakeModel) -> None:
    log = MemoryLog()
    predictor = serve(make_model(), log)

    outcomes = predictor.predict_each(
        [
            Asked(ROW),
            Asked(ROW | {"hour": "seven", "tail": 1}),
            Asked(ROW, time=datetime(2013, 4, 1)),
            Asked(ROW, key=3.5),  # type: ignore[arg-type]
            Asked(ROW, key=7),
        ]
    )

    kinds = [Answered, InvalidRowsError, InvalidDataError, InvalidDataError, Answered]
    assert [type(o) for o in outcomes] == kinds
    refused = outcomes[1]
    assert isinstance(refused, InvalidRowsError)
    assert {(e.row, e.column) for e in refused.errors} == {(0, "hour"), (0, "tail")}
    assert len(log) == 2
    assert (predictor.counts.accepted, predictor.counts.rejected) == (2, 3)


def test_a_row_on_which_the_model_raises_does_not_touch_the_others(make_model: MakeModel) -> None:
    log = MemoryLog()
    predictor = serve(make_model(HatesStorms()), log)
    winds = [1.0, 400.0, 2.0, 3.0, 500.0]

    outcomes = predictor.predict_each([Asked(ROW | {"wind": wind}) for wind in winds])

    failed = [isinstance(o, PredictionFailedError) for o in outcomes]
    assert failed == [False, True, False, False, True]
    assert log.frame().sort("wind")["error"].is_not_null().to_list() == [False] * 3 + [True] * 2
    assert (predictor.counts.accepted, predictor.counts.failed) == (3, 2)


def test_rows_of_one_batch_meet_the_versions_that_they_meet_alone(make_model: MakeModel) -> None:
    model, log = make_model(), MemoryLog()
    traffic = Traffic(serve(model, log, "late:3"))
    traffic.split(traffic.champion, serve(model, log, "late:4"), share=0.5)
    asked = [Asked(ROW, key=str(i)) for i in range(50)]

    together = [o.version for o in traffic.predict_each(asked) if isinstance(o, Answered)]

    assert together == [traffic.predict(one.row, key=one.key).version for one in asked]
    assert set(together) == {"late:3", "late:4"}


class Gate:
    """Answers through a predictor when told to, and remembers how many it was asked at once."""

    def __init__(self, predictor: Predictor) -> None:
        self.predictor = predictor
        self.opened = threading.Event()
        self.entered = threading.Event()
        self.sizes: list[int] = []

    def predict_each(self, asked: Sequence[Asked]) -> list[Any]:
        self.sizes.append(len(asked))
        self.entered.set()
        assert self.opened.wait(30)
        return self.predictor.predict_each(asked)


def test_what_queued_while_the_model_was_busy_is_answered_at_once(make_model: MakeModel) -> None:
    gate = Gate(serve(make_model()))
    batcher = Batcher(gate)

    async def ask() -> list[Answered]:
        first = asyncio.create_task(batcher.predict(ROW, key=-1))
        await asyncio.to_thread(gate.entered.wait, 30)
        later = [asyncio.create_task(batcher.predict(ROW, key=i)) for i in range(9)]
        while batcher.n_waiting < 9:
            await asyncio.sleep(0)
        gate.opened.set()
        return await asyncio.gather(first, *later)

    answers = asyncio.run(ask())
    batcher.close()

    assert gate.sizes == [1, 9]
    assert [answer.key for answer in answers] == [str(i) for i in range(-1, 9)]


def test_a_caller_that_gives_up_costs_the_others_nothing(make_model: MakeModel) -> None:
    gate = Gate(serve(make_model()))
    batcher = Batcher(gate)

    async def ask() -> Answered:
        first = asyncio.create_task(batcher.predict(ROW))
        await asyncio.to_thread(gate.entered.wait, 30)
        impatient = asyncio.create_task(batcher.predict(ROW))
        patient = asyncio.create_task(batcher.predict(ROW, key="patient"))
        while batcher.n_waiting < 2:
            await asyncio.sleep(0)
        first.cancel()
        impatient.cancel()
        await asyncio.sleep(0)
        gate.opened.set()
        return await patient

    answer = asyncio.run(ask())
    batcher.close()

    assert answer.key == "patient"
    assert gate.sizes == [1, 1]


def test_refusals_reach_their_caller_alone(make_model: MakeModel) -> None:
    batcher = Batcher(serve(make_model()))

    async def ask() -> list[object]:
        asked = [batcher.predict(ROW), batcher.predict({"wind": "strong"}), batcher.predict(ROW)]
        return list(await asyncio.gather(*asked, return_exceptions=True))

    outcomes = asyncio.run(ask())
    batcher.close()

    assert [type(o) for o in outcomes] == [Answered, InvalidRowsError, Answered]


def test_a_closed_batcher_takes_no_more(make_model: MakeModel) -> None:
    batcher = Batcher(serve(make_model()))
    batcher.close()
    batcher.close()

    with pytest.raises(DeploymentError, match="closed"):
        asyncio.run(batcher.predict(ROW))

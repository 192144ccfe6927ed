"""A plan is in force once its bundles are ready, and not before."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pydantic
import pytest

from mldeploy.data import Dataset
from mldeploy.errors import IntegrityError, NotFoundError
from mldeploy.model import Bundle, Model
from mldeploy.serving import Arm, MemoryLog, Plan, Switchboard

ROW = {"wind": 3.5, "hour": 7, "carrier": "AA", "score": 3.5}

MakeModel = Callable[..., Model]


@pytest.fixture(scope="module")
def arm(
    make_model: MakeModel, flights: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory
) -> Arm:
    golden = Dataset.of(flights.head(200), target="late", name="flights")
    bundle = Bundle.write(tmp_path_factory.mktemp("plan") / "b", make_model(), golden=golden)
    return Arm(bundle=bundle.directory, version="late:1", seal=bundle.digest)


def board(arm: Arm, log: MemoryLog | None = None) -> Switchboard:
    return Switchboard(Plan(champion=arm), deployment="late", sink=log or MemoryLog())


def test_a_plan_serves_its_bundles_compiled(arm: Arm) -> None:
    traffic = board(arm).traffic

    assert traffic.is_compiled
    assert traffic.predict(ROW).version == "late:1"


def test_a_candidate_shares_the_requests_until_the_plan_says_otherwise(arm: Arm) -> None:
    log = MemoryLog()
    switch = board(arm, log)
    candidate = arm.model_copy(update={"version": "late:2", "name": "candidate"})

    switch.apply(Plan(champion=arm, candidate=candidate, share=0.5))
    met = {switch.traffic.predict(ROW, key=str(i)).version for i in range(40)}
    switch.apply(Plan(champion=arm, candidate=candidate, is_shadow=True))
    given = {switch.traffic.predict(ROW, key=str(i)).version for i in range(40)}
    switch.apply(Plan(champion=candidate.model_copy(update={"name": "champion"})))

    assert met == {"late:1", "late:2"}
    assert given == {"late:1"}
    assert switch.traffic.predict(ROW).version == "late:2"
    assert switch.traffic.counts.accepted == 40 + 80 + 1


@pytest.mark.parametrize(
    ("change", "error"),
    [({"seal": "0" * 64}, IntegrityError), ({"bundle": Path("nowhere")}, NotFoundError)],
)
def test_a_bundle_that_cannot_be_loaded_leaves_the_traffic_as_it_was(
    arm: Arm, change: dict[str, object], error: type[Exception]
) -> None:
    switch = board(arm)
    broken = arm.model_copy(update={"version": "late:9", **change})

    with pytest.raises(error):
        switch.apply(Plan(champion=broken))
    assert switch.champion_bundle().directory == arm.bundle

    assert switch.plan == Plan(champion=arm)
    assert switch.traffic.predict(ROW).version == "late:1"


def test_a_share_of_nobody_is_no_plan(arm: Arm) -> None:
    with pytest.raises(pydantic.ValidationError, match="candidate"):
        Plan(champion=arm, share=0.5)

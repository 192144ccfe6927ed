"""A step is done once: loaded afterwards, recorded when it fails, resumed after a kill."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from mldeploy._record import digest_of
from mldeploy.errors import NotFoundError, StepFailedError
from mldeploy.project import Step, StepRunner
from mldeploy.project._settings import settings_of
from mldeploy.project._steps import read_steps
from mldeploy.store import Store


class Work:
    """Count what is done; fail when told to."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.loaded: list[str] = []
        self.broken: set[str] = set()

    def step(self, name: str, **inputs: Any) -> Step[str]:
        return Step(
            name=name,
            inputs=inputs,
            do=lambda: self._do(name, inputs),
            save=lambda text: {"text": text},
            load=lambda output: self._load(name, output),
        )

    def _do(self, name: str, inputs: dict[str, Any]) -> str:
        if name in self.broken:
            raise ValueError(f"no {name} today")
        self.done.append(name)
        return f"{name} of {inputs}"

    def _load(self, name: str, output: dict[str, Any]) -> str:
        self.loaded.append(name)
        return str(output["text"])


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "store") as opened:
        yield opened


@pytest.fixture
def work() -> Work:
    return Work()


def test_a_step_on_the_same_inputs_is_loaded_in_this_run_and_in_others(
    store: Store, work: Work
) -> None:
    first, second = StepRunner(store, actor="tom"), StepRunner(store, actor="tom")

    results = [run(work.step("cut", rows=3)) for run in (first, first, second)]

    assert results == ["cut of {'rows': 3}"] * 3
    assert work.done == ["cut"]
    assert work.loaded == ["cut", "cut"]
    (record,) = second.records()
    assert record.reused_from == first.run
    assert record.status == "done"
    assert [r.reused_from for r in first.records()] == [None]
    assert store.verify() == ()


def test_a_step_on_other_inputs_or_of_another_name_is_done(store: Store, work: Work) -> None:
    run = StepRunner(store, actor="tom")
    for step in (work.step("a", x=1), work.step("b", x=1), work.step("a", x=1.5)):
        run(step)

    assert work.done == ["a", "b", "a"]


def test_inputs_are_compared_by_value_not_by_order(store: Store, work: Work) -> None:
    run = StepRunner(store, actor="tom")
    run(work.step("a", x=1, y={"p": 1, "q": [1, 2]}))
    run(work.step("a", y={"q": [1, 2], "p": 1}, x=1))

    assert work.done == ["a"]


def test_a_step_that_fails_is_recorded_and_the_run_goes_on_from_there(
    store: Store, work: Work
) -> None:
    work.broken.add("train")
    run = StepRunner(store, actor="tom")
    run(work.step("assess"))

    with pytest.raises(StepFailedError, match="no train today") as caught:
        run(work.step("train"))
    assert caught.value.step == "train"
    assert caught.value.run == run.run
    assert f"resume='{run.run}'" in str(caught.value)
    assert isinstance(caught.value.__cause__, ValueError)
    assert [(r.step, r.status) for r in run.records()] == [("assess", "done"), ("train", "failed")]
    assert "no train today" in str(run.records()[1].output["error"])
    assert len(store.ledger.events(kind="step.failed")) == 1

    work.broken.clear()
    resumed = StepRunner(store, run=run.run, actor="tom")
    for name in ("assess", "train", "validate"):
        resumed(work.step(name))
    assert work.done == ["assess", "train", "validate"]
    assert {(r.step, r.status) for r in resumed.records()} == {
        ("assess", "done"),
        ("train", "done"),
        ("validate", "done"),
    }
    assert {r.run for r in read_steps(store)} == {run.run}
    assert store.verify() == ()


def test_a_failed_step_is_never_taken_for_done(store: Store, work: Work) -> None:
    work.broken.add("train")
    for _ in range(2):
        with pytest.raises(StepFailedError):
            StepRunner(store, actor="tom")(work.step("train"))
    work.broken.clear()

    StepRunner(store, actor="tom")(work.step("train"))
    assert work.done == ["train"]


def test_a_result_that_cannot_be_kept_fails_the_step(store: Store) -> None:
    unkept: Step[object] = Step(
        name="odd", inputs={}, do=object, save=lambda it: {"it": it}, load=lambda _: None
    )  # type: ignore[dict-item, return-value]

    with pytest.raises(StepFailedError, match="odd"):
        StepRunner(store, actor="tom")(unkept)
    assert store.verify() == ()


def test_an_interrupt_is_passed_on_and_leaves_nothing_behind(store: Store) -> None:
    def interrupted() -> str:
        raise KeyboardInterrupt

    run = StepRunner(store, actor="tom")
    with pytest.raises(KeyboardInterrupt):
        run(Step(name="slow", inputs={}, do=interrupted, save=lambda _: {}, load=str))
    assert run.records() == ()


def test_a_run_that_nobody_began_cannot_be_gone_on_with(store: Store) -> None:
    with pytest.raises(NotFoundError, match="no run 'nope'"):
        StepRunner(store, run="nope", actor="tom")


KILLED = """
import os, sys
from pathlib import Path
from mldeploy.project import Step, StepRunner
from mldeploy.project._steps import read_steps
from mldeploy.store import Store

def note(name):
    with open(sys.argv[2], "a") as file:
        file.write(name + "\\n")
    if name == sys.argv[3]:
        os._exit(9)
    return name

def step(name):
    return Step(name=name, inputs={"x": 1}, do=lambda: note(name),
                save=lambda text: {"text": text}, load=lambda output: output["text"])

with Store.open(sys.argv[1]) as store:
    known = [r.run for r in read_steps(store)]
    run = StepRunner(store, run=known[0] if known else None, actor="tom")
    for name in ("one", "two", "three"):
        run(step(name))
    print(len(run.records()))
"""


@pytest.mark.slow
def test_a_run_killed_in_its_second_step_is_resumed_without_repeating_the_first(
    tmp_path: Path,
) -> None:
    root, notes = tmp_path / "store", tmp_path / "notes"

    def go(killed_in: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", KILLED, str(root), str(notes), killed_in]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        return subprocess.run(
            command, capture_output=True, text=True, check=False, env=environment
        )

    assert go("two").returncode == 9
    resumed = go("nowhere")

    assert resumed.returncode == 0, resumed.stderr
    assert resumed.stdout == "3\n"
    assert notes.read_text().split() == ["one", "two", "two", "three"]
    with Store.open(root) as store:
        assert store.verify() == ()
        assert len({r.run for r in read_steps(store)}) == 1


# --- what tells two parts apart -----------------------------------------------------------


def _twice(x: Any) -> Any:
    return x * 2


def _held(by: object) -> Any:
    return lambda x: (x, by)


class Custom:
    """A stranger's part: neither a dataclass nor an estimator."""

    def __init__(self, limit: float) -> None:
        self.limit = limit


LONG = np.arange(5000.0)
OTHER = LONG.copy()
OTHER[2500] += 1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (LogisticRegression(C=1.0), LogisticRegression(C=2.0)),
        (LogisticRegression(), Ridge()),
        (
            make_pipeline(StandardScaler(), Ridge(alpha=1)),
            make_pipeline(StandardScaler(), Ridge(alpha=2)),
        ),
        (
            make_pipeline(StandardScaler(), Ridge()),
            make_pipeline(StandardScaler(with_mean=False), Ridge()),
        ),
        (GaussianNB(priors=LONG), GaussianNB(priors=OTHER)),
        (pd.DataFrame({"x": LONG}), pd.DataFrame({"x": OTHER})),
        (FunctionTransformer(lambda x: x + 1), FunctionTransformer(lambda x: x + 2)),
        (FunctionTransformer(_twice), FunctionTransformer(np.log)),
        (FunctionTransformer(np.exp), FunctionTransformer(np.log)),
        (_held(1), _held(2)),
        (partial(_twice, 1), partial(_twice, 2)),
        (Custom(0.1), Custom(0.2)),
        ({"a": 1}, {"a": 2}),
        ({"a": LONG}, {"a": OTHER}),
        (np.random.RandomState(0), np.random.RandomState(1)),
        (np.random.default_rng(0), np.random.default_rng(1)),
        (1, True),
        (1, "1"),
        ([1, [2]], [[1], 2]),
        (float("nan"), None),
    ],
    ids=lambda value: type(value).__name__,
)
def test_parts_that_do_otherwise_have_other_settings(one: object, other: object) -> None:
    assert digest_of(settings_of(one)) != digest_of(settings_of(other))


@pytest.mark.parametrize(
    "make",
    [
        lambda: make_pipeline(StandardScaler(), LogisticRegression(C=0.5)),
        lambda: FunctionTransformer(_twice),
        lambda: GaussianNB(priors=LONG.copy()),
        lambda: Custom(0.5),
        lambda: {"z": {3, 1, 2}, "a": [1, 2.5, None]},
        lambda: _held("same"),
        lambda: np.random.RandomState(3),
    ],
)
def test_parts_that_do_the_same_have_equal_settings(make: Any) -> None:
    assert settings_of(make()) == settings_of(make())


def test_a_part_that_holds_itself_is_told() -> None:
    loop = Custom(1.0)
    loop.limit = loop  # type: ignore[assignment]

    assert settings_of(loop)

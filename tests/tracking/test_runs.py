"""Runs keep what went in, how it went, and what came out."""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mldeploy.errors import AlreadyExistsError, NotFoundError, SerializationError
from mldeploy.store import Store
from mldeploy.tracking import Run, RunRecord, Runs, RunStatus

START = datetime(2026, 3, 1, tzinfo=UTC)


class Ticking:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Ticking:
    return Ticking()


@pytest.fixture
def store(tmp_path: Path, clock: Callable[[], datetime]) -> Iterator[Store]:
    with Store.open(tmp_path / "mlstore", clock=clock) as opened:
        yield opened


@pytest.fixture
def runs(store: Store) -> Runs:
    return Runs(store, actor="ana")


def test_a_run_is_kept_as_it_went(runs: Runs, store: Store, clock: Ticking) -> None:
    with runs.start("late", parameters={"C": 0.1, "columns": ["a", None]}) as run:
        run.log_metric("auc", 0.7)
        run.log_metric("auc", np.float64(0.75))
        digest = run.log_artifact("notes", b"hello")
        clock.now += timedelta(minutes=3)

    assert runs.get(run.id) == RunRecord(
        id=run.id,
        name="late",
        status=RunStatus.FINISHED,
        started_at=START,
        ended_at=START + timedelta(minutes=3),
        parameters={"C": 0.1, "columns": ["a", None]},
        metrics={"auc": 0.75},
        artifacts={"notes": digest},
    )
    assert runs.get(run.id).duration == timedelta(minutes=3)
    assert store.artifacts.read_bytes(digest) == b"hello"
    assert store.verify() == ()


def test_a_run_that_raises_is_kept_as_failed_with_its_metrics(runs: Runs, store: Store) -> None:
    with pytest.raises(ZeroDivisionError), runs.start("late") as run:  # noqa: PT012
        run.log_metric("loss", 3)
        raise ZeroDivisionError("oh")

    record = runs.get(run.id)
    assert (record.status, record.metrics) == (RunStatus.FAILED, {"loss": 3.0})
    ended = store.ledger.events(kind="run.ended")[0]
    assert ended.details["reason"] == "ZeroDivisionError: oh"
    assert (ended.subject, ended.actor) == (run.id, "ana")


def test_metrics_are_written_a_thousand_at_a_time(runs: Runs) -> None:
    run = runs.start("late")
    for step in range(999):
        run.log_metric("loss", step, step=step)
    assert len(runs.history(run.id)) == 0

    run.log_metric("loss", 999, step=999)
    assert len(runs.history(run.id)) == 1000


def test_a_metric_that_comes_late_takes_the_buffer_to_the_disk(runs: Runs, clock: Ticking) -> None:
    run = runs.start("late")
    run.log_metric("loss", 1)
    clock.now += timedelta(seconds=0.9)
    run.log_metric("loss", 2)
    assert len(runs.history(run.id)) == 0

    clock.now += timedelta(seconds=0.1)
    run.log_metric("loss", 3)
    assert list(runs.history(run.id)["value"]) == [1, 2, 3]

    run.log_metric("loss", 4)
    run.flush()
    assert list(runs.history(run.id)["value"]) == [1, 2, 3, 4]


@given(
    logged=st.lists(
        st.tuples(st.sampled_from("ab"), st.floats(), st.none() | st.integers(0, 2**62)),
        max_size=20,
    )
)
@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_history_gives_back_what_was_logged_in_order(
    runs: Runs, logged: list[tuple[str, float, int | None]]
) -> None:
    with runs.start("late") as run:
        for key, value, step in logged:
            run.log_metric(key, value, step=step)

    history = runs.history(run.id)
    expected = pd.DataFrame(logged, columns=["key", "value", "step"]).astype(
        {"key": object, "value": float, "step": "Int64"}
    )
    pd.testing.assert_frame_equal(
        history[["key", "value", "step"]].astype({"key": object}), expected
    )
    last = {key: value for key, value, _ in logged}
    found = runs.get(run.id).metrics
    assert found.keys() == last.keys()
    assert all(found[k] == v or (math.isnan(found[k]) and math.isnan(v)) for k, v in last.items())


def test_the_frame_has_a_row_for_each_run_in_order(runs: Runs, clock: Ticking) -> None:
    with runs.start("a", parameters={"C": 1}) as first:
        first.log_metric("auc", 0.7)
    clock.now += timedelta(hours=1)
    second = runs.start("b", parameters={"depth": 3}, parent=first.id)

    frame = runs.to_frame()

    assert list(frame.index) == [first.id, second.id]
    assert list(frame["status"]) == ["finished", "running"]
    assert list(frame["metrics.auc"].isna()) == [False, True]
    assert frame.loc[first.id, "params.C"] == 1
    assert pd.isna(frame.loc[first.id, "params.depth"])
    assert frame.loc[second.id, "parent"] == first.id
    assert str(frame["started_at"].dt.tz) == "UTC"
    assert list(runs.to_frame(name="b").index) == [second.id]
    assert [record.id for record in runs.all()] == [first.id, second.id]


def test_no_runs_make_an_empty_frame_of_the_same_columns(runs: Runs) -> None:
    frame = runs.to_frame()

    assert len(frame) == 0
    assert list(frame) == ["name", "status", "started_at", "ended_at", "duration", "parent"]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), object(), {1, 2}, np.float32(1)])
def test_a_parameter_that_is_no_json_value_is_refused_and_no_run_starts(
    runs: Runs, value: object
) -> None:
    with pytest.raises(SerializationError, match="parameter 'C'"):
        runs.start("late", parameters={"C": value})  # type: ignore[dict-item]

    assert runs.all() == ()


def test_unknown_runs_are_not_found(runs: Runs) -> None:
    for look in (runs.get, runs.history):
        with pytest.raises(NotFoundError, match="no run 'x'"):
            look("x")
    with pytest.raises(NotFoundError):
        runs.start("late", parent="x")


def test_a_run_that_has_ended_takes_nothing_more(runs: Runs) -> None:
    run = runs.start("late")
    run.end()

    for act in (run.end, lambda: run.log_metric("a", 1), lambda: run.log_artifact("a", b"")):
        with pytest.raises(AlreadyExistsError, match="has finished"):
            act()


def test_artifacts_may_be_files_and_directories_but_each_name_once(
    runs: Runs, store: Store, tmp_path: Path
) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "f").write_bytes(b"content")

    with runs.start("late") as run:
        file = run.log_artifact("file", tmp_path / "d" / "f")
        folder = run.log_artifact("folder", tmp_path / "d")
        with pytest.raises(AlreadyExistsError, match="'file'"):
            run.log_artifact("file", b"other")

    assert store.artifacts.read_bytes(file) == b"content"
    assert set(store.artifacts.read_manifest(folder).files) == {"f"}


def test_threads_may_log_to_one_run(runs: Runs) -> None:
    def work(run: Run, key: str) -> None:
        for step in range(700):
            run.log_metric(key, step, step=step)

    with runs.start("late") as run:
        threads = [threading.Thread(target=work, args=(run, key)) for key in "abc"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    steps = runs.history(run.id).groupby("key")["step"].apply(list)
    assert {key: steps[key] == list(range(700)) for key in "abc"} == dict.fromkeys("abc", True)


def test_a_killed_run_keeps_what_was_flushed_and_reads_as_running(
    runs: Runs, store: Store
) -> None:
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        run = runs.start("late")
        run.log_metric("loss", 1)
        run.flush()
        run.log_metric("loss", 2)
        os.write(writing, run.id.encode())
        os._exit(0)
    os.waitpid(pid, 0)
    run_id = os.read(reading, 100).decode()
    os.close(reading)
    os.close(writing)

    record = runs.get(run_id)
    assert (record.status, record.metrics) == (RunStatus.RUNNING, {"loss": 1.0})
    assert store.verify() == ()


def test_html_escapes_names_and_values(runs: Runs) -> None:
    script = "<script>alert(1)</script>"
    with runs.start(script, parameters={script: script}) as run:
        run.log_metric(script, 1)
        run.log_artifact(script, b"")

    for shown in (runs.get(run.id)._repr_html_(), runs._repr_html_()):
        assert "<script" not in shown
        assert "&lt;script&gt;" in shown

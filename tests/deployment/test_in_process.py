"""Two versions share the traffic of one process, and nothing is lost when they are swapped."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy.stats import binom
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from mldeploy.data import dataset_for
from mldeploy.deployment import (
    Action,
    AllAtOnce,
    Canary,
    Deployment,
    InProcessDeployer,
    Release,
    RolloutDecision,
    Shadow,
)
from mldeploy.errors import (
    DeploymentError,
    EmptyDataError,
    InvalidDataError,
    InvalidRowsError,
    PredictionFailedError,
)
from mldeploy.evidence import Report
from mldeploy.problem import Criterion, Problem
from mldeploy.serving import ParquetLog, PredictionSink, read_log
from mldeploy.training import EstimatorTrainer

START = datetime(2030, 1, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
HALF = Canary([0.5, 1.0], block=MINUTE, min_rows=10, hold=5 * MINUTE)


class Clock:
    """A clock that stands where it was set."""

    def __init__(self, now: datetime = START) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now


class Raising:
    """A fitted estimator that breaks on whatever it is asked."""

    classes_ = np.array([False, True])

    def predict(self, X: object) -> np.ndarray:
        raise RuntimeError("the weights are gone")

    predict_proba = predict


def table(n: int, *, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    x, z = rng.normal(size=n), rng.normal(size=n)
    late = rng.uniform(size=n) < 1 / (1 + np.exp(-2 * x))
    return pd.DataFrame({"x": x, "z": z, "late": late})


def release(version: str, *, target: str = "late", **settings: float) -> Release:
    problem = Problem(
        name="demo",
        statement="Is it late?",
        target=target,
        positive=True,
        criteria=[Criterion("roc_auc", at_least=0.6)],
    )
    estimator = make_pipeline(StandardScaler(), LogisticRegression(**settings))
    frame = table(400).rename(columns={"late": target})
    trainer = EstimatorTrainer(estimator, baselines={})
    model = trainer.train(dataset_for(frame, problem), problem, by="tom", clock=Clock())
    return Release(model=model, version=version)


@pytest.fixture(scope="module")
def old() -> Release:
    return release("demo:1")


@pytest.fixture(scope="module")
def new() -> Release:
    return release("demo:2", C=0.01)


@pytest.fixture(scope="module")
def broken(new: Release) -> Release:
    return Release(model=replace(new.model, estimator=Raising()), version="demo:3")


@pytest.fixture
def clock() -> Clock:
    return Clock()


def rows(n: int, *, seed: int = 1) -> pd.DataFrame:
    return table(n, seed=seed)[["x", "z"]]


def keys(n: int) -> list[str]:
    return [f"k{i}" for i in range(n)]


def deploy(
    candidate: Release, champion: Release | None, rollout: Any, clock: Any = None
) -> Deployment:
    return InProcessDeployer().deploy(
        candidate, champion=champion, rollout=rollout, clock=clock or Clock()
    )


def arms(live: Deployment, n: int) -> list[str]:
    return list(live.predict_frame(rows(n), keys=keys(n)).versions)


def log_of(live: Deployment) -> pl.DataFrame:
    return live.answers().with_columns(pl.lit(None, dtype=pl.Boolean).alias("label"))


def move(action: Action, share: float) -> RolloutDecision:
    report = Report(step="rollout", made_by="by hand", findings=(), started_at=START)
    return RolloutDecision(action=action, share=share, at=START, reason="a test", report=report)


# --- who answers --------------------------------------------------------------------------


def test_a_lone_version_answers_everything_as_its_model_does(old: Release) -> None:
    frame = rows(50)
    with deploy(old, None, AllAtOnce()) as live:
        answers = live.predict_frame(frame)
        one = live.predict({"x": 1.0, "z": 0.5})

    np.testing.assert_array_equal(answers.predictions, old.model.predict(frame))
    np.testing.assert_allclose(answers.scores, old.model.score(frame), rtol=1e-12)
    assert one.score == pytest.approx(old.model.score(pd.DataFrame({"x": [1.0], "z": [0.5]}))[0])
    assert one.version == "demo:1"


@pytest.mark.parametrize(
    "make", [lambda f: f, pl.from_dicts, list], ids=["pandas", "polars", "rows"]
)
def test_a_canary_answers_every_row_by_its_arm_in_the_order_of_the_rows(
    old: Release, new: Release, make: Callable[[Any], Any]
) -> None:
    frame, n = rows(200), 200
    given = make(frame.to_dict("records"))
    with deploy(new, old, HALF) as live:
        answers = live.predict_frame(given, keys=keys(n))

    by_old, by_new = old.model.score(frame), new.model.score(frame)
    expected = np.where(np.array(answers.versions) == "demo:2", by_new, by_old)
    np.testing.assert_allclose(answers.scores, expected, rtol=1e-12)
    assert list(answers.keys or ()) == keys(n)
    assert set(answers.versions) == {"demo:1", "demo:2"}


def test_one_key_always_meets_the_same_version_alone_or_in_a_table(
    old: Release, new: Release
) -> None:
    with deploy(new, old, HALF) as live:
        together = arms(live, 100)
        alone = [live.predict({"x": 0.0, "z": 0.0}, key=k).version for k in keys(100)]

        assert arms(live, 100) == together == alone


def test_as_the_share_grows_no_key_ever_moves_back(old: Release, new: Release) -> None:
    steps = [0.05, 0.2, 0.5, 0.9, 1.0]
    moved: set[str] = set()
    with deploy(new, old, Canary(steps)) as live:
        for share in steps[:-1]:
            assert live.status().share == share
            now = {k for k, v in zip(keys(400), arms(live, 400), strict=True) if v == "demo:2"}
            assert moved <= now
            moved = now
            following = steps[steps.index(share) + 1]
            live.apply(move(Action.ADVANCE if following < 1 else Action.COMPLETE, following))

        assert set(arms(live, 400)) == {"demo:2"}


@pytest.mark.parametrize("with_keys", [True, False])
def test_the_candidate_gets_its_share_of_the_rows(
    old: Release, new: Release, with_keys: bool
) -> None:
    """Of 4,000 rows at 10 %: outside the binomial's 1e-6 quantiles one run in 500,000 falls."""
    n, share = 4000, 0.1
    with deploy(new, old, Canary([share, 1.0])) as live:
        answers = live.predict_frame(rows(n), keys=keys(n) if with_keys else None)

    found = list(answers.versions).count("demo:2")
    assert binom.ppf(1e-6, n, share) <= found <= binom.ppf(1 - 1e-6, n, share)


def test_another_candidate_draws_other_keys_and_a_restart_the_same(
    old: Release, new: Release, clock: Clock
) -> None:
    """200 keys at a half agree in all of two independent draws with probability 2 ** -200."""
    another = Release(model=new.model, version="demo:3")

    def drawn(candidate: Release) -> list[bool]:
        with deploy(candidate, old, HALF, clock) as live:
            answers = live.predict_frame(rows(200), keys=keys(200))
        return [version == candidate.version for version in answers.versions]

    assert drawn(new) == drawn(new)
    assert drawn(new) != drawn(another)


# --- a shadow -----------------------------------------------------------------------------


def test_a_shadow_answers_everything_and_gives_nothing(old: Release, new: Release) -> None:
    with deploy(new, old, Shadow()) as live:
        answers = live.predict_frame(rows(20), keys=keys(20))
        live.predict({"x": 0.0, "z": 0.0})
        logged = live.answers()

    assert set(answers.versions) == {"demo:1"}
    assert logged.group_by("arm").len().sort("arm").rows() == [("champion", 21), ("shadow", 21)]


def test_a_shadow_that_fails_does_not_break_the_answer(old: Release, broken: Release) -> None:
    frame = rows(20)
    with deploy(broken, old, Shadow()) as live:
        answers = live.predict_frame(frame)
        one = live.predict({"x": 0.0, "z": 0.0})
        failed = live.answers().filter(pl.col("error").is_not_null())

    np.testing.assert_array_equal(answers.predictions, old.model.predict(frame))
    assert one.version == "demo:1"
    assert failed["arm"].unique().to_list() == ["shadow"]
    assert failed.height == 21


def test_a_shadow_takes_over_after_its_hold(old: Release, new: Release, clock: Clock) -> None:
    plan = Shadow(block=MINUTE, min_rows=10, hold=5 * MINUTE)
    with deploy(new, old, plan, clock) as live:
        for _ in range(6):
            live.predict_frame(rows(30))
            clock.now += MINUTE
        decision = live.decide(log_of(live))
        live.apply(decision)

        assert decision.action is Action.COMPLETE
        assert live.predict({"x": 0.0, "z": 0.0}).version == "demo:2"
        assert live.status().champion == "demo:2"


# --- a candidate that fails ---------------------------------------------------------------


def test_a_failing_candidate_is_logged_and_rolled_back(
    old: Release, broken: Release, clock: Clock
) -> None:
    n_failed = 0
    with deploy(broken, old, HALF, clock) as live:
        decision = None
        for minute in range(10):
            for i in range(40):
                try:
                    live.predict({"x": 0.1, "z": 0.2}, key=f"{minute}-{i}")
                except PredictionFailedError:
                    n_failed += 1
            clock.now += MINUTE
            decision = live.decide(log_of(live))
            if decision.action is Action.ROLL_BACK:
                break
        assert decision is not None
        assert decision.action is Action.ROLL_BACK
        assert "Roll back." in {f.action for f in decision.report.alarms}
        logged = live.answers().filter(pl.col("error").is_not_null())
        assert logged.height == n_failed == live.tally().failed > 0
        assert logged["version"].unique().to_list() == ["demo:3"]
        assert logged["error"].unique().to_list() == ["RuntimeError: the weights are gone"]

        live.apply(decision)
        assert {live.predict({"x": 0.1, "z": 0.2}).version for _ in range(50)} == {"demo:1"}
        assert live.status().candidate is None


def test_a_decision_made_at_another_step_is_refused(old: Release, new: Release) -> None:
    advance = move(Action.ADVANCE, 0.5)
    with deploy(new, old, Canary([0.1, 0.5, 0.9, 1.0])) as live:
        live.apply(advance)

        with pytest.raises(DeploymentError, match="decide anew"):
            live.apply(advance)
        assert live.status().share == 0.5


def test_a_canary_of_one_step_completes(old: Release, new: Release, clock: Clock) -> None:
    plan = Canary([1.0], block=MINUTE, min_rows=10, hold=MINUTE)
    with deploy(new, old, plan, clock) as live:
        live.predict_frame(rows(50))
        clock.now += 2 * MINUTE

        assert live.decide(log_of(live)).action is Action.COMPLETE


# --- what is refused ----------------------------------------------------------------------


def test_a_batch_is_answered_by_both_arms_or_by_none(old: Release, new: Release) -> None:
    """One bad row among 100: nothing is answered or logged, and the row is named by its place."""
    for bad in (3, 4, 50, 97):
        records: list[dict[str, object]] = rows(100).to_dict("records")
        records[bad]["x"] = "high"
        with deploy(new, old, HALF) as live:
            with pytest.raises(InvalidRowsError) as caught:
                live.predict_frame(records, keys=keys(100))

            assert {(e.row, e.column) for e in caught.value.errors} == {(bad, "x")}
            assert live.answers().is_empty()
            assert live.tally().rejected == 100


@pytest.mark.parametrize("what", ["keys", "times"])
def test_lists_that_do_not_fit_the_rows_are_refused(old: Release, new: Release, what: str) -> None:
    values = {"keys": keys(7), "times": [START] * 7}[what]
    with deploy(new, old, HALF) as live, pytest.raises(InvalidDataError, match=f"{what}= has 7"):
        live.predict_frame(rows(10), **{what: values})  # type: ignore[arg-type]


def test_times_in_any_form_reach_the_log_in_order(old: Release, new: Release) -> None:
    moments = [START + i * MINUTE for i in range(30)]
    for times in (moments, pd.Series(moments, index=range(100, 130)), pl.Series(moments)):
        with deploy(new, old, HALF) as live:
            answers = live.predict_frame(rows(30), keys=keys(30), times=times)  # type: ignore[arg-type]

            assert [a.time for a in answers] == moments
    with deploy(new, old, HALF) as live:
        same = live.predict_frame(rows(30), keys=keys(30), times=START)  # type: ignore[arg-type]
    assert {a.time for a in same} == {START}


def test_an_empty_table_is_refused(old: Release, new: Release) -> None:
    with deploy(new, old, HALF) as live, pytest.raises(EmptyDataError):
        live.predict_frame(rows(10).iloc[:0])


def test_versions_with_other_targets_cannot_share_traffic(old: Release) -> None:
    other = release("cancelled:1", target="cancelled")

    with pytest.raises(DeploymentError, match="'cancelled' and demo:1 'late'"):
        deploy(other, old, HALF)
    with deploy(old, None, AllAtOnce()) as live:
        live.apply(live.decide(log_of(live)))
        with pytest.raises(DeploymentError, match="cannot share traffic"):
            live.roll_out(other, HALF)
        with pytest.raises(DeploymentError, match="cannot share traffic"):
            live.serve(other)
        assert not live.status().candidate
        assert live.predict({"x": 0.0, "z": 0.0}).version == "demo:1"


def test_a_second_rollout_waits_for_the_first(old: Release, new: Release) -> None:
    with deploy(new, old, HALF) as live:
        with pytest.raises(DeploymentError, match="being rolled out"):
            live.roll_out(old, HALF)
        live.apply(move(Action.ROLL_BACK, 0.0))
        with pytest.raises(DeploymentError, match="nothing is being rolled out"):
            live.apply(move(Action.COMPLETE, 1.0))
        with pytest.raises(DeploymentError, match="nothing is being rolled out"):
            live.decide(log_of(live))


# --- swapping and stopping ----------------------------------------------------------------


def test_no_request_fails_or_meets_a_version_that_is_not_live_while_versions_are_swapped(
    old: Release, new: Release
) -> None:
    third = Release(model=old.model, version="demo:9")
    row, allowed, done = {"x": 0.3, "z": -0.2}, {"demo:1", "demo:2", "demo:9"}, threading.Event()
    scores = {r.version: r.model.score(pd.DataFrame([row]))[0] for r in (old, new, third)}
    live = InProcessDeployer().deploy(old)
    live.apply(live.decide(log_of(live)))

    def ask(worker: int) -> list[tuple[str, float]]:
        seen = []
        while not done.is_set() or not seen:
            answer = live.predict(row, key=str(len(seen)))
            assert isinstance(answer.score, float)
            seen.append((answer.version, answer.score))
            if len(seen) % 10 == 0:
                many = live.predict_frame([row] * 4, keys=keys(4))
                seen += [(a.version, float(a.score)) for a in many]  # type: ignore[arg-type]
        return seen

    with ThreadPoolExecutor(3) as pool:
        asking = [pool.submit(ask, i) for i in range(3)]
        for _ in range(6):
            live.roll_out(new, Canary([0.3, 0.6, 1.0]))
            live.apply(move(Action.ADVANCE, 0.6))
            live.apply(move(Action.COMPLETE, 1.0))
            live.serve(third)
            live.roll_out(old, Shadow())
            live.apply(move(Action.ROLL_BACK, 0.0))
            live.serve(old)
        done.set()
        seen = [answer for future in asking for answer in future.result()]

    assert {version for version, _ in seen} <= allowed
    assert all(score == pytest.approx(scores[version]) for version, score in set(seen))
    logged = live.answers().filter(pl.col("arm") != "shadow")
    assert logged.height == len(seen) == logged["prediction_id"].n_unique()
    live.stop()


def test_stopping_makes_every_answer_safe_and_refuses_more(old: Release, tmp_path: Path) -> None:
    def sink(deployment: str) -> PredictionSink:
        return ParquetLog(tmp_path, deployment=deployment)

    live = InProcessDeployer(sink=sink).deploy(old)
    answers = live.predict_frame(rows(500))
    live.stop()

    assert set(read_log(tmp_path)["prediction_id"]) == set(answers.ids)
    for call in (
        lambda: live.predict({"x": 0.0, "z": 0.0}),
        lambda: live.predict_frame(rows(2)),
        lambda: live.roll_out(old, HALF),
        lambda: live.serve(old),
        lambda: live.apply(move(Action.COMPLETE, 1.0)),
    ):
        with pytest.raises(DeploymentError, match="was stopped"):
            call()
    live.stop()
    assert live.status().is_stopped

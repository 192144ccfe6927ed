"""A rollout is decided on what both versions answered."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from mldeploy.data import Schema
from mldeploy.deployment import (
    ABTest,
    Action,
    AllAtOnce,
    BlueGreen,
    Canary,
    RolloutState,
    Shadow,
    decide,
)
from mldeploy.evidence import Verdict
from mldeploy.model import Signature
from mldeploy.problem import Criterion, Problem, Task

START = datetime(2030, 1, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
PROBLEM = Problem(
    name="demo",
    statement="Is it late?",
    target="late",
    positive=True,
    criteria=[
        Criterion("roc_auc", at_least=0.7, not_worse_than="champion", by=0.02),
        Criterion("latency_p99", at_most=timedelta(milliseconds=20)),
    ],
)
SIGNATURE = Signature(
    task=Task.BINARY,
    inputs=Schema.infer(pl.DataFrame({"x": [0.5, 1.5]})),
    target="late",
    classes=(False, True),
    positive=True,
    probabilistic=True,
)


def answers(
    minutes: int,
    *,
    per_minute: int = 200,
    share: float = 0.5,
    failing: float = 0.002,
    times_worse: float = 1.0,
    slow: float = 0.0,
    skill: float = 2.0,
    skill_of_candidate: float | None = None,
    clumped: bool = False,
    seed: int = 0,
    candidate: str = "candidate",
) -> pl.DataFrame:
    """Answers of two versions; `skill` is how far the scores of the classes lie apart."""
    rng = np.random.default_rng(seed)
    n = minutes * per_minute
    minute = np.repeat(np.arange(minutes), per_minute)
    is_candidate = rng.uniform(size=n) < share
    rate = np.where(is_candidate, failing * times_worse, failing)
    if clumped:
        rate = rate * rng.gamma(0.5, 2.0, size=minutes)[minute]
    failed = rng.uniform(size=n) < rate
    label = rng.uniform(size=n) < 0.25
    apart = np.where(
        is_candidate, skill if skill_of_candidate is None else skill_of_candidate, skill
    )
    score = 1 / (1 + np.exp(-(rng.normal(size=n) + apart * label - 1.5)))
    latency = np.where(is_candidate & (rng.uniform(size=n) < slow), 0.05, 0.002)
    return pl.DataFrame(
        {
            "time": [START + MINUTE * int(m) for m in minute],
            "arm": np.where(is_candidate, candidate, "champion"),
            "error": [("ValueError: x" if f else None) for f in failed],
            "latency_s": latency,
            "prediction": score >= 0.5,
            "score": score,
            "label": pl.Series(label.tolist(), dtype=pl.Boolean),
        }
    )


def ask(
    outcomes: pl.DataFrame, *, minutes: int, rollout: Any = None, step: int = 1, **state: Any
) -> Any:
    facts = {
        "rollout": rollout or Canary([0.1, 0.5, 1.0]),
        "step": step,
        "since": START,
        "has_champion": True,
    }
    return decide(
        RolloutState(**(facts | state)),
        outcomes,
        problem=PROBLEM,
        signature=SIGNATURE,
        at=START + minutes * MINUTE,
    )


def test_a_candidate_that_does_no_harm_moves_on_after_the_hold() -> None:
    assert ask(answers(5), minutes=5).action is Action.HOLD
    assert ask(answers(12), minutes=12, step=0).action is Action.ADVANCE

    done = ask(answers(12), minutes=12)

    assert (done.action, done.share) == (Action.COMPLETE, 1.0)
    assert done.report.verdict is Verdict.PASS


def test_a_candidate_with_too_few_answers_waits() -> None:
    decision = ask(answers(30, per_minute=2), minutes=30)

    assert decision.action is Action.HOLD


def test_a_failing_candidate_is_rolled_back_within_minutes() -> None:
    decision = ask(answers(7, per_minute=1000, failing=0.01, times_worse=5), minutes=7)

    assert decision.action is Action.ROLL_BACK
    assert decision.share == 0
    assert decision.report.select(name="failure_share")[0].verdict is Verdict.FAIL


def test_an_outage_is_seen_in_three_blocks() -> None:
    decision = ask(answers(3, failing=0.002, times_worse=400), minutes=3)

    assert decision.action is Action.ROLL_BACK
    assert decision.report.select(name="outage")[0].verdict is Verdict.FAIL


def test_a_slow_candidate_is_rolled_back_by_the_latency_criterion() -> None:
    decision = ask(answers(30, slow=0.1), minutes=30)

    assert decision.action is Action.ROLL_BACK
    (slow,) = decision.report.select(name="latency_p99")
    assert slow.verdict is Verdict.FAIL
    assert slow.criterion == PROBLEM.criteria[1].digest


def test_a_candidate_that_ranks_worse_is_rolled_back_by_the_quality_criterion() -> None:
    decision = ask(answers(30, skill_of_candidate=0.2), minutes=30)

    assert decision.action is Action.ROLL_BACK
    (auc,) = decision.report.select(name="roc_auc")
    assert auc.verdict is Verdict.FAIL
    assert auc.threshold == 0.02


def test_labels_that_have_not_come_are_no_verdict_on_quality() -> None:
    unlabelled = answers(12).with_columns(pl.lit(None, dtype=pl.Boolean).alias("label"))

    decision = ask(unlabelled, minutes=12)

    assert decision.action is Action.COMPLETE
    assert decision.report.select(name="roc_auc")[0].verdict is Verdict.INSUFFICIENT


def test_a_shadow_is_compared_too() -> None:
    bad = answers(30, skill_of_candidate=0.2, candidate="shadow")
    good = answers(30, candidate="shadow")

    assert ask(bad, minutes=30, rollout=Shadow(), step=0).action is Action.ROLL_BACK
    assert ask(good, minutes=30, rollout=Shadow(), step=0).action is Action.COMPLETE


def test_without_a_champion_there_is_nothing_to_wait_for() -> None:
    assert ask(answers(1), minutes=0, has_champion=False).action is Action.COMPLETE
    assert ask(answers(1), minutes=0, rollout=AllAtOnce(), step=0).action is Action.COMPLETE


@pytest.mark.slow
@pytest.mark.parametrize("clumped", [False, True])
def test_healthy_candidates_are_hardly_ever_rolled_back(clumped: bool) -> None:
    """15 rollouts, each asked 4 times: at 1 % more than 2 false ones have probability 4e-4."""
    false = 0
    for seed in range(15):
        outcomes = answers(60, per_minute=120, failing=0.01, clumped=clumped, seed=seed)
        for minutes in range(15, 75, 15):
            seen = outcomes.filter(pl.col("time") < START + minutes * MINUTE)
            if ask(seen, minutes=minutes).action is Action.ROLL_BACK:
                false += 1
                break

    assert false <= 2


def test_traffic_that_is_not_shared_as_planned_is_told() -> None:
    decision = ask(answers(12, share=0.3), minutes=12)

    (ratio,) = decision.report.select(name="sample_ratio")
    assert ratio.verdict is Verdict.FAIL
    assert decision.action is Action.COMPLETE


@pytest.mark.parametrize("steps", [[], [0.0, 1.0], [0.5, 0.1, 1.0], [0.1, 0.5], [0.5, 1.5]])
def test_steps_ascend_to_one(steps: list[float]) -> None:
    with pytest.raises(ValueError, match="must ascend"):
        Canary(steps)


def at_share(rollout: Any, outcomes: pl.DataFrame, *, minutes: int) -> Any:
    state = RolloutState(rollout=rollout, step=0, since=START, has_champion=True)
    at = START + MINUTE * minutes
    return decide(state, outcomes, problem=PROBLEM, signature=SIGNATURE, at=at)


def test_a_test_of_two_versions_ends_when_the_candidate_is_shown_to_be_better() -> None:
    plan = ABTest(hold=timedelta(days=7))
    much_better = answers(120, skill=0.5, skill_of_candidate=2.5)

    decision = at_share(plan, much_better, minutes=120)

    assert decision.action is Action.COMPLETE
    assert "better in roc_auc" in decision.reason


def test_a_test_of_two_versions_keeps_the_champion_when_time_is_up() -> None:
    plan, alike = ABTest(share=0.3, hold=timedelta(hours=1)), answers(60, share=0.3)

    early = at_share(plan, alike, minutes=59)
    late = at_share(plan, alike, minutes=60)

    assert (early.action, early.share) == (Action.HOLD, 0.3)
    assert late.action is Action.ROLL_BACK
    assert "champion stays" in late.reason


def test_a_test_of_two_versions_ends_at_once_when_the_candidate_does_harm() -> None:
    worse = answers(120, skill=2.5, skill_of_candidate=0.0)

    decision = at_share(ABTest(), worse, minutes=120)

    assert decision.action is Action.ROLL_BACK
    assert "worse in roc_auc" in decision.reason


def test_equal_versions_are_hardly_ever_told_apart_however_often_one_looks() -> None:
    """At alpha 0.01, 3 or more false finds in 15 tests have probability 0.0004."""
    plan = ABTest(hold=timedelta(days=7), min_rows=20)
    found = 0
    for seed in range(15):
        alike = answers(60, per_minute=100, failing=0.0, seed=seed)
        looks = (alike.filter(pl.col("time") < START + MINUTE * m) for m in (20, 40, 60))
        actions = {at_share(plan, look, minutes=60).action for look in looks}
        found += Action.COMPLETE in actions

    assert found <= 2


def test_a_switched_version_stays_while_nothing_fails_and_then_for_good() -> None:
    plan, fine = BlueGreen(hold=timedelta(minutes=10)), answers(10, share=1.0)

    assert at_share(plan, fine, minutes=9).action is Action.HOLD
    assert at_share(plan, fine, minutes=10).action is Action.COMPLETE
    assert at_share(plan, fine.clear(), minutes=30).action is Action.HOLD


def test_a_switched_version_that_fails_gives_the_traffic_back() -> None:
    failing = answers(4, share=1.0, failing=0.5)

    decision = at_share(BlueGreen(), failing, minutes=4)

    assert decision.action is Action.ROLL_BACK
    assert "failed conspicuously" in decision.reason

"""When to train anew."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mldeploy.evidence import Finding
from mldeploy.retraining import (
    AnyOf,
    CoolDown,
    OnAlarm,
    OnNewData,
    OnSchedule,
    RetrainingPolicy,
    Situation,
)

NOW = datetime(2030, 6, 1, tzinfo=UTC)
WEEK = timedelta(days=7)


def alarm(name: str) -> Finding:
    return Finding(check="Monitor", name=name, verdict="FAIL", summary=f"{name} fell.")


def situation(**changes: Any) -> Situation:
    facts: dict[str, Any] = {"now": NOW, "trained_at": NOW - 4 * WEEK, "rows_trained_on": 1000}
    return Situation(**(facts | changes))


def test_an_alarm_about_a_named_metric_triggers_and_others_do_not() -> None:
    policy = OnAlarm(names=("roc_auc",))
    about_auc = situation(alarms=(alarm("roc_auc"),), alarmed_at=(NOW,))
    about_drift = situation(alarms=(alarm("psi"),), alarmed_at=(NOW,))

    assert policy.decide(about_auc).retrain
    assert not policy.decide(about_drift).retrain


def test_alarms_that_are_too_old_do_not_count() -> None:
    policy = OnAlarm(at_least=2, within=WEEK)
    alarms = (alarm("recall"), alarm("recall"))

    recent = situation(alarms=alarms, alarmed_at=(NOW - WEEK, NOW))
    stale = situation(alarms=alarms, alarmed_at=(NOW - 2 * WEEK, NOW))

    assert policy.decide(recent).retrain
    assert not policy.decide(stale).retrain


def test_a_schedule_is_due_on_the_day_and_not_before() -> None:
    early = OnSchedule(every=5 * WEEK).decide(situation())

    assert OnSchedule(every=4 * WEEK).decide(situation()).retrain
    assert not early.retrain
    assert early.not_before == NOW + WEEK


def test_new_data_must_reach_both_the_share_and_the_number() -> None:
    policy = OnNewData(growth=0.5, min_rows=600)

    assert not policy.decide(situation(new_rows=599)).retrain
    assert policy.decide(situation(new_rows=600)).retrain
    assert not policy.decide(situation(new_rows=600, rows_trained_on=2000)).retrain


def test_the_first_policy_that_speaks_is_named() -> None:
    policy = AnyOf((OnAlarm(), OnSchedule(every=WEEK), OnNewData()))

    decision = policy.decide(situation(new_rows=10_000))

    assert (decision.retrain, decision.trigger) == (True, "OnSchedule")


def test_a_cool_down_holds_a_policy_back_and_says_until_when() -> None:
    policy = CoolDown(policy=OnSchedule(every=WEEK), pause=2 * WEEK)

    held = policy.decide(situation(last_decided_at=NOW - WEEK))

    assert not held.retrain
    assert held.not_before == NOW + WEEK
    assert policy.decide(situation(last_decided_at=NOW - 2 * WEEK)).retrain


@given(
    days=st.integers(0, 400),
    last=st.none() | st.integers(0, 400),
    rows=st.integers(0, 5000),
    pause=st.integers(0, 100),
)
def test_a_cool_down_never_decides_what_its_policy_does_not(
    days: int, last: int | None, rows: int, pause: int
) -> None:
    inner = AnyOf((OnSchedule(every=timedelta(days=90)), OnNewData()))
    asked = situation(
        trained_at=NOW - timedelta(days=days),
        new_rows=rows,
        last_decided_at=None if last is None else NOW - timedelta(days=last),
    )

    if CoolDown(policy=inner, pause=timedelta(days=pause)).decide(asked).retrain:
        assert inner.decide(asked).retrain


@pytest.mark.parametrize(
    "policy", [OnAlarm(), OnSchedule(every=WEEK), OnNewData(), AnyOf((OnAlarm(),))]
)
def test_every_policy_is_one_by_its_shape(policy: object) -> None:
    assert isinstance(policy, RetrainingPolicy)


def test_nonsense_is_refused_when_it_is_written() -> None:
    for make in (
        lambda: OnAlarm(at_least=0),
        lambda: OnSchedule(every=timedelta(0)),
        lambda: OnNewData(growth=0),
        lambda: AnyOf(()),
        lambda: CoolDown(policy=OnAlarm(), pause=-WEEK),
        lambda: situation(alarms=(alarm("roc_auc"),)),
    ):
        with pytest.raises(ValueError):  # noqa: PT011 - each says something else
            make()

"""The kit of retraining policies."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from itertools import product

import pytest

from mldeploy.evidence import Finding
from mldeploy.retraining import RetrainingDecision, RetrainingPolicy, Situation
from mldeploy.testing._conformance import Conformance
from mldeploy.testing._rules import copy_by_pickle, global_seed, require_frozen
from mldeploy.testing._samples import NOON

_ALARM = Finding(check="Kit", name="roc_auc", verdict="FAIL", summary="<b>It fell.</b>")


class RetrainingPolicyConformance(Conformance, kit=True):
    """Subclass as ``TestYourPolicy`` and define the `policy` fixture."""

    @pytest.fixture
    def policy(self) -> RetrainingPolicy:
        """The policy on trial."""
        raise NotImplementedError(f"{type(self).__name__} must define the `policy` fixture")

    def test_every_situation_is_decided(self, policy: RetrainingPolicy) -> None:
        """From the day of training to ten years later, with and without alarms and rows."""
        for situation in _situations():
            assert isinstance(policy.decide(situation), RetrainingDecision)

    def test_decision_says_who_spoke_why_and_when(self, policy: RetrainingPolicy) -> None:
        """It is put in the ledger as it is."""
        for situation in _situations():
            decision = policy.decide(situation)
            assert decision.at == situation.now
            assert decision.trigger.strip()
            assert decision.reason.strip()
            assert decision.not_before is None or decision.not_before.tzinfo is not None

    def test_model_is_kept_where_nothing_has_happened(self, policy: RetrainingPolicy) -> None:
        """Trained this moment, no alarm, no new row."""
        quiet = Situation(now=NOON, trained_at=NOON, rows_trained_on=1000)
        assert not policy.decide(quiet).retrain

    def test_some_situation_asks_for_training(self, policy: RetrainingPolicy) -> None:
        """A policy that never says yes is none."""
        assert any(policy.decide(situation).retrain for situation in _situations())

    def test_equal_situations_are_decided_alike(self, policy: RetrainingPolicy) -> None:
        """In any order, under another global seed, and by a copy: a policy has no memory."""
        with global_seed(1):
            first = [policy.decide(s) for s in _situations()]
        with global_seed(2):
            backwards = [policy.decide(s) for s in reversed([*_situations()])]
        assert first == backwards[::-1]
        assert first == [copy_by_pickle(policy).decide(s) for s in _situations()]

    def test_decision_comes_back_from_json_as_it_was(self, policy: RetrainingPolicy) -> None:
        """Decisions are stored."""
        for situation in _situations():
            decision = policy.decide(situation)
            assert RetrainingDecision.model_validate_json(decision.to_json()) == decision

    def test_situation_is_left_untouched(self, policy: RetrainingPolicy) -> None:
        """The next policy is asked about the same."""
        for situation in _situations():
            before = situation.to_json()
            policy.decide(situation)
            assert situation.to_json() == before

    def test_instance_is_frozen(self, policy: RetrainingPolicy) -> None:
        """A policy is shared."""
        require_frozen(policy)


def _situations() -> Iterator[Situation]:
    ages = (timedelta(0), timedelta(days=40), timedelta(days=3650))
    for age, n_alarms, new_rows in product(ages, (0, 1, 50), (0, 10, 10**7)):
        yield Situation(
            now=NOON,
            trained_at=NOON - age,
            alarms=(_ALARM,) * n_alarms,
            alarmed_at=tuple(NOON - age * (i / 50) for i in range(n_alarms)),
            rows_trained_on=1000,
            new_rows=new_rows,
            last_decided_at=None if new_rows == 10 else NOON - age,
        )

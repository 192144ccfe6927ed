"""The kit of deployers."""

from __future__ import annotations

import inspect

import numpy as np
import pandas as pd
import pytest

from mldeploy.deployment import (
    Action,
    Canary,
    Deployer,
    Deployment,
    Rollout,
    RolloutDecision,
    Shadow,
)
from mldeploy.errors import DeploymentError, InvalidRowsError
from mldeploy.evidence import Report
from mldeploy.problem import Task
from mldeploy.testing._conformance import Conformance
from mldeploy.testing._rules import at_once, content_of, copy_by_pickle, require_frozen
from mldeploy.testing._samples import NOON, mixed_sample
from mldeploy.testing._trained import release_of

_FINAL = ("status", "roll_out", "decide", "apply", "serve", "stop")
_KEYS = [f"N{i}" for i in range(400)]


class DeployerConformance(Conformance, kit=True):
    """Subclass as ``TestYourDeployer`` and define the `deployer` fixture.

    Models of all three tasks are deployed. The versions are ``sample:1`` (the champion) and
    ``sample:2``. Every deployment is stopped.
    """

    @pytest.fixture
    def deployer(self) -> Deployer:
        """The deployer on trial."""
        raise NotImplementedError(f"{type(self).__name__} must define the `deployer` fixture")

    def test_public_methods_are_the_inherited_ones(self, deployer: Deployer) -> None:
        """The rollout is the same everywhere."""
        assert inspect.getattr_static(deployer, "deploy") is vars(Deployer)["deploy"]
        with _canary(deployer, 0.5) as live:
            for name in _FINAL:
                assert inspect.getattr_static(live, name) is vars(Deployment)[name], name

    @pytest.mark.parametrize("task", list(Task))
    def test_answers_are_those_of_the_model(self, deployer: Deployer, task: Task) -> None:
        """In the order of the rows, for many rows and for one."""
        release, rows = release_of(task), mixed_sample(task).test.X()
        expected, scores = release.model.predict(rows), release.model.score(rows)
        with deployer.deploy(release) as live:
            answers = live.predict_frame(rows)
            single = [live.predict(_row(rows, i)) for i in (0, 7, 30)]
        _require_same(answers.predictions, expected)
        _require_same([a.prediction for a in single], expected[[0, 7, 30]])
        if scores is not None:
            _require_same(answers.scores, scores)
            _require_same([a.score for a in single], scores[[0, 7, 30]])

    def test_every_answer_has_an_id_and_names_its_version(self, deployer: Deployer) -> None:
        """Labels come by the id."""
        rows = mixed_sample().test.X()
        with deployer.deploy(release_of(Task.BINARY)) as live:
            answers = [*live.predict_frame(rows), live.predict(_row(rows, 0), key="k")]
        assert len({answer.id for answer in answers}) == len(rows) + 1
        assert {answer.version for answer in answers} == {"sample:1"}
        assert answers[-1].key == "k"

    def test_answers_can_be_read_back_once_each(self, deployer: Deployer) -> None:
        """A deployment whose log is elsewhere says so instead."""
        rows = mixed_sample().test.X()
        with deployer.deploy(release_of(Task.BINARY)) as live:
            given = live.predict_frame(rows)
            try:
                logged = live.answers()
            except DeploymentError:
                return
        assert sorted(logged["prediction_id"].to_list()) == sorted(given.ids)

    def test_inputs_are_left_untouched(self, deployer: Deployer) -> None:
        """Rows and models belong to the caller."""
        release, rows = release_of(Task.BINARY), mixed_sample().test.X()
        before, held = rows.copy(deep=True), content_of(release.model.estimator)
        with deployer.deploy(release) as live:
            live.predict_frame(rows)
            live.predict(row := _row(rows, 0))
        pd.testing.assert_frame_equal(rows, before)
        assert row == _row(before, 0)
        assert content_of(release.model.estimator) == held

    def test_refused_row_does_no_harm(self, deployer: Deployer) -> None:
        """A value that the schema refuses is named; the next row is answered."""
        rows = mixed_sample().test.X()
        with deployer.deploy(release_of(Task.BINARY)) as live:
            with pytest.raises(InvalidRowsError):
                live.predict(_row(rows, 0) | {"hour": "noon"})
            assert live.predict(_row(rows, 0)).version == "sample:1"

    def test_key_always_meets_the_same_version(self, deployer: Deployer) -> None:
        """Whether asked for alone or among others, and both versions have traffic.

        Of 400 keys at a share of 0.5 the candidate has between 130 and 270, except with a
        probability of 3e-12 (seven standard deviations of 10).
        """
        with _canary(deployer, 0.5) as live:
            first, again = _versions(live), _versions(live)
            rows = _rows_for(_KEYS)
            alone = [live.predict(_row(rows, i), key=_KEYS[i]).version for i in range(20)]
        strayed = [k for k, a, b in zip(_KEYS, first, again, strict=True) if a != b]
        assert not strayed[:5], "these met another version when they asked again"
        assert alone == first[:20]
        assert 130 <= first.count("sample:2") <= 270

    def test_keys_only_move_to_the_candidate_as_its_share_grows(self, deployer: Deployer) -> None:
        """Nobody is sent back and forth."""
        with _canary(deployer, 0.3, 0.7) as live:
            before = _versions(live)
            live.apply(_decision(Action.ADVANCE, 0.7))
            after = _versions(live)
        moved = {(a, b) for a, b in zip(before, after, strict=True) if a != b}
        assert moved == {("sample:1", "sample:2")}

    def test_shadow_never_answers(self, deployer: Deployer) -> None:
        """Its answers are compared, never given."""
        with _deployed(deployer, Shadow()) as live:
            assert set(_versions(live)) == {"sample:1"}

    def test_rollback_returns_to_the_champion(self, deployer: Deployer) -> None:
        """All the traffic, at once."""
        with _canary(deployer, 0.5) as live:
            status = live.apply(_decision(Action.ROLL_BACK, 0.0))
            assert set(_versions(live)) == {"sample:1"}
        assert (status.champion, status.candidate, status.share) == ("sample:1", None, 0.0)

    def test_completed_rollout_leaves_the_candidate(self, deployer: Deployer) -> None:
        """It is the champion from then on."""
        with _canary(deployer, 0.5) as live:
            status = live.apply(_decision(Action.COMPLETE, 1.0))
            assert set(_versions(live)) == {"sample:2"}
        assert (status.champion, status.candidate) == ("sample:2", None)

    def test_hold_changes_nothing(self, deployer: Deployer) -> None:
        """Neither the share, nor who answers which key."""
        with _canary(deployer, 0.5) as live:
            before, status = _versions(live), live.status()
            assert live.apply(_decision(Action.HOLD, 0.5)) == status
            assert _versions(live) == before

    def test_version_can_be_served_at_once_and_replaced_later(self, deployer: Deployer) -> None:
        """A rollback by hand, and the next rollout after it."""
        champion, candidate = release_of(Task.BINARY), release_of(Task.BINARY, version="sample:2")
        with deployer.deploy(candidate) as live:
            live.serve(champion)
            assert set(_versions(live)) == {"sample:1"}
            live.roll_out(candidate, Canary([0.5, 1.0]))
            assert set(_versions(live)) == {"sample:1", "sample:2"}

    def test_stop_may_be_called_again(self, deployer: Deployer) -> None:
        """And says so in the status."""
        live = deployer.deploy(release_of(Task.BINARY))
        live.stop()
        live.stop()
        assert live.status().is_stopped

    def test_stopped_deployment_answers_no_more(self, deployer: Deployer) -> None:
        """Nothing is answered that would not be logged."""
        rows = mixed_sample().test.X()
        live = deployer.deploy(release_of(Task.BINARY))
        live.stop()
        with pytest.raises(DeploymentError):
            live.predict(_row(rows, 0))
        with pytest.raises(DeploymentError):
            live.predict_frame(rows)

    def test_threads_get_the_same_answers(self, deployer: Deployer) -> None:
        """A deployment serves several threads."""
        release, rows = release_of(Task.BINARY), mixed_sample().test.X()
        with deployer.deploy(release) as live:
            answers = at_once(lambda: live.predict_frame(rows))
        for given in answers:
            _require_same(given.predictions, release.model.predict(rows))
        assert len({i for given in answers for i in given.ids}) == len(answers) * len(rows)

    def test_deployer_can_be_used_again(self, deployer: Deployer) -> None:
        """Deployments have nothing in common but their deployer."""
        one, other = (deployer.deploy(release_of(Task.BINARY)) for _ in range(2))
        one.stop()
        with other:
            assert set(_versions(other)) == {"sample:1"}
        assert one.id != other.id

    def test_instance_is_frozen_and_can_be_copied(self, deployer: Deployer) -> None:
        """A deployer is shared, and sent to where it shall deploy."""
        require_frozen(deployer)
        with copy_by_pickle(deployer).deploy(release_of(Task.BINARY)) as live:
            assert set(_versions(live)) == {"sample:1"}


def _deployed(deployer: Deployer, rollout: Rollout) -> Deployment:
    champion, candidate = release_of(Task.BINARY), release_of(Task.BINARY, version="sample:2")
    return deployer.deploy(candidate, champion=champion, rollout=rollout, clock=lambda: NOON)


def _canary(deployer: Deployer, *shares: float) -> Deployment:
    return _deployed(deployer, Canary([*shares, 1.0]))


def _decision(action: Action, share: float) -> RolloutDecision:
    report = Report(step="rollout", made_by="DeployerConformance", findings=(), started_at=NOON)
    return RolloutDecision(action=action, share=share, at=NOON, reason="tried", report=report)


def _versions(live: Deployment) -> list[str]:
    return list(live.predict_frame(_rows_for(_KEYS), keys=_KEYS).versions)


def _rows_for(keys: list[str]) -> pd.DataFrame:
    rows = mixed_sample().test.X()
    return rows.iloc[np.arange(len(keys)) % len(rows)].reset_index(drop=True)


def _row(rows: pd.DataFrame, i: int) -> dict[str, object]:
    plain = rows.iloc[[i]].to_dict("records")[0]
    return {str(k): None if v != v else v for k, v in plain.items()}  # noqa: PLR0124 (NaN)


def _require_same(found: object, expected: np.ndarray) -> None:
    """Floats may differ in the last digits: sums over one row are ordered otherwise."""
    values = np.asarray(found)
    if values.dtype.kind == "f":
        np.testing.assert_allclose(values, expected, rtol=1e-9, atol=1e-12)
    else:
        assert values.tolist() == expected.tolist()

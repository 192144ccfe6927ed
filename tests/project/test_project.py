"""From a problem statement to a monitored model, through the public API."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from mldeploy.data import TimeSplit
from mldeploy.deployment import Action, AllAtOnce, Canary, Shadow
from mldeploy.errors import (
    ApprovalError,
    DeploymentError,
    InvalidRowsError,
    NotFoundError,
    PromotionError,
    UnfitDataError,
)
from mldeploy.evidence import Verdict, Waiver
from mldeploy.problem import Criterion, Problem, ReviewUncertain
from mldeploy.project import Live, Project
from mldeploy.registry import ModelVersion
from mldeploy.training import EstimatorTrainer

START = datetime(2030, 1, 1, tzinfo=UTC)


class Clock:
    """A clock that stands where it was set."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now


def table(n: int, *, seed: int = 0, start: datetime = START, skill: float = 2.0) -> pd.DataFrame:
    """Rows an hour apart, whose label follows from x and noise."""
    rng = np.random.default_rng(seed)
    x, z = rng.normal(size=n), rng.normal(size=n)
    late = rng.uniform(size=n) < 1 / (1 + np.exp(-skill * x))
    times = pd.date_range(start, periods=n, freq="min")
    return pd.DataFrame({"at": times, "x": x, "z": z, "late": late})


@pytest.fixture
def clock() -> Clock:
    return Clock(START + timedelta(days=3))


@pytest.fixture
def problem() -> Problem:
    return Problem(
        name="demo",
        statement="Is it late?",
        target="late",
        positive=True,
        prediction_time="at",
        label_delay=timedelta(hours=1),
        criteria=[
            Criterion("roc_auc", at_least=0.6, better_than="baseline", by=0.01),
            Criterion("brier", not_worse_than="champion", by=0.01),
        ],
        autonomy=ReviewUncertain(max_error=0.1),
    )


@pytest.fixture
def project(problem: Problem, clock: Clock, tmp_path: Path) -> Iterator[Project]:
    with Project(
        problem,
        store=tmp_path / "store",
        split=TimeSplit(test_share=0.3),
        trainer=_with_dummy,
        by="tom",
        clock=clock,
    ) as made:
        yield made


def _with_dummy(estimator: Any) -> EstimatorTrainer:
    return EstimatorTrainer(estimator, baselines={"dummy": DummyClassifier(strategy="prior")})


def pipeline(**settings: float) -> Pipeline:
    """Return a small pipeline."""
    return make_pipeline(StandardScaler(), LogisticRegression(**settings))


MINUTE = timedelta(minutes=1)
PATIENT = Canary([0.5, 1.0], block=MINUTE * 30, min_rows=10, hold=timedelta(days=1))
QUICK = Canary([0.5, 1.0], block=MINUTE * 30, min_rows=10, hold=MINUTE * 200)


def versioned(project: Project, *, seed: int = 0, **settings: float) -> ModelVersion:
    data = project.assess(table(3000, seed=seed))
    model = project.train(pipeline(**settings), data)
    return project.register(model, project.validate(model, data))


def approved(project: Project, *, seed: int = 0, **settings: float) -> ModelVersion:
    version = versioned(project, seed=seed, **settings)
    project.approve(version, by="ana", reason="looked at it")
    return version


def serve(live: Live, clock: Clock, n: int, *, seed: int, skill: float = 2.0) -> None:
    """Answer n rows a minute apart, and let their labels come."""
    rows = table(n, seed=seed, start=clock.now, skill=skill)
    answers = live.predict_frame(
        rows[["x", "z"]],
        keys=[f"k{seed}-{i}" for i in range(n)],
        times=rows["at"].dt.tz_localize(None).to_numpy(),
    )
    clock.now += n * MINUTE + timedelta(hours=1)
    live.add_labels(
        pl.DataFrame(
            {
                "prediction_id": list(answers.ids),
                "value": rows["late"].tolist(),
                "observed_at": [clock.now] * n,
                "received_at": [clock.now] * n,
            }
        )
    )


def test_a_model_goes_from_data_to_service_and_answers(project: Project, clock: Clock) -> None:
    version = approved(project)

    with project.deploy(version) as live:
        answer = live.predict({"x": 1.5, "z": 0.0}, key="a")
        live.label(answer.id, value=True)

        assert answer.version == version.label == "demo:1"
        assert answer.prediction is True
        assert project.registry.alias("demo") == version
        assert live.status().champion == version.label
        assert not live.is_rolling_out
    assert project.verify() == ()


def test_a_registered_model_is_compiled_and_what_is_equal_serves(
    project: Project, problem: Problem, clock: Clock, tmp_path: Path
) -> None:
    rows = pl.DataFrame({"x": [-1.5, 0.2], "z": [0.1, 3.0]})
    release = project.release(versioned(project))
    compiled = release.compiled
    assert compiled is not None
    assert compiled.score_frame(rows)[1] == pytest.approx(release.model.score(rows), abs=1e-9)

    with Project(
        problem, store=tmp_path / "other", trainer=_with_dummy, compilers=(), by="tom", clock=clock
    ) as without:
        version = versioned(without)
        assert without.release(version).compiled is None
        assert "The original serves: no compiler was asked" in without.card(version).to_html()


def test_nobody_serves_what_nobody_approved(project: Project) -> None:
    version = versioned(project)

    with pytest.raises(PromotionError, match="nobody approved it"):
        project.deploy(version)


def test_who_trained_it_cannot_approve_it_without_a_waiver(project: Project, clock: Clock) -> None:
    version = versioned(project)

    with pytest.raises(ApprovalError, match="tom trained the model"):
        project.approve(version, by="tom", reason="mine")
    waiver = project.desk.self_approval(
        by="boss", reason="a team of one", until=clock.now + timedelta(days=1)
    )
    project.approve(version, by="tom", reason="mine", waiver=waiver)
    assert project.promote(version).number == version.number


def test_a_model_that_fails_its_criteria_is_kept_and_does_not_ship(project: Project) -> None:
    frame = table(3000, skill=0.0)
    data = project.assess(frame)
    model = project.train(pipeline(), data)
    report = project.validate(model, data)
    version = project.register(model, report)

    assert report.verdict is Verdict.FAIL
    assert project.registry.versions("demo") == (version,)
    with pytest.raises(ApprovalError, match="FAIL"):
        project.approve(version, by="ana", reason="it looks nice")


def test_unfit_data_is_not_learnt_from_unless_somebody_answers_for_it(
    project: Project, clock: Clock
) -> None:
    frame = table(2000)
    frame["answer"] = frame["late"].astype(float)
    data = project.assess(frame)

    with pytest.raises(UnfitDataError, match="answer"):
        project.train(pipeline(), data)
    until = clock.now + timedelta(days=1)
    failed = {f.name for f in data.report.alarms if f.severity == "blocker"}
    waivers = [Waiver(by="ana", reason="a test", until=until, name=name) for name in failed]
    model = project.train(pipeline(), data.waive(waivers, at=clock.now))
    assert "answer" in model.signature.features


def test_a_row_that_does_not_fit_is_refused_field_by_field(project: Project) -> None:
    with project.deploy(approved(project)) as live:
        with pytest.raises(InvalidRowsError) as caught:
            live.predict({"x": "high", "z": None, "q": 1})

        assert {e.column for e in caught.value.errors} >= {"x", "q"}


def test_a_good_challenger_takes_over_by_a_canary(project: Project, clock: Clock) -> None:
    with project.deploy(approved(project)) as live:
        second = approved(project, seed=1, C=0.5)
        live.roll_out(second, QUICK)
        shares = [live.status().share]
        actions = []
        for i in range(4):
            serve(live, clock, 150, seed=10 + i)
            if live.is_rolling_out:
                actions.append(live.advance().action)
                shares.append(live.status().share)

        assert actions[-1] is Action.COMPLETE
        assert shares[0] == 0.5
        assert project.registry.alias("demo") == second
        assert live.version == second
    assert [p.number for p in project.history()] == [1, 2]


def test_a_bad_challenger_is_rolled_back_and_the_champion_goes_on(
    project: Project, clock: Clock
) -> None:
    first = approved(project)
    with project.deploy(first) as live:
        frame = table(3000, seed=1)
        frame["late"] = ~frame["late"]
        upside_down = project.train(pipeline(), project.data(frame))
        report = project.validate(upside_down, project.data(table(1500, seed=2)))
        bad = project.register(upside_down, report)
        for name in {f.name for f in report.findings if f.verdict != "PASS"}:
            until = clock.now + timedelta(days=9)
            project.waive(bad, by="max", reason="drill", until=until, name=name)
        project.approve(bad, by="max", reason="drill")
        live.roll_out(bad, PATIENT)
        actions = []
        for i in range(8):
            serve(live, clock, 190, seed=20 + i)
            actions.append(live.advance().action)
            if not live.is_rolling_out:
                break

        assert actions[-1] is Action.ROLL_BACK
        assert live.version == first
        assert live.predict({"x": 2.0, "z": 0.0}).version == first.label
        assert project.registry.alias("demo") == first
    (event,) = project.store.ledger.events(kind="rollout.roll_back")
    assert event.subject == bad.label


def test_a_shadow_never_answers(project: Project, clock: Clock) -> None:
    first = approved(project)
    with project.deploy(first) as live:
        live.roll_out(approved(project, seed=1), Shadow(hold=MINUTE, min_rows=10, block=MINUTE))

        answers = [live.predict({"x": 0.1, "z": 0.2}) for _ in range(5)]

        assert {a.version for a in answers} == {first.label}
        assert live.window(START, clock.now + MINUTE).answers.height == 5
        assert live.deployment.answers().height == 10


def test_two_rollouts_at_once_are_refused(project: Project) -> None:
    with project.deploy(approved(project)) as live:
        live.roll_out(approved(project, seed=1), QUICK)

        with pytest.raises(DeploymentError, match="decide on it"):
            live.roll_out(approved(project, seed=2), AllAtOnce())


def test_rolling_back_by_hand_returns_to_what_served(project: Project) -> None:
    first = approved(project)
    with project.deploy(first) as live:
        with pytest.raises(NotFoundError, match="before"):
            live.roll_back(by="ana", reason="nothing there")
        second = approved(project, seed=1)
        live.roll_out(second, AllAtOnce())
        live.advance()
        assert live.version == second

        assert live.roll_back(by="ana", reason="complaints") == first
        assert live.predict({"x": 0.1, "z": 0.2}).version == first.label
        assert project.registry.alias("demo") == first


def test_a_stopped_deployment_answers_no_more(project: Project) -> None:
    live = project.deploy(approved(project))
    live.stop()
    live.stop()

    with pytest.raises(DeploymentError, match="stopped"):
        live.predict({"x": 0.1, "z": 0.2})


def test_the_monitors_find_decay_and_the_policy_proposes_to_train_anew(
    project: Project, clock: Clock
) -> None:
    with project.deploy(approved(project)) as live:
        clock.now = START + timedelta(days=3)
        decisions = []
        for i in range(14):
            begin = clock.now
            serve(live, clock, 300, seed=30 + i, skill=2.0 if i < 4 else 0.0)
            report = project.monitor(live, start=begin, end=begin + 300 * MINUTE)
            decisions.append(project.decide_retraining(live))
            if i == 3:
                assert not [f for f in report.alarms if f.name.startswith("roc_auc")]
                assert not any(d.retrain for d in decisions)

        assert decisions[-1].retrain
        assert "roc_auc" in decisions[-1].reason
    assert project.store.ledger.events(kind="retraining.decided")


def test_every_part_can_be_replaced(problem: Any, tmp_path: Any) -> None:
    project = Project(
        problem, store=tmp_path / "s", trainer=lambda e: EstimatorTrainer(e, baselines={})
    )
    with project:
        model = project.train(pipeline(), project.data(table(500)))

    assert dict(model.baselines) == {}


def test_predictions_route_to_people_where_the_model_is_unsure(project: Project) -> None:
    with project.deploy(approved(project)) as live:
        sure = live.predict({"x": 4.0, "z": 0.0})
        unsure = live.predict({"x": 0.0, "z": 0.0})

    assert sure.route == "automatic"
    assert unsure.route == "review"


def test_what_a_notebook_shows_is_escaped(project: Project) -> None:
    version = approved(project)
    with project.deploy(version) as live:
        shown = [project, live, project.card(version), version, project.assess(table(600))]
        for thing in shown:
            html = thing._repr_html_()
            assert "<script" not in html
            assert np.isin("demo", [html]) or len(html) > 50


def test_a_bundle_carries_its_card_for_the_servers_page(tmp_path: Path) -> None:
    problem = Problem(
        name="carded",
        statement="Is x above a half?",
        target="y",
        positive=1,
        criteria=[Criterion("accuracy", at_least=0.9)],
    )
    frame = pd.DataFrame({"x": [i / 1000 for i in range(1000)]})
    frame["y"] = (frame["x"] > 0.5).astype(int)
    with Project(problem, store=tmp_path / "carded") as project:
        model = project.train(LogisticRegression(C=100), project.data(frame[::2]))
        report = project.validate(model, project.data(frame[1::2]))
        version = project.register(model, report)
        card = project.registry.open_bundle(version, target=tmp_path / "bundle").card

    assert card is not None
    for said in ("Is x above a half?", "accuracy", "What was not done", str(report.verdict)):
        assert said in card

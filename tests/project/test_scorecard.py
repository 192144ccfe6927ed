"""The ML Test Score of a project: what the store shows, and what is declared."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV

from mldeploy.cli import main
from mldeploy.deployment import Canary
from mldeploy.errors import ApprovalError, NotFoundError
from mldeploy.governance import TESTS
from mldeploy.problem import Criterion, Problem
from mldeploy.project import Project
from mldeploy.training import SearchTrainer
from mldeploy.validation import BaselineValidator, CriteriaValidator, ValidatorSuite

NOW = datetime(2030, 1, 10, tzinfo=UTC)
PROBLEM = Problem(
    name="late",
    statement="Is it late?",
    target="late",
    positive=True,
    prediction_time="at",
    label_delay=timedelta(hours=1),
    criteria=[Criterion("roc_auc", at_least=0.6, better_than="baseline")],
)


def frame(n: int = 1500, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    return pd.DataFrame(
        {
            "x": x,
            "at": pd.date_range(NOW - timedelta(days=9), periods=n, freq="5min"),
            "late": rng.uniform(size=n) < 1 / (1 + np.exp(-2 * x)),
        }
    )


class Clock:
    now = NOW

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store in which a first model serves, is monitored, and a second one was rolled out."""
    folder = tmp_path_factory.mktemp("scored") / "store"
    clock = Clock()
    with Project(PROBLEM, store=folder, by="tom", clock=clock, validator=_suite()) as project:
        search = SearchTrainer(
            GridSearchCV(LogisticRegression(), {"C": [0.1, 1.0]}),
            baselines={"dummy": DummyClassifier()},
        )
        first = project.run(frame(), search).version
        project.approve(first, by="ana", reason="read the report")
        with project.deploy(first, rollout=Canary([1.0])) as live:
            rows = frame(400, seed=1)
            clock.now = NOW + timedelta(hours=5)
            times = pd.date_range(NOW, periods=400, freq="10s").to_numpy()
            answers = live.predict_frame(rows.drop(columns="late"), times=times)
            for prediction, truth in zip(answers.ids, rows["late"], strict=True):
                live.label(prediction, bool(truth), at=NOW + timedelta(hours=3))
            project.monitor(live, start=NOW, end=NOW + timedelta(hours=2))
    return folder


def _suite() -> ValidatorSuite:
    return ValidatorSuite((CriteriaValidator(), BaselineValidator()))


@pytest.fixture
def project(store: Path) -> Iterator[Project]:
    clock = Clock()
    clock.now = NOW + timedelta(hours=6)
    with Project(PROBLEM, store=store, by="tom", clock=clock) as project:
        yield project


def test_the_rubric_has_seven_tests_in_each_of_four_sections() -> None:
    counts = pd.Series([test.section for test in TESTS]).value_counts()

    assert dict(counts) == {"data": 7, "model": 7, "infrastructure": 7, "monitoring": 7}
    assert sum(test.can_be_declared for test in TESTS) == 8


def test_points_are_earned_by_what_the_store_shows_and_name_where(project: Project) -> None:
    card = project.scorecard()
    by_test = {item.test: item for item in card.items}
    version = project.registry.get("late", 1)

    assert by_test["data 1"].points == 1
    assert by_test["model 3"].summary == "2 settings were tried on folds."
    assert by_test["model 5"].points == 1
    assert by_test["model 5"].evidence.startswith(f"report {version.report}, finding ")
    assert "vs baseline" in by_test["model 5"].evidence
    assert by_test["model 2"].points == 1
    assert by_test["infrastructure 3"].points == 0.5
    assert by_test["infrastructure 4"].evidence == f"report {version.report}"
    for test in ("monitoring 2", "monitoring 7"):
        assert (by_test[test].points, by_test[test].by) == (1, "store"), by_test[test]
    assert by_test["monitoring 1"].points == 0
    assert by_test["monitoring 1"].summary.startswith("Declare")
    assert all(bool(item.evidence) == (item.points > 0) or item.by for item in card.items)


def test_the_score_is_the_least_of_the_four_sections(project: Project) -> None:
    card = project.scorecard()

    assert card.score == min(card.sections.values())
    assert sum(card.sections.values()) == sum(item.points for item in card.items)
    assert card.missing[0].section == min(card.sections, key=lambda s: card.sections[s])
    assert f"late:1: {card.score:g} of 7" in card.to_text().splitlines()[0]


def test_what_is_declared_counts_half_by_hand_and_whole_where_it_repeats(project: Project) -> None:
    until = NOW + timedelta(days=90)
    declare = project.declarations.declare
    declare("data 7", by="ana", reason="pytest", evidence="https://ci.example/1", until=until)
    declare(
        "monitoring 1", by="ana", reason="a bot", evidence="https://ci.example/2", until=until,
        is_repeated=True,
    )  # fmt: skip

    by_test = {item.test: item for item in project.scorecard().items}

    assert (by_test["data 7"].points, by_test["data 7"].by) == (0.5, "declared")
    assert (by_test["monitoring 1"].points, by_test["monitoring 1"].by) == (1.0, "declared")
    assert by_test["data 7"].evidence == "https://ci.example/1"


def test_a_declaration_ends_and_the_stores_own_answer_goes_first(project: Project) -> None:
    until = NOW + timedelta(days=1)
    project.declarations.declare("model 2", by="a", reason="r", evidence="e", until=until)
    project.declarations.declare("data 6", by="a", reason="r", evidence="e", until=until)
    project.clock.now = NOW + timedelta(days=2)  # type: ignore[attr-defined]

    by_test = {item.test: item for item in project.scorecard().items}

    assert by_test["model 2"].by == "store"
    assert by_test["data 6"].points == 0


def test_nonsense_is_not_declared(project: Project) -> None:
    until = NOW + timedelta(days=1)
    declare = project.declarations.declare
    for test in ("data 1", "data 8", "nonsense"):
        with pytest.raises(NotFoundError, match="cannot be declared"):
            declare(test, by="a", reason="r", evidence="e", until=until)
    with pytest.raises(ApprovalError, match="past"):
        declare("data 7", by="a", reason="r", evidence="e", until=NOW)
    with pytest.raises(ApprovalError, match="who declares"):
        declare("data 7", by="", reason="r", evidence="e", until=until)


def test_nothing_to_score_is_not_found(tmp_path: Path) -> None:
    with Project(PROBLEM, store=tmp_path / "s") as project, pytest.raises(NotFoundError):
        project.scorecard()


def test_ci_fails_below_the_score_that_is_asked_for(
    store: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    asked = ["--store", str(store), "scorecard"]

    assert main([*asked, "late"]) == 0
    assert main([*asked, "late:1", "--at-least", "6.5"]) == 1
    assert "scores" in capsys.readouterr().err
    page = tmp_path / "card.html"
    assert main([*asked, "late", "--format", "html", "--out", str(page)]) == 0
    assert "of 7" in page.read_text()

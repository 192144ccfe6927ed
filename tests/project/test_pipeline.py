"""The whole way from data to a version, and what of it is not done twice."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from mldeploy.data import RandomSplit
from mldeploy.errors import MLDeployError, NotFoundError, StepFailedError, UnfitDataError
from mldeploy.evidence import Verdict
from mldeploy.problem import Criterion, Problem
from mldeploy.project import PipelineRun, Project
from mldeploy.training import EstimatorTrainer

NOW = datetime(2030, 1, 1, tzinfo=UTC)
PROBLEM = Problem(
    name="demo",
    statement="Is it late?",
    target="late",
    positive=True,
    criteria=[Criterion("roc_auc", at_least=0.6, better_than="baseline", by=0.01)],
)


def table(n: int = 1500, *, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    x, z = rng.normal(size=n), rng.normal(size=n)
    return pd.DataFrame({"x": x, "z": z, "late": rng.uniform(size=n) < 1 / (1 + np.exp(-2 * x))})


def pipeline(**settings: float) -> Pipeline:
    return make_pipeline(StandardScaler(), LogisticRegression(**settings))


def with_dummy(estimator: Any) -> EstimatorTrainer:
    return EstimatorTrainer(estimator, baselines={"dummy": DummyClassifier(strategy="prior")})


def done(run: PipelineRun) -> list[str]:
    return [s.step for s in run.steps if s.reused_from is None]


def reused(run: PipelineRun) -> list[str]:
    return [s.step for s in run.steps if s.reused_from is not None]


Open = Callable[..., Any]


@pytest.fixture
def open_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Open:
    """Open the same store again and again, outside any repository whose code may change."""
    monkeypatch.chdir(tmp_path)

    @contextmanager
    def opened(**parts: Any) -> Iterator[Project]:
        parts = {"trainer": with_dummy, "by": "tom"} | parts
        with Project(PROBLEM, store=tmp_path / "store", **parts) as project:
            yield project
            assert project.verify() == ()

    return opened


def test_a_run_ends_in_a_registered_version_and_shows_itself(open_project: Open) -> None:
    with open_project() as project:
        run = project.run(table(), pipeline())

        assert done(run) == ["assess", "train", "validate", "register"]
        assert run.version.label == "demo:1"
        assert run.report.verdict is Verdict.PASS
        assert set(run.model.baselines) == {"dummy"}
        assert project.steps(run.id) == run.steps == project.steps()
        project.approve(run.version, by="ana", reason="looked at it")
        with project.deploy(run.version) as live:
            assert live.predict({"x": 2.0, "z": 0.0}).prediction is True
    html = run._repr_html_()
    assert "demo:1" in html
    assert "assess" in html
    assert "PASS" in html


def test_a_second_run_on_the_same_things_does_nothing_again(open_project: Open) -> None:
    with open_project() as project:
        first = project.run(table(), pipeline())
    with open_project() as project:
        second = project.run(table().iloc[::-1], pipeline())

        assert done(second) == []
        assert reused(second) == ["assess", "train", "validate", "register"]
        assert second.version == first.version
        assert second.report == first.report
        assert len(project.registry.versions("demo")) == 1
        rows = table(5, seed=3)[["x", "z"]]
        np.testing.assert_array_equal(second.model.score(rows), first.model.score(rows))
        assert set(second.model.baselines) == {"dummy"}
        assert "found done" in second._repr_html_()


def test_other_data_is_assessed_and_learnt_from_anew(open_project: Open) -> None:
    with open_project() as project:
        project.run(table(), pipeline())
        changed = table()
        changed.loc[7, "z"] += 1.0
        again = project.run(changed, pipeline())

    assert done(again) == ["assess", "train", "validate", "register"]
    assert again.version.number == 2


@pytest.mark.parametrize(
    ("parts", "settings"),
    [
        ({}, {"C": 0.01}),
        ({"trainer": lambda e: EstimatorTrainer(e, baselines={})}, {}),
        ({"trainer": lambda e: EstimatorTrainer(e, random_state=7)}, {}),
        ({"split": RandomSplit(test_share=0.4)}, {}),
    ],
    ids=["estimator", "baselines", "seed", "split"],
)
def test_another_way_of_learning_is_learnt_anew_but_not_assessed_anew(
    open_project: Open, parts: dict[str, Any], settings: dict[str, float]
) -> None:
    with open_project() as project:
        project.run(table(), pipeline())
    with open_project(**parts) as project:
        again = project.run(table(), pipeline(**settings))

    assert reused(again) == ["assess"]
    assert done(again)[:2] == ["train", "validate"]


def test_a_new_champion_is_compared_with_anew(open_project: Open) -> None:
    with open_project() as project:
        first = project.run(table(), pipeline())
        project.approve(first.version, by="ana", reason="looked at it")
        project.promote(first.version)
        again = project.run(table(), pipeline())

    assert reused(again) == ["assess", "train"]
    assert done(again)[0] == "validate"


class Fragile(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Learns only where the file it reads is there."""

    def __init__(self, needs: str = "") -> None:
        self.needs = needs

    def fit(self, X: Any, y: Any) -> Fragile:
        Path(self.needs).read_text(encoding="utf-8")
        self.classes_ = np.unique(y)
        self.share_ = float(np.mean(y))
        return self

    def predict_proba(self, X: Any) -> Any:
        p = 1 / (1 + np.exp(-2 * np.asarray(X)[:, 0]))
        return np.column_stack([1 - p, p])

    def predict(self, X: Any) -> Any:
        return self.predict_proba(X)[:, 1] > 0.5


def test_a_step_that_failed_is_mended_and_resumed(open_project: Open, tmp_path: Path) -> None:
    needed, trusted = tmp_path / "needed", [f"{Fragile.__module__}.{Fragile.__qualname__}"]
    with open_project(trusted=trusted) as project:
        with pytest.raises(StepFailedError, match="resume=") as caught:
            project.run(table(), Fragile(str(needed)))
        run = caught.value.run
        assert caught.value.step == "train"
        assert [(s.step, s.status) for s in project.steps(run)] == [
            ("assess", "done"),
            ("train", "failed"),
        ]
        assert project.registry.versions("demo") == ()

        needed.write_text("here", encoding="utf-8")
        resumed = project.run(table(), Fragile(str(needed)), resume=run)
        assert resumed.id == run
        assert {s.status for s in resumed.steps} == {"done"}
        assert len(project.store.ledger.events(kind="step.done")) == 4
        assert resumed.version.number == 1


def test_unfit_data_stops_the_run_and_says_why(open_project: Open) -> None:
    leaking = table().assign(answer=lambda t: t["late"].astype(float))
    with open_project() as project:
        with pytest.raises(StepFailedError, match="answer") as caught:
            project.run(leaking, pipeline())

        assert isinstance(caught.value.__cause__, UnfitDataError)
        assert project.registry.versions("demo") == ()
        assert project.run(table(), pipeline()).version.number == 1


def test_a_run_that_is_not_there_cannot_be_resumed(open_project: Open) -> None:
    with open_project() as project, pytest.raises(NotFoundError, match="no run 'nope'"):
        project.run(table(), pipeline(), resume="nope")


def test_damage_to_a_kept_model_is_told_and_not_loaded(open_project: Open, tmp_path: Path) -> None:
    with open_project() as project:
        project.run(table(), pipeline())
    for file in (tmp_path / "store" / "artifacts").rglob("*"):
        if file.is_file() and file.stat().st_size > 10_000:
            file.chmod(0o600)
            file.write_bytes(file.read_bytes()[:-1] + b"?")

    with Project(PROBLEM, store=tmp_path / "store", trainer=with_dummy) as project:
        assert project.verify() != ()
        with pytest.raises(MLDeployError, match="is not what was written"):
            project.run(table(), pipeline())


KILLED = """
import os, sys
sys.path.insert(0, sys.argv[2])
from sklearn.linear_model import LogisticRegression
from mldeploy.project import Project
from killed_pipeline import PROBLEM, table, pipeline, with_dummy

with Project(PROBLEM, store=sys.argv[1], trainer=with_dummy, by="tom") as project:
    if sys.argv[3] == "kill":
        project.validate = lambda *_, **__: os._exit(9)
    resume = next((s.run for s in project.steps()), None)
    run = project.run(table(), pipeline(), resume=resume)
    print(",".join(f"{s.step}:{s.reused_from is None}" for s in run.steps), run.version.label)
    print(len(project.store.ledger.events(kind="step.done")), project.verify())
"""


@pytest.mark.slow
def test_a_run_killed_in_validation_is_resumed_with_the_model_it_had(tmp_path: Path) -> None:
    (tmp_path / "killed_pipeline.py").write_text(Path(__file__).read_text("utf-8"), "utf-8")

    def go(how: str) -> subprocess.CompletedProcess[str]:
        arguments = [str(tmp_path / "store"), str(tmp_path), how]
        return subprocess.run(
            [sys.executable, "-c", KILLED, *arguments],
            capture_output=True,
            text=True,
            check=False,
            cwd=tmp_path,
            env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"},
        )

    assert go("kill").returncode == 9
    resumed = go("go on")

    assert resumed.returncode == 0, resumed.stderr
    assert resumed.stdout.splitlines() == [
        "assess:True,train:True,validate:True,register:True demo:1",
        "4 ()",
    ]

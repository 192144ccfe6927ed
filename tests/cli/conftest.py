"""A store with a model in it, made once and copied for each test."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from mldeploy.cli import main
from mldeploy.deployment import AllAtOnce
from mldeploy.problem import Criterion, Problem
from mldeploy.project import Project
from mldeploy.training import EstimatorTrainer

PROBLEM = Problem(
    name="delays",
    statement="Is it late?",
    target="late",
    positive=True,
    criteria=[Criterion("roc_auc", at_least=0.6)],
)


def table(n: int = 1200, *, seed: int = 0, skill: float = 2.0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    return pd.DataFrame(
        {
            "id": [f"=f{i}" for i in range(n)],
            "x": x,
            "hour": rng.integers(0, 24, n),
            "carrier": rng.choice(["AA", "UA"], n),
            "late": rng.uniform(size=n) < 1 / (1 + np.exp(-skill * x)),
        }
    )


@pytest.fixture(scope="session")
def _made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("cli") / "store"
    estimator = make_pipeline(
        make_column_transformer(
            (OneHotEncoder(handle_unknown="ignore"), ["carrier"]), remainder="passthrough"
        ),
        LogisticRegression(max_iter=500),
    )
    trainer = EstimatorTrainer(estimator, baselines={"dummy": DummyClassifier()})
    features = ["x", "hour", "carrier", "late"]
    with Project(PROBLEM, store=root, by="tom") as project:
        for seed in (0, 1):
            model = project.train(trainer, project.data(table(seed=seed)[features]))
            report = project.validate(model, project.data(table(seed=5 + seed)[features]))
            version = project.register(model, report)
            if seed == 0:
                project.approve(version, by="ana", reason="looked at it")
                with project.deploy(version, rollout=AllAtOnce()) as live:
                    live.predict({"x": 0.5, "hour": 3, "carrier": "AA"})
    return root


@pytest.fixture
def store(_made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(_made, tmp_path / "store"))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A file with labels."""
    path = tmp_path / "data.csv"
    table(seed=9)[["x", "hour", "carrier", "late"]].to_csv(path, index=False)
    return path


Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(store: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run one command on the store: its code, what it printed, and what it complained about."""

    def command(*arguments: object) -> tuple[int, str, str]:
        code = main(["--store", str(store), *map(str, arguments)])
        shown = capsys.readouterr()
        assert "Traceback" not in shown.out + shown.err
        return code, shown.out, shown.err

    return command

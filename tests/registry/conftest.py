"""A store with versions of a small real model, and the means to edit it behind its back."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from mldeploy.data import dataset_for
from mldeploy.evidence import Approval, Finding, Report
from mldeploy.model import Bundle, CodeState, Model, Provenance, Signature
from mldeploy.problem import Criterion, Problem
from mldeploy.registry import ModelVersion, Registry
from mldeploy.store import Store

NOW = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)
NAME = "late-arrivals"

PROBLEM = Problem(
    name=NAME,
    statement="Which flights land late.",
    target="late",
    positive=True,
    criteria=[Criterion("roc_auc", at_least=0.7)],
)


class Clock:
    """A clock that tests move."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


def write_bundle(folder: Path, problem: Problem = PROBLEM, *, slope: float = 1.0) -> Bundle:
    frame = pd.DataFrame({"wind": [0.0, 1, 2, 3], "late": [False, False, True, True]})
    dataset = dataset_for(frame, problem)
    estimator = LogisticRegression(C=slope).fit(dataset.X(), dataset.y())
    model = Model(
        estimator=estimator,
        signature=Signature(
            task=problem.task,
            inputs=dataset.schema.select(("wind",)),
            target=problem.target,
            classes=(False, True),
            positive=True,
            probabilistic=True,
        ),
        provenance=Provenance.of(
            estimator,
            problem=problem.digest,
            data=dataset.fingerprint,
            n_rows=4,
            features=("wind",),
            trainer="test",
            trained_by="tom",
            trained_at=NOW,
            duration=timedelta(seconds=1),
            seed=0,
            code=CodeState(commit="abc", dirty=False, diff=None),
        ),
        problem=problem,
    )
    return Bundle.write(folder, model, golden=dataset)


def report_on(bundle: Bundle, verdict: str = "PASS", **changes: Any) -> Report:
    finding = Finding(check="CriteriaValidator", name="roc_auc", verdict=verdict, summary="Seen.")
    fields: dict[str, Any] = {
        "step": "validate",
        "made_by": "CriteriaValidator",
        "findings": (finding,),
        "about": {
            "model": bundle.model_digest,
            "problem": bundle.problem.digest,
            "data": "e" * 64,
        },
        "started_at": NOW,
    }
    return Report(**{**fields, **changes})


def approval_of(version: ModelVersion, *, by: str = "ana", **changes: Any) -> Approval:
    fields: dict[str, Any] = {
        "model_name": version.name,
        "number": version.number,
        "version_digest": version.digest,
        "by": by,
        "reason": "reviewed",
        "at": NOW,
    }
    return Approval(**{**fields, **changes})


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return write_bundle(tmp_path_factory.mktemp("bundles") / "bundle")


@pytest.fixture(scope="session")
def other_bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return write_bundle(tmp_path_factory.mktemp("bundles") / "other", slope=0.1)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(tmp_path: Path, clock: Clock) -> Iterator[Store]:
    with Store.open(tmp_path / "mlstore", clock=clock) as opened:
        yield opened


@pytest.fixture
def registry(store: Store) -> Registry:
    return Registry(store)


@pytest.fixture
def approval() -> Callable[..., Approval]:
    return approval_of


@pytest.fixture
def report() -> Callable[..., Report]:
    return report_on


@pytest.fixture
def approved(registry: Registry, bundle: Bundle) -> Callable[[], tuple[ModelVersion, Approval]]:
    """Register a version that passed, and have it approved by a second person."""

    def add() -> tuple[ModelVersion, Approval]:
        version = registry.register(bundle, report_on(bundle), by="tom")
        approval = approval_of(version)
        registry.sign_offs.approve(version, approval)
        return version, approval

    return add


def run_sql(root: Path, *statements: str) -> None:
    with closing(sqlite3.connect(root / "store.sqlite")) as database:
        for statement in statements:
            assert database.execute(statement).rowcount != 0, statement
        database.commit()


@pytest.fixture
def sql() -> Callable[..., None]:
    return run_sql


@pytest.fixture
def start() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start Python code in a fresh process; what is still running at the end is killed."""
    started: list[subprocess.Popen[str]] = []

    def run(code: str, *arguments: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", code, *arguments]
        pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        started.append(subprocess.Popen(command, stdin=subprocess.PIPE, text=True, **pipes))
        return started[-1]

    yield run
    for process in started:
        process.kill()
        process.communicate()

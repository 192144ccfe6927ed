"""A registry in a folder, a small real model, and a desk where people sign."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from mldeploy.data import dataset_for
from mldeploy.evidence import Finding, Report
from mldeploy.governance import ApprovalDesk, ModelCard, draft_card
from mldeploy.model import Bundle, CodeState, Model, Provenance, Signature
from mldeploy.problem import Criterion, Problem
from mldeploy.registry import ModelVersion, Registry
from mldeploy.store import Store

NOW = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)
FLIGHTS = pd.DataFrame({"wind": [0.0, 1, 2, 3], "late": [False, False, True, True]})

Register = Callable[..., tuple[ModelVersion, Bundle]]
CardOf = Callable[..., ModelCard]


class Clock:
    """A clock that tests move."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


def _model(*, trained_by: str = "tom", committed: bool = False, **facts: Any) -> Model:
    stated: dict[str, Any] = {
        "statement": "Which flights land late.",
        "owner": "ops",
        "criteria": [Criterion("roc_auc", at_least=0.7)],
        **facts,
    }
    problem = Problem(
        **{"name": "late-arrivals", "target": "late", **stated},
        positive=True,
    )
    dataset = dataset_for(FLIGHTS, problem)
    estimator = LogisticRegression().fit(dataset.X(), dataset.y())
    return Model(
        estimator=estimator,
        signature=Signature(
            task=problem.task,
            inputs=dataset.schema.select(("wind",)),
            target="late",
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
            trained_by=trained_by,
            trained_at=NOW,
            duration=timedelta(seconds=1),
            seed=0,
            code=CodeState(commit="abc", dirty=not committed, diff=None),
        ),
        problem=problem,
    )


@pytest.fixture(scope="session")
def card_of() -> CardOf:
    """Return the card that a bundle would carry, with some findings as its validation."""
    model = _model()

    def made(*findings: Finding) -> ModelCard:
        return draft_card(model, _report(model.digest, model.problem.digest, findings))

    return made


def _report(model: str, problem: str, findings: tuple[Finding, ...]) -> Report:
    return Report(
        step="validate",
        made_by="CriteriaValidator",
        findings=findings,
        about={"model": model, "problem": problem, "data": "e" * 64},
        started_at=NOW,
    )


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(tmp_path: Path, clock: Clock) -> Iterator[Store]:
    with Store.open(tmp_path / "mlstore", clock=clock) as store:
        yield store


@pytest.fixture
def registry(store: Store) -> Registry:
    return Registry(store)


@pytest.fixture
def desk(registry: Registry, clock: Clock) -> ApprovalDesk:
    return ApprovalDesk(registry, clock=clock)


@pytest.fixture
def register(registry: Registry, tmp_path: Path) -> Register:
    """Register a version; give findings, who made it how, or facts of the problem."""

    def add(
        *findings: Finding,
        trained_by: str = "tom",
        compiled: bool = False,
        committed: bool = False,
        **facts: Any,
    ) -> tuple[ModelVersion, Bundle]:
        n = len(list(tmp_path.iterdir()))
        model = _model(trained_by=trained_by, committed=committed, **facts)
        golden = dataset_for(FLIGHTS, model.problem) if compiled else None
        bundle = Bundle.write(tmp_path / f"bundle-{n}", model, golden=golden)
        passed = Finding(
            check="CriteriaValidator", name="roc_auc", verdict="PASS", summary="It holds."
        )
        found = findings or (passed,)
        report = _report(bundle.model_digest, bundle.problem.digest, found)
        return registry.register(bundle, report, by="tom"), bundle

    return add

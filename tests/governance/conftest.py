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
from mldeploy.governance import ApprovalDesk
from mldeploy.model import Bundle, CodeState, Model, Provenance, Signature
from mldeploy.problem import Criterion, Problem
from mldeploy.registry import ModelVersion, Registry
from mldeploy.store import Store

NOW = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)
FLIGHTS = pd.DataFrame({"wind": [0.0, 1, 2, 3], "late": [False, False, True, True]})

Register = Callable[..., tuple[ModelVersion, Bundle]]


class Clock:
    """A clock that tests move."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


def _model(*, trained_by: str = "tom", **facts: str) -> Model:
    stated: dict[str, Any] = {"statement": "Which flights land late.", "owner": "ops", **facts}
    problem = Problem(
        **{"name": "late-arrivals", "target": "late", **stated},
        positive=True,
        criteria=[Criterion("roc_auc", at_least=0.7)],
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
            code=CodeState(commit="abc", dirty=True, diff=None),
        ),
        problem=problem,
    )


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def registry(tmp_path: Path, clock: Clock) -> Iterator[Registry]:
    with Store.open(tmp_path / "mlstore", clock=clock) as store:
        yield Registry(store)


@pytest.fixture
def desk(registry: Registry, clock: Clock) -> ApprovalDesk:
    return ApprovalDesk(registry, clock=clock)


@pytest.fixture
def register(registry: Registry, tmp_path: Path) -> Register:
    """Register a version; give findings, whether to compile it, or facts of the problem."""

    def add(
        *findings: Finding, trained_by: str = "tom", compiled: bool = False, **facts: str
    ) -> tuple[ModelVersion, Bundle]:
        n = len(list(tmp_path.iterdir()))
        model = _model(trained_by=trained_by, **facts)
        golden = dataset_for(FLIGHTS, model.problem) if compiled else None
        bundle = Bundle.write(tmp_path / f"bundle-{n}", model, golden=golden)
        passed = Finding(
            check="CriteriaValidator", name="roc_auc", verdict="PASS", summary="It holds."
        )
        report = Report(
            step="validate",
            made_by="CriteriaValidator",
            findings=findings or (passed,),
            about={
                "model": bundle.model_digest,
                "problem": bundle.problem.digest,
                "data": "e" * 64,
            },
            started_at=NOW,
        )
        return registry.register(bundle, report, by="tom"), bundle

    return add

"""What features take is held against the criteria, and against what they bring."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from mldeploy.assessment import FeatureCost, FeatureCostAssessor
from mldeploy.data import dataset_for
from mldeploy.errors import InvalidDataError
from mldeploy.evidence import Report
from mldeploy.problem import Criterion, Problem

FAST = Criterion("latency_p99", at_most=timedelta(milliseconds=20))
CHEAP = Criterion("cost_per_million", at_most=100)
PROBLEM = Problem(
    name="p", statement="What is y?", target="y", positive=True,
    criteria=[Criterion("roc_auc", at_least=0.7), FAST, CHEAP],
)  # fmt: skip


def assessed(**sources: FeatureCost) -> Report:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(2_000, 3)), columns=list("abc"))
    frame["y"] = frame["a"] + 0.5 * frame["b"] + rng.normal(size=2_000) > 0
    assessor = FeatureCostAssessor(sources=sources)
    return assessor.assess(dataset_for(frame, PROBLEM), PROBLEM)


def test_sources_are_asked_at_once_and_their_prices_add_up() -> None:
    report = assessed(
        bureau=FeatureCost(columns=("a",), latency=timedelta(milliseconds=30), price=0.00006),
        cache=FeatureCost(columns=("b",), latency=timedelta(milliseconds=1), price=0.00005),
    )

    (latency,), (price,) = (report.select(name=f"feature_{n}") for n in ("latency", "price"))
    assert latency.estimate == pytest.approx(0.03)
    assert price.estimate == pytest.approx(110)
    assert {f.criterion for f in report.alarms} == {FAST.digest, CHEAP.digest}


def test_a_source_that_brings_nothing_is_told_and_one_that_does_is_not() -> None:
    report = assessed(
        weather=FeatureCost(columns=("c",), latency=timedelta(milliseconds=5)),
        bureau=FeatureCost(columns=("a",), latency=timedelta(milliseconds=5)),
    )

    worth = {f.slice: f for f in report.select(name="worth")}
    assert worth["bureau"].estimate is not None
    assert worth["bureau"].estimate > 0.1
    assert not worth["bureau"].alarms
    assert worth["weather"].estimate == pytest.approx(0, abs=0.01)


def test_sources_of_no_feature_cost_nothing_and_unknown_columns_are_refused() -> None:
    report = assessed()
    assert "Not checked" in report.findings[0].summary
    with pytest.raises(InvalidDataError, match="nowhere"):
        assessed(x=FeatureCost(columns=("nowhere",)))


def test_costs_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 0"):
        FeatureCost(columns=("a",), price=-1)
    with pytest.raises(ValueError, match="gain"):
        FeatureCostAssessor(sources={}, gain=0)

"""Expectations of a table, as one of its assessors."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from mldeploy.assessment import DataAssessor, ExpectationAssessor
from mldeploy.data import dataset_for
from mldeploy.data.expectations import Expectations, Fresh, InRange, InSet, NotNull, RowCount
from mldeploy.problem import Criterion, Problem
from mldeploy.testing import DataAssessorConformance

NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)


def noon() -> datetime:
    return NOON


class TestExpectationAssessor(DataAssessorConformance):
    @pytest.fixture
    def assessor(self) -> DataAssessor:
        rules = [RowCount(at_least=1), NotNull("x"), InRange("amount", at_least=0)]
        return ExpectationAssessor(expectations=Expectations(rules), clock=noon)


def test_what_the_problem_calls_sensitive_is_withheld_and_the_clock_is_the_one_given() -> None:
    problem = Problem(
        name="late", statement="Which flights land late?", target="late", positive=True,
        sensitive=["name"], criteria=[Criterion("roc_auc", at_least=0.7)],
    )  # fmt: skip
    frame = pl.DataFrame(
        {"name": ["Zoe Secret"], "loaded": [NOON - timedelta(hours=3)], "late": [True]}
    )
    rules = Expectations([InSet("name", ["Ann"]), Fresh("loaded", max_age=timedelta(hours=3))])
    assessor = ExpectationAssessor(expectations=rules, clock=noon)

    report = assessor.assess(dataset_for(frame, problem), problem)

    assert [(f.check, f.name, str(f.verdict)) for f in report.findings] == [
        ("ExpectationAssessor", "in_set", "FAIL"),
        ("ExpectationAssessor", "fresh", "PASS"),
    ]
    assert "Secret" not in report.to_json()

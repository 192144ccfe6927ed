"""The suite picks what applies, says what it left out, and ranks by consequence."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from mldeploy.assessment import AssessorSuite, DataAssessor, FeatureCost, default_assessors
from mldeploy.data import Dataset, dataset_for
from mldeploy.evidence import Finding
from mldeploy.problem import Criterion, Problem

AREA = Criterion("roc_auc", at_least=0.7)
PARITY = Criterion("demographic_parity_difference", at_most=0.1, slices=["sex"])
GAPS = Criterion("missing_share", at_most=0.1, columns=["wind"])


def problem(*criteria: Criterion, **fields: object) -> Problem:
    settings = {"positive": True} | fields
    return Problem(
        name="p", statement="What is y?", target="y", criteria=criteria or (AREA,), **settings,  # type: ignore[arg-type]
    )  # fmt: skip


def frame(n: int = 300) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "wind": rng.gamma(4, 3, n),
            "hour": rng.integers(0, 24, n),
            "sex": rng.choice(["f", "m"], n),
            "y": rng.random(n) < 0.4,
        }
    )


class Says(DataAssessor):
    def __init__(self, *findings: Finding) -> None:
        self.findings = findings

    def _assess(self, dataset: Dataset, problem: Problem) -> Iterator[Finding]:
        yield from self.findings


def warned(name: str, column: str | None = None, criterion: str | None = None) -> Finding:
    return Finding(
        check="Says", name=name, verdict="FAIL", severity="warning", summary=name,
        column=column, criterion=criterion,
    )  # fmt: skip


def test_what_puts_more_criteria_in_doubt_comes_first_and_names_them() -> None:
    asked = problem(AREA, PARITY, GAPS)
    suite = AssessorSuite(
        (
            Says(
                warned("outliers", "hour"),
                warned("outliers", "wind"),
                warned("proxy", "size"),
                warned("row_overlap"),
                warned("feature_price", criterion=AREA.digest),
            ),
        )
    )

    found = suite.assess(dataset_for(frame(), asked), asked).findings

    doubts = [(f.name, f.column, f.details.get("in_doubt")) for f in found]
    assert doubts == [
        ("row_overlap", None, f"{AREA}; {PARITY}"),
        ("outliers", "wind", str(GAPS)),
        ("proxy", "size", str(PARITY)),
        ("feature_price", None, str(AREA)),
        ("outliers", "hour", None),
    ]


def test_what_does_not_apply_is_left_out_with_the_reason() -> None:
    number = problem(
        Criterion("mean_absolute_error", at_most=1.0), positive=None, task="regression"
    )

    left_out = default_assessors(number).left_out
    report = AssessorSuite((Says(),), left_out).assess(
        dataset_for(frame().assign(y=1.5), number), number
    )

    assert left_out["LabelQualityAssessor"] == "the target is a number, not a class"
    assert "no prediction time" in left_out["TimelinessAssessor"]
    assert {f.name for f in report.findings} == set(left_out)
    assert all("Not checked: " in f.summary for f in report.findings)


def test_what_is_given_is_asked_about() -> None:
    asked = problem(AREA, prediction_time="t", weight="w")
    table = frame().assign(t=pd.date_range("2030", periods=300, tz="UTC"), w=1.0)
    data = dataset_for(table, asked)

    suite = default_assessors(
        asked, reference=data, population=data, sources={"met": FeatureCost(columns=("wind",))}
    )

    assert not suite.left_out
    assert {type(a).__name__ for a in suite.assessors} >= {
        "ChangeAssessor", "RepresentativenessAssessor", "FeatureCostAssessor",
        "TimelinessAssessor", "BalanceAssessor", "LabelQualityAssessor",
    }  # fmt: skip
    assert not suite.assess(data, asked).select(name="unlike")[0].alarms

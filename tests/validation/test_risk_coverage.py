"""How often a model is wrong where it decides alone, over how much it decides alone."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mldeploy.evidence import Finding, Report
from mldeploy.problem import ReviewUncertain, ScoredRows, Task
from mldeploy.validation import (
    RiskCoverage,
    risk_coverage,
    risk_coverage_from,
    routing_from,
)


def rows(wrong: list[bool], score: list[float], **more: Any) -> ScoredRows:
    said = (np.array(score) > 0.5).astype(int)
    truth = np.where(wrong, 1 - said, said)
    return ScoredRows(task=Task.BINARY, y_true=truth, y_pred=said, y_score=np.array(score), **more)


def test_rows_that_are_as_sure_are_decided_alone_together() -> None:
    """Two rows of confidence 0.9, one wrong, then two of 0.6, none wrong: 1/2, then 1/4."""
    curve = risk_coverage(rows([True, False, False, False], [0.9, 0.1, 0.4, 0.6]))

    assert curve is not None
    assert curve.coverage == (0.5, 1.0)
    assert curve.error == (0.5, 0.25)
    assert curve.low[1] < 0.25 < curve.high[1]


def test_rows_in_units_have_no_band_that_would_flatter() -> None:
    curve = risk_coverage(rows([True, False], [0.9, 0.8], unit=np.array([1, 1])))

    assert curve is not None
    assert (curve.low, curve.high) == ((), ())


def test_without_scores_or_rows_there_is_no_curve() -> None:
    answers = np.array([0, 1])
    assert risk_coverage(ScoredRows(task=Task.BINARY, y_true=answers, y_pred=answers)) is None
    assert risk_coverage(rows([], [])) is None


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 1)), min_size=1, max_size=80))
def test_the_curve_ends_with_all_rows_and_their_error(pairs: list[tuple[bool, float]]) -> None:
    wrong, score = map(list, zip(*pairs, strict=True))
    curve = risk_coverage(rows(wrong, score))

    assert curve is not None
    assert curve.coverage[-1] == 1.0
    assert curve.error[-1] == pytest.approx(np.mean(wrong))
    assert list(curve.coverage) == sorted(set(curve.coverage))
    assert len(curve.coverage) <= 25


def test_a_finding_carries_curve_and_routing_side_by_side() -> None:
    routing = ReviewUncertain(max_error=0.2).calibrate(rows([False] * 40, [0.9] * 40))
    curve = RiskCoverage(coverage=(1.0,), error=(0.0,), max_error=0.2, chosen=0.6)
    finding = Finding(
        check="AutonomyValidator", name="automatic_share", verdict="PASS", summary="s",
        details={**routing.to_jsonable(), "risk_coverage": curve.to_json()},
    )  # fmt: skip
    now = datetime(2030, 1, 1, tzinfo=UTC)
    report = Report(step="validate", made_by="A", findings=(finding,), started_at=now)

    assert risk_coverage_from(report) == curve
    assert routing_from(report) == routing
    names = [c.name for c in curve.to_chart().curves]
    assert names == ["wrong", "promise", "decides alone"]

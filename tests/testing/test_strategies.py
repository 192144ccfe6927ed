"""What the strategies draw is what the library accepts."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mldeploy.data import Dataset, dataset_for
from mldeploy.evidence import Finding, Report
from mldeploy.problem import Problem, ScoredRows
from mldeploy.testing import datasets, findings, frames, problems, reports, scored_rows


@given(frames(max_rows=8))
def test_frames_are_read_with_all_their_columns(frame: object) -> None:
    assert Dataset.of(frame).columns == tuple(frame.columns)  # type: ignore[attr-defined,arg-type]


@given(st.data())
def test_datasets_have_the_roles_of_their_problem(data: st.DataObject) -> None:
    problem = data.draw(problems())
    drawn = data.draw(datasets(problem=problem, max_rows=5))

    assert drawn.roles == dataset_for(drawn, problem).roles


@given(problems())
def test_problems_come_back_from_json(problem: Problem) -> None:
    assert Problem.model_validate_json(problem.to_json()).digest == problem.digest


@given(findings())
def test_findings_come_back_from_json(finding: Finding) -> None:
    assert Finding.model_validate_json(finding.to_json()) == finding


@given(reports())
def test_reports_escape_every_name(report: Report) -> None:
    assert "<script>" not in report.to_html()
    assert "<img" not in report.to_html()


@given(scored_rows())
def test_scores_of_rows_are_shares(rows: ScoredRows) -> None:
    if rows.y_score is not None and rows.y_score.ndim == 2:
        assert np.allclose(rows.y_score.sum(axis=1), 1)
    assert len(rows) >= 1

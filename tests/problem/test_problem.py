"""A problem that cannot be judged is refused when it is written, not at the gate."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import numpy as np
import pytest

from mldeploy.errors import InvalidProblemError, UnsupportedTaskError
from mldeploy.problem import (
    Advise,
    Automatic,
    Criterion,
    Metric,
    Problem,
    ReviewUncertain,
    Task,
)

AUC = Criterion("roc_auc", at_least=0.7)


def state(**changes: Any) -> Problem:
    fields: dict[str, Any] = {
        "name": "late-arrivals",
        "statement": "Which flights land late?",
        "target": "late",
        "positive": True,
        "criteria": [AUC],
    }
    return Problem(**(fields | changes))


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"criteria": []}, "no criterion"),
        ({"criteria": [AUC, AUC]}, "stands there twice"),
        (
            {
                "criteria": [
                    Criterion("positive_rate", at_least=0.5),
                    Criterion("positive_rate", at_most=0.4),
                ]
            },
            "contradict each other",
        ),
        ({"criteria": [Criterion("mean_absolute_error", at_most=3)]}, "judges regression tasks"),
        ({"positive": None, "task": "binary"}, "needs positive"),
        ({"positive": None}, "say what is predicted"),
        ({"task": "regression"}, "belongs to binary tasks"),
        ({"label_delay": timedelta(hours=-1)}, "negative"),
        ({"features": ["hour", "late"]}, "the target 'late' is among the features"),
        ({"weight": "late"}, "is both"),
        ({"sensitive": ["late"]}, "cannot be a sensitive column"),
        ({"name": "../../etc"}, "name"),
        ({"statement": "  "}, "statement"),
        ({"columns": ["late"], "unit": "tailnum"}, "'tailnum' \\(unit\\)"),
        (
            {
                "columns": ["late", "hour"],
                "criteria": [Criterion("recall", at_least=0.6, slices=["carrier"])],
            },
            "'carrier' \\(the criterion",
        ),
    ],
)
def test_what_cannot_be_judged_is_refused(changes: dict[str, Any], complaint: str) -> None:
    with pytest.raises(InvalidProblemError, match=complaint):
        state(**changes)


@pytest.mark.parametrize("task", ["multilabel", "ranking", "clustering"])
def test_tasks_that_are_not_judged_are_refused_with_a_way_out(task: str) -> None:
    with pytest.raises(UnsupportedTaskError, match="does not judge"):
        state(task=task, positive=None)


def test_a_regression_cannot_leave_uncertain_answers_to_people() -> None:
    with pytest.raises(InvalidProblemError, match="ReviewUncertain"):
        state(
            task="regression",
            positive=None,
            criteria=[Criterion("mean_absolute_error", at_most=3)],
            autonomy=ReviewUncertain(max_error=0.1),
        )


def test_columns_are_checked_when_the_problem_meets_data() -> None:
    problem = state(prediction_time="scheduled")

    problem.check_columns(["late", "scheduled", "hour"])
    with pytest.raises(InvalidProblemError, match="'scheduled' \\(prediction_time\\)"):
        problem.check_columns(["late", "hour"])


@pytest.mark.parametrize("autonomy", [Advise(), Automatic(), ReviewUncertain(max_error=0.05)])
def test_a_problem_read_from_its_json_is_the_same(autonomy: Any) -> None:
    problem = state(
        autonomy=autonomy,
        label_delay=timedelta(hours=8),
        criteria=[
            Criterion("roc_auc", at_least=0.7, better_than="baseline", by=0.02),
            Criterion("recall", at_least=0.6, slices=["carrier"], severity="warning"),
            Criterion("latency_p99", at_most=timedelta(milliseconds=20)),
            Criterion("missing_share", at_most=0.05, columns=["wind_speed"]),
            Criterion("average_precision", at_least=0.3),
        ],
    )

    read = Problem.model_validate_json(problem.to_json())

    assert read == problem
    assert read.digest == problem.digest
    assert all(c.metric.is_resolved for c in read.criteria)


def test_a_changed_metric_is_not_taken_for_the_old_one() -> None:
    def old(y_true: Any, y_hat: Any) -> tuple[Any, Any]:
        return y_hat * 2.0, np.ones(len(y_true))

    def new(y_true: Any, y_hat: Any) -> tuple[Any, Any]:
        return y_hat * 3.0, np.ones(len(y_true))

    problem = state(criteria=[Criterion(Metric("m", per_row=old), at_least=1.0)])
    read = Problem.model_validate_json(problem.to_json())

    assert read.with_metrics([Metric("m", per_row=old)]).criteria[0].metric.is_resolved
    with pytest.raises(InvalidProblemError, match="has changed"):
        read.with_metrics([Metric("m", per_row=new)])


def test_names_are_escaped_where_a_notebook_shows_them() -> None:
    html = state(statement="<script>alert(1)</script>")._repr_html_()

    assert "<script>" not in html
    assert "&lt;script&gt;" in html


def test_the_task_follows_from_the_positive_class() -> None:
    assert state().task is Task.BINARY

"""A criterion that nobody could judge is refused when it is written."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import fbeta_score, make_scorer

from mldeploy.errors import InvalidProblemError, UnknownMetricError
from mldeploy.problem import (
    Criterion,
    Metric,
    MetricKind,
    Needs,
    Slice,
    Task,
    find_metric,
    from_scorer,
)


def test_a_misspelt_metric_is_refused_with_the_right_name() -> None:
    with pytest.raises(UnknownMetricError, match="did you mean roc_auc") as caught:
        Criterion("roc_acu", at_least=0.7)

    assert caught.value.name == "roc_acu"


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"metric": "roc_auc"}, "sets no bound"),
        ({"metric": "accuracy", "at_least": 0.9, "at_most": 0.8}, "no value is at least"),
        ({"metric": "roc_auc", "at_least": 1.2}, "outside of its range"),
        ({"metric": "latency_p99", "at_least": 0.1}, "use at_most"),
        ({"metric": "roc_auc", "at_most": 0.9}, "use at_least"),
        ({"metric": "roc_auc", "at_least": 0.7, "by": 0.1}, "margin towards a rival"),
        ({"metric": "missing_share", "better_than": "baseline"}, "no baseline"),
        (
            {"metric": "recall", "better_than": "baseline", "not_worse_than": "champion"},
            "keep one",
        ),
        ({"metric": "recall", "at_least": 0.5, "columns": ["x"]}, "metrics of data"),
        ({"metric": "missing_share", "at_most": 0.5, "slices": ["x"]}, "not measured by slice"),
        ({"metric": "equal_opportunity_difference", "at_most": 0.1}, "name their column"),
        ({"metric": "recall", "at_least": 0.5, "confidence": 1.5}, "less than 1"),
        ({"metric": "recall", "at_least": 0.5, "by": -1, "better_than": "baseline"}, "by"),
        ({"metric": "recall", "at_least": float("nan")}, "finite"),
        ({"metric": "recall", "at_least": 0.5, "better_than": "oracle"}, "better_than"),
    ],
)
def test_what_could_never_be_judged_is_refused(fields: dict[str, Any], complaint: str) -> None:
    with pytest.raises(InvalidProblemError, match=complaint):
        Criterion(**fields)


def test_a_duration_is_a_bound_in_seconds() -> None:
    criterion = Criterion("latency_p99", at_most=timedelta(milliseconds=20))

    assert criterion.at_most == 0.02


def test_equal_criteria_have_equal_digests_and_others_do_not() -> None:
    one = Criterion("recall", at_least=0.6, slices=["carrier"])
    same = Criterion("recall", at_least=0.6, slices=[Slice("carrier")])
    other = Criterion("recall", at_least=0.61, slices=["carrier"])

    assert one.digest == same.digest
    assert one.digest != other.digest


@given(
    bound=st.floats(0, 1),
    confidence=st.floats(0.51, 0.999),
    slices=st.lists(st.text(min_size=1, max_size=8), max_size=3),
    severity=st.sampled_from(["blocker", "warning", "info"]),
)
def test_a_criterion_read_from_its_json_is_the_same(
    bound: float, confidence: float, slices: list[str], severity: str
) -> None:
    criterion = Criterion(
        "recall", at_least=bound, confidence=confidence, slices=slices, severity=severity
    )

    read = Criterion.model_validate_json(criterion.to_json())

    assert read == criterion
    assert read.digest == criterion.digest
    assert read.metric.is_resolved


def test_a_metric_of_ones_own_must_be_given_again_after_reading() -> None:
    def saved(y_true: Any, y_hat: Any) -> tuple[Any, Any]:
        return 120.0 * y_hat * y_true, np.ones(len(y_true))

    criterion = Criterion(Metric("euros", kind="business", per_row=saved), at_least=1.0)

    read = Criterion.model_validate_json(criterion.to_json())

    assert not read.metric.is_resolved
    assert read.metric.definition == criterion.metric.definition


def test_the_source_of_a_metric_is_part_of_what_it_is() -> None:
    one = Metric("m", function=lambda y_true, y_hat, *, sample_weight: 1.0)
    other = Metric("m", function=lambda y_true, y_hat, *, sample_weight: 2.0)

    assert one.definition != other.definition


def test_every_scorer_of_scikit_learn_that_suits_a_task_is_a_metric() -> None:
    assert find_metric("average_precision").needs is Needs.SCORE
    assert find_metric("neg_log_loss").tasks == (Task.BINARY, Task.MULTICLASS)
    assert Task.REGRESSION in find_metric("r2").tasks
    assert find_metric("r2").needs is Needs.PREDICTION


def test_a_scorer_object_becomes_a_metric_under_a_name() -> None:
    f2 = from_scorer(make_scorer(fbeta_score, beta=2), name="f2")

    assert f2.kind is MetricKind.QUALITY
    assert Task.REGRESSION not in f2.tasks


def test_a_scorer_object_without_a_name_is_refused() -> None:
    with pytest.raises(InvalidProblemError, match="name the metric"):
        from_scorer(make_scorer(fbeta_score, beta=2))


def test_slices_name_their_parts() -> None:
    assert Slice("hour", at_least=6, below=9).names() == ("hour>=6<9",)
    with pytest.raises(InvalidProblemError, match="values and a range"):
        Slice("hour", values=(1,), below=3)
    with pytest.raises(InvalidProblemError, match="empty"):
        Slice("hour", at_least=3, below=3)


def test_missing_values_are_in_no_part() -> None:
    columns = {
        "carrier": np.array(["UA", None, "AA", float("nan"), "UA"], dtype=object),
        "hour": np.array([1.0, np.nan, 3.0, 4.0, 5.0]),
    }

    by_value = {name: mask.tolist() for name, mask in Slice("carrier").parts(columns)}
    (by_range,) = Slice("hour", at_least=3).parts(columns)

    assert by_value == {
        "carrier=AA": [False, False, True, False, False],
        "carrier=UA": [True, False, False, False, True],
    }
    assert by_range[1].tolist() == [False, False, True, True, True]


def test_the_json_of_a_criterion_is_plain() -> None:
    text = Criterion("recall", at_least=0.5).to_json()

    assert json.loads(text)["metric"]["name"] == "recall"

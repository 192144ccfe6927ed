"""Wrong labels come first on the list; clean data raise nothing."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from mldeploy.assessment import LabelQualityAssessor, suspect_rows
from mldeploy.data import dataset_for
from mldeploy.evidence import Report, Severity
from mldeploy.problem import Criterion, Problem


def problem(task: str = "binary", **fields: object) -> Problem:
    metric, bound = {"regression": ("mean_absolute_error", {"at_most": 1.0})}.get(
        task, ("accuracy", {"at_least": 0.6})
    )
    return Problem(
        name="p", statement="What is y?", target="y", task=task,
        positive=True if task == "binary" else None,
        criteria=[Criterion(metric, **bound)], **fields,  # type: ignore[arg-type]
    )  # fmt: skip


def cases(seed: int, *, wrong: float, n: int = 1_500) -> tuple[pd.DataFrame, np.ndarray]:
    """Cases that two features decide nearly always, some with the label of the other class."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(rng.normal(size=(n, 4)), columns=list("abcd"))
    truth = rng.random(n) < 1 / (1 + np.exp(-6 * (frame["a"] + 0.7 * frame["b"])))
    planted = rng.random(n) < wrong
    return frame.assign(y=truth ^ planted, who=np.arange(n) % 20), planted


def assessed(frame: pd.DataFrame, task: str = "binary", **fields: object) -> Report:
    asked = problem(task, **fields)
    return LabelQualityAssessor().assess(dataset_for(frame, asked), asked)


def test_wrong_labels_come_first() -> None:
    """Half as many rows as are wrong: 0.84 of them were in simulations, 0.05 by chance."""
    for seed in range(3):
        frame, planted = cases(seed, wrong=0.05)
        asked = problem(features=list("abcd"))
        ranked = suspect_rows(dataset_for(frame, asked), asked)
        first = ranked["row"].to_numpy()[: planted.sum() // 2]

        assert planted[first].mean() >= 0.7


def test_clean_labels_raise_nothing_and_the_flags_of_chance_are_told() -> None:
    for seed in range(3):
        report = assessed(cases(seed, wrong=0.0)[0])
        (listed,) = report.select(name="suspect_labels")

        assert not report.alarms
        assert listed.estimate == pytest.approx(float(listed.details["by_chance"]), abs=0.03)  # type: ignore[arg-type]


def test_even_errors_are_bounded_by_the_surest_rows() -> None:
    (dirty,) = assessed(cases(1, wrong=0.08)[0]).select(name="even_label_errors")
    (clean,) = assessed(cases(1, wrong=0.0)[0]).select(name="even_label_errors")

    assert dirty.interval is not None
    assert clean.interval is not None
    assert dirty.interval.low < 0.08 < dirty.interval.high
    assert clean.interval.high < 0.04


def test_a_unit_that_labels_the_other_way_round_is_named() -> None:
    frame, _ = cases(2, wrong=0.0)
    frame["y"] ^= frame["who"] == 7

    (found,) = assessed(frame, unit="who").alarms

    assert (found.name, found.slice, found.severity) == ("labels_of_unit", "7", Severity.WARNING)
    assert "'7'" in found.summary


def test_the_list_of_the_finding_is_that_of_the_function() -> None:
    frame, asked = cases(3, wrong=0.03)[0].drop(columns="who"), problem()
    data = dataset_for(frame, asked)

    (listed,) = LabelQualityAssessor(shown=5).assess(data, asked).select(name="suspect_labels")
    ranked = suspect_rows(data, asked)

    assert listed.details["rows"] == ", ".join(map(str, ranked["row"].head(5).to_list()))
    assert len(ranked) == listed.details["count"]


@pytest.mark.parametrize("task", ["regression", "multiclass"])
def test_numbers_and_rare_classes_are_left_out_with_the_reason(task: str) -> None:
    frame, _ = cases(0, wrong=0.0, n=300)
    y = np.arange(300.0) if task == "regression" else np.where(np.arange(300) < 5, "b", "a")

    report = assessed(frame.assign(y=y), task)

    assert not report.alarms
    assert "Not checked" in report.findings[0].summary
    assert suspect_rows(dataset_for(frame.assign(y=y), problem(task)), problem(task)).is_empty()


@pytest.mark.parametrize("settings", [{"n_rows": 10}, {"shown": 0}, {"material": 0.0}])
def test_settings_that_make_no_sense_are_refused(settings: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(settings))):
        LabelQualityAssessor(**settings)  # type: ignore[arg-type]

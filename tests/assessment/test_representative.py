"""Samples of a population pass; one-sided ones are told, and weighted back."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from mldeploy.assessment import RepresentativenessAssessor, raking_weights
from mldeploy.data import Dataset, dataset_for
from mldeploy.errors import InvalidDataError
from mldeploy.evidence import Report, Severity
from mldeploy.problem import Criterion, Problem


def problem(**fields: object) -> Problem:
    return Problem(
        name="p", statement="What is y?", target="y", positive=True,
        criteria=[Criterion("accuracy", at_least=0.7)], **fields,  # type: ignore[arg-type]
    )  # fmt: skip


def people(seed: int, n: int = 2_000) -> pd.DataFrame:
    """Women are ill in 40 of 100 cases, men in 20."""
    rng = np.random.default_rng(seed)
    sex = rng.choice(["f", "m"], n)
    age = rng.normal(50, 12, n) + 3 * (sex == "f")
    return pd.DataFrame(
        {
            "sex": sex,
            "age": np.where(rng.random(n) < 0.03, np.nan, age),
            "site": rng.choice([f"s{i}" for i in range(30)], n),
            "y": rng.random(n) < np.where(sex == "f", 0.4, 0.2),
        }
    )


def assessed(frame: pd.DataFrame, **settings: object) -> Report:
    assessor = RepresentativenessAssessor(**settings)  # type: ignore[arg-type]
    return assessor.assess(dataset_for(frame, problem()), problem())


def population(seed: int = 99) -> Dataset:
    return Dataset.of(people(seed).drop(columns="y"))


def test_samples_of_the_population_raise_nothing() -> None:
    """Differences are 0 where 0.1 is allowed, and the AUC 0.5 where 0.55 is: none in 6."""
    for seed in range(6):
        assert not assessed(people(seed), population=population()).alarms


def test_a_one_sided_sample_is_told_and_weights_bring_the_label_back() -> None:
    frame = people(1, 6_000)
    men = frame[(frame["sex"] == "m") | (np.arange(len(frame)) % 4 == 0)].reset_index(drop=True)

    report = assessed(men, population=population())

    assert {f.severity for f in report.alarms} == {Severity.WARNING}
    assert {(f.column, f.name) for f in report.alarms} >= {
        ("sex", "unlike"),
        (None, "told_apart"),
        ("y", "label with weights"),
    }
    (label,) = report.select(name="label with weights")
    assert label.estimate == pytest.approx(0.3, abs=0.02)
    assert label.details["without"] == pytest.approx(men["y"].mean())
    (rows,) = report.select(name="effective_rows")
    assert rows.estimate is not None
    assert rows.estimate < 0.8 * len(men)


def test_a_difference_that_only_pairs_show_is_told_by_the_classifier() -> None:
    """The means are the same; in the sample the columns agree, in the population they do not."""
    rng = np.random.default_rng(0)
    a = rng.normal(size=3_000)
    alike = pd.DataFrame({"a": a, "b": np.sign(a) * np.abs(rng.normal(size=3_000)), "y": True})
    apart = pd.DataFrame({"a": rng.normal(size=3_000), "b": rng.normal(size=3_000)})

    report = assessed(alike, population=Dataset.of(apart))

    assert [f.name for f in report.alarms] == ["told_apart"]


def test_margins_are_enough_where_no_rows_of_the_population_are_known() -> None:
    frame = people(3, 3_000)
    women = frame[(frame["sex"] == "f") | (np.arange(3_000) % 3 == 0)].reset_index(drop=True)

    report = assessed(women, margins={"sex": {"f": 0.5, "m": 0.5}})

    (label,) = report.select(name="label with weights")
    assert label.estimate == pytest.approx(0.3, abs=0.03)


def test_levels_that_no_row_has_cannot_be_weighted() -> None:
    report = assessed(people(4), margins={"sex": {"f": 0.4, "m": 0.4, "x": 0.2}})

    assert [f.name for f in report.alarms] == ["weights"]
    with pytest.raises(InvalidDataError, match="nowhere"):
        raking_weights(population(), {"nowhere": {"a": 1.0}})


def test_declared_weights_are_priced_and_nothing_else_is_asked() -> None:
    asked = problem(weight="w")
    frame = people(5).assign(w=np.where(np.arange(2_000) < 10, 400.0, 1.0))

    report = RepresentativenessAssessor().assess(dataset_for(frame, asked), asked)

    (rows,) = report.select(name="effective_rows")
    w = frame["w"]
    assert rows.estimate == pytest.approx(w.sum() ** 2 / (w**2).sum())
    assert rows.alarms
    assert "no target population" in report.select(name="population")[0].summary


@pytest.mark.parametrize(
    "settings", [{"max_difference": 0.0}, {"max_auc": 0.4}, {"least_effective": 0.0}]
)
def test_settings_that_make_no_sense_are_refused(settings: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(settings))):
        RepresentativenessAssessor(**settings)  # type: ignore[arg-type]

"""Copies and formulas of other columns are found; independent ones are not."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression

from mldeploy.assessment import CollinearityAssessor
from mldeploy.data import dataset_for
from mldeploy.evidence import Report, Severity
from mldeploy.problem import Criterion, Problem

PROBLEM = Problem(
    name="p", statement="What is y?", target="y", positive=True,
    criteria=[Criterion("accuracy", at_least=0.7)],
)  # fmt: skip


def frame(n: int = 500) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=n), rng.normal(50, 9, n)
    return pd.DataFrame({"a": a, "b": b, "c": rng.choice(["x", "z"], n), "y": a > 0})


def assessed(table: pd.DataFrame) -> Report:
    return CollinearityAssessor().assess(dataset_for(table, PROBLEM), PROBLEM)


def test_a_copy_is_found_whatever_its_values_are_called() -> None:
    table = frame()
    table = table.assign(code=table["c"].map({"x": 7, "z": 3}), again=table["b"] * 2)

    found = assessed(table).alarms

    assert {(f.column, f.details["same_as"]) for f in found} == {("code", "c"), ("again", "b")}
    assert {f.severity for f in found} == {Severity.WARNING}


def test_explained_share_is_that_of_a_regression_by_the_others() -> None:
    table = frame()
    table["mix"] = table["a"] + table["b"] / 9 + np.random.default_rng(1).normal(0, 0.3, 500)
    others = table[["a", "b"]]
    expected = LinearRegression().fit(others, table["mix"]).score(others, table["mix"])

    found = {f.column: f.estimate for f in assessed(table).select(name="collinear")}

    assert found["mix"] == pytest.approx(expected)


def test_an_exact_formula_of_several_columns_has_an_r_squared_of_one() -> None:
    table = frame().assign(total=lambda t: 3 * t["a"] - t["b"])

    found = assessed(table).select(name="collinear")

    assert {f.column for f in found} == {"a", "b", "total"}
    assert all(f.estimate == pytest.approx(1) for f in found)
    assert not assessed(table).alarms


def test_independent_columns_raise_nothing() -> None:
    report = assessed(frame().assign(hole=np.nan, same=1.0, far=[1e300, -1e300] * 250))

    assert not report.alarms
    assert report.select(name="collinear")[0].summary.startswith("None of")


def test_a_limit_that_makes_no_sense_is_refused() -> None:
    with pytest.raises(ValueError, match="max_explained"):
        CollinearityAssessor(max_explained=1.0)

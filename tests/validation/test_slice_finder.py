"""Slices that somebody else finds are confirmed on rows that he has not seen."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.tree import DecisionTreeRegressor

from mldeploy.data import dataset_for
from mldeploy.errors import InvalidDataError
from mldeploy.evidence import Verdict
from mldeploy.validation import SliceValidator


def rows(n: int, *, bad: bool) -> pd.DataFrame:
    """Answers that are right 85 times in 100, and 60 times where a sum of two numbers is high."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(n, 4)), columns=list("abcd"))
    right = np.where((frame["a"] + frame["b"] > 1) & bad, 0.6, 0.85)
    frame["late"] = rng.integers(0, 2, n)
    frame["answer"] = np.where(rng.random(n) < right, frame["late"], 1 - frame["late"])
    return frame


def leaves(rows: pd.DataFrame, worse: Any) -> dict[str, Any]:
    """The leaf of a small tree in which rows are worst: a finder in seven lines."""
    X = rows[list("abcd")].assign(sum=rows["a"] + rows["b"])
    tree = DecisionTreeRegressor(max_depth=2, min_samples_leaf=100, random_state=0).fit(X, worse)
    worst = int(pd.Series(worse).groupby(tree.apply(X)).mean().idxmax())

    def inside(table: pd.DataFrame) -> Any:
        return tree.apply(table[list("abcd")].assign(sum=table["a"] + table["b"])) == worst

    return {f"leaf {worst}": inside}


@pytest.fixture
def judged(make_model: Any, make_problem: Any, oracle: Any) -> Any:
    def judge(frame: pd.DataFrame, finder: Any) -> Any:
        problem = make_problem(features=[*"abcd", "answer"])
        model = make_model(oracle(), frame, problem)
        data = dataset_for(frame, problem)
        return SliceValidator(finder=finder).validate(model, data, problem)

    return judge


def test_a_slice_that_a_finder_finds_is_confirmed(judged: Any) -> None:
    report = judged(rows(6000, bad=True), leaves)

    (found,) = report.select(name="accuracy gap")
    assert found.verdict is Verdict.FAIL
    assert str(found.slice).startswith("leaf")
    (summary,) = report.select(name="slices_searched")
    assert summary.details == {"suspects": 1, "confirmed": 1}


def test_a_slice_that_chance_made_is_not(judged: Any) -> None:
    report = judged(rows(6000, bad=False), leaves)

    assert not report.select(name="accuracy gap")
    assert report.select(name="slices_searched")[0].details["confirmed"] == 0


def test_a_finder_that_remembers_rows_is_told_so(judged: Any) -> None:
    """A mask of the rows it saw says nothing of others."""

    def remembers(rows: pd.DataFrame, worse: Any) -> dict[str, Any]:
        return {"worst": lambda table: worse > 0}

    with pytest.raises(InvalidDataError, match="any rows that it is asked about"):
        judged(rows(600, bad=True), remembers)

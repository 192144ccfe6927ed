"""Rows that differ in spelling, in rounding or in one column are counted exactly."""

from __future__ import annotations

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from mldeploy.assessment import DuplicatesAssessor
from mldeploy.data import dataset_for
from mldeploy.evidence import Report
from mldeploy.problem import Criterion, Problem

PROBLEM = Problem(
    name="p", statement="What is y?", target="y", positive=True,
    criteria=[Criterion("accuracy", at_least=0.7)],
)  # fmt: skip


def orders(n: int = 400) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "name": [f"Customer {i}" for i in range(n)],
            "price": rng.normal(100, 30, n),
            "city": rng.choice(["Bonn", "Ulm", "Jena"], n),
            "form": rng.choice(["a", "b", "c"], n),
            "y": rng.random(n) < 0.5,
        }
    )


def assessed(frame: pd.DataFrame) -> Report:
    return DuplicatesAssessor().assess(dataset_for(frame, PROBLEM), PROBLEM)


@given(st.sets(st.integers(0, 399), max_size=40), st.integers(0, 2))
def test_rows_that_are_written_otherwise_are_counted(rows: set[int], how: int) -> None:
    frame = orders()
    again = frame.iloc[sorted(rows)].copy()
    if how == 0:
        again["name"] = "  " + again["name"].str.upper()
    elif how == 1:
        again["price"] *= 1 + 1e-12
    else:
        again["city"] = again["city"].str.replace("Bonn", "Köln") + " "

    (found,) = assessed(pd.concat([frame, again], ignore_index=True)).select(
        name="near_duplicates"
    )

    expected = len(rows) if how < 2 else int((frame["city"].iloc[sorted(rows)] != "Bonn").sum())
    assert found.details.get("count", 0) == expected


def test_the_only_column_in_which_rows_differ_is_named_with_their_number() -> None:
    frame = orders()
    again = frame.iloc[:50].assign(form="entered again")

    (found,) = assessed(pd.concat([frame, again], ignore_index=True)).select(
        name="differ_in_one_column"
    )

    assert (found.column, found.details["count"]) == ("form", 50)


def test_exact_repeats_are_not_counted_twice_and_ordinary_rows_not_at_all() -> None:
    twice = pd.concat([orders(), orders()], ignore_index=True)

    (exact,) = assessed(twice).select(name="duplicate_rows")

    assert exact.details["count"] == 400
    assert [f.name for f in assessed(twice).alarms] == ["duplicate_rows"]
    assert not assessed(orders()).alarms

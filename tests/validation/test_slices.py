"""Bad slices are found, and not made up."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mldeploy.data import dataset_for
from mldeploy.evidence import Finding, Severity, Verdict
from mldeploy.problem import Criterion
from mldeploy.validation import SliceValidator

Judge = Callable[[pd.DataFrame], tuple[Finding, ...]]
FEATURES = (*(f"x{i}" for i in range(6)), *(f"c{i}" for i in range(6)))


def table(n: int, rng: np.random.Generator, *, bad: str | None = None, by: float = 0.2) -> Any:
    """Twelve columns, and answers that are right 85 times in 100, less often where bad."""
    frame = pd.DataFrame({f"x{i}": rng.normal(size=n) for i in range(6)})
    for i in range(6):
        frame[f"c{i}"] = rng.choice(list("abcd"), size=n, p=[0.4, 0.3, 0.2, 0.1])
    right = np.full(n, 0.85)
    if bad is not None:
        right[frame.eval(bad).to_numpy()] -= by
    frame["late"] = rng.integers(0, 2, n)
    frame["answer"] = np.where(rng.random(n) < right, frame["late"], 1 - frame["late"])
    return frame


@pytest.fixture
def judge(make_model: Any, make_problem: Any, oracle: Any) -> Judge:
    problem = make_problem()
    model = make_model(oracle(), table(100, np.random.default_rng(0)), problem)

    def judged(frame: pd.DataFrame) -> tuple[Finding, ...]:
        dataset = dataset_for(frame, problem).with_roles(features=FEATURES)
        return SliceValidator().validate(model, dataset, problem).select(name="accuracy gap")

    return judged


def test_a_bad_value_is_named_with_its_figures(judge: Judge) -> None:
    found = judge(table(8000, np.random.default_rng(1), bad="c2 == 'c'"))

    (finding,) = found
    assert (finding.slice, finding.verdict) == ("c2=c", Verdict.FAIL)
    assert finding.severity is Severity.WARNING
    assert finding.threshold == 0.05
    assert finding.interval.low > 0.05
    assert finding.interval.contains(0.2)


def test_a_bad_pair_is_named_and_not_its_parts(judge: Judge) -> None:
    found = judge(table(12_000, np.random.default_rng(2), bad="c1 == 'b' and c3 == 'a'", by=0.3))

    assert [f.slice for f in found if f.verdict is Verdict.FAIL] == ["c1=b and c3=a"]


def test_a_bad_range_of_a_number_is_named(judge: Judge) -> None:
    (finding,) = judge(table(8000, np.random.default_rng(3), bad="x4 > 0.7"))

    assert finding.slice is not None
    assert finding.slice.startswith("x4>=0.6")


def test_few_rows_are_said_to_be_few(
    judge: Judge, make_model: Any, make_problem: Any, oracle: Any
) -> None:
    problem, frame = make_problem(), table(120, np.random.default_rng(0))
    model = make_model(oracle(), frame, problem)

    report = SliceValidator().validate(model, dataset_for(frame, problem), problem)

    assert report.findings[0].verdict is Verdict.INSUFFICIENT
    assert report.findings[0].rows_needed == 80


def test_sensitive_columns_are_tested_on_all_rows(
    make_model: Any, make_problem: Any, oracle: Any
) -> None:
    problem = make_problem(sensitive=("sex",), features=("answer", "c0"))
    frame = table(1500, np.random.default_rng(4), bad="c5 == 'c'", by=0.3)
    frame = frame.rename(columns={"c5": "sex"})
    model = make_model(oracle(), frame, problem)

    report = SliceValidator().validate(model, dataset_for(frame, problem), problem)

    worst = report.select(name="accuracy gap")[0]
    assert (worst.slice, worst.verdict) == ("sex=c", Verdict.FAIL)
    assert worst.n == (frame["sex"] == "c").sum()


def test_a_unit_that_is_always_wrong_makes_no_slice(
    make_model: Any, make_problem: Any, oracle: Any
) -> None:
    """One of 60 customers fills half of c=bad: 300 rows, and still a single case."""
    rng = np.random.default_rng(5)
    who = np.repeat(np.arange(60), 50)
    late = rng.integers(0, 2, 3000)
    group = np.where(np.isin(who, np.arange(6)), "bad", "good")
    right = np.where(who == 0, 0.0, 0.9)
    answer = np.where(rng.random(3000) < right, late, 1 - late)
    frame = pd.DataFrame({"who": who, "c": group, "answer": answer, "late": late})
    problem = make_problem(unit="who", features=("answer", "c"))
    model = make_model(oracle(), frame, problem)

    report = SliceValidator().validate(model, dataset_for(frame, problem), problem)

    assert not [f for f in report.findings if f.slice == "c=bad"]


def test_an_amount_has_a_gap_relative_to_its_size(make_model: Any, number_oracle: Any) -> None:
    from mldeploy.problem import Problem

    rng = np.random.default_rng(6)
    frame = table(6000, rng)
    frame["delay"] = rng.normal(size=6000)
    frame["answer"] = frame["delay"] + rng.normal(size=6000) * np.where(frame["c0"] == "b", 2, 1)
    problem = Problem(
        name="delay",
        statement="How late?",
        target="delay",
        task="regression",
        features=("answer", *FEATURES),
        criteria=[Criterion("mean_absolute_error", at_most=5.0)],
    )
    model = make_model(number_oracle(), frame, problem)

    report = SliceValidator().validate(model, dataset_for(frame, problem), problem)

    found = report.select(name="mean_absolute_error gap")
    assert "c0=b" in [f.slice for f in found if f.verdict is Verdict.FAIL]


@pytest.mark.parametrize(
    "wrong", [{"gap": 0.0}, {"alpha": 0.5}, {"n_bins": 1}, {"min_rows": 5}, {"max_suspects": 0}]
)
def test_settings_without_sense_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="="):
        SliceValidator(**wrong)


@pytest.mark.slow
def test_models_without_bad_slices_get_none(judge: Judge) -> None:
    """More than 7 of 40 at alpha 0.05 has probability 0.0007 (binomial)."""
    rng = np.random.default_rng(7)

    n_blamed = sum(bool(judge(table(2000, rng))) for _ in range(40))

    assert n_blamed <= 7


@pytest.mark.slow
def test_a_slice_of_a_thousand_rows_that_is_worse_by_a_fifth_is_found(judge: Judge) -> None:
    """Fewer than 10 of 15 at a rate of 0.95 has probability 0.0001 (binomial)."""
    rng = np.random.default_rng(8)

    found = [judge(table(10_000, rng, bad="c2 == 'd'")) for _ in range(15)]

    hits = sum(any("c2=d" in str(f.slice) and f.verdict == "FAIL" for f in one) for one in found)
    assert hits >= 10

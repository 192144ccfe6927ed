"""What a model does when rows are changed on purpose, on models whose answers are known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model import LinearRegression

from mldeploy.data import dataset_for
from mldeploy.evidence import Finding, Severity, Verdict
from mldeploy.problem import Criterion, Problem
from mldeploy.testing import ProbeConformance, ValidatorConformance
from mldeploy.validation import (
    DirectionProbe,
    Example,
    Expects,
    InvarianceProbe,
    MissingProbe,
    NoiseProbe,
    Probe,
    RobustnessValidator,
    UnitProbe,
    UnseenProbe,
    Validator,
)


class Steps(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Late from a wind of 10 on; the score rises with wind, but falls in a storm.

    It raises on texts that it does not know, and says nothing where wind is missing.
    """

    def fit(self, X: pd.DataFrame, y: Any) -> Steps:
        self.classes_ = np.unique(y)
        return self

    def predict(self, X: pd.DataFrame) -> Any:
        return self.classes_[(self.predict_proba(X)[:, 1] >= 0.5).astype(int)]

    def predict_proba(self, X: pd.DataFrame) -> Any:
        if "carrier" in X and (unknown := set(X["carrier"].dropna()) - {"AA", "UA"}):
            raise ValueError(f"unknown {unknown}")
        wind = X["wind"].to_numpy(float)
        p = np.where(wind >= 30, 0.9, np.clip(wind / 20, 0, 1))
        return np.column_stack([1 - p, p])


def rows(n: int, *, low: float = 0.0, high: float = 20.0) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    wind = rng.uniform(low, high, n)
    return pd.DataFrame(
        {"wind": wind, "carrier": rng.choice(["AA", "UA"], n), "late": (wind >= 10).astype(int)}
    )


@pytest.fixture
def judged(make_model: Any, make_problem: Any) -> Any:
    def judge(frame: pd.DataFrame, *probes: Probe, **settings: Any) -> Any:
        roles = settings.pop("roles", {})
        problem = make_problem(features=["wind", "carrier"], **roles)
        fitted = frame if frame["late"].nunique() > 1 else rows(50)
        model = make_model(Steps(), fitted, problem)
        return RobustnessValidator(probes=probes, **settings).validate(
            model, dataset_for(frame, problem), problem
        )

    return judge


def only(report: Any, name: str) -> Finding:
    (found,) = report.select(name=name)
    return found


@dataclass(frozen=True, kw_only=True)
class Storm(Probe):
    """Put the wind at 40."""

    def _change(self, rows: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame | None:
        return rows.assign(wind=40.0) if "wind" in rows else None


def test_a_probe_of_ones_own_counts_the_decisions_that_change(judged: Any) -> None:
    """All rows are late in a storm; about half were not."""
    frame = rows(1000)

    finding = only(judged(frame, Storm()), "Storm")

    assert finding.verdict is Verdict.FAIL
    assert finding.estimate == pytest.approx(1 - frame["late"].mean())
    assert finding.column == "wind"
    assert finding.n == 1000


def test_an_answer_that_moves_the_wrong_way_is_counted(judged: Any) -> None:
    """From 20 to 30 and more the score falls from 1 to 0.9."""
    calm, storm = rows(500, low=0, high=9), rows(500, low=21, high=29)

    rises = judged(calm, DirectionProbe(column="wind", by=1.0))
    falls = judged(storm, DirectionProbe(column="wind", by=10.0))

    assert only(rises, "DirectionProbe").verdict is Verdict.PASS
    assert only(falls, "DirectionProbe").verdict is Verdict.FAIL
    assert only(falls, "DirectionProbe").estimate == 1.0


def test_what_makes_no_difference_holds_and_few_rows_ask_for_more(judged: Any) -> None:
    many = judged(rows(1000), InvarianceProbe(columns=["carrier"]))
    few = judged(rows(60), InvarianceProbe(columns=["carrier"]))

    assert only(many, "InvarianceProbe").verdict is Verdict.PASS
    assert only(few, "InvarianceProbe").verdict is Verdict.INSUFFICIENT
    assert only(few, "InvarianceProbe").rows_needed


def test_a_model_that_raises_on_an_unseen_text_fails_and_says_what_it_raised(judged: Any) -> None:
    finding = only(judged(rows(500), UnseenProbe()), "UnseenProbe")

    assert finding.verdict is Verdict.FAIL
    assert finding.estimate == 1.0
    assert finding.column == "carrier"
    assert "unknown" in str(finding.details["error"])


def test_rows_that_the_schema_refuses_count_as_fine(judged: Any) -> None:
    """The schema has no missing values, so it refuses them; with some, the model is asked."""
    closed = rows(500)
    open_ = closed.assign(wind=closed["wind"].where(closed.index != 3, 5.0))
    open_.loc[open_.index[::100], "wind"] = np.nan

    refused = only(judged(closed, MissingProbe()), "MissingProbe")
    silent = only(judged(open_, MissingProbe()), "MissingProbe")

    assert refused.verdict is Verdict.PASS
    assert refused.details["n_refused"] == 500
    assert silent.verdict is Verdict.FAIL
    assert silent.estimate == pytest.approx(0.5, abs=0.1)


def test_noise_turns_decisions_near_the_border_only(judged: Any) -> None:
    """With winds from 0 to 20 and noise of .06, about 1 in 400 is near enough."""
    quiet = only(judged(rows(2000), NoiseProbe()), "NoiseProbe")
    near = only(judged(rows(2000, low=9.99, high=10.01), NoiseProbe(share=2.0)), "NoiseProbe")

    assert quiet.verdict is Verdict.PASS
    assert near.verdict is Verdict.FAIL


def test_a_wrong_unit_that_nobody_notices_is_told(judged: Any) -> None:
    finding = only(judged(rows(1000), UnitProbe()), "UnitProbe")

    assert finding.verdict is Verdict.FAIL
    assert finding.severity is Severity.INFO
    assert finding.details["changed_decisions"] == pytest.approx(0.5, abs=0.05)


def test_the_nearest_flip_is_as_far_as_the_border(judged: Any) -> None:
    """The spread is 20 / sqrt(12) = 5.77: of winds in 0 to 20, 0.05 of it turns 0.29 / 10."""
    near = judged(rows(1500), flip_size=0.05, max_flip_rows=1500)
    far = judged(rows(500, low=18, high=19), max_flip_rows=100)

    flips = only(near, "nearest_flip")
    assert flips.estimate == pytest.approx(0.029, abs=0.015)
    assert flips.verdict is Verdict.PASS
    assert flips.details["most_alone"] == "wind"
    assert only(far, "nearest_flip").details["never_turned"] == 1.0


def test_examples_must_all_be_answered_rightly(judged: Any) -> None:
    good = Example(row={"wind": 19.0, "carrier": "AA"}, answer=1)
    bad = Example(row={"wind": 19.0, "carrier": "AA"}, answer=0)
    broken = Example(row={"wind": 19.0, "carrier": "XX"}, answer=1)

    held = only(judged(rows(60), examples=[good]), "minimum_functionality")
    failed = only(judged(rows(60), examples=[good, bad, broken]), "minimum_functionality")

    assert held.verdict is Verdict.PASS
    assert failed.verdict is Verdict.FAIL
    assert failed.severity is Severity.BLOCKER
    assert failed.estimate == pytest.approx(2 / 3)
    assert "example 2 gives 1, not 0" in failed.summary


def test_rows_of_a_unit_tell_less(judged: Any) -> None:
    frame = pd.concat([rows(60)] * 10, ignore_index=True)
    frame["u"] = np.tile(np.arange(60), 10)

    alone = only(judged(frame, Storm()), "Storm")
    by_unit = only(judged(frame, Storm(), roles={"unit": "u"}), "Storm")

    assert by_unit.interval.width > 2 * alone.interval.width


def test_numbers_are_the_same_within_a_tolerance(make_model: Any) -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"wind": rng.normal(size=800), "x": rng.normal(size=800)})
    frame["delay"] = 5 * frame["wind"] + 0.01 * frame["x"]
    problem = Problem(
        name="delay", statement="How late?", target="delay", task="regression",
        criteria=[Criterion("mean_absolute_error", at_most=1.0)],
    )  # fmt: skip
    model = make_model(LinearRegression(), frame, problem)

    report = RobustnessValidator(
        probes=[
            InvarianceProbe(columns=["x"]),
            DirectionProbe(column="wind", by=1.0, expects=Expects.NOT_HIGHER),
        ]
    ).validate(model, dataset_for(frame, problem), problem)

    same, up = report.findings
    assert same.verdict is Verdict.PASS
    assert up.verdict is Verdict.FAIL


class Drops(Probe):
    def _change(self, rows: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame | None:
        return rows.iloc[1:]


def test_probes_that_do_not_apply_or_drop_rows_are_told_so(judged: Any) -> None:
    report = judged(rows(60), InvarianceProbe(columns=["city"]))

    assert only(report, "InvarianceProbe").verdict is Verdict.INSUFFICIENT
    with pytest.raises(ValueError, match="Drops returned other rows"):
        judged(rows(60), Drops())
    with pytest.raises(ValueError, match="changes nothing"):
        DirectionProbe(column="wind", by=0)


@pytest.mark.slow
class TestRobustnessValidator(ValidatorConformance):
    @pytest.fixture
    def validator(self) -> Validator:
        return RobustnessValidator(max_flip_rows=20)


class TestProbesThatAreShipped(ProbeConformance):
    @pytest.fixture(
        params=[
            NoiseProbe(share=0.1),
            MissingProbe(),
            UnseenProbe(),
            UnitProbe(),
            InvarianceProbe(columns=["carrier"]),
            DirectionProbe(column="wind", by=1.0),
        ],
        ids=lambda probe: type(probe).__name__,
    )
    def probe(self, request: Any) -> Probe:
        return request.param


class Careless(Probe):
    """Draws from the global generator, and is no frozen dataclass."""

    def __init__(self) -> None:
        self.at_most = 0.05

    def _change(self, rows: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame | None:
        noise = np.random.normal(size=len(rows))  # noqa: NPY002 - the fault
        return rows.assign(wind=rows["wind"] + noise)


class Idle(Probe):
    def _change(self, rows: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame | None:
        return rows


@pytest.mark.parametrize(
    ("rule", "probe", "words"),
    [
        ("test_global_generators_are_left_alone", Careless(), "draw from rng"),
        ("test_it_is_frozen_and_travels", Careless(), "frozen dataclass"),
        ("test_something_changes", Idle(), "no row was changed"),
    ],
)
def test_the_kit_says_what_a_probe_broke(rule: str, probe: Probe, words: str) -> None:
    arguments: list[Any] = [probe] if "frozen" in rule else [probe, rows(50)]

    with pytest.raises(AssertionError, match=words):
        getattr(ProbeConformance(), rule)(*arguments)
